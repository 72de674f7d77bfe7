//! `cargo xtask examples`: each example ends, again and again. All run at the
//! same time, so that each has the others as load.

use std::{
    fs, panic,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use crate::shell::{self, root};

/// To build, and to run one example once.
const LIMITS: [Duration; 2] = [Duration::from_secs(1800), Duration::from_secs(60)];

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    use lexopt::prelude::*;
    let mut runs = 1000_usize;
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        match argument {
            Long("runs") => {
                let value = arguments.value().map_err(|e| e.to_string())?;
                runs = value.parse().map_err(|e| e.to_string())?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let mut build = shell::cargo();
    let built = shell::run(build.args(["build", "--release", "--examples"]), LIMITS[0])?;
    if !built.ok() {
        return Err(format!("the examples do not build:\n{}", built.tail(20)));
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let folder = target.join("release/examples");
    let failed: usize = thread::scope(|scope| {
        let repeat = |command| {
            let folder = &folder;
            scope.spawn(move || repeat(folder, command, runs))
        };
        let running: Vec<_> = commands().into_iter().map(repeat).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|payload| panic::resume_unwind(payload))
        };
        running.into_iter().map(join).sum()
    });
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} runs failed")),
    }
}

/// The command in the first line of each example's recorded run.
fn commands() -> Vec<String> {
    let files = fs::read_dir(root().join("examples")).into_iter().flatten();
    let command = |path: PathBuf| {
        let recorded = path.extension()? == "txt";
        let text = fs::read_to_string(path).ok().filter(|_| recorded)?;
        Some(text.lines().next()?.strip_prefix("$ ")?.to_owned())
    };
    files
        .flatten()
        .filter_map(|file| command(file.path()))
        .collect()
}

/// Runs an example so many times. Returns how many runs failed.
fn repeat(folder: &Path, command: String, runs: usize) -> usize {
    let mut words = command.split_whitespace();
    let (Some(name), options) = (words.next(), words.collect::<Vec<_>>()) else {
        return 1;
    };
    let mut failed = 0;
    for _ in 0..runs {
        let mut command = Command::new(folder.join(name));
        match shell::run(command.args(&options), LIMITS[1]) {
            Ok(output) if output.ok() => {}
            Ok(output) => {
                failed += 1;
                println!("{name}: {}\n{}", output.reason(), output.tail(10));
            }
            Err(reason) => {
                println!("{name}: {reason}");
                return failed + 1;
            }
        }
    }
    println!("{command}: {runs} runs, {failed} failed");
    failed
}
