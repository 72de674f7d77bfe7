//! `cargo xtask gate`: instructions of the key operations on this machine, by
//! callgrind, compared with the recorded ones. Unlike times they repeat.

use crate::{
    arguments, compare, provide,
    recorded::{Record, parse},
    shell,
};
use std::{env::consts::ARCH, process::Command, time::Duration};

/// How much a count may grow: 2 percent. Another linker arranges code
/// differently.
const MORE: f64 = 1.02;
/// The most that one slot may cost a publish that scans it.
const SLOT: f64 = 2.0;

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let [accept] = arguments::flags(parser, ["accept"])?;
    provide::program("valgrind", &[])?;
    // Built first, so that the limit below is for the counting alone.
    let built = compare::build("build")
        .arg("--quiet")
        .status()
        .map_err(|error| error.to_string())?;
    if !built.success() {
        return Err("the benchmarks do not build".into());
    }
    let mut counting = compare::build("run");
    counting.args(["--quiet", "--", "--instructions"]);
    let output = shell::run(&mut counting, Duration::from_secs(600))?;
    if !output.ok() {
        return Err(format!("{}\n{}", output.reason(), output.tail(20)));
    }
    print!("{}", output.stdout);
    if !accept {
        for missed in missed(&output.stdout) {
            println!("missed: {missed}, the aim is {SLOT:.2}");
        }
    }
    let file = format!("bench/expected/instructions-{ARCH}.txt");
    let record = Record {
        file: &file,
        what: "instructions",
        command: "cargo xtask gate",
        grew,
    };
    record.check(&compiler()?, &output.stdout, accept)
}

fn grew(before: f64, now: f64) -> bool {
    now > before * MORE
}

fn compiler() -> Result<String, String> {
    let output = shell::run(
        Command::new("rustc").arg("--version"),
        Duration::from_secs(60),
    )?;
    Ok(output.stdout.trim().to_owned())
}

/// The slots that cost more than the aim.
fn missed(now: &str) -> impl Iterator<Item = &str> {
    let slots = now.lines().filter(|line| line.starts_with("slot "));
    slots.filter(|line| parse(line).is_some_and(|(_, count)| count > SLOT))
}

#[cfg(test)]
mod tests {
    use super::{grew, missed};
    use crate::recorded;

    fn worse(kept: &str, now: &str) -> Vec<String> {
        recorded::worse(kept, now, grew)
    }

    #[test]
    fn only_a_rise_is_refused() {
        let kept = "rustc 1\nread a: 100.00\n";
        assert!(worse(kept, "rustc 2\nread a: 101.00\n").is_empty());
        assert!(worse(kept, "rustc 1\nread a: 50.00\n").is_empty());
        assert_eq!(
            worse(kept, "rustc 1\nread a: 103.00\n"),
            ["read a: 100.00 before, now 103.00"]
        );
        assert_eq!(worse(kept, "rustc 1\n").len(), 1);
        assert_eq!(worse("rustc 1\n", kept).len(), 1);
    }

    #[test]
    fn slots_have_a_limit() {
        let now = "slot a: 2.00\nslot b: 2.01\nread c: 9.00\n";
        assert_eq!(missed(now).collect::<Vec<_>>(), ["slot b: 2.01"]);
    }
}
