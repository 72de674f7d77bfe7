//! `cargo xtask gate`: instructions of the key operations on this machine, by
//! callgrind, compared with the recorded ones. Unlike times they repeat, so a
//! change can be refused because of them.

use crate::{arguments, compare, provide, shell};
use std::{collections::HashMap, env::consts::ARCH, fs, process::Command, time::Duration};

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
    let now = format!("{}\n{}", compiler()?, output.stdout);
    print!("{}", output.stdout);
    let path = shell::root().join(format!("bench/expected/instructions-{ARCH}.txt"));
    if accept {
        fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(|error| error.to_string())?;
        return fs::write(&path, now).map_err(|error| error.to_string());
    }
    let kept = fs::read_to_string(&path).map_err(|error| {
        format!(
            "{}: {error}\n`cargo xtask gate --accept` makes it",
            path.display()
        )
    })?;
    for missed in missed(&now) {
        println!("missed: {missed}, the aim is {SLOT:.2}");
    }
    let worse = worse(&kept, &now);
    if worse.is_empty() {
        return Ok(());
    }
    let (before, after) = (kept.lines().next(), now.lines().next());
    let other = if before == after {
        String::new()
    } else {
        format!(
            "\nrecorded with another compiler: {}, this is {}",
            before.unwrap_or_default(),
            after.unwrap_or_default()
        )
    };
    Err(format!(
        "more instructions than recorded:\n  {}{other}\n`cargo xtask gate --accept` records the current counts",
        worse.join("\n  ")
    ))
}

fn compiler() -> Result<String, String> {
    let output = shell::run(
        Command::new("rustc").arg("--version"),
        Duration::from_secs(60),
    )?;
    Ok(output.stdout.trim().to_owned())
}

/// A line `name: count`.
fn parse(line: &str) -> Option<(&str, f64)> {
    let (name, count) = line.rsplit_once(": ")?;
    Some((name, count.parse().ok()?))
}

/// The slots that cost more than the aim.
fn missed(now: &str) -> impl Iterator<Item = &str> {
    let slots = now.lines().filter(|line| line.starts_with("slot "));
    slots.filter(|line| parse(line).is_some_and(|(_, count)| count > SLOT))
}

/// The counts that grew, and those in one list only.
fn worse(kept: &str, now: &str) -> Vec<String> {
    let before: HashMap<&str, f64> = kept.lines().filter_map(parse).collect();
    let after: HashMap<&str, f64> = now.lines().filter_map(parse).collect();
    let mut worse = Vec::new();
    for (name, count) in now.lines().filter_map(parse) {
        match before.get(name) {
            None => worse.push(format!("{name}: not recorded, now {count:.2}")),
            Some(kept) if count > kept * MORE => {
                worse.push(format!("{name}: {kept:.2} before, now {count:.2}"));
            }
            Some(_) => {}
        }
    }
    let gone = kept.lines().filter_map(parse);
    let gone = gone.filter(|(name, _)| !after.contains_key(name));
    worse.extend(gone.map(|(name, _)| format!("{name}: recorded, not counted any more")));
    worse
}

#[cfg(test)]
mod tests {
    use super::{missed, worse};

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
