//! `cargo xtask orderings`: is every ordering and every barrier needed?
//!
//! Each atomic ordering of the algorithm is weakened by a step, each barrier
//! and each look that the argument rests on is taken out, one at a time in a
//! copy of the crate, and the loom models run until one fails. What none of
//! them catches must be in `xtask/orderings.allowed`, with the reason.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::shell;

/// The files of the algorithm.
const FILES: [&str; 14] = [
    "src/raw.rs",
    "src/raw/batch.rs",
    "src/raw/inbox.rs",
    "src/raw/section.rs",
    "src/raw/publish.rs",
    "src/raw/limbo.rs",
    "src/raw/release.rs",
    "src/raw/slot.rs",
    "src/raw/era.rs",
    "src/raw/era/split.rs",
    "src/pool.rs",
    "src/grace.rs",
    "src/grace/callback.rs",
    "src/barrier.rs",
];

/// Looks that the argument rests on, and halves of an ordering that is SeqCst for
/// the caller: file, text, replacement, name.
const LOOKS: [(&str, &str, &str, &str); 7] = [
    (
        "src/barrier.rs",
        "// SeqCst: pairs with `heavy`, see the trait.\n        fence(Ordering::SeqCst)",
        "fence(Ordering::AcqRel)",
        "the total order of LIGHT",
    ),
    (
        "src/barrier.rs",
        "// SeqCst: pairs with `light`, and with itself.\n        fence(Ordering::SeqCst)",
        "fence(Ordering::AcqRel)",
        "the total order of HEAVY",
    ),
    (
        "src/raw/section.rs",
        "(success, failure) = (Ordering::SeqCst,",
        "(success, failure) = (Ordering::Acquire,",
        "the Release of a late swap",
    ),
    (
        "src/raw/section.rs",
        "(success, failure) = (Ordering::SeqCst,",
        "(success, failure) = (Ordering::Release,",
        "the Acquire of a late swap",
    ),
    (
        "src/raw/publish.rs",
        "(3).\n        if slot.is_active() {",
        "(3).\n        if false {",
        "the second look of a thief",
    ),
    (
        "src/raw/publish.rs",
        "if !self.left_behind() {",
        "if true {",
        "the last look of a flush",
    ),
    (
        "src/raw/era.rs",
        "mark.is_current(clock) || follow_late::<B>(clock, mark)",
        "true",
        "the look at the era in protect",
    ),
];

/// The longest that one model may take.
const LIMIT: Duration = Duration::from_secs(120);

/// One weakening.
struct Change {
    file: &'static str,
    /// The line, for people; and without its number, for the list.
    line: usize,
    place: String,
    what: String,
    /// The whole file, changed.
    text: String,
}

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
    if let Some(only) = only {
        changes.retain(|change| change.file.contains(&only));
    }
    if let Some((first, step)) = part {
        changes = changes.into_iter().skip(first).step_by(step).collect();
    }
    if list {
        for change in &changes {
            println!(
                "{}:{} {}: {}",
                change.file, change.line, change.place, change.what
            );
        }
        return Ok(());
    }
    check(&changes, unchanged)
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
fn check(changes: &[Change], unchanged: bool) -> Result<(), String> {
    let start = Instant::now();
    let allowed = fs::read_to_string(shell::root().join("xtask/orderings.allowed"))
        .map_err(|error| format!("xtask/orderings.allowed: {error}"))?;
    let copy = Copy::make()?;
    let mut models = Models::default();
    for narrow in [false, true].into_iter().filter(|_| unchanged) {
        if let Verdict::Caught(model) = models.run(&copy, narrow)? {
            return Err(format!(
                "the models fail before anything is weakened: {model}"
            ));
        }
    }
    let (mut caught, mut excused, mut survived) = (0, 0, 0);
    for change in changes {
        let original = copy.read(change.file)?;
        copy.write(change.file, &change.text)?;
        // The narrow clock is another file; all else is the same in both.
        let narrow = change.file.contains("split");
        let verdict = models.run(&copy, narrow)?;
        copy.write(change.file, &original)?;
        let entry = format!("{}: {}: {}", change.file, change.place, change.what);
        let told = match verdict {
            Verdict::Caught(model) => {
                caught += 1;
                model
            }
            Verdict::Survived if allowed.contains(&entry) => {
                excused += 1;
                "survives, see orderings.allowed".into()
            }
            Verdict::Survived => {
                survived += 1;
                format!("SURVIVES: {entry}")
            }
        };
        println!(
            "{:24} {:4}  {:42} {told}",
            change.file, change.line, change.what
        );
    }
    let seconds = start.elapsed().as_secs();
    println!("{caught} caught, {excused} excused, {survived} survive; {seconds} s");
    if survived == 0 {
        Ok(())
    } else {
        Err("weakenings that no model catches".into())
    }
}

/// Every weakening there is.
fn all_changes(root: &Path) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    for file in FILES {
        let text = read(&root.join(file))?;
        let mut offset = 0;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            // The pattern of a match arm is not an ordering that is used.
            let pattern = code.find("=>").unwrap_or(0);
            let mut add = |start: usize, end: usize, new: &str, what: String| {
                let (start, end) = (offset + start, offset + end);
                changes.push(Change {
                    file,
                    line: index + 1,
                    place: code.trim().to_owned(),
                    what,
                    text: format!("{}{new}{}", &text[..start], &text[end..]),
                });
            };
            // Fences are among `LOOKS`; those for the compiler are nothing to loom.
            let names: &[&str] = if code.contains("fence(") {
                &[]
            } else {
                &["Acquire", "Release", "AcqRel", "SeqCst"]
            };
            for &name in names {
                for prefix in ["Ordering::", "O::"] {
                    for start in positions(code, prefix, name) {
                        if start < pattern {
                            continue;
                        }
                        for weaker in weaker(name) {
                            let end = start + name.len();
                            add(start, end, weaker, format!("{name} to {weaker}"));
                        }
                    }
                }
            }
            for barrier in [
                "S::Barrier::heavy();",
                "S::Barrier::light();",
                "B::light();",
            ] {
                if code.trim() == barrier {
                    add(0, line.len() - 1, "", format!("without {barrier}"));
                }
            }
            offset += line.len();
        }
        for (_, from, to, what) in LOOKS.iter().filter(|look| look.0 == file) {
            let at = text
                .find(from)
                .ok_or(format!("{file}: no such place: {what}"))?;
            changes.push(Change {
                file,
                line: text[..at + from.len()].lines().count(),
                place: what.to_string(),
                what: format!("without {what}"),
                text: text.replacen(from, to, 1),
            });
        }
    }
    Ok(changes)
}

/// Where `prefix` and `name` stand in a line of code, not in another name.
fn positions(code: &str, prefix: &str, name: &str) -> Vec<usize> {
    let whole = format!("{prefix}{name}");
    let boundary =
        |byte: Option<&u8>| byte.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b':');
    code.match_indices(&whole)
        .filter(|(at, _)| {
            let bytes = code.as_bytes();
            boundary(at.checked_sub(1).and_then(|i| bytes.get(i)))
                && boundary(bytes.get(at + whole.len()))
        })
        .map(|(at, _)| at + prefix.len())
        .collect()
}

/// The weaker orderings to try.
/// A step; what is weaker still allows all that this does.
fn weaker(name: &str) -> &'static [&'static str] {
    match name {
        "AcqRel" => &["Acquire", "Release"],
        _ => &["Relaxed"],
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
    fn run(&mut self, copy: &Copy, narrow: bool) -> Result<Verdict, String> {
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
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
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
