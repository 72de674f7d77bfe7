//! `cargo xtask msrv`: the README's first use with each feature, in a crate that depends
//! on the archive, with the oldest Rust that is promised; with the newest
//! dependencies that support this Rust and with the oldest that the manifest
//! allows. Also the tests, examples and snippets of the archive.
//!
//! The program and the snippets run, the others are built: `cargo check` does not
//! evaluate the constants of generic code.

use crate::{
    arguments, nightly, package, provide,
    shell::{self, root},
};
use std::{fs, path::Path, process::Command, time::Duration};

const LIMIT: Duration = Duration::from_secs(1200);

/// Features that need a newer Rust than the crate, because their dependencies
/// do.
const NEWER: &[(&str, &str)] = &[("heapless", "1.87")];

/// What of the archive is tested. Messages of the compiler are compared by another
/// version.
const ARCHIVE: &[(&str, &[&str])] = &[
    (
        "tests and examples are built",
        &["--all-targets", "--no-run"],
    ),
    ("snippets run", &["--doc"]),
];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    arguments::flags(parser, [])?;
    let manifest = root().join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).map_err(|error| error.to_string())?;
    let oldest = rust_version(&manifest).ok_or("Cargo.toml has no rust-version")?;
    let features = features(&manifest);
    let versions = || NEWER.iter().map(|(_, version)| *version).chain([oldest]);
    for version in versions() {
        provide::toolchain(version)?;
    }
    nightly::install(&[])?;
    package::unpacked(|archive, target| {
        let user = archive.with_file_name("user");
        for version in versions() {
            write_user(&user, archive, version, &features)?;
            for (what, minimal) in [("newest", false), ("oldest", true)] {
                let mut lock = match minimal {
                    false => cargo(version, "update"),
                    true => nightly::cargo("update"),
                };
                if minimal {
                    lock.arg("-Zminimal-versions");
                }
                done(&mut lock, &user, what)?;
                for feature in features.iter().copied().chain([""]) {
                    if needs(feature).unwrap_or(oldest) != version {
                        continue;
                    }
                    let name = format!("{version}, {what} dependencies, feature {feature:?}");
                    let mut run = cargo(version, "run");
                    run.args(["--features", feature, "--target-dir"]);
                    run.arg(target.join("user"));
                    done(&mut run, &user, &name)?;
                    println!("{name}: ok");
                }
            }
        }
        // With the newest versions that support this Rust, not those of the
        // archive.
        done(&mut cargo(oldest, "update"), archive, "update")?;
        for (what, options) in ARCHIVE {
            let name = format!("{oldest}, {what}");
            let mut test = cargo(oldest, "test");
            test.args(*options).args(["--features", "std,stats"]);
            test.arg("--target-dir").arg(target.join("oldest"));
            done(&mut test, archive, &name)?;
            println!("{name}: ok");
        }
        Ok(())
    })
}

/// A crate as a user has it. The tests' dependencies are not in its lock file,
/// so the oldest versions are those that our manifest allows.
fn write_user(
    folder: &Path,
    archive: &Path,
    version: &str,
    features: &[&str],
) -> Result<(), String> {
    let readme = fs::read_to_string(archive.join("README.md")).map_err(|e| e.to_string())?;
    let first_use = first_use(&readme).ok_or("README.md has no snippet")?;
    let features: String = features
        .iter()
        .map(|name| format!("{name} = [\"hyaline/{name}\"]\n"))
        .collect();
    let manifest = format!(
        "[package]\nname = \"user\"\nedition = \"2024\"\nrust-version = \"{version}\"\n\
         [dependencies]\nhyaline = {{ path = {archive:?} }}\n[features]\n{features}"
    );
    fs::create_dir_all(folder.join("src"))
        .and_then(|()| fs::write(folder.join("Cargo.toml"), manifest))
        .and_then(|()| fs::write(folder.join("src/main.rs"), first_use))
        .map_err(|error| format!("{}: {error}", folder.display()))
}

/// The program of the README.
fn first_use(readme: &str) -> Option<String> {
    let (_, snippet) = readme.split_once("```rust\n")?;
    let (snippet, _) = snippet.split_once("# Ok::")?;
    Some(format!(
        "fn main() -> Result<(), Box<dyn std::error::Error>> {{\n{snippet}Ok(())\n}}\n"
    ))
}

fn cargo(version: &str, what: &str) -> Command {
    let mut command = Command::new("cargo");
    command
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args([&format!("+{version}"), what]);
    command
}

/// Twice: the registry may be busy.
fn done(command: &mut Command, folder: &Path, name: &str) -> Result<(), String> {
    command.current_dir(folder);
    let mut output = shell::run(command, LIMIT)?;
    if !output.ok() {
        output = shell::run(command, LIMIT)?;
    }
    match output.ok() {
        true => Ok(()),
        false => Err(format!("{name}: {}\n{}", output.reason(), output.tail(40))),
    }
}

fn needs(feature: &str) -> Option<&'static str> {
    let newer = NEWER.iter().find(|(name, _)| *name == feature);
    newer.map(|(_, version)| *version)
}

fn rust_version(manifest: &str) -> Option<&str> {
    let mut lines = manifest.lines();
    let line = lines.find_map(|line| line.strip_prefix("rust-version = \""))?;
    line.strip_suffix('"')
}

/// The names in the section `[features]`, without `default`.
fn features(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines().skip_while(|line| *line != "[features]");
    let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| Some(line.split_once(" = [")?.0));
    names
        .filter(|name| *name != "default" && !name.starts_with('#'))
        .collect()
}

#[test]
fn the_manifest_is_understood() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(rust_version(&manifest).is_some());
    let features = features(&manifest);
    for name in ["alloc", "std", "stats", "defmt"] {
        assert!(features.contains(&name), "{name}: {features:?}");
    }
    for (name, version) in NEWER {
        assert!(features.contains(name));
        let page = fs::read_to_string(root().join("src/lib.rs")).unwrap();
        let line = format!("with the feature `{name}` {version}");
        assert!(page.contains(&line), "src/lib.rs lacks: {line}");
    }
}
