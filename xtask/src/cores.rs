//! `cargo xtask cores [--check | --gate [--accept] | --pictures] [ROW…]`: how many cache lines move
//! between cores.
//!
//! The benchmark's contestants run on a model of private caches (`bench/cores`)
//! as 1 to 64 threads. Each access is a call, by the compiler's instrumentation
//! for ThreadSanitizer, so it needs nightly. Two runs make the same figures. First
//! the model is checked with programs whose transfers are known.
//!
//! Without rows it writes `docs/cores.md`; with rows it prints theirs. `--check`
//! compares with the page instead. `--gate` runs the crate's contestants alone, as 2
//! and 16 threads, some also as 64, and compares with recorded figures; `--accept` records them.
//! `--pictures` draws those of the page again, from its tables. A row that is lost has a
//! cause in `cores/why.md`, and a cause has a row.

mod gate;
mod lost;
mod report;
mod theory;
mod why;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
    time::Duration,
};

use crate::{arguments, nightly, shell};
use report::Cell;

pub const PAGE: &str = "docs/cores.md";
/// Numbers of threads.
pub const THREADS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Operations of each class before counting begins, and while it lasts.
const EFFORT: [u64; 2] = [8000, 32_000];
/// Of the noise. Another one makes a difference of 10 percent at most in the requests of the
/// crate's contestants with 2 and 16 threads, mostly of less than 3.
const SEED: u64 = 1;
/// Accesses at most, before and while; and more for each thread.
const BUDGET: [u64; 2] = [10_000_000, 250_000];
/// For one run, which takes a minute at most: a contestant may wait in a way
/// that makes no access.
const LIMIT: Duration = Duration::from_secs(300);
const BUILD: Duration = Duration::from_secs(1800);

/// A contestant in a row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub row: String,
    pub name: String,
}

/// What each run of a row's contestants said, in their order.
pub type Figures = Vec<(Entry, BTreeMap<usize, Cell>)>;

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("cores: only on Linux on x86-64, whose instructions the model counts".into());
    }
    let known = report::ROWS.iter().map(|row| row.id);
    let flags = ["check", "gate", "accept", "pictures"];
    let ([check, gate, accept, again], rows) = arguments::flags_and_names(parser, flags, known)?;
    if again {
        return pictures();
    }
    if accept && !(gate && rows.is_empty()) {
        return Err("cores: --accept records all rows of --gate".into());
    }
    nightly::install(&[])
        .map_err(|why| format!("cores: the instrumentation is in nightly only\n{why}"))?;
    let program = build()?;
    theory::check(&program)?;
    println!(
        "the transfers of {} programs are what theory says",
        theory::ALL.len()
    );
    let entries = entries(&program)?;
    let chosen = |entry: &&Entry| {
        entry.row != theory::ROW && rows.choose(&entry.row) && (!gate || gate::has(&entry.name))
    };
    let entries: Vec<Entry> = entries.iter().filter(chosen).cloned().collect();
    if gate {
        let mut figures = measure(&program, &entries, &gate::THREADS);
        let (rows, threads) = gate::MANY;
        let its = |entry: &&Entry| rows.contains(&entry.row.as_str());
        let many: Vec<Entry> = entries.iter().filter(its).cloned().collect();
        figures.extend(measure(&program, &many, threads));
        return gate::run(&figures, &compiler()?, accept);
    }
    let figures = measure(&program, &entries, &THREADS);
    let mut sections = report::sections(&figures);
    let mut complaints = Vec::new();
    if rows.is_empty() {
        let lost;
        (lost, complaints) = lost::section(&figures, &why::Why::of_the_page());
        sections.insert(0, lost);
    }
    if check {
        compare(&sections)?;
        return explained(&complaints);
    }
    if !rows.is_empty() {
        sections.iter().for_each(|text| println!("{text}"));
        return Ok(());
    }
    let page = report::page(&compiler()?, &sections);
    fs::write(shell::root().join(PAGE), page).map_err(|error| format!("{PAGE}: {error}"))?;
    pictures()?;
    explained(&complaints)
}

/// Whether each row that is lost has a cause, and each cause a row.
fn explained(complaints: &[String]) -> Result<(), String> {
    match complaints {
        [] => Ok(()),
        all => Err(format!("xtask/src/cores/why.md:\n  {}", all.join("\n  "))),
    }
}

/// Draws the pictures of the page, from its tables.
fn pictures() -> Result<(), String> {
    let mut command = shell::cargo();
    command
        .args(["run", "--quiet", "--package", "hyaline-bench", "--bin"])
        .args(["growth", "--", PAGE])
        .current_dir(shell::root());
    let output = shell::run(&mut command, BUILD)?;
    match output.ok() {
        true => Ok(()),
        false => Err(format!("growth: {}\n{}", output.reason(), output.tail(20))),
    }
}

/// Where the page says something else.
fn compare(sections: &[String]) -> Result<(), String> {
    let page = fs::read_to_string(shell::root().join(PAGE));
    let page = page.map_err(|error| format!("{PAGE}: {error}"))?;
    let wrong: Vec<String> = (sections.iter())
        .filter(|section| !page.contains(section.trim()))
        .map(|section| difference(section, &page))
        .collect();
    if wrong.is_empty() {
        println!("{PAGE} says the same in {} rows", sections.len());
        return Ok(());
    }
    let now = compiler()?;
    let other = match page.contains(&now) {
        true => String::new(),
        false => format!("\nthe page was made with another compiler, this is {now}"),
    };
    Err(format!(
        "{PAGE} differs:\n{}{other}\n`cargo xtask cores` makes the page",
        wrong.join("\n")
    ))
}

/// The first line that the page lacks.
fn difference(section: &str, page: &str) -> String {
    let title = section.lines().find(|line| !line.is_empty());
    let line = section.lines().find(|line| !page.contains(line));
    format!(
        "  {}: {}",
        title.unwrap_or_default(),
        line.unwrap_or("the order")
    )
}

fn compiler() -> Result<String, String> {
    let mut command = Command::new("rustc");
    command
        .env_remove("RUSTUP_TOOLCHAIN")
        .args(["+nightly", "--version"]);
    Ok(shell::run(&mut command, Duration::from_secs(60))?
        .stdout
        .trim()
        .to_owned())
}

/// The program, and the library that it is linked with.
pub struct Program {
    path: PathBuf,
    library: PathBuf,
}

fn build() -> Result<Program, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| shell::root().join("target"), PathBuf::from);
    let library = target.join("cores");
    let mut model = shell::cargo();
    model
        .args([
            "build",
            "--quiet",
            "--profile",
            "cores",
            "--package",
            "hyaline-cores",
        ])
        .env("RUSTFLAGS", "")
        .arg("--target-dir")
        .arg(&target);
    succeed(&mut model)?;
    const TRIPLE: &str = "x86_64-unknown-linux-gnu";
    let folder = target.join("instrumented");
    let mut program = nightly::cargo("build");
    program
        .args([
            "--quiet",
            "--profile",
            "cores",
            "--package",
            "hyaline-bench",
        ])
        .args(["--bin", "cores", "--features", "cores", "--target", TRIPLE])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", flags(&library));
    succeed(&mut program)?;
    let path = folder.join(TRIPLE).join("cores/cores");
    Ok(Program { path, library })
}

/// The instrumentation, with functions of our own; and what kovan needs.
fn flags(library: &Path) -> String {
    format!(
        "-Zsanitizer=thread -Zexternal-clangrt -Cunsafe-allow-abi-mismatch=sanitizer \
         -Cllvm-args=-tsan-instrument-func-entry-exit=0 -Ctarget-feature=+cmpxchg16b \
         -Lnative={}",
        library.display()
    )
}

fn succeed(command: &mut Command) -> Result<(), String> {
    command
        .current_dir(shell::root())
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = shell::run(command, BUILD)?;
    match output.ok() {
        true => Ok(()),
        false => Err(format!("{}\n{}", output.reason(), output.tail(40))),
    }
}

/// All contestants that the program has.
fn entries(program: &Program) -> Result<Vec<Entry>, String> {
    let output = shell::run(&mut program.command(), LIMIT)?;
    let entry = |line: &str| {
        let (row, name) = line.split_once('\t')?;
        Some(Entry {
            row: row.into(),
            name: name.into(),
        })
    };
    match output.ok() {
        true => Ok(output.stdout.lines().filter_map(entry).collect()),
        false => Err(format!("cores: {}\n{}", output.reason(), output.tail(5))),
    }
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        // The name is on the contestants' heap: if its length were that of a path, their
        // addresses would depend on the folder, and haphazard's shards on these.
        command.arg0("cores");
        command.env("LD_LIBRARY_PATH", &self.library);
        command
    }

    /// One run in its own process: operations before counting, and counted; the budget;
    /// the seed.
    fn one(&self, row: &str, name: &str, threads: usize, effort: [u64; 4]) -> Cell {
        let mut command = self.command();
        command.args([row, name, &threads.to_string()]);
        command.args(effort.map(|number| number.to_string()));
        match shell::run(&mut command, LIMIT) {
            Ok(output) if output.timed_out => Cell::Failed("does not end".into()),
            Ok(output) if output.ok() => Cell::read(&output.stdout),
            Ok(output) if output.stderr.contains("has no run of") => Cell::None,
            Ok(output) => Cell::Failed(format!("{}: {}", output.reason(), output.tail(1))),
            Err(why) => Cell::Failed(why),
        }
    }
}

/// Runs all of them, two at a time: their figures do not depend on each other.
fn measure(program: &Program, entries: &[Entry], numbers: &[usize]) -> Figures {
    let runs = entries
        .iter()
        .flat_map(|entry| numbers.iter().map(move |&threads| (entry, threads)));
    let queue = Mutex::new(runs);
    let done = Mutex::new(BTreeMap::<(&Entry, usize), Cell>::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some((entry, threads)) = next else { return };
                    let [warm, operations] = EFFORT;
                    let budget = BUDGET[0] + BUDGET[1] * threads as u64;
                    let effort = [warm, operations, budget, SEED];
                    let cell = program.one(&entry.row, &entry.name, threads, effort);
                    if let Cell::Failed(why) | Cell::Stuck(why) = &cell {
                        eprintln!("{} {}, {threads} threads: {why}", entry.row, entry.name);
                    }
                    if Some(&threads) == numbers.last() {
                        eprintln!("{}: {}", entry.row, entry.name);
                    }
                    if let Ok(mut done) = done.lock() {
                        done.insert((entry, threads), cell);
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    let of = |entry: &Entry, done: &mut BTreeMap<(&Entry, usize), Cell>| {
        let cells = numbers.iter().filter_map(|&threads| {
            let key = done
                .keys()
                .find(|key| key.0 == entry && key.1 == threads)
                .copied()?;
            Some((threads, done.remove(&key)?))
        });
        cells.collect()
    };
    entries
        .iter()
        .map(|entry| (entry.clone(), of(entry, &mut done)))
        .collect()
}
