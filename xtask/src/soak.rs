//! `cargo xtask soak`: for as long as requested, torture in both schemes with a
//! new seed each time, the model with new random sequences, and the self-test
//! on the machines with several cores. Threads die in their sections and are
//! evicted, reclaimers panic, pools run out. It stops at the first failure and
//! prints its seed; `--minutes 0 --seed` starts with that one.

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::shell;

/// The limit of one part.
const LIMIT: Duration = Duration::from_secs(600);
/// The time of torture in one scheme.
const SECONDS: &str = "20";
const MACHINES: [&str; 6] = [
    "riscv64-m",
    "aarch64-el1",
    "armv7a",
    "x86_64",
    "riscv64-s",
    "aarch64-el2",
];

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    use lexopt::prelude::*;
    let (mut minutes, mut boards) = (10_u64, true);
    // A new one each time.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut seed = now.map_or(0, |now| now.as_secs());
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        match argument {
            Long("minutes") => {
                let value = arguments.value().map_err(|e| e.to_string())?;
                minutes = value.parse().map_err(|e| e.to_string())?;
            }
            Long("seed") => {
                let value = arguments.value().map_err(|e| e.to_string())?;
                seed = value.parse().map_err(|e| e.to_string())?;
            }
            Long("no-boards") => boards = false,
            other => return Err(other.unexpected().to_string()),
        }
    }
    println!("--seed {seed}");
    let start = Instant::now();
    let end = Duration::from_secs(60 * minutes);
    let mut round = 0;
    let mut totals = BTreeMap::new();
    // At least once.
    while round == 0 || start.elapsed() < end {
        round += 1;
        let seed = (seed + round as u64 - 1).to_string();
        for scheme in [&[][..], &["--robust"]] {
            let example = ["run", "--quiet", "--release", "--example", "torture", "--"];
            let options = ["--json", "--seconds", SECONDS, "--seed", &seed];
            let mut torture = Command::new("cargo");
            torture.args(example).args(options).args(scheme);
            let numbers = piece(&mut torture, "torture", &seed)?;
            println!("{}", numbers.trim());
            add(&mut totals, &numbers);
        }
        let mut tests = Command::new("cargo");
        tests
            .args(["test", "--quiet", "--release", "--test=model"])
            .args(["--test=collector", "--test=supervise", "--test=faults"])
            .env("PROPTEST_RNG_SEED", &seed)
            .env("PROPTEST_CASES", "20000");
        piece(&mut tests, "the tests", &seed)?;
        if boards {
            let machine = MACHINES[round % MACHINES.len()];
            let mut qemu = Command::new("cargo");
            piece(qemu.args(["xtask", "qemu", machine]), machine, &seed)?;
        }
        println!("round {round}: {} s", start.elapsed().as_secs());
    }
    for (name, total) in totals {
        println!("torture: {name:<18} {total:>14}");
    }
    println!(
        "{round} rounds in {} minutes, nothing found",
        start.elapsed().as_secs() / 60
    );
    Ok(())
}

/// Adds up the fields of a line of JSON that count events.
fn add(totals: &mut BTreeMap<String, u64>, line: &str) {
    for field in line.trim().trim_matches(['{', '}']).split(',') {
        let Some((name, value)) = field.split_once(':') else {
            continue;
        };
        let name = name.trim_matches('"');
        // Levels do not add up.
        let is_level = ["peak_pending", "available"].contains(&name);
        if let (false, Ok(value)) = (is_level, value.parse::<u64>()) {
            *totals.entry(name.to_string()).or_default() += value;
        }
    }
}

fn piece(command: &mut Command, name: &str, seed: &str) -> Result<String, String> {
    let output = shell::run(command.current_dir(shell::root()), LIMIT)?;
    if output.ok() {
        return Ok(output.stdout.clone());
    }
    Err(format!(
        "seed {seed}: {name}: {}\n{}",
        output.reason(),
        output.tail(40)
    ))
}
