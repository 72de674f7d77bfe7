//! `cargo xtask package`: a dry run of publishing. Makes the archive, unpacks
//! it outside the workspace, and tests it there, with and without features, as
//! distributions do.

use crate::{
    arguments, provide,
    shell::{self, cargo, root},
};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(1200);

/// The name without features is what a plain `cargo test` does. What is built for
/// the first is mostly of use for the second.
const FEATURES: &[&str] = &["", "std,heapless,stats,spin,critical-section"];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    arguments::flags(parser, [])?;
    publish()?;
    unpacked(test)
}

/// `cargo publish --dry-run`, without a warning.
fn publish() -> Result<(), String> {
    let mut why = String::new();
    // A second time: the registry may be busy.
    for _ in 0..2 {
        let mut command = plain("publish", &target());
        command
            .current_dir(root())
            // A change may be in progress.
            .args(["--dry-run", "--package", "hyaline", "--allow-dirty"]);
        let output = shell::run(&mut command, LIMIT)?;
        if output.ok() {
            return match warnings(&output.stderr).next() {
                None => Ok(()),
                Some(warning) => Err(format!("cargo publish --dry-run warns: {warning}")),
            };
        }
        why = format!("{}\n{}", output.reason(), output.tail(20));
    }
    Err(format!("cargo publish --dry-run: {why}"))
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("archive")
}

/// Makes and unpacks the archive outside the workspace; calls `check` with the
/// folder of the package and one for build output.
pub fn unpacked(check: impl FnOnce(&Path, &Path) -> Result<(), String>) -> Result<(), String> {
    provide::program("tar", &[])?;
    let target = target();
    let archive = make(&target)?;
    // The same each time, because tests remember where they were built; and one
    // for each checkout.
    let mut hasher = DefaultHasher::new();
    root().hash(&mut hasher);
    let place = std::env::temp_dir().join(format!("hyaline-archive-{:x}", hasher.finish()));
    let result = unpack(&archive, &place).and_then(|folder| check(&folder, &target));
    // A failure leaves a temporary folder behind.
    let _ = fs::remove_dir_all(&place);
    result
}

/// Cargo without the settings of the workspace.
fn plain(what: &str, target: &Path) -> Command {
    let mut command = cargo();
    command
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args([what, "--target-dir"])
        .arg(target);
    command
}

/// Makes the archive and returns its path.
fn make(target: &Path) -> Result<PathBuf, String> {
    let folder = target.join("package");
    // One of another version would be mistaken for it. There may be none.
    let _ = fs::remove_dir_all(&folder);
    let mut why = String::new();
    // A second time: the registry may be busy.
    for _ in 0..2 {
        let mut command = plain("package", target);
        command
            .current_dir(root())
            // An error would be found below; a change may be in progress.
            .args(["--package", "hyaline", "--no-verify", "--allow-dirty"]);
        let output = shell::run(&mut command, LIMIT)?;
        if output.ok() {
            let files = fs::read_dir(&folder).map_err(|error| error.to_string())?;
            let mut paths = files.flatten().map(|file| file.path());
            return paths
                .find(|path| path.extension().is_some_and(|name| name == "crate"))
                .ok_or_else(|| "cargo package made no archive".into());
        }
        why = format!("{}\n{}", output.reason(), output.tail(20));
    }
    Err(format!("cargo package: {why}"))
}

/// Cargo's warnings, except the expected ones.
fn warnings(said: &str) -> impl Iterator<Item = &str> {
    let expected = ["ignoring test `", "aborting upload due to dry run"];
    said.lines()
        .filter_map(|line| line.strip_prefix("warning: "))
        .filter(move |warning| !expected.iter().any(|start| warning.starts_with(start)))
}

/// Unpacks into an empty folder; returns the one of the package.
fn unpack(archive: &Path, place: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(place).map_err(|error| format!("{}: {error}", place.display()))?;
    let mut tar = Command::new("tar");
    // `m`: the files are as old as this. The archive's times are constant, and cargo would
    // take a file that has changed for the one that it has built.
    tar.arg("-xzmf").arg(archive).arg("-C").arg(place);
    let output = shell::run(&mut tar, LIMIT)?;
    if !output.ok() {
        return Err(format!("tar: {}\n{}", output.reason(), output.tail(5)));
    }
    let name = archive.file_stem().ok_or("the archive has no name")?;
    Ok(place.join(name))
}

fn test(folder: &Path, target: &Path) -> Result<(), String> {
    for features in FEATURES {
        let mut command = plain("test", target);
        command
            .current_dir(folder)
            // The shortest sample, for which the place makes no difference.
            .env("HYALINE_SINGLE_STEP", "0")
            .args(["--no-fail-fast", "--features", features]);
        let output = shell::run(&mut command, LIMIT)?;
        let (suites, tests) = count(&output.stdout);
        println!("features {features:?}: {suites} suites, {tests} tests passed");
        if !output.ok() {
            return Err(format!("{}\n{}", output.reason(), output.tail(60)));
        }
        // About as many as there were when this was written.
        let enough = if features.is_empty() { 60 } else { 400 };
        if tests < enough {
            return Err(format!(
                "at least {enough} tests are expected: which are left out?"
            ));
        }
    }
    Ok(())
}

/// The suites and tests that passed.
fn count(said: &str) -> (usize, usize) {
    let lines = said.lines();
    let passed: Vec<usize> = lines
        .filter_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next())
        .filter_map(|number| number.parse().ok())
        .collect();
    (passed.len(), passed.iter().sum())
}

#[test]
fn results_are_counted() {
    let said = "running 3 tests\ntest result: ok. 3 passed; 0 failed\n\n\
        test result: FAILED. 2 passed; 1 failed\ntest result: ok. 4 passed; 0 failed\n";
    assert_eq!(count(said), (2, 7));
}

#[test]
fn warnings_are_seen() {
    let said = "   Packaging x\nwarning: ignoring test `a` as it is not included\n\
        warning: manifest has no documentation\n";
    assert!(warnings(said).eq(["manifest has no documentation"]));
}
