//! Boots a kernel with an initial file system of ours.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    build::sources,
    kernel::{Flavour, Kernel},
};
use crate::{
    capi::checked,
    files::{copy, fresh},
    shell,
    verdicts::System,
};

const PACK: Duration = Duration::from_secs(60);

/// What the kernel says.
pub const LINUX: System = System {
    complaints: &[
        "BUG:",
        "kernel BUG",
        "WARNING:",
        "Oops",
        "Call Trace",
        "Kernel panic",
        "general protection fault",
        "detected stall",
        "blocked for more than",
        "BUG kmalloc",
        "Objects remaining",
        "scheduling while atomic",
    ],
    misuse: ["hyaline: panic: the token", "kernel BUG at"],
};

/// What it says when it is misused in an interrupt.
pub const STOPPED: System = System {
    misuse: ["kernel BUG at", "Fatal exception in interrupt"],
    ..LINUX
};

/// Packs our first process, a shell and modules.
pub fn file_system(folder: &Path, shell: &Path, modules: &[PathBuf]) -> Result<PathBuf, String> {
    let root = folder.join("root");
    fresh(&root)?;
    for name in ["bin", "dev", "proc", "sys"] {
        fs::create_dir(root.join(name)).map_err(|error| error.to_string())?;
    }
    copy(shell, &root.join("bin/busybox"))?;
    copy(&sources().join("init"), &root.join("init"))?;
    for module in modules {
        copy(module, &root.join(module.file_name().unwrap_or_default()))?;
    }
    let packed = folder.join("initrd");
    let mut pack = Command::new("sh");
    pack.current_dir(&root).args([
        "-ec",
        "chmod 755 init bin/busybox; find . | cpio --quiet -o -H newc > ../initrd",
    ]);
    checked(&mut pack, PACK)?;
    Ok(packed)
}

/// Boots, and returns the console's text.
pub fn boot(
    flavour: &Flavour,
    kernel: &Kernel,
    files: &Path,
    parameters: &str,
    limit: Duration,
) -> Result<String, String> {
    let mut emulator = Command::new(flavour.emulator);
    emulator
        .args(["-accel", "tcg,thread=multi"])
        .args(flavour.machine)
        .args(["-smp", "4", "-m", "1024", "-kernel"])
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(files)
        .arg("-append")
        // The timer is not checked: where QEMU waits for a processor, that can fail, and
        // ends the boot.
        .arg(format!(
            "console={} quiet loglevel=7 printk.devkmsg=on panic=-1 oops=panic \
             no_timer_check {parameters}",
            flavour.console
        ))
        .args(["-nodefaults", "-nographic", "-no-reboot"])
        .args(["-monitor", "none", "-serial", "stdio"]);
    let output = shell::run(&mut emulator, limit)?;
    if output.ok() {
        return Ok(output.stdout);
    }
    Err(format!("{}\n{}", output.reason(), output.tail(40)))
}
