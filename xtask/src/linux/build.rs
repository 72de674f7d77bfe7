//! A module: our files, the library as one object, and the kernel's build.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::kernel::{Flavour, Kernel, cache};
use crate::{
    capi::{checked, kernel_object},
    files::{copy, copy_all, fresh},
    shell,
};

const BUILD: Duration = Duration::from_secs(600);

/// Our sources.
pub fn sources() -> PathBuf {
    shell::targets().join("linux")
}

/// A folder for `test`, with our files, the header and the library.
pub fn prepare(flavour: &Flavour, test: &str) -> Result<PathBuf, String> {
    let folder = cache().join(format!("{}-{test}", flavour.name));
    let library = kernel_object(flavour.target)?;
    fresh(&folder)?;
    copy_all(&sources().join("c"), &folder)?;
    copy(
        &shell::root().join("capi/hyaline.h"),
        &folder.join("hyaline.h"),
    )?;
    copy(&library, &folder.join("hyaline.o_shipped"))?;
    // The kernel's build asks how each object was made.
    fs::write(folder.join(".hyaline.o.cmd"), "").map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Builds the module `name` in a prepared folder.
pub fn module(
    flavour: &Flavour,
    kernel: &Kernel,
    folder: &Path,
    name: &str,
) -> Result<PathBuf, String> {
    let mut make = Command::new("make");
    make.arg("-C")
        .arg(&kernel.headers)
        .arg(format!("M={}", folder.display()))
        .args(flavour.make)
        .args([&format!("HYALINE_MODULE={name}"), "modules"]);
    checked(&mut make, BUILD)?;
    let module = folder.join(format!("{name}.ko"));
    match module.exists() {
        true => Ok(module),
        false => Err(format!("{} was not built", module.display())),
    }
}
