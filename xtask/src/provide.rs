//! Installs what is missing: rustup targets and components, Debian packages.

use crate::shell::{Output, exists, root, run};
use std::{
    fs::{self, File},
    process::Command,
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(600);

/// The Debian package of an emulator or a tool.
fn package(program: &str) -> &str {
    match program {
        "qemu-system-arm" | "qemu-system-aarch64" => "qemu-system-arm",
        "qemu-system-riscv32" | "qemu-system-riscv64" => "qemu-system-misc",
        "qemu-system-x86_64" => "qemu-system-x86",
        "qemu-aarch64" | "qemu-riscv64" | "qemu-arm" | "qemu-s390x" | "qemu-ppc"
        | "qemu-ppc64le" => "qemu-user",
        "aarch64-linux-gnu-gcc" => "gcc-aarch64-linux-gnu",
        "riscv64-linux-gnu-gcc" => "gcc-riscv64-linux-gnu",
        "arm-linux-gnueabihf-gcc" => "gcc-arm-linux-gnueabihf",
        "s390x-linux-gnu-gcc" => "gcc-s390x-linux-gnu",
        "powerpc-linux-gnu-gcc" => "gcc-powerpc-linux-gnu",
        "powerpc64le-linux-gnu-gcc" => "gcc-powerpc64le-linux-gnu",
        "arm-none-eabi-gcc" => "gcc-arm-none-eabi",
        "riscv64-unknown-elf-gcc" => "gcc-riscv64-unknown-elf",
        "dpkg-source" => "dpkg-dev",
        "xz" => "xz-utils",
        "aarch64-linux-gnu-gcc-12" => "gcc-12-aarch64-linux-gnu",
        other => other,
    }
}

/// Makes sure that a program is installed; `extra` packages are installed with
/// it.
pub fn program(program: &str, extra: &[&str]) -> Result<(), String> {
    let name = package(program);
    installed(program, &|| exists(program), &[&[name], extra].concat())
}

/// Makes sure that a shared library is installed.
pub fn library(name: &str, package: &str) -> Result<(), String> {
    let there = || {
        let folders = std::fs::read_dir("/usr/lib")
            .into_iter()
            .flatten()
            .flatten();
        let mut folders = folders.map(|folder| folder.path());
        folders.any(|folder| folder.join(name).exists())
    };
    installed(name, &there, &[package])
}

/// Installs the packages of `name`, the first of which contains it, unless it is there.
fn installed(name: &str, there: &dyn Fn() -> bool, packages: &[&str]) -> Result<(), String> {
    if there() {
        return Ok(());
    }
    let tried = debian(packages);
    if there() {
        return Ok(());
    }
    let why = tried
        .err()
        .unwrap_or_else(|| "it is still not there".into());
    let package = packages[0];
    Err(format!(
        "{name} is missing (Debian package {package}): {why}"
    ))
}

/// Installs Debian packages; on failure updates the lists and tries once more.
fn debian(packages: &[&str]) -> Result<(), String> {
    if !exists("apt-get") {
        return Err("no apt-get here, install it manually".into());
    }
    eprintln!("installing {}", packages.join(" "));
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    if apt(&install).is_ok() {
        return Ok(());
    }
    apt(&["update"])?;
    apt(&install)
}

/// Fetches the lists of packages.
pub fn update() -> Result<(), String> {
    apt(&["update"])
}

/// Runs a command that installs, when no other one does: steps of CI run side by
/// side, and neither apt-get nor rustup waits for another.
pub fn install(command: &mut Command, limit: Duration) -> Result<Output, String> {
    let folder = root().join("target");
    let path = folder.join("install.lock");
    let file = fs::create_dir_all(&folder).and_then(|()| File::create(&path));
    let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    let mut lock = fd_lock::RwLock::new(file);
    let _alone = lock.write().map_err(|error| error.to_string())?;
    run(command, limit)
}

fn apt(arguments: &[&str]) -> Result<(), String> {
    let root = run(Command::new("id").arg("-u"), LIMIT)?.stdout.trim() == "0";
    // Never asks for a password: nobody may be present to enter it.
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.args(["-n", "apt-get"]);
    }
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(arguments);
    let done = install(&mut command, LIMIT)?;
    if done.ok() {
        return Ok(());
    }
    let said = done.stderr.lines().last().unwrap_or_default();
    Err(format!(
        "apt-get {}: {} ({said})",
        arguments[0],
        done.reason()
    ))
}

/// Makes sure that the standard library of a target is installed.
pub fn target(name: &str) -> Result<(), String> {
    rustup("target", name, name)
}

/// Makes sure that another toolchain is installed.
pub fn toolchain(version: &str) -> Result<(), String> {
    let has = || {
        let mut command = Command::new("rustup");
        command.args(["run", version, "rustc", "--version"]);
        run(&mut command, LIMIT).is_ok_and(|output| output.ok())
    };
    let mut why = String::new();
    // A second time: the server may be busy.
    for _ in 0..2 {
        if has() {
            return Ok(());
        }
        eprintln!("installing Rust {version}");
        let mut command = Command::new("rustup");
        command.args(["toolchain", "install", version, "--profile", "minimal"]);
        let output = install(&mut command, LIMIT)?;
        why = format!("{}\n{}", output.reason(), output.tail(5));
    }
    match has() {
        true => Ok(()),
        false => Err(format!(
            "Rust {version} is missing and cannot be installed: {why}"
        )),
    }
}

/// Makes sure that the LLVM tools are installed.
pub fn llvm_tools() -> Result<(), String> {
    rustup("component", "llvm-tools", "llvm-tools")
}

fn rustup(kind: &str, name: &str, listed: &str) -> Result<(), String> {
    let installed = || -> Result<bool, String> {
        let list = run(
            Command::new("rustup").args([kind, "list", "--installed"]),
            LIMIT,
        )?;
        Ok(list.ok() && list.stdout.lines().any(|line| line.starts_with(listed)))
    };
    if installed()? {
        return Ok(());
    }
    eprintln!("adding the rustup {kind} {name}");
    for _ in 0..2 {
        if install(Command::new("rustup").args([kind, "add", name]), LIMIT)?.ok() {
            return Ok(());
        }
    }
    Err(format!(
        "rustup {kind} {name} is missing and cannot be added"
    ))
}
