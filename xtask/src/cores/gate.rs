//! `cargo xtask cores --gate`: the requests for lines of the crate's contestants,
//! compared with the recorded ones. They repeat, so a change can be refused because of
//! them.

use std::{collections::HashMap, fmt::Write as _, fs};

use super::Figures;
use crate::shell;

/// The numbers of threads. With more of them the order of two fields moves a figure by
/// half: the threads fall into another step.
pub const THREADS: [usize; 1] = [2];

const FILE: &str = "bench/expected/transfers-x86_64.txt";
/// How much a figure may grow: by a fourth, or a request in 20 operations. A change
/// that moves no line has made a difference of 15 percent.
const MORE: [f64; 2] = [1.25, 0.05];

/// Whose figures are kept.
pub fn has(name: &str) -> bool {
    name.starts_with("hyaline")
}

/// A line for each contestant and number of threads.
fn lines(figures: &Figures) -> Result<String, String> {
    let mut text = String::new();
    for (entry, cells) in figures {
        for (threads, cell) in cells {
            if let Some(requests) = cell.requests_each()? {
                let (row, name) = (&entry.row, &entry.name);
                let _ = writeln!(text, "{row} {name}, {threads} threads: {requests:.2}");
            }
        }
    }
    Ok(text)
}

fn parse(text: &str) -> HashMap<&str, f64> {
    text.lines()
        .filter_map(|line| line.rsplit_once(": "))
        .filter_map(|(name, number)| Some((name, number.parse().ok()?)))
        .collect()
}

/// The lines that say more than those that were kept, or something else.
fn worse(kept: &str, now: &str) -> Vec<String> {
    let (before, after) = (parse(kept), parse(now));
    let mut all: Vec<String> = (before.iter())
        .filter_map(|(name, kept)| match after.get(name) {
            Some(now) if *now <= (kept * MORE[0]).max(kept + MORE[1]) => None,
            Some(now) => Some(format!("{name}: {now:.2}, recorded {kept:.2}")),
            None => Some(format!("{name}: gone, recorded {kept:.2}")),
        })
        .collect();
    let new = after.keys().filter(|name| !before.contains_key(*name));
    all.extend(new.map(|name| format!("{name}: not recorded")));
    all.sort();
    all
}

pub fn run(figures: &Figures, compiler: &str, accept: bool) -> Result<(), String> {
    let now = lines(figures)?;
    print!("{now}");
    let path = shell::root().join(FILE);
    if accept {
        return fs::write(&path, format!("{compiler}\n{now}"))
            .map_err(|error| format!("{FILE}: {error}"));
    }
    let kept = fs::read_to_string(&path).map_err(|error| format!("{FILE}: {error}"))?;
    let worse = worse(&kept, &now);
    if worse.is_empty() {
        return Ok(());
    }
    let before = kept.lines().next().unwrap_or_default();
    let other = match before == compiler {
        true => String::new(),
        false => format!("\nrecorded with another compiler: {before}, this is {compiler}"),
    };
    Err(format!(
        "more line requests than recorded:\n  {}{other}\n\
         `cargo xtask cores --gate --accept` records the current ones",
        worse.join("\n  ")
    ))
}

#[test]
fn what_is_worse_is_told() {
    let kept = "rustc\na x, 2 threads: 1.00\na y, 2 threads: 0.00\nb x, 2 threads: 2.00\n";
    let now = "a x, 2 threads: 1.25\na y, 2 threads: 0.06\nc x, 2 threads: 2.00\n";
    let told = [
        "a y, 2 threads: 0.06, recorded 0.00",
        "b x, 2 threads: gone, recorded 2.00",
        "c x, 2 threads: not recorded",
    ];
    assert_eq!(worse(kept, now), told);
}
