//! `cargo xtask miri`: the suite under Miri, in several memory models and on
//! several targets, and threads that race with many seeds.

use std::time::{Duration, Instant};

use crate::{nightly, shell};

/// The flags of every run.
const FLAGS: &str = "-Zmiri-strict-provenance -Zmiri-symbolic-alignment-check";
/// The longest that one run may take.
const LIMIT: Duration = Duration::from_secs(12 * 3600);

/// The tests that Miri can run. What is left out, and why, is in
/// `every_test_is_listed`; and the snippets in the docs.
const TESTS: [&str; 30] = [
    "--lib",
    "--test=authors",
    "--test=collector",
    "--test=coming_from",
    "--test=supervise",
    "--test=faults",
    "--test=grace",
    "--test=guarantees",
    "--test=handle_cell",
    "--test=messages",
    "--test=model",
    "--test=pool",
    "--test=reentrant",
    "--test=run_time",
    "--test=safe",
    "--test=safe_block_queue",
    "--test=safe_chaos",
    "--test=safe_deferred",
    "--test=safe_docs",
    "--test=safe_domain",
    "--test=safe_heap",
    "--test=safe_linear",
    "--test=safe_panics",
    "--test=safe_reentrant",
    "--test=safe_smallest",
    "--test=safe_structures",
    "--test=safe_tags",
    "--test=safe_walk",
    "--test=total_order",
    "--test=which_one",
];

/// A way to run the suite.
struct Run<'a> {
    name: &'a str,
    /// Unless it is the host.
    target: &'a str,
    /// In addition to those of every run.
    flags: &'a str,
    /// A test that takes too long in this way.
    skip: Option<&'a str>,
    /// Part of `--quick`, for which CI has time.
    quick: &'a [&'a str],
}

const RUNS: [Run<'_>; 4] = [
    Run {
        name: "stacked borrows",
        target: "",
        flags: "",
        skip: None,
        quick: &[
            "--test=collector",
            "--test=supervise",
            "--test=faults",
            "--test=grace",
            "--test=total_order",
        ],
    },
    Run {
        name: "tree borrows",
        target: "",
        flags: "-Zmiri-tree-borrows",
        // Each use of the collector makes a node in a tree over all its slots.
        skip: Some("a_thousand_slots"),
        quick: &["--test=collector"],
    },
    // The eras' clock has two words here; both byte orders, and both machines
    // weakly ordered.
    Run {
        name: "32 bits",
        target: "armv7-unknown-linux-gnueabihf",
        flags: "",
        skip: None,
        quick: &["--lib", "--test=collector"],
    },
    Run {
        name: "32 bits, big-endian",
        target: "powerpc-unknown-linux-gnu",
        flags: "",
        skip: None,
        quick: &[],
    },
];

/// For many seeds: without the checks whose result is the same for each seed,
/// and which the suite makes. It halves the time.
const SEED_FLAGS: &str = "-Zmiri-disable-stacked-borrows -Zmiri-disable-validation \
                          -Zmiri-disable-alignment-check";

/// The number of seeds per line: an hour's run shows its progress, and an
/// aborted one has a result.
const STRIDE: usize = 256;

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    let (mut seeds, mut only, mut quick, mut name) = (64_u32, false, false, None);
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        use lexopt::prelude::*;
        match argument {
            Long("seeds") => {
                let value = arguments.value().map_err(|e| e.to_string())?;
                seeds = value.parse().map_err(|e| e.to_string())?;
            }
            Long("only-seeds") => only = true,
            Long("quick") => quick = true,
            // One way to run the suite.
            Value(value) if name.is_none() => name = Some(value.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    nightly::install(&["miri", "rust-src"])?;
    let (mut passed, mut failed) = (0, 0);
    let mut count = |ok| *(if ok { &mut passed } else { &mut failed }) += 1;
    if !only {
        for run in RUNS {
            let tests = if quick { run.quick } else { &TESTS };
            let chosen = name.as_ref().is_none_or(|name| name == run.name);
            if chosen && !tests.is_empty() {
                count(one(&run, tests));
            }
        }
    }
    if name.is_none() {
        for first in (0..seeds).step_by(STRIDE) {
            let end = seeds.min(first + STRIDE as u32);
            let run = Run {
                name: &format!("seeds {first}..{end}"),
                target: "",
                flags: &format!("{SEED_FLAGS} -Zmiri-many-seeds={first}..{end}"),
                skip: None,
                quick: &[],
            };
            count(one(&run, &["--test=seeds"]));
        }
    }
    println!("{passed} passed, {failed} failed");
    if passed + failed == 0 {
        let names = RUNS.map(|run| run.name);
        return Err(format!("nothing ran; NAME is one of {names:?}"));
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(String::new())
    }
}

/// One run; prints a line.
fn one(run: &Run<'_>, tests: &[&str]) -> bool {
    let start = Instant::now();
    // The user's own flags go last: they may contradict.
    let own = std::env::var("MIRIFLAGS").unwrap_or_default();
    let mut command = nightly::cargo("miri");
    command
        .current_dir(shell::root())
        .env("MIRIFLAGS", format!("{FLAGS} {} {own}", run.flags))
        .args(["test", "--target-dir", "target/miri"])
        .args(tests);
    if !run.target.is_empty() {
        command.args(["--target", run.target]);
    }
    if let Some(test) = run.skip {
        command.args(["--", "--skip", test]);
    }
    let result = shell::run(&mut command, LIMIT);
    let ok = result.as_ref().is_ok_and(shell::Output::ok);
    println!(
        "{} {}: {} s",
        if ok { "ok    " } else { "FAILED" },
        run.name,
        start.elapsed().as_secs()
    );
    match result {
        Ok(output) if !ok => print!("{}", output.tail(40)),
        Err(why) => println!("    {why}"),
        _ => {}
    }
    ok
}

#[test]
fn every_test_is_listed() {
    let left_out = [
        // Processes.
        "compile_fail",
        "examples",
        "fork",
        "variance",
        // The kernel; and what uses no part of the crate.
        "membarrier",
        "membarrier_modes",
        "safe_tasks",
        "tasks",
        // The linker.
        "zero",
        // A torture test; searches limited by time; signals.
        "selftest",
        "bound",
        "small_memory",
        "single_step",
        // Not for Miri; and separate, below.
        "loom",
        "seeds",
    ];
    for name in shell::tests() {
        let listed = TESTS.contains(&format!("--test={name}").as_str());
        assert_ne!(listed, left_out.contains(&name.as_str()), "{name}");
    }
}
