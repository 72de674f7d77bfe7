//! `cargo xtask mutants`: cargo-mutants over `src/`, with the tests of a host.
//! What is left out, and why, is in `.cargo/mutants.toml`. Hours in all; a
//! part at a time with `--part K/M`. What survives is in `mutants.out`.

use std::{process::Command, time::Duration};

use crate::shell;

/// To install, and for all of it.
const LIMIT: Duration = Duration::from_secs(12 * 3600);

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    use lexopt::prelude::*;
    let (mut part, mut files) = (None, Vec::new());
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        match argument {
            Long("part") => part = Some(arguments.value().map_err(|e| e.to_string())?),
            Value(file) => files.push(file),
            other => return Err(other.unexpected().to_string()),
        }
    }
    install()?;
    let mut command = Command::new("cargo");
    command
        .current_dir(shell::root())
        .args(["mutants", "--no-shuffle", "--colors=never"]);
    if let Some(part) = part {
        command.arg("--shard").arg(part);
    }
    for file in files {
        command.arg("--file").arg(file);
    }
    let status = command.status().map_err(|e| e.to_string())?;
    match status.code() {
        // 2: some were missed; 3: some ran into the time limit, which is seen.
        Some(0 | 3) => Ok(()),
        Some(2) => Err("some mutants survive: mutants.out/missed.txt".into()),
        _ => Err(format!("cargo mutants ended with {status}")),
    }
}

/// Installs cargo-mutants, if it is not there; tries twice.
fn install() -> Result<(), String> {
    let there = || {
        let version = Command::new("cargo")
            .args(["mutants", "--version"])
            .output();
        version.is_ok_and(|output| output.status.success())
    };
    if there() {
        return Ok(());
    }
    eprintln!("installing cargo-mutants");
    for _ in 0..2 {
        let mut cargo = Command::new("cargo");
        shell::run(cargo.args(["install", "--locked", "cargo-mutants"]), LIMIT)?;
        if there() {
            return Ok(());
        }
    }
    Err(
        "cargo-mutants is missing and cannot be installed: `cargo install --locked cargo-mutants`"
            .into(),
    )
}
