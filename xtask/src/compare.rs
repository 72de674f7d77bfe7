//! `cargo xtask compare`: the crate and its peers, on the same work.

use crate::{
    provide,
    shell::{self, cargo},
};
use std::process::Command;

/// Passes its arguments to the program that compares.
pub fn run(mut parser: lexopt::Parser) -> Result<(), String> {
    let arguments: Vec<_> = parser
        .raw_args()
        .map_err(|error| error.to_string())?
        .collect();
    if let Err(reason) = provide::program("valgrind", &[]) {
        eprintln!("{reason}\ncontinuing; the tables will have no instruction counts");
    }
    let mut command = build("run");
    command.arg("--").args(arguments);
    // Its output appears as it comes.
    let status = command.status().map_err(|error| error.to_string())?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("compare: {status}"))
    }
}

/// A cargo command on the program that compares, built as for all measurements.
pub fn build(what: &str) -> Command {
    let mut command = cargo();
    command
        .current_dir(shell::root())
        // The outer cargo's flags must not influence the measurement.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", FLAGS)
        .args([what, "--profile", "compare", "--package", "hyaline-bench"])
        .args(["--bin", "compare"]);
    command
}

/// kovan needs the wide compare-and-swap compiled in, and is slower without.
#[cfg(target_arch = "x86_64")]
const FLAGS: &str = "-Ctarget-feature=+cmpxchg16b";
#[cfg(not(target_arch = "x86_64"))]
const FLAGS: &str = "";
