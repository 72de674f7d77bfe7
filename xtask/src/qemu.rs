//! `cargo xtask qemu`: builds and boots every machine.

use crate::{
    arguments,
    machines::{MACHINES, Machine, PASSED, Pass},
    provide,
    shell::{self, Build},
};
use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

/// Far more than any machine needs: it ends a hang. `HYALINE_BOOT_SECONDS` is for a
/// longer run.
fn limit() -> Result<Duration, String> {
    let seconds = match std::env::var("HYALINE_BOOT_SECONDS") {
        Ok(seconds) => {
            (seconds.parse()).map_err(|error| format!("HYALINE_BOOT_SECONDS={seconds}: {error}"))?
        }
        Err(_) => 300,
    };
    Ok(Duration::from_secs(seconds))
}

pub enum Outcome {
    Passed,
    Failed(String),
    /// Something that the machine needs cannot be installed.
    Missing(String),
}

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let known = MACHINES.iter().map(|machine| machine.name);
    let ([list, allow_missing, verbose], names) =
        arguments::flags_and_names(parser, ["list", "allow-missing", "verbose"], known)?;
    if list {
        for machine in MACHINES {
            println!(
                "{:<22} {:<28} {}",
                machine.name, machine.target, machine.about
            );
        }
        return Ok(());
    }
    let chosen = MACHINES.iter().filter(|machine| names.choose(machine.name));
    let mut tally = Tally::new(allow_missing);
    for machine in chosen {
        let start = Instant::now();
        let outcome = boot(machine, verbose).unwrap_or_else(Outcome::Failed);
        tally.note(machine.name, outcome, start.elapsed());
    }
    tally.close()
}

/// Counts results and prints a line for each.
pub struct Tally {
    allow_missing: bool,
    passed: usize,
    failed: usize,
    skipped: Vec<String>,
}

impl Tally {
    pub fn new(allow_missing: bool) -> Self {
        Self {
            allow_missing,
            passed: 0,
            failed: 0,
            skipped: Vec::new(),
        }
    }

    pub fn note(&mut self, name: &str, outcome: Outcome, took: Duration) {
        let seconds = took.as_secs_f64();
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                println!("{name:<22} ok      {seconds:5.1} s");
            }
            Outcome::Missing(reason) if self.allow_missing => {
                println!("{name:<22} skipped          {reason}");
                self.skipped.push(name.into());
            }
            Outcome::Failed(reason) | Outcome::Missing(reason) => {
                self.failed += 1;
                println!("{name:<22} FAILED  {seconds:5.1} s  {}", reason.trim_end());
            }
        }
    }

    /// The closing line, and the result of the command.
    pub fn close(self) -> Result<(), String> {
        if !self.skipped.is_empty() {
            println!("skipped: {}", self.skipped.join(", "));
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        // The failures are printed above.
        if self.failed == 0 {
            Ok(())
        } else {
            Err(String::new())
        }
    }
}

/// Installs what a machine needs, builds its firmware and boots it.
fn boot(machine: &Machine, verbose: bool) -> Result<Outcome, String> {
    let provided = provide::target(machine.target)
        .and_then(|()| provide::program(machine.emulator, &[]))
        .and_then(|()| {
            machine
                .compiler()
                .map_or(Ok(()), |gcc| provide::program(gcc, &[]))
        });
    if let Err(reason) = provided {
        return Ok(Outcome::Missing(reason));
    }
    let image = Build {
        package: machine.package,
        bin: machine.bin,
        features: machine.features,
        cfg: machine.cfg,
        target: machine.target,
        profile: "release",
    }
    .run()?;
    let mut emulator = Command::new(machine.emulator);
    emulator
        .args(machine.arguments)
        .args(machine.common())
        .arg("-kernel")
        .arg(image);
    let output = shell::run(&mut emulator, limit()?)?;
    if verbose {
        print!("{}", output.stdout);
    }
    if !output.ok() {
        return Err(format!("{}\n{}", output.reason(), output.tail(20)));
    }
    match machine.pass {
        Pass::SelfTest if output.stdout.lines().last() == Some(PASSED) => Ok(Outcome::Passed),
        Pass::SelfTest => Err(format!(
            "the last line is not '{PASSED}'\n{}",
            output.tail(20)
        )),
        Pass::Output(file) => compare(file, &output.stdout),
    }
}

fn compare(file: &str, actual: &str) -> Result<Outcome, String> {
    let path = shell::targets().join("expected").join(file);
    let expected = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
    if expected == actual {
        return Ok(Outcome::Passed);
    }
    Err(format!(
        "the output differs from {file}\n{}",
        diff(&expected, actual)
    ))
}

/// The lines that are in one text only, marked.
pub fn diff(expected: &str, actual: &str) -> String {
    let missing = expected
        .lines()
        .filter(|line| !actual.lines().any(|other| other == *line));
    let fresh = actual
        .lines()
        .filter(|line| !expected.lines().any(|other| other == *line));
    let missing = missing.map(|line| format!("    - {line}\n"));
    missing
        .chain(fresh.map(|line| format!("    + {line}\n")))
        .collect()
}
