//! Figures that repeat, compared with recorded ones, so that a change can be refused
//! because of them. A file names the compiler, and then has a line `name: number` for
//! each figure.

use std::{collections::HashMap, fs};

use crate::shell;

/// The record of a command.
pub struct Record<'a> {
    /// From the root of the repository.
    pub file: &'a str,
    /// What is counted.
    pub what: &'a str,
    pub command: &'a str,
    /// Whether a figure grew too much: before, now.
    pub grew: fn(f64, f64) -> bool,
}

impl Record<'_> {
    /// Compares the figures with the record, or makes it.
    pub fn check(&self, compiler: &str, figures: &str, accept: bool) -> Result<(), String> {
        let Self { file, command, .. } = self;
        let path = shell::root().join(file);
        let now = format!("{compiler}\n{figures}");
        if accept {
            fs::create_dir_all(path.parent().unwrap_or(&path))
                .map_err(|error| error.to_string())?;
            return fs::write(&path, now).map_err(|error| format!("{file}: {error}"));
        }
        let kept = fs::read_to_string(&path)
            .map_err(|error| format!("{file}: {error}\n`{command} --accept` makes it"))?;
        let worse = worse(&kept, &now, self.grew);
        if worse.is_empty() {
            return Ok(());
        }
        let before = kept.lines().next().unwrap_or_default();
        let other = match before == compiler {
            true => String::new(),
            false => format!("\nrecorded with another compiler: {before}, this is {compiler}"),
        };
        Err(format!(
            "more {} than recorded:\n  {}{other}\n`{command} --accept` records the current ones",
            self.what,
            worse.join("\n  ")
        ))
    }
}

/// A line `name: number`.
pub fn parse(line: &str) -> Option<(&str, f64)> {
    let (name, number) = line.rsplit_once(": ")?;
    Some((name, number.parse().ok()?))
}

/// The figures that grew, and those in one list only.
pub fn worse(kept: &str, now: &str, grew: fn(f64, f64) -> bool) -> Vec<String> {
    let before: HashMap<&str, f64> = kept.lines().filter_map(parse).collect();
    let after: HashMap<&str, f64> = now.lines().filter_map(parse).collect();
    let mut worse = Vec::new();
    for (name, number) in now.lines().filter_map(parse) {
        match before.get(name) {
            None => worse.push(format!("{name}: not recorded, now {number:.2}")),
            Some(&kept) if grew(kept, number) => {
                worse.push(format!("{name}: {kept:.2} before, now {number:.2}"));
            }
            Some(_) => {}
        }
    }
    let gone = kept.lines().filter_map(parse);
    let gone = gone.filter(|(name, _)| !after.contains_key(name));
    worse.extend(gone.map(|(name, _)| format!("{name}: recorded, not counted any more")));
    worse
}
