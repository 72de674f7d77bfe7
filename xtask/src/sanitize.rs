//! `cargo xtask sanitize [thread|address]`: the torture example in both
//! schemes, and the tests, under the compiler's sanitizers. Needs nightly and
//! its `rust-src`, because the standard library is built with them, too.
//!
//! Each sanitizer has its own build. The first costs four to eight minutes of
//! processor time, nearly all of it for the standard library and the tests'
//! dependencies; after that `thread` costs less than one, `address` less than
//! three.
//!
//! # What ThreadSanitizer sees here
//!
//! It follows the order that Release and Acquire make, and derives no order
//! from fences; the fences themselves are executed. Two things follow.
//!
//! First, this causes no false alarm, and nothing is suppressed. Every edge by
//! which an access of a reader or a retirer happens before a reclaim is a
//! Release and an Acquire: the store of a section word and the load of a
//! publisher, the push and the take of a stack, an inbox and the left-over
//! list, the bit of a pool's block, the claim of a slot. The light and heavy
//! barriers only decide whether a reader finds an object at all. If they work,
//! there is no access that could race.
//!
//! Second, a missing or weak barrier is not reported as such, but only when a
//! run fails because of it: as a race between a reader and the reclaim. The
//! loom models and `torture --broken` test barriers. A weakened Release or
//! Acquire is found on every processor, even where the machine code is the
//! same.
//!
//! AddressSanitizer also reports leaks at the end of each program. The objects
//! of `torture` are static, so its canaries detect a reclaim that comes too
//! early; those of the tests are boxed.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{nightly, shell};

/// The first build may be slow.
const LIMIT: Duration = Duration::from_secs(3600);

struct Sanitizer {
    name: &'static str,
    /// For the run.
    options: (&'static str, &'static str),
    tests: &'static [&'static str],
}

const SANITIZERS: [Sanitizer; 2] = [
    Sanitizer {
        name: "thread",
        options: ("TSAN_OPTIONS", "halt_on_error=1"),
        // Those in which threads share something.
        tests: &[
            "collector",
            "coming_from",
            "supervise",
            "faults",
            "grace",
            "handle_cell",
            "membarrier",
            "safe",
            "safe_block_queue",
            "safe_chaos",
            "safe_deferred",
            "safe_heap",
            "safe_linear",
            "safe_structures",
            "safe_tasks",
            "seeds",
            // Not `selftest`: its control reclaims too early on purpose.
            "small_memory",
            "tasks",
            "total_order",
        ],
    },
    Sanitizer {
        name: "address",
        options: ("ASAN_OPTIONS", "detect_leaks=1:allocator_may_return_null=1"),
        tests: &[
            "authors",
            "bound",
            "collector",
            "coming_from",
            "supervise",
            "faults",
            "fork",
            "grace",
            "guarantees",
            "handle_cell",
            "membarrier",
            "messages",
            "model",
            "pool",
            "reentrant",
            "run_time",
            "safe",
            "safe_block_queue",
            "safe_chaos",
            "safe_deferred",
            "safe_docs",
            "safe_domain",
            "safe_heap",
            "safe_linear",
            "safe_panics",
            "safe_reentrant",
            "safe_smallest",
            "safe_structures",
            "safe_tags",
            "safe_tasks",
            "safe_walk",
            "seeds",
            "selftest",
            "small_memory",
            "tasks",
            "total_order",
            "which_one",
        ],
    },
];

/// Tests whose structures are leaked, to be borrowed as long as a static: AddressSanitizer
/// does not search them for leaks.
const LEAKED: [&str; 2] = ["small_memory", "tasks"];

pub fn run(arguments: lexopt::Parser) -> Result<(), String> {
    let known = SANITIZERS.iter().map(|one| one.name);
    let ([], wanted) = crate::arguments::flags_and_names(arguments, [], known)?;
    nightly::install(&["rust-src"])?;
    let target = host()?;
    let (mut passed, mut failed) = (0, 0);
    for sanitizer in &SANITIZERS {
        if !wanted.choose(sanitizer.name) {
            continue;
        }
        let torture = ["run", "--example"];
        let mut runs = vec![
            (&torture[..], "torture", &["--seconds", "5"][..]),
            (&torture, "torture", &["--seconds", "5", "--robust"]),
        ];
        for test in sanitizer.tests {
            runs.push((&["test", "--test"], test, &[]));
        }
        for (what, program, more) in runs {
            let mut command = cargo(sanitizer, &target, what);
            command.arg(program).arg("--").args(more);
            if LEAKED.contains(&program) {
                // Of two values the last one counts.
                let options = format!("{}:detect_leaks=0", sanitizer.options.1);
                command.env(sanitizer.options.0, options);
            }
            let kind = what[1].trim_start_matches('-');
            let more = more.last().filter(|option| option.starts_with("--"));
            let name = [
                sanitizer.name,
                kind,
                program,
                more.copied().unwrap_or_default(),
            ]
            .join(" ");
            match one(&name, &mut command) {
                true => passed += 1,
                false => failed += 1,
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

/// A run or a test of this crate, with everything built for the sanitizer.
fn cargo(sanitizer: &Sanitizer, target: &str, what: &[&str]) -> Command {
    let Sanitizer { name, options, .. } = sanitizer;
    let mut command = nightly::cargo(what[0]);
    command
        .current_dir(shell::root())
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", format!("-Zsanitizer={name}"))
        .env(options.0, options.1)
        .args(["--release", "-Zbuild-std"])
        .args(["--target", target])
        .args(["--target-dir", &format!("target/san-{name}")])
        .args(&what[1..]);
    command
}

/// One run; prints a line.
fn one(name: &str, command: &mut Command) -> bool {
    let start = Instant::now();
    let result = shell::run(command, LIMIT);
    let ok = result.as_ref().is_ok_and(shell::Output::ok);
    println!(
        "{} {name}: {} s",
        if ok { "ok    " } else { "FAILED" },
        start.elapsed().as_secs()
    );
    match result {
        Ok(output) if !ok => print!("{}", report(&output)),
        Err(why) => println!("    {why}"),
        _ => {}
    }
    ok
}

/// The start of a sanitizer's report, or the end of the output if there is
/// none. Names in it are long.
fn report(output: &shell::Output) -> String {
    let is_start = |line: &&str| line.contains("WARNING: ") || line.contains("ERROR: ");
    let lines = output.stderr.lines().skip_while(|line| !is_start(line));
    if lines.clone().next().is_none() {
        return output.tail(40);
    }
    let short = |line: &str| line.chars().take(150).collect::<String>();
    let mut text = String::new();
    for line in lines.take(30) {
        text += &format!("    {}\n", short(line));
    }
    text
}

/// The host, as rustc calls it.
fn host() -> Result<String, String> {
    let version = shell::run(Command::new("rustc").arg("-vV"), LIMIT)?;
    let mut lines = version.stdout.lines();
    let host = lines.find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc does not name the host".into())
}

#[test]
fn every_test_is_listed() {
    // Other processes, what is compiled for loom only, a model, the linker's
    // layout, and signals after each instruction.
    let left_out = [
        "compile_fail",
        "examples",
        "loom",
        "membarrier_modes",
        "single_step",
        "variance",
        "zero",
    ];
    let [_, address] = &SANITIZERS;
    for name in shell::tests() {
        let count = |list: &[&str]| list.iter().filter(|one| **one == name).count();
        assert_eq!(count(address.tests) + count(&left_out), 1, "{name}");
    }
}
