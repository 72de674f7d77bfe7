//! `cargo xtask miri`: the suite under Miri, in several memory models and on
//! several targets, and its threaded tests with many seeds.

use std::time::{Duration, Instant};

use crate::shell;

/// What every run has.
const FLAGS: &str = "-Zmiri-strict-provenance -Zmiri-symbolic-alignment-check";
/// The longest that one run may take.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// The suite: what it is run as, a target other than the host's, more flags.
const RUNS: [(&str, &str, &str); 4] = [
    ("stacked borrows", "", ""),
    ("tree borrows", "", "-Zmiri-tree-borrows"),
    ("32 bits", "i686-unknown-linux-gnu", ""),
    ("32 bits, big-endian", "powerpc-unknown-linux-gnu", ""),
];

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    let mut seeds = 64_u32;
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        use lexopt::prelude::*;
        match argument {
            Long("seeds") => {
                let value = arguments.value().map_err(|e| e.to_string())?;
                seeds = value.parse().map_err(|e| e.to_string())?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let mut failed = 0;
    for (name, target, flags) in RUNS {
        let tests = [
            "--lib",
            "--test",
            "collector",
            "--test",
            "grace",
            "--test",
            "bound",
        ];
        failed += usize::from(!one(name, target, flags, &tests, &[]));
    }
    if seeds > 0 {
        let flags = format!("-Zmiri-many-seeds=0..{seeds}");
        // The tests in which threads race.
        for (test, filter) in [
            ("collector", "values_are_dropped_once"),
            ("grace", "synchronize_waits"),
        ] {
            let name = format!("{seeds} seeds, {filter}");
            failed += usize::from(!one(&name, "", &flags, &["--test", test], &[filter]));
        }
    }
    println!(
        "{} passed, {failed} failed",
        RUNS.len() + 2 * usize::from(seeds > 0) - failed
    );
    if failed == 0 {
        Ok(())
    } else {
        Err(String::new())
    }
}

/// One run; prints a line.
fn one(name: &str, target: &str, flags: &str, tests: &[&str], filter: &[&str]) -> bool {
    let start = Instant::now();
    // The toolchain is chosen by rustup, through the name on the search path.
    let mut command = std::process::Command::new("cargo");
    command
        .current_dir(shell::root())
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env("MIRIFLAGS", format!("{FLAGS} {flags}"))
        .args(["+nightly", "miri", "test", "--target-dir", "target/miri"])
        .args(tests);
    if !target.is_empty() {
        command.args(["--target", target]);
    }
    command.args(filter);
    let result = shell::run(&mut command, LIMIT);
    let ok = result.as_ref().is_ok_and(shell::Output::ok);
    println!(
        "{} {name}: {} s",
        if ok { "ok    " } else { "FAILED" },
        start.elapsed().as_secs()
    );
    match result {
        Ok(output) if !ok => print!("{}", output.tail(40)),
        Err(why) => println!("    {why}"),
        _ => {}
    }
    ok
}
