//! `cargo xtask targets`: builds the library, with code for each part of it
//! (`targets/probe`), for processors of every kind that portable-atomic
//! supports. What ran where is in `docs/targets.md`.

mod list;

use crate::{
    arguments, nightly, provide,
    qemu::{Outcome, Tally},
    shell::{self, cargo, root},
};
use list::{How, Row, TARGETS};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(600);

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let known = TARGETS.iter().map(|row| row.target);
    let ([quick, allow_missing], names) =
        arguments::flags_and_names(parser, ["quick", "allow-missing"], known)?;
    let chosen = |row: &&Row| match names.is_empty() {
        true => !quick || row.quick,
        false => names.choose(row.target),
    };
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("targets");
    let mut tally = Tally::new(allow_missing);
    for row in TARGETS.iter().filter(chosen) {
        let start = Instant::now();
        let outcome = match provide(row) {
            Err(reason) => Outcome::Missing(reason),
            Ok(how) => judge(row, &build(row, how, &folder)?),
        };
        tally.note(&row.name(), outcome, start.elapsed());
        // A core library for each target would take too much space. It may not
        // exist.
        let _ = fs::remove_dir_all(folder.join(row.target));
    }
    tally.close()
}

/// Installs what builds a row; returns how it is built.
fn provide(row: &Row) -> Result<How, String> {
    if let How::Rustup = row.how {
        match provide::target(row.target) {
            // Without std there is another way.
            Err(_) if !row.features.contains("std") => {}
            other => return other.map(|()| How::Rustup),
        }
    }
    nightly::install(&["rust-src"])?;
    Ok(match row.how {
        How::Rustup => How::Core,
        other => other,
    })
}

fn build(row: &Row, how: How, folder: &Path) -> Result<shell::Output, String> {
    let mut command = match how {
        How::Rustup => cargo(),
        How::Core | How::Check { .. } => nightly::cargo("--quiet"),
    };
    match how {
        How::Rustup => command.args(["build", "--target", row.target]),
        How::Core => command.args(["build", "-Zbuild-std=core", "--target", row.target]),
        How::Check { layout } => command
            .args([
                "check",
                "-Zbuild-std=core",
                "-Zjson-target-spec",
                "--target",
            ])
            .arg(description(row.target, layout, folder)?),
    };
    command
        .current_dir(shell::targets())
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", row.flags)
        .args(["--package", "probe"])
        .args(["--features", row.features, "--target-dir"])
        .arg(folder);
    shell::run(&mut command, LIMIT)
}

/// Writes the compiler's own description of a target with another data layout;
/// returns its path.
fn description(target: &str, layout: &str, folder: &Path) -> Result<PathBuf, String> {
    let mut command = Command::new("rustc");
    command.env_remove("RUSTUP_TOOLCHAIN").args([
        "+nightly",
        "-Zunstable-options",
        "--print=target-spec-json",
        "--target",
        target,
    ]);
    let printed = shell::run(&mut command, LIMIT)?;
    if !printed.ok() {
        return Err(format!("rustc: {}\n{}", printed.reason(), printed.tail(5)));
    }
    let lines = printed.stdout.lines().map(|line| {
        if line.trim_start().starts_with("\"data-layout\"") {
            format!("  \"data-layout\": \"{layout}\",\n")
        } else {
            format!("{line}\n")
        }
    });
    let path = folder.join(format!("{target}.json"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, lines.collect::<String>()))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// A row that is known to fail must fail in the known way.
fn judge(row: &Row, output: &shell::Output) -> Outcome {
    match (row.fails, output.ok()) {
        ("", true) => Outcome::Passed,
        ("", false) => Outcome::Failed(format!("{}\n{}", output.reason(), output.tail(30))),
        (_, true) => Outcome::Failed("builds now: change xtask/src/targets/list.rs".into()),
        (text, false) if output.stderr.contains(text) => Outcome::Passed,
        (text, false) => Outcome::Failed(format!(
            "does not say {text:?}: {}\n{}",
            output.reason(),
            output.tail(30)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(code: i32, stderr: &str) -> shell::Output {
        shell::Output {
            code: Some(code),
            stdout: String::new(),
            stderr: stderr.into(),
            timed_out: false,
        }
    }

    #[test]
    fn known_failures_are_looked_at() {
        let good = &TARGETS[0];
        let passed = |outcome| matches!(outcome, Outcome::Passed);
        assert!(good.fails.is_empty());
        assert!(passed(judge(good, &output(0, ""))));
        assert!(!passed(judge(good, &output(101, ""))));
        let bad = TARGETS.iter().find(|row| !row.fails.is_empty()).unwrap();
        assert!(!passed(judge(bad, &output(0, ""))));
        assert!(!passed(judge(bad, &output(101, "something else"))));
        assert!(passed(judge(bad, &output(101, bad.fails))));
    }

    #[test]
    fn the_page_has_each_target() {
        let page = fs::read_to_string(root().join("docs/targets.md")).unwrap();
        for row in TARGETS {
            assert!(
                page.contains(&format!("`{}`", row.target)),
                "{}",
                row.target
            );
        }
    }
}
