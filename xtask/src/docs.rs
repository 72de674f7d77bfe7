//! `cargo xtask docs`: builds the documentation without a warning, and checks
//! that no page has a dead link, every public item has an example, and no
//! phrase to be avoided occurs in the sources and pages.

mod examples;
mod links;
mod phrases;

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command, time::Duration};

use crate::{arguments, nightly, shell, shell::root};

const LIMIT: Duration = Duration::from_secs(600);
/// What docs.rs builds with, as far as a host can.
const FEATURES: &str = "std,heapless,stats,spin,critical-section";

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    arguments::flags(parser, [])?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut build = shell::cargo();
    build
        .current_dir(root())
        .args(["doc", "--quiet", "--no-deps", "--features", FEATURES])
        .env("RUSTDOCFLAGS", "-D warnings");
    succeed(&mut build)?;
    let texts = texts()?;
    let pages = pages(&texts);
    let html = |path: &str| fs::read_to_string(target.join("doc").join(path)).ok();
    let exists = |path: &str| root().join(path).exists();
    let mut complaints = links::dead(&pages, &exists, &html);
    complaints.extend(phrases::found(&texts)?);

    nightly::install(&[])?;
    let folder = target.join("json");
    let mut build = nightly::cargo("rustdoc");
    build
        .current_dir(root())
        .args(["--quiet", "--lib", "--features", FEATURES, "--target-dir"])
        .arg(&folder)
        .args(["--", "-Zunstable-options", "--output-format=json"]);
    succeed(&mut build)?;
    let json = fs::read_to_string(folder.join("doc/hyaline.json"));
    let json = json.map_err(|error| format!("rustdoc made no hyaline.json: {error}"))?;
    let (items, without) = examples::without(&json)?;
    complaints.extend(without.iter().map(|item| format!("{item} has no example")));

    if !complaints.is_empty() {
        return Err(complaints.join("\n"));
    }
    println!(
        "{} pages without a dead link, {items} items with an example, \
         {} files without a phrase of {}",
        pages.len(),
        texts.len(),
        phrases::PAGE
    );
    Ok(())
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = shell::run(command, LIMIT)?;
    match output.ok() {
        true => Ok(()),
        false => Err(format!("{}\n{}", output.reason(), output.tail(60))),
    }
}

/// The sources and pages of the repository and their texts.
fn texts() -> Result<BTreeMap<String, String>, String> {
    let mut list = Command::new("git");
    // Including those that are not committed yet.
    list.current_dir(root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.c",
        "*.h",
        "*.litmus",
        "*.md",
        "*.pml",
        "*.rs",
        "*.toml",
        "*.x",
        ".ci/run",
    ]);
    let output = shell::run(&mut list, LIMIT)?;
    if !output.ok() {
        return Err(format!("git: {}\n{}", output.reason(), output.tail(5)));
    }
    let read = |path: &str| match fs::read_to_string(root().join(path)) {
        Ok(text) => Ok((path.to_string(), text)),
        Err(error) => Err(format!("{path}: {error}")),
    };
    let is_there = |path: &&str| root().join(path).exists();
    output.stdout.lines().filter(is_there).map(read).collect()
}

/// The pages among the texts.
fn pages(texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    // Parts of `docs/performance.md` and `docs/cores.md`, with links relative to
    // those pages.
    let is_part = |path: &str| path.starts_with("bench/src/") || path.starts_with("xtask/src/");
    let is_page = |path: &str| path.ends_with(".md") && !is_part(path);
    let pages = texts.iter().filter(|(path, _)| is_page(path));
    pages
        .map(|(path, text)| (path.clone(), text.clone()))
        .collect()
}
