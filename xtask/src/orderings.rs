//! `cargo xtask orderings`: is every ordering and every barrier needed?
//!
//! Each atomic ordering of the algorithm is weakened by a step, each barrier
//! and each look that the argument rests on is taken out, one at a time in a
//! copy of the crate, and the loom models run until one fails. To loom a
//! `SeqCst` access is an `AcqRel` one: for that step `tests/total_order.rs` runs
//! under Miri. What nothing catches is an error: it is not needed, or a model
//! is. [`changes`] knows what can be weakened.

mod changes;

use std::{
    cmp::Reverse,
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use self::changes::{Change, all_changes};
use crate::{nightly, shell};

/// The longest that one model may take.
const LIMIT: Duration = Duration::from_secs(120);
/// Files that have models beside them, which run first.
const BESIDE: [&str; 3] = ["one_word", "tree", "block_queue"];

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    let (mut list, mut unchanged, mut part, mut only) = (false, true, None, None);
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        use lexopt::prelude::*;
        match argument {
            Long("list") => list = true,
            // For when the models are known to pass.
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
    if changes.is_empty() {
        return Err("nothing to weaken there".into());
    }
    if list {
        for change in &changes {
            println!("{:24} {:4}  {}", change.file, change.line, change.what);
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

/// Runs the models over each change and prints a line for it. If requested,
/// runs them over the unchanged source first.
fn check(changes: &[Change], unchanged: bool) -> Result<(), String> {
    let start = Instant::now();
    nightly::install(&["miri", "rust-src"])?;
    let copy = Copy::make()?;
    let mut models = Models::default();
    if unchanged {
        let all = [
            Program::Beside,
            Program::Narrow,
            Program::All,
            Program::Miri,
        ];
        if let Some(model) = models.run(&copy, &all, false)? {
            return Err(format!(
                "the models fail before anything is weakened: {model}"
            ));
        }
    }
    let (mut caught, mut survived) = (0, 0);
    for change in changes {
        let original = copy.read(&change.file)?;
        copy.write(&change.file, &change.text)?;
        let verdict = models.run(&copy, programs(change), true)?;
        copy.write(&change.file, &original)?;
        if verdict.is_some() {
            caught += 1;
        } else {
            survived += 1;
        }
        println!(
            "{:24} {:4}  {:42} {}",
            change.file,
            change.line,
            change.what,
            verdict.as_deref().unwrap_or("SURVIVES")
        );
    }
    let seconds = start.elapsed().as_secs();
    println!("{caught} caught, {survived} survive; {seconds} s");
    if survived == 0 {
        Ok(())
    } else {
        Err("weaken permanently what is not needed, or write the model that shows why it is".into())
    }
}

/// What can tell of a change, in the order in which it runs.
fn programs(change: &Change) -> &'static [Program] {
    if change.is_total_order {
        &[Program::Miri]
    } else if change.file.contains("two_words") {
        // Another file in the same place; all else is the same in both.
        &[Program::Narrow]
    } else if BESIDE.iter().any(|part| change.file.contains(part)) {
        &[Program::Beside, Program::All]
    } else {
        &[Program::All]
    }
}

/// Models that are built together.
#[derive(Clone, Copy, PartialEq)]
enum Program {
    /// Those of `tests/loom`.
    All,
    /// Those beside the code: of the eras in one word, of the tree, and of a queue's
    /// segments.
    Beside,
    /// The same, with the eras in two words.
    Narrow,
    /// `tests/total_order.rs`, which is not for loom.
    Miri,
}

/// The models, and what is known of them: those that caught most run first, and
/// of those the fastest.
#[derive(Default)]
struct Models {
    score: HashMap<String, u32>,
    /// How long they took last.
    took: HashMap<String, Duration>,
}

impl Models {
    /// The first model that fails, if any.
    fn run(
        &mut self,
        copy: &Copy,
        programs: &[Program],
        is_weakened: bool,
    ) -> Result<Option<String>, String> {
        for &program in programs {
            let failed = match program {
                Program::Miri => copy.miri()?,
                _ => self.run_one(copy, program, is_weakened)?,
            };
            if failed.is_some() {
                return Ok(failed);
            }
        }
        Ok(None)
    }

    fn run_one(
        &mut self,
        copy: &Copy,
        which: Program,
        is_weakened: bool,
    ) -> Result<Option<String>, String> {
        let program = copy.build(which)?;
        let mut names = names(&program)?;
        names.sort_by_key(|name| (Reverse(self.score.get(name)), self.took.get(name)));
        for name in names {
            let mut command = Command::new(&program);
            let start = Instant::now();
            let ran = shell::run(
                command
                    .args(["--exact", &name, "--nocapture"])
                    // Models that take long fail soon, if they do.
                    .args(is_weakened.then_some("--include-ignored")),
                LIMIT,
            )?;
            self.took.insert(name.clone(), start.elapsed());
            let said = |text| ran.stdout.contains(text) || ran.stderr.contains(text);
            // An endless wait for another thread says nothing about the
            // weakening: the other models continue.
            let endless = ran.timed_out || said("exceeded maximum number of branches");
            if endless && is_weakened {
                println!("{name} did not end");
                continue;
            }
            if ran.ok() {
                continue;
            }
            if !said("panicked at") {
                return Err(format!("{name}: {}\n{}", ran.reason(), ran.tail(20)));
            }
            *self.score.entry(name.clone()).or_default() += 1;
            return Ok(Some(name));
        }
        Ok(None)
    }
}

/// The models of a program.
fn names(program: &Path) -> Result<Vec<String>, String> {
    let mut command = Command::new(program);
    let listed = shell::run(command.args(["--list", "--format=terse"]), LIMIT)?;
    let names = listed.stdout.lines();
    let names: Vec<_> = names
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect();
    if names.is_empty() || !listed.ok() {
        return Err(format!(
            "no models: {}\n{}",
            listed.reason(),
            listed.tail(20)
        ));
    }
    Ok(names)
}

/// A copy of the crate to be changed.
struct Copy(PathBuf);

impl Copy {
    fn make() -> Result<Self, String> {
        let root = shell::root();
        let folder = root.join("target/orderings");
        for part in ["src", "tests", "examples", "docs"] {
            let _ = fs::remove_dir_all(folder.join(part));
            copy_folder(&root.join(part), &folder.join(part))?;
        }
        // The models of the layer above say nothing of this one, and those of each
        // pair little that others do not; they take most of the time to build.
        let models = folder.join("tests/loom/main.rs");
        let kept = read(&models)?
            .replace("mod pairs;\n", "")
            .replace("mod safe;\n", "");
        write(&models, &kept)?;
        // The members of the workspace stay behind.
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

    /// What loom cannot check: the test that fails under Miri, if it does.
    fn miri(&self) -> Result<Option<String>, String> {
        let mut command = nightly::cargo("miri");
        command
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", self.0.join("miri"))
            .args(["test", "--test", "total_order"]);
        let ran = shell::run(&mut command, Duration::from_secs(900))?;
        if ran.ok() {
            Ok(None)
        } else if ran.stdout.contains("each missed the other's") {
            Ok(Some("Miri: total_order".into()))
        } else {
            Err(format!("Miri: {}\n{}", ran.reason(), ran.tail(30)))
        }
    }

    /// Builds the models; the path of the program.
    fn build(&self, which: Program) -> Result<PathBuf, String> {
        let narrow = which == Program::Narrow;
        let flags = if narrow {
            "--cfg hyaline_loom --cfg hyaline_narrow_era"
        } else {
            "--cfg hyaline_loom"
        };
        let mut command = shell::cargo();
        command
            .current_dir(&self.0)
            .env("RUSTFLAGS", flags)
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env(
                "CARGO_TARGET_DIR",
                self.0.join(if narrow { "narrow" } else { "loom" }),
            )
            .args(["test", "--release", "--no-run"])
            // These have models of their own beside them.
            .args(match which {
                Program::All => &["--test", "loom"][..],
                _ => &["--lib"],
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

/// The contents of a folder, in order.
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
