//! `cargo xtask fuzz`: the sequences of `tests/model.rs` from a fuzzer, under
//! AddressSanitizer and with debug assertions. Needs nightly, cargo-fuzz (a
//! minute and a half to install) and a C++ compiler; the first build takes a
//! minute. Inputs of interest stay in `fuzz/corpus`, from which the next run
//! starts.

use std::{process::Command, time::Duration};

use crate::{
    nightly,
    shell::{self, exists},
};

/// The longest input: a setup and 150 operations.
const LONGEST: usize = 1 + 3 * 150;
/// The limit for installing and for building.
const LIMIT: Duration = Duration::from_secs(1800);

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    use lexopt::prelude::*;
    let mut seconds = 60_u32;
    let mut show = None;
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        match argument {
            Long("seconds") => {
                let value = arguments.value().map_err(|e| e.to_string())?;
                seconds = value.parse().map_err(|e| e.to_string())?;
            }
            Long("show") => show = Some(arguments.value().map_err(|e| e.to_string())?),
            other => return Err(other.unexpected().to_string()),
        }
    }
    nightly::install(&[])?;
    install()?;
    let built = shell::run(fuzz("build").arg("model"), LIMIT)?;
    if !built.ok() {
        return Err(format!(
            "the fuzz target does not build: {}\n{}",
            built.reason(),
            built.tail(40)
        ));
    }
    let mut command = fuzz("run");
    command.arg("model");
    if let Some(file) = show {
        let output = shell::run(command.arg(file).env("SHOW", "1"), LIMIT)?;
        print!("{}", output.stderr);
        return Ok(());
    }
    command
        .arg("--")
        .args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={LONGEST}"),
        ])
        .args(["-print_final_stats=1", "-timeout=30"]);
    let limit = Duration::from_secs(u64::from(seconds)) + LIMIT;
    let output = shell::run(&mut command, limit)?;
    let figures = ["cov: ", "stat::number_of_executed_units", "stat::average"];
    if !output.ok() {
        return Err(format!(
            "found something: {}; `cargo xtask fuzz --show FILE` prints the sequence\n{}",
            output.reason(),
            output.tail(60)
        ));
    }
    for figure in figures {
        let line = output.stderr.lines().rfind(|line| line.contains(figure));
        println!("{}", line.unwrap_or_default());
    }
    Ok(())
}

/// `cargo +nightly fuzz …`.
fn fuzz(what: &str) -> Command {
    let mut command = nightly::cargo("fuzz");
    command.current_dir(shell::root()).arg(what);
    command
}

/// Installs cargo-fuzz if it is missing; tries twice, a registry may be busy.
fn install() -> Result<(), String> {
    if exists("cargo-fuzz") {
        return Ok(());
    }
    eprintln!("installing cargo-fuzz");
    let mut why = String::new();
    for _ in 0..2 {
        let mut command = shell::cargo();
        let output = shell::run(command.args(["install", "cargo-fuzz", "--locked"]), LIMIT)?;
        if output.ok() && exists("cargo-fuzz") {
            return Ok(());
        }
        why = format!("{}\n{}", output.reason(), output.tail(5));
    }
    Err(format!(
        "cargo-fuzz is missing and cannot be installed: {why}"
    ))
}
