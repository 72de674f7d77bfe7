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
const LIMIT: Duration = Duration::from_secs(1800);
/// The most memory that a search may use, in MiB.
const MEMORY: u32 = 8192;

/// One search.
struct Variant {
    name: &'static str,
    /// The part of the model that is searched: its macros.
    macros: &'static str,
    /// The result that Spin must report.
    expect: Expect,
    /// Only with `--all`.
    long: bool,
}

#[derive(PartialEq)]
enum Expect {
    /// No error, in a full search.
    Nothing,
    /// A run that ends with a failed assertion about one of these.
    Error(&'static [&'static str]),
}

use Expect::{Error, Nothing};

/// An object that a section holds is reclaimed: detected by the reclaim, or by
/// the section that finds the object. Which of the two comes first depends on
/// the search.
const HELD: &[&str] = &["(holds[k]&", "(state[k]!=2)"];
/// The last collect leaves something behind.
const LEFT: &[&str] = &["(inbox[o]==0)", "(left_over==0)", "(retired[o]==0)"];
/// A chain or a token waits for too many sections of one slot.
const WAITS: &[&str] = &["(later["];

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

/// The steps of a task of the model: the digits of its program.
const STEPS: &[(&str, u32)] = &[
    ("READ", 1),
    ("RETIRE", 2),
    ("PUSH", 3),
    ("NOW", 4),
    ("COLLECT", 5),
    ("TOKEN", 6),
    ("REFRESH", 7),
    ("SCAVENGE", 8),
    ("DIE", 9),
    ("TICK", 10),
    ("PUBLISH", 11),
    ("TWICE", 12),
    ("CLOSE", 14),
];

/// A macro for the model. Programs are steps with dots between them, and become
/// numbers, because the shell that Spin calls accepts no brackets.
fn define(name: &str) -> Result<String, String> {
    let Some((task, program)) = name
        .split_once('=')
        .filter(|(left, _)| left.starts_with("TASK") || *left == "IRQ")
    else {
        return Ok(format!("-D{name}"));
    };
    let mut number = 0;
    for step in program.rsplit('.') {
        let code = STEPS.iter().find(|(known, _)| *known == step);
        number = number * 16 + code.ok_or_else(|| format!("no step {step}"))?.1;
    }
    Ok(format!("-D{task}={number}"))
}

const VARIANTS: &[Variant] = &[
    variant(
        "two readers, a retirer, a sweeper",
        "TASK0=READ.READ TASK1=NOW TASK2=READ TASK3=COLLECT.CLOSE EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "a reader that collects",
        "TASK0=READ.READ TASK1=RETIRE TASK2=READ.COLLECT TASK3=CLOSE EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "two retirers in their sections",
        "TASK0=READ.READ TASK1=RETIRE TASK2=RETIRE TASK3=CLOSE EAGER=6 PLACES=6",
        Nothing,
    ),
    variant(
        "a passive retirer",
        "TASK0=PUSH TASK1=READ.PUBLISH TASK2=READ.READ TASK3=CLOSE EAGER=2 PLACES=1",
        Nothing,
    ),
    variant(
        "a passive sweeper",
        "TASK0=READ.READ TASK1=NOW TASK2=SCAVENGE TASK3=COLLECT.CLOSE EAGER=2 PLACES=2",
        Nothing,
    ),
    variant(
        "one reclaimer a call",
        "LIMIT TASK0=READ TASK1=NOW TASK2=NOW.PUBLISH TASK3=CLOSE EAGER=6 PLACES=6",
        Nothing,
    ),
    variant(
        "all collect at the same time",
        "EACH TASK0=READ.COLLECT TASK1=NOW.COLLECT PLACES=2",
        Nothing,
    ),
    variant(
        "asymmetric barriers",
        "ASYM TASK0=READ.READ TASK1=RETIRE TASK2=READ TASK3=CLOSE EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "quiescent points",
        "TASK0=REFRESH TASK1=NOW TASK2=NOW.PUBLISH TASK3=CLOSE EAGER=6 PLACES=6",
        Nothing,
    ),
    variant(
        "an evicted reader",
        "TASK0=RETIRE TASK1=DIE.READ TASK3=COLLECT.CLOSE EAGER=5",
        Nothing,
    ),
    variant(
        "a token",
        "TASK0=READ.READ TASK1=TOKEN TASK2=REFRESH TASK3=CLOSE EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "numbers of one bit",
        "WRAP TASK0=READ.READ.READ TASK1=NOW TASK2=NOW.PUBLISH TASK3=CLOSE EAGER=6 PLACES=6",
        Nothing,
    ),
    variant(
        "nested contexts",
        "NESTED TASK0=READ IRQ=READ.READ TASK1=NOW TASK3=CLOSE EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "nested contexts, a sweep",
        "NESTED TASK0=READ IRQ=READ TASK1=NOW.PUBLISH EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "eras",
        "ROBUST TASK0=READ.READ TASK1=RETIRE TASK2=TWICE TASK3=CLOSE EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "eras, quiescent points",
        "ROBUST OLD TASK0=REFRESH TASK1=NOW TASK2=NOW.PUBLISH TASK3=CLOSE EAGER=6 PLACES=6",
        Nothing,
    ),
    variant(
        "eras that move",
        "ROBUST OLD TASK0=READ TASK1=RETIRE TASK2=TICK TASK3=CLOSE EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "eras, nested contexts",
        "ROBUST NESTED TASK0=READ IRQ=READ TASK1=NOW EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "how long a token waits",
        "BOUND=1 TASK0=READ.READ.READ.READ.READ TASK1=TOKEN EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "how long a chain waits",
        "BOUND=1 TASK0=READ.READ.READ.READ TASK1=NOW.PUBLISH.PUBLISH.PUBLISH.PUBLISH EAGER=6 PLACES=2",
        Nothing,
    ),
    variant(
        "without the light barrier",
        "NO_LIGHT TASK0=RETIRE TASK1=READ.READ TASK3=CLOSE EAGER=5",
        Error(HELD),
    ),
    variant(
        "without the heavy barrier in a publish",
        "NO_HEAVY TASK0=READ TASK1=RETIRE TASK3=CLOSE EAGER=6 PLACES=2",
        Error(HELD),
    ),
    variant(
        "without the heavy barrier in a token",
        "NO_HEAVY TASK0=READ TASK1=TOKEN EAGER=6 PLACES=2",
        Error(HELD),
    ),
    variant(
        "asymmetric, without the heavy barrier",
        "ASYM NO_HEAVY TASK0=READ TASK1=RETIRE TASK3=CLOSE EAGER=6 PLACES=2",
        Error(HELD),
    ),
    variant(
        "a leave before the last access",
        "LEAVE_UNORDERED TASK0=RETIRE TASK1=READ.READ TASK3=CLOSE EAGER=5",
        Error(HELD),
    ),
    variant(
        "a check before the take only",
        "LOOK_FIRST TASK0=READ.READ TASK1=NOW TASK2=NOW TASK3=COLLECT EAGER=6 PLACES=6",
        Error(HELD),
    ),
    variant(
        "a walk that leaves a slot out",
        "SKIP_A_SLOT TASK0=READ TASK1=RETIRE TASK2=READ TASK3=COLLECT EAGER=6 PLACES=2",
        Error(HELD),
    ),
    variant(
        "a collect without the heavy barrier at its end",
        "NO_LAST_HEAVY EACH TASK0=READ.COLLECT TASK1=RETIRE.COLLECT TASK3=COLLECT PLACES=2",
        Error(LEFT),
    ),
    variant(
        "a collect without the last check",
        "NO_LAST_LOOK EACH TASK0=READ.COLLECT TASK1=RETIRE.COLLECT TASK3=COLLECT PLACES=2",
        Error(LEFT),
    ),
    variant(
        "what is left over is forgotten",
        "NO_LEFT_OVER LIMIT TASK0=READ TASK1=NOW TASK2=NOW.PUBLISH TASK3=CLOSE EAGER=6 PLACES=6",
        Error(LEFT),
    ),
    variant(
        "a quiescent point without the light barrier",
        "NO_REFRESH_LIGHT TASK0=REFRESH TASK1=NOW TASK2=NOW.PUBLISH TASK3=CLOSE EAGER=6 PLACES=6",
        Error(HELD),
    ),
    variant(
        "a quiescent point that holds a pointer",
        "REFRESH_HOLDS TASK0=RETIRE TASK1=REFRESH TASK3=COLLECT.CLOSE",
        Error(HELD),
    ),
    variant(
        "evicting a task that lives",
        "EVICT_ALIVE TASK0=RETIRE TASK1=DIE.READ TASK3=COLLECT.CLOSE EAGER=5",
        Error(HELD),
    ),
    variant(
        "an interrupt without its own light barrier",
        "NO_NESTED_LIGHT NESTED TASK0=READ IRQ=READ TASK1=NOW TASK3=CLOSE EAGER=6 PLACES=2",
        Error(HELD),
    ),
    variant(
        "numbers that are not counted, a token",
        "NOT_COUNTED BOUND=1 TASK0=READ.READ.READ.READ.READ TASK1=TOKEN EAGER=6 PLACES=2",
        Error(WAITS),
    ),
    variant(
        "numbers that are not counted, a chain",
        "NOT_COUNTED BOUND=1 TASK0=READ.READ.READ.READ TASK1=NOW.PUBLISH.PUBLISH.PUBLISH.PUBLISH EAGER=6 PLACES=2",
        Error(WAITS),
    ),
    variant(
        "numbers reset again and again",
        "NESTED BOUND=1 TASK0=READ.READ.READ.READ IRQ=READ.READ.READ TASK1=TOKEN EAGER=6 PLACES=2",
        Error(WAITS),
    ),
    variant(
        "eras, retired before the heavy barrier",
        "RETIRED_EARLY ROBUST OLD TASK0=READ TASK1=RETIRE TASK2=TICK TASK3=CLOSE EAGER=6 PLACES=2",
        Error(HELD),
    ),
    variant(
        "eras, a raise without the light barrier",
        "NO_RAISE_LIGHT ROBUST TASK0=RETIRE TASK1=READ.READ TASK3=CLOSE EAGER=5",
        Error(HELD),
    ),
    variant(
        "eras, protect without the check of the era",
        "NO_ERA_LOOK ROBUST TASK0=RETIRE TASK1=READ.READ TASK3=CLOSE EAGER=5",
        Error(HELD),
    ),
    variant(
        "eras, no raise for what a section retires",
        "NO_OWN_RAISE ROBUST TASK0=RETIRE TASK1=READ.READ TASK3=CLOSE EAGER=5",
        Error(HELD),
    ),
    variant(
        "eras, read after the pointer",
        "ERA_AFTER ROBUST NESTED TASK0=READ IRQ=READ TASK1=NOW TASK3=CLOSE EAGER=6 PLACES=2",
        Error(HELD),
    ),
    variant(
        "eras, the beginning ignored",
        "NO_BEGAN BOUND=1 ROBUST OLD TASK0=READ.READ.READ.READ.READ TASK1=NOW.PUBLISH.PUBLISH.PUBLISH.PUBLISH EAGER=6 PLACES=2",
        Error(WAITS),
    ),
    variant(
        "eras, a clock that never advances",
        "NO_TICK BOUND=1 ROBUST OLD TASK0=READ.READ.READ.READ.READ TASK1=NOW.PUBLISH.PUBLISH.PUBLISH.PUBLISH EAGER=6 PLACES=2",
        Error(WAITS),
    ),
    long(
        "a retirer in its section, all collect",
        "EACH TASK0=READ.COLLECT TASK1=RETIRE.COLLECT TASK3=COLLECT PLACES=2",
    ),
    long(
        "how long a chain waits, two observers",
        "BOUND=1 TASK0=READ.READ.READ.READ.READ TASK1=NOW TASK3=COLLECT.COLLECT.COLLECT.COLLECT EAGER=6 PLACES=2",
    ),
    long(
        "eras, how long a chain waits",
        "BOUND=1 ROBUST OLD TASK0=READ.READ.READ.READ.READ TASK1=NOW.PUBLISH.PUBLISH.PUBLISH.PUBLISH EAGER=6 PLACES=2",
    ),
    long(
        "nested contexts, two retirers",
        "NESTED TASK0=READ IRQ=READ TASK1=NOW TASK2=NOW EAGER=6 PLACES=6",
    ),
    long(
        "nested contexts, retired in a section",
        "NESTED TASK0=READ IRQ=READ.READ TASK1=RETIRE TASK3=CLOSE EAGER=6 PLACES=2",
    ),
    long(
        "nested contexts, a quiescent point",
        "NESTED TASK0=REFRESH IRQ=READ.READ TASK1=NOW.PUBLISH TASK3=CLOSE EAGER=6 PLACES=2",
    ),
    long(
        "nested, an interrupt's quiescent point",
        "NESTED TASK0=READ IRQ=REFRESH.READ TASK1=NOW.PUBLISH TASK3=CLOSE EAGER=6 PLACES=2",
    ),
    long(
        "nested contexts, numbers of one bit",
        "NESTED WRAP TASK0=READ.READ IRQ=READ.READ TASK1=NOW.PUBLISH EAGER=6 PLACES=2",
    ),
    long(
        "eras, nested, retired in a section",
        "ROBUST NESTED TASK0=READ IRQ=READ TASK1=RETIRE TASK3=CLOSE EAGER=6 PLACES=2",
    ),
    long(
        "eras, two retirers, a reader of both",
        "ROBUST TASK0=TWICE TASK1=RETIRE TASK2=NOW TASK3=CLOSE EAGER=6 PLACES=6",
    ),
];

pub fn run(arguments: lexopt::Parser) -> Result<(), String> {
    let [all] = crate::arguments::flags(arguments, ["all"])?;
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

/// Spin's report.
struct Found {
    states: String,
    memory: String,
    /// Its first error, verbatim.
    error: Option<String>,
    /// Why the search was incomplete.
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
    let mut generate = Command::new("spin");
    for name in variant.macros.split(' ') {
        generate.arg(define(name)?);
    }
    step(
        generate.arg("-a").arg(root.join("models/hyaline.pml")),
        &folder,
    )?;

    let mut compile = Command::new("gcc");
    // COLLAPSE stores states in less space, and loses none. Optimising the
    // search takes longer than a short one.
    compile.args([
        if variant.long { "-O2" } else { "-O0" },
        "-w",
        "-DCOLLAPSE",
        "-DSAFETY",
        "-DNOCLAIM",
    ]);
    compile.arg(format!("-DMEMLIM={MEMORY}"));
    step(compile.args(["-o", "pan", "pan.c"]), &folder)?;

    let mut pan = Command::new(folder.join("pan"));
    pan.current_dir(&folder).args(["-m1000000", "-n"]);
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

/// Whether Spin found what it should: the result, or the discrepancy.
fn judge(variant: &Variant, found: &Found) -> Result<String, String> {
    match (&variant.expect, &found.error) {
        (Nothing, Some(error)) => Err(error.clone()),
        // An error is valid no matter how much was searched; the absence of
        // errors is not.
        (Nothing, None) => match found.partial {
            None => Ok("no error, full search".into()),
            Some(why) => Err(why.into()),
        },
        (Error(parts), Some(error)) if parts.iter().any(|part| error.contains(part)) => {
            Ok(error.clone())
        }
        (_, Some(error)) => Err(format!("another error: {error}")),
        (_, None) => Err("not caught".into()),
    }
}
