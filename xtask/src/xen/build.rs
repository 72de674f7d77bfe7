//! The hypervisor, with a folder of ours in its own build; and the guest.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use super::{COMPILER, TARGET, cache};
use crate::{
    capi::{checked, kernel_object, tool},
    files::{copy, copy_all, fresh},
    shell,
};

const BUILD: Duration = Duration::from_secs(900);
const LINK: Duration = Duration::from_secs(60);
const PREFIX: &str = "aarch64-linux-gnu-";

/// Our sources.
fn ours() -> PathBuf {
    shell::targets().join("xen")
}

/// Builds Xen with our folder, and returns its image.
pub fn xen(source: &Path) -> Result<PathBuf, String> {
    let xen = source.join("xen");
    let folder = xen.join("common/hyaline");
    let library = kernel_object(TARGET)?;
    fresh(&folder)?;
    copy_all(&ours().join("c"), &folder)?;
    copy(
        &shell::root().join("capi/hyaline.h"),
        &folder.join("hyaline.h"),
    )?;
    let mut link = Command::new(format!("{PREFIX}ld"));
    link.arg("-r")
        .arg("-T")
        .arg(folder.join("merge.lds"))
        .arg(library)
        .arg("-o")
        .arg(folder.join("hyaline.o_shipped"));
    checked(&mut link, LINK)?;
    add_folder(&xen.join("common/Makefile"))?;
    make(&xen, "allnoconfig")?;
    let config = fs::read_to_string(xen.join(".config")).map_err(|error| error.to_string())?;
    let wanted = fs::read_to_string(ours().join("config")).map_err(|error| error.to_string())?;
    for setting in wanted.lines().filter(|line| line.starts_with("CONFIG_")) {
        if !config.lines().any(|line| line == setting) {
            return Err(format!("this Xen does not take the setting {setting}"));
        }
    }
    make(&xen, "xen")?;
    Ok(xen.join("xen"))
}

/// Names our folder in the Makefile of the folder that holds it.
fn add_folder(makefile: &Path) -> Result<(), String> {
    let line = "obj-y += hyaline/";
    let text = fs::read_to_string(makefile).map_err(|error| error.to_string())?;
    if text.lines().any(|other| other == line) {
        return Ok(());
    }
    fs::write(makefile, format!("{text}{line}\n")).map_err(|error| error.to_string())
}

fn make(xen: &Path, what: &str) -> Result<(), String> {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut make = Command::new("make");
    make.arg("-C")
        .arg(xen)
        .arg(format!("-j{jobs}"))
        .arg("XEN_TARGET_ARCH=arm64")
        .arg(format!("CROSS_COMPILE={PREFIX}"))
        .arg(format!("CC={COMPILER}"))
        .arg(format!(
            "KCONFIG_ALLCONFIG={}",
            ours().join("config").display()
        ))
        .arg(what);
    checked(&mut make, BUILD).map(drop)
}

/// The guest's image.
pub fn guest() -> Result<PathBuf, String> {
    let (object, image) = (cache().join("guest.o"), cache().join("guest"));
    let mut compile = Command::new(COMPILER);
    compile.args(["-c", "-o"]).arg(&object);
    checked(compile.arg(ours().join("guest.S")), LINK)?;
    let mut objcopy = tool("llvm-objcopy")?;
    checked(objcopy.args(["-O", "binary"]).arg(object).arg(&image), LINK)?;
    Ok(image)
}
