//! The nightly toolchain, for Miri, the sanitizers, the fuzzer and
//! rustdoc's JSON.

use std::{path::Path, process::Command, time::Duration};

use crate::{provide, shell};

/// The limit for installing.
const LIMIT: Duration = Duration::from_secs(3600);

/// `cargo +nightly …`. rustup chooses the toolchain, through the name on the
/// search path.
pub fn cargo(what: &str) -> Command {
    let mut command = Command::new("cargo");
    command
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .args(["+nightly", what]);
    command
}

/// `cargo miri test` in the workspace, with strict provenance and these flags, and a
/// target directory in that folder. Installs Miri.
pub fn miri(flags: &str, folder: &Path) -> Result<Command, String> {
    install(&["miri", "rust-src"])?;
    let mut test = cargo("miri");
    test.current_dir(shell::root())
        .env("MIRIFLAGS", format!("-Zmiri-strict-provenance {flags}"))
        .args(["test", "--target-dir"])
        .arg(folder.join("miri"));
    Ok(test)
}

/// Makes sure that the nightly toolchain is installed, with these components.
pub fn install(components: &[&str]) -> Result<(), String> {
    let installed = || {
        let mut command = Command::new("rustup");
        command.args(["component", "list", "--toolchain", "nightly", "--installed"]);
        shell::run(&mut command, LIMIT).is_ok_and(|list| {
            let has = |name: &&str| list.stdout.lines().any(|line| line.starts_with(*name));
            list.ok() && components.iter().all(has)
        })
    };
    if installed() {
        return Ok(());
    }
    eprintln!("installing nightly {}", components.join(" "));
    let mut why = String::new();
    // A second time: the server may be busy.
    for _ in 0..2 {
        let mut command = Command::new("rustup");
        command.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
        for name in components {
            command.args(["--component", name]);
        }
        let output = provide::install(&mut command, LIMIT)?;
        if output.ok() && installed() {
            return Ok(());
        }
        why = format!("{}\n{}", output.reason(), output.tail(5));
    }
    Err(format!(
        "nightly {} is missing and cannot be installed: {why}",
        components.join(" ")
    ))
}
