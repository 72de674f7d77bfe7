//! `cargo xtask orderings`: is every ordering and every barrier needed?
//!
//! Each atomic ordering of the algorithm is weakened by a step, each barrier
//! and each look that the argument rests on is taken out, one at a time in a
//! copy of the crate, and the loom models run until one fails. What none of
//! them catches must be in `xtask/orderings.allowed`, with the reason.
//! [`changes`] knows what can be weakened.

mod changes;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use self::changes::{Change, all_changes};
use crate::shell;

/// The longest that one model may take.
const LIMIT: Duration = Duration::from_secs(120);

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    let (mut list, mut unchanged, mut part, mut only) = (false, true, None, None);
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        use lexopt::prelude::*;
        match argument {
            Long("list") => list = true,
            // For those who have just seen that the models pass.
            Long("skip-unchanged") => unchanged = false,
            // K/M: every M-th weakening, from the K-th on.
            Long("part") => {
                let value = arguments.value().map_err(|e| e.to_string())?;
                part = Some(parse_part(&value.to_string_lossy())?);
            }
            Value(value) if only.is_none() => only = Some(value.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let mut changes = all_changes(&shell::root())?;
    let allowed = allowed(&changes)?;
    if let Some(only) = only {
        changes.retain(|change| change.file.contains(&only));
    }
    if let Some((first, step)) = part {
        changes = changes.into_iter().skip(first).step_by(step).collect();
    }
    if changes.is_empty() {
        return Err("nothing to weaken there".into());
    }
    if list {
        for change in &changes {
            println!("{:4}  {}", change.line, change.entry);
        }
        return Ok(());
    }
    check(&changes, &allowed, unchanged)
}

/// The entries of the list of what may survive; each is of one weakening.
fn allowed(changes: &[Change]) -> Result<Vec<String>, String> {
    let list = read(&shell::root().join("xtask/orderings.allowed"))?;
    let entries = list.lines().filter(|line| line.starts_with("src/"));
    let entries: Vec<_> = entries.map(str::to_owned).collect();
    for entry in &entries {
        let places = changes.iter().filter(|change| change.entry == *entry);
        match places.count() {
            1 => {}
            count => return Err(format!("orderings.allowed: {count} places: {entry}")),
        }
    }
    Ok(entries)
}

fn parse_part(text: &str) -> Result<(usize, usize), String> {
    let parsed = text
        .split_once('/')
        .and_then(|(k, m)| Some((k.parse().ok()?, m.parse().ok()?)));
    match parsed {
        Some((k, m)) if k < m => Ok((k, m)),
        _ => Err(format!(
            "--part takes K/M with K from 0 to M-1, not `{text}`"
        )),
    }
}

/// Runs the models over each change and prints a line for it; before that over
/// the source as it is, if asked.
fn check(changes: &[Change], allowed: &[String], unchanged: bool) -> Result<(), String> {
    let start = Instant::now();
    let copy = Copy::make()?;
    let mut models = Models::default();
    for narrow in [false, true].into_iter().filter(|_| unchanged) {
        if let Verdict::Caught(model) = models.run(&copy, narrow, false)? {
            return Err(format!(
                "the models fail before anything is weakened: {model}"
            ));
        }
    }
    let (mut caught, mut excused, mut survived, mut stale) = (0, 0, 0, 0);
    for change in changes {
        let original = copy.read(&change.file)?;
        copy.write(&change.file, &change.text)?;
        // The narrow clock is another file; all else is the same in both.
        let narrow = change.file.contains("split");
        let verdict = models.run(&copy, narrow, true)?;
        copy.write(&change.file, &original)?;
        let told = match (verdict, allowed.contains(&change.entry)) {
            (Verdict::Caught(model), false) => {
                caught += 1;
                model
            }
            (Verdict::Survived, true) => {
                excused += 1;
                "survives, see orderings.allowed".into()
            }
            (Verdict::Survived, false) => {
                survived += 1;
                format!("SURVIVES: {}", change.entry)
            }
            (Verdict::Caught(model), true) => {
                stale += 1;
                format!("{model}; TAKE IT FROM THE LIST: {}", change.entry)
            }
        };
        println!(
            "{:24} {:4}  {:42} {told}",
            change.file, change.line, change.what
        );
    }
    let seconds = start.elapsed().as_secs();
    println!("{caught} caught, {excused} excused, {survived} survive; {seconds} s");
    if survived + stale == 0 {
        Ok(())
    } else {
        Err("what survives is not what `xtask/orderings.allowed` lists, see above".into())
    }
}

enum Verdict {
    Caught(String),
    Survived,
}

/// The models, and what is known of them: those that caught most run first.
#[derive(Default)]
struct Models {
    score: HashMap<String, u32>,
}

impl Models {
    fn run(&mut self, copy: &Copy, narrow: bool, is_weakened: bool) -> Result<Verdict, String> {
        let program = copy.build(narrow)?;
        let listed = shell::run(
            Command::new(&program).args(["--list", "--format=terse"]),
            LIMIT,
        )?;
        let mut names: Vec<&str> = listed
            .stdout
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            // Those of the layer above say nothing about this one, and those of
            // each pair little that others do not.
            .filter(|name| !name.starts_with("safe::") && !name.starts_with("pairs::"))
            .collect();
        names.sort_by_key(|name| std::cmp::Reverse(self.score.get(*name).copied().unwrap_or(0)));
        for name in names {
            let ran = shell::run(Command::new(&program).args(["--exact", name]), LIMIT)?;
            if ran.timed_out {
                // It says nothing: the other models go on.
                println!("{name} takes longer than {} s", LIMIT.as_secs());
                continue;
            }
            if is_weakened && ran.stdout.contains("exceeded maximum number of branches") {
                // Nor does this: a wait for another thread, tried for ever.
                println!("{name} did not end");
                continue;
            }
            if !ran.ok() {
                *self.score.entry(name.to_owned()).or_default() += 1;
                return Ok(Verdict::Caught(name.to_owned()));
            }
        }
        Ok(Verdict::Survived)
    }
}

/// A copy of the crate to be changed.
struct Copy(PathBuf);

impl Copy {
    fn make() -> Result<Self, String> {
        let root = shell::root();
        let folder = root.join("target/orderings");
        for part in ["src", "tests"] {
            let _ = fs::remove_dir_all(folder.join(part));
            copy_folder(&root.join(part), &folder.join(part))?;
        }
        // The members of the workspace and the examples stay behind.
        let manifest = read(&root.join("Cargo.toml"))?;
        let package = manifest.split("[workspace]").next().unwrap_or_default();
        let package: String = package
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("selftest"))
            .collect();
        write(
            &folder.join("Cargo.toml"),
            &format!("{package}[workspace]\n"),
        )?;
        for file in ["Cargo.lock", "README.md"] {
            fs::copy(root.join(file), folder.join(file))
                .map_err(|error| format!("{file}: {error}"))?;
        }
        Ok(Self(folder))
    }

    fn read(&self, file: &str) -> Result<String, String> {
        read(&self.0.join(file))
    }

    fn write(&self, file: &str, text: &str) -> Result<(), String> {
        write(&self.0.join(file), text)
    }

    /// Builds the models; the path of the program.
    fn build(&self, narrow: bool) -> Result<PathBuf, String> {
        let flags = if narrow {
            "--cfg loom --cfg hyaline_narrow_era"
        } else {
            "--cfg loom"
        };
        let mut command = shell::cargo();
        command
            .current_dir(&self.0)
            .env("RUSTFLAGS", flags)
            .env(
                "CARGO_TARGET_DIR",
                self.0.join(if narrow { "narrow" } else { "loom" }),
            )
            .args(["test", "--release", "--no-run"])
            // The clock has models of its own beside it.
            .args(if narrow {
                &["--lib"][..]
            } else {
                &["--test", "loom"]
            });
        let built = shell::run(&mut command, Duration::from_secs(900))?;
        if !built.ok() {
            return Err(format!("does not build:\n{}", built.tail(30)));
        }
        let path = built
            .stderr
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Executable "))
            .filter_map(|line| line.split('(').nth(1)?.strip_suffix(')'))
            .next_back()
            .ok_or("cargo named no program")?;
        Ok(self.0.join(path))
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    for path in entries(from)? {
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read = fs::read_dir(folder).and_then(|read| read.collect::<Result<Vec<_>, _>>());
    let read = read.map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = read.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
