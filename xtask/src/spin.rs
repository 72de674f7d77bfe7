//! `cargo xtask spin`: the model of the algorithm in `models/`, searched in
//! full by the model checker Spin; and its mutations, each of which must fail.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{provide, shell};

/// The longest that one search may take.
const LIMIT: Duration = Duration::from_secs(1200);
/// The most memory that a search may use, in MiB.
const MEMORY: u32 = 4096;

/// One search.
struct Variant {
    name: &'static str,
    /// What of the model is searched: its macros.
    macros: &'static str,
    /// What Spin must find.
    expect: Expect,
    /// Only with `--all`.
    long: bool,
}

#[derive(PartialEq)]
enum Expect {
    /// No error, in a full search.
    Nothing,
    /// A run that ends with a failed assertion about this.
    Error(&'static str),
    /// A run that never comes to its end.
    Cycle,
}

use Expect::{Cycle, Error, Nothing};

/// An object that a section holds is reclaimed.
const HELD: &str = "(holds[s]!=r)";
/// A header is used after the reclaim.
const GONE: &str = "(state[ring]==1)";
/// Something is left when all have flushed.
const LEFT: &str = "(inbox[s]==0)";

const fn variant(name: &'static str, macros: &'static str, expect: Expect) -> Variant {
    Variant {
        name,
        macros,
        expect,
        long: false,
    }
}

const fn long(name: &'static str, macros: &'static str) -> Variant {
    Variant {
        name,
        macros,
        expect: Nothing,
        long: true,
    }
}

const VARIANTS: &[Variant] = &[
    variant(
        "two retirers and a thief",
        "RETIRES=3 READS=2 TURNS1=2 TURNS2=0",
        Nothing,
    ),
    variant("batches of two", "RETIRES=3 READS=4 BATCH=2", Nothing),
    variant(
        "a killed task",
        "EVICT RETIRES=5 READS=4 TURNS1=0 TURNS2=2 BATCH=2",
        Nothing,
    ),
    variant("asymmetric barriers", "ASYM RETIRES=1 READS=6", Nothing),
    variant(
        "retire at once",
        "NOW RETIRES=3 READS=2 TURNS1=2 TURNS2=0",
        Nothing,
    ),
    variant("quiescent points", "REFRESH RETIRES=1 READS=6", Nothing),
    variant("eras", "ROBUST RETIRES=1 READS=6", Nothing),
    variant("every run ends", "LIVE RETIRES=1 READS=6", Nothing),
    variant(
        "without LIGHT",
        "NO_LIGHT RETIRES=1 READS=2 TURNS2=0",
        Error(HELD),
    ),
    variant(
        "without HEAVY",
        "NO_HEAVY RETIRES=1 READS=2 TURNS2=0",
        Error(HELD),
    ),
    variant(
        "asymmetric, without HEAVY",
        "ASYM NO_HEAVY RETIRES=1 READS=2 TURNS2=0",
        Error(HELD),
    ),
    variant(
        "leave before the last access",
        "LEAVE_UNORDERED RETIRES=1 READS=2 TURNS2=0",
        Error(HELD),
    ),
    variant(
        "thief without the second look",
        "NO_SECOND_LOOK RETIRES=3 READS=2 TURNS1=2 TURNS2=0",
        Error(HELD),
    ),
    variant(
        "count not kept below zero",
        "COUNT_EARLY RETIRES=3 READS=4",
        Error(GONE),
    ),
    variant(
        "flush without HEAVY at its end",
        "NO_LAST_HEAVY RETIRES=3 READS=4",
        Error(LEFT),
    ),
    variant(
        "flush without the last look",
        "NO_LAST_LOOK RETIRES=3 READS=4",
        Error(LEFT),
    ),
    variant(
        "quiescent point that holds a pointer",
        "REFRESH REFRESH_HOLDS RETIRES=1 READS=6",
        Error(HELD),
    ),
    variant(
        "evicting a task that lives",
        "EVICT EVICT_ALIVE RETIRES=5 READS=4 TURNS1=0 TURNS2=2 BATCH=2",
        Error(HELD),
    ),
    variant(
        "eras, without LIGHT in protect",
        "ROBUST NO_LIGHT_IN_PROTECT RETIRES=1 READS=6",
        Error(HELD),
    ),
    variant(
        "eras, protect without the look at it",
        "ROBUST NO_ERA_LOOK RETIRES=1 READS=6",
        Error(HELD),
    ),
    variant(
        "eras, what one retires not covered",
        "ROBUST NO_COVER RETIRES=1 READS=6",
        Error(HELD),
    ),
    variant(
        "nobody adopts limbo",
        "LIVE NO_ADOPT RETIRES=1 READS=6",
        Cycle,
    ),
    long(
        "two retirers, a reader that comes back",
        "RETIRES=3 READS=4 TURNS2=2",
    ),
    long("all three read, two retire", "RETIRES=3 READS=7"),
    long("asymmetric, two retirers", "ASYM RETIRES=3 READS=4"),
    long("retire at once, two retirers", "NOW RETIRES=3 READS=4"),
    long(
        "a killed task, batches of one",
        "EVICT RETIRES=5 READS=4 TURNS1=0 TURNS2=2",
    ),
    long("eras, two retirers", "ROBUST RETIRES=3 READS=2 TURNS2=0"),
    long(
        "eras, a killed task",
        "ROBUST EVICT RETIRES=5 READS=4 TURNS1=0 TURNS2=2 BATCH=2",
    ),
];

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    let mut all = false;
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        match argument {
            lexopt::Arg::Long("all") => all = true,
            other => return Err(other.unexpected().to_string()),
        }
    }
    provide::program("spin", &["gcc", "libc6-dev"])?;
    provide::program("gcc", &["libc6-dev"])?;
    let (mut passed, mut failed) = (0, 0);
    println!(
        "{:38} {:>12} {:>7} {:>6}  result",
        "variant", "states", "seconds", "MiB"
    );
    for variant in VARIANTS.iter().filter(|variant| all || !variant.long) {
        let start = Instant::now();
        let found = search(variant)?;
        let verdict = judge(variant, &found);
        println!(
            "{:38} {:>12} {:>7.1} {:>6}  {}",
            variant.name,
            found.states,
            start.elapsed().as_secs_f32(),
            found.memory,
            match &verdict {
                Ok(told) => format!("as expected: {told}"),
                Err(why) => format!("WRONG: {why}"),
            }
        );
        match verdict {
            Ok(_) => passed += 1,
            Err(_) => {
                failed += 1;
                print!("{}", found.report);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 {
        Ok(())
    } else {
        Err(String::new())
    }
}

/// What Spin reports.
struct Found {
    states: String,
    memory: String,
    /// Its first error, in its words.
    error: Option<String>,
    /// Why the search was not a full one.
    partial: Option<&'static str>,
    report: String,
}

/// Generates, compiles and runs the search.
fn search(variant: &Variant) -> Result<Found, String> {
    let root = shell::root();
    let folder = root
        .join("target/spin")
        .join(variant.name.replace([' ', ','], "-"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let live = variant.macros.contains("LIVE");

    let mut generate = Command::new("spin");
    for name in variant.macros.split(' ') {
        generate.arg(format!("-D{name}"));
    }
    step(
        generate.arg("-a").arg(root.join("models/hyaline.pml")),
        &folder,
    )?;

    let mut compile = Command::new("gcc");
    // COLLAPSE stores states in less space, and loses none. NFAIR: room for
    // weak fairness among all processes. To optimise the search takes longer
    // than a short one.
    compile.args([if variant.long { "-O2" } else { "-O0" }, "-w", "-DCOLLAPSE"]);
    compile.arg(format!("-DMEMLIM={MEMORY}"));
    compile.args(if live {
        &["-DNFAIR=3"][..]
    } else {
        &["-DSAFETY", "-DNOCLAIM"]
    });
    step(compile.args(["-o", "pan", "pan.c"]), &folder)?;

    let mut pan = Command::new(folder.join("pan"));
    pan.current_dir(&folder).args(["-m1000000", "-n"]);
    if live {
        pan.args(["-a", "-f"]);
    }
    let ran = shell::run(&mut pan, LIMIT)?;
    let partial = if ran.timed_out {
        Some("time limit reached")
    } else if ran.stdout.contains("Search not completed") && !ran.stdout.contains("pan:1:") {
        Some("search not completed")
    } else if ran.stdout.contains("max search depth too small") {
        Some("search depth too small")
    } else if !ran.stdout.contains("Full statespace search") {
        Some("not a full search")
    } else {
        None
    };
    let number = |mark: &str| {
        let line = ran.stdout.lines().find(|line| line.contains(mark));
        line.and_then(|line| line.split_whitespace().next())
            .unwrap_or("?")
            .to_owned()
    };
    Ok(Found {
        states: number("states, stored"),
        memory: number("total actual memory usage")
            .split('.')
            .next()
            .unwrap_or("?")
            .to_owned(),
        error: ran
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("pan:1: "))
            .map(str::to_owned),
        partial,
        report: ran.tail(30),
    })
}

/// Runs a command that must succeed.
fn step(command: &mut Command, folder: &Path) -> Result<(), String> {
    let ran = shell::run(command.current_dir(folder), LIMIT)?;
    // Spin reports some errors with exit code 0.
    if ran.ok() && !ran.stdout.contains("Error:") {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", ran.reason(), ran.tail(20)))
}

/// Whether Spin found what it should: what it found, or what is wrong.
fn judge(variant: &Variant, found: &Found) -> Result<String, String> {
    match (&variant.expect, &found.error) {
        (Nothing, Some(error)) => Err(error.clone()),
        // An error is one, however much was searched; its absence is not.
        (Nothing, None) => match found.partial {
            None => Ok("no error, full search".into()),
            Some(why) => Err(why.into()),
        },
        (Error(part), Some(error)) if error.contains(part) => Ok(error.clone()),
        (Cycle, Some(error)) if error.contains("acceptance cycle") => Ok(error.clone()),
        (_, Some(error)) => Err(format!("another error: {error}")),
        (_, None) => Err("not caught".into()),
    }
}
