//! `cargo xtask api`: the public API, compared with the recorded list, so that
//! a review sees each change. From rustdoc's JSON, of nightly.

use crate::{
    arguments, nightly,
    shell::{self, root},
};
use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

const LIMIT: Duration = Duration::from_secs(1200);
const KEPT: &str = "xtask/public-api.txt";

/// Traits that the compiler derives and this crate does not promise. Nightly
/// adds some now and then.
const LEFT_OUT: &[&str] = &[
    "Freeze for",
    "StructuralPartialEq for",
    "Unpin for",
    "UnsafeUnpin for",
    "UnwindSafe for",
];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let [accept, allow_missing] = arguments::flags(parser, ["accept", "allow-missing"])?;
    nightly::install(&[])?;
    let now = match list(document()?) {
        Ok(list) => list,
        Err(why) if allow_missing => {
            println!("not compared: {why}");
            return Ok(());
        }
        Err(why) => return Err(why),
    };
    let path = root().join(KEPT);
    if accept {
        return fs::write(&path, now).map_err(|error| format!("{KEPT}: {error}"));
    }
    let kept = fs::read_to_string(&path).map_err(|error| format!("{KEPT}: {error}"))?;
    let changes = changes(&kept, &now);
    if changes.is_empty() {
        println!("{} lines of public API, as recorded", now.lines().count());
        return Ok(());
    }
    Err(format!(
        "the public API differs from the recorded list; if this is intended: `cargo xtask api --accept`\n{changes}"
    ))
}

/// Makes rustdoc write its JSON; returns the path.
fn document() -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("api");
    let mut command = nightly::cargo("rustdoc");
    command
        .current_dir(root())
        .env_remove("RUSTDOCFLAGS")
        .args(["--package", "hyaline", "--lib", "--all-features"])
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format", "json"]);
    let output = shell::run(&mut command, LIMIT)?;
    if !output.ok() {
        return Err(format!("{}\n{}", output.reason(), output.tail(40)));
    }
    Ok(target.join("doc/hyaline.json"))
}

fn list(json: PathBuf) -> Result<String, String> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .build()
        .map_err(|error| {
            format!(
                "the crate `public-api` cannot read what this nightly writes; \
                 `cargo update -p public-api`, or a newer one in xtask/Cargo.toml: {error}"
            )
        })?;
    let lines = api.items().map(|item| format!("{item}\n"));
    let promised = |line: &String| !LEFT_OUT.iter().any(|name| line.contains(name));
    Ok(lines.filter(promised).collect())
}

/// Removed lines, and added lines.
fn changes(kept: &str, now: &str) -> String {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (kept.lines().collect(), now.lines().collect());
    let gone = old.difference(&new).map(|line| format!("- {line}\n"));
    let come = new.difference(&old).map(|line| format!("+ {line}\n"));
    gone.chain(come).collect()
}

#[test]
fn changes_are_seen() {
    assert_eq!(changes("a\nb\n", "b\na\n"), "");
    assert_eq!(changes("a\nb\n", "b\nc\n"), "- a\n+ c\n");
}
