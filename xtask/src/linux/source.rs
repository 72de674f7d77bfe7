//! The kernel's own tests: a few files of its source package, taken out and
//! patched when the check runs. They are GPL, and stay out of the repository.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use super::kernel::{AMD64, Kernel, cache, download};
use crate::{
    capi::checked,
    files::{copy, ending, fresh},
};

const UNPACK: Duration = Duration::from_secs(900);

/// The files that are used.
const FILES: [&str; 5] = [
    "rcu/rcu.h",
    "rcu/rcutorture.c",
    "rcu/refscale.c",
    "rcu/rcuscale.c",
    "torture.c",
];

/// A replacement in such a file. The text must be there once.
pub struct Patch {
    pub file: &'static str,
    pub text: &'static str,
    pub by: &'static str,
}

/// The folder of the files, from an earlier run or downloaded.
fn source(kernel: &Kernel) -> Result<PathBuf, String> {
    let folder = cache().join(format!("source-{}", kernel.version));
    let done = folder.join("whole");
    if done.exists() {
        return Ok(folder);
    }
    fresh(&folder)?;
    let mut numbers = kernel.version.split('.');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        return Err(format!("{} is no version of a kernel", kernel.version));
    };
    let package = format!("linux-source-{major}.{minor}");
    // Debian keeps only the newest version: an older kernel that was kept here
    // has to be deleted with its source.
    download(&AMD64, &folder, &[format!("{package}={}", kernel.version)])
        .map_err(|why| format!("{why}\ndelete {} to begin anew", cache().display()))?;
    for file in ending(&folder, ".deb")? {
        let wanted = FILES.map(|file| format!("{package}/kernel/{file}"));
        let script = format!(
            "dpkg-deb --fsys-tarfile '{}' | tar -xO ./usr/src/{package}.tar.xz | xz -dc \
             | tar -x --strip-components=2 {}",
            file.display(),
            wanted.join(" ")
        );
        let mut unpack = Command::new("sh");
        checked(unpack.current_dir(&folder).args(["-ec", &script]), UNPACK)?;
        fs::remove_file(&file).map_err(|error| error.to_string())?;
    }
    fs::write(&done, "").map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Copies the files into the folder of a module and patches them.
pub fn add(kernel: &Kernel, folder: &std::path::Path, patches: &[Patch]) -> Result<(), String> {
    let source = source(kernel)?;
    fs::create_dir_all(folder.join("rcu")).map_err(|error| error.to_string())?;
    for file in FILES {
        copy(&source.join(file), &folder.join(file))?;
    }
    for patch in patches {
        let path = folder.join(patch.file);
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        if text.matches(patch.text).count() != 1 {
            return Err(format!(
                "{} of Linux {} has another form; it has not once: {}",
                patch.file, kernel.version, patch.text
            ));
        }
        let text = text.replace(patch.text, patch.by);
        fs::write(&path, text).map_err(|error| error.to_string())?;
    }
    Ok(())
}
