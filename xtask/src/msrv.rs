//! `cargo xtask msrv`: the library with each feature, in a crate that depends
//! on the archive, with the oldest Rust that is promised; with the newest
//! dependencies that support this Rust and with the oldest that the manifest
//! allows. Also the tests and examples of the archive.

use crate::{
    arguments, nightly, package, provide,
    shell::{self, root},
};
use std::{fs, path::Path, process::Command, time::Duration};

const LIMIT: Duration = Duration::from_secs(1200);

/// Features that need a newer Rust than the crate, because their dependencies
/// do.
const NEWER: &[(&str, &str)] = &[("heapless", "1.87")];

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
                    let mut check = cargo(version, "check");
                    check.args(["--features", feature, "--target-dir"]);
                    check.arg(target.join("user"));
                    done(&mut check, &user, &name)?;
                    println!("{name}: ok");
                }
            }
        }
        // With the newest versions that support this Rust, not those of the
        // archive.
        done(&mut cargo(oldest, "update"), archive, "update")?;
        let name = format!("{oldest}, tests and examples");
        let mut check = cargo(oldest, "check");
        check.args(["--all-targets", "--features", "std,stats"]);
        check.arg("--target-dir").arg(target);
        done(&mut check, archive, &name)?;
        println!("{name}: ok");
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
        .and_then(|()| fs::write(folder.join("src/lib.rs"), "pub use hyaline::*;\n"))
        .map_err(|error| format!("{}: {error}", folder.display()))
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
