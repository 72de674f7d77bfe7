//! Xen's source package, from an earlier run or downloaded. It is GPL, and stays
//! out of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::cache;
use crate::{
    capi::checked,
    files::{ending, fresh},
    provide,
    shell::{self, Output},
};

const DOWNLOAD: Duration = Duration::from_secs(600);
const PACKAGE: &str = "xen";

/// The unpacked source.
pub fn provide() -> Result<PathBuf, String> {
    let source = cache().join("source");
    if source.join("hyaline-version").exists() {
        return Ok(source);
    }
    fresh(&cache())?;
    let version = download()?;
    let description = ending(&cache(), ".dsc")?;
    let description = description.first().ok_or("the package has no .dsc")?;
    let mut unpack = Command::new("dpkg-source");
    unpack.args(["--no-check", "-x"]).arg(description);
    checked(unpack.arg(&source), DOWNLOAD)?;
    // Last: what is there is whole.
    fs::write(source.join("hyaline-version"), version).map_err(|error| error.to_string())?;
    Ok(source)
}

/// Debian's version of an unpacked source.
pub fn version(source: &Path) -> Result<String, String> {
    fs::read_to_string(source.join("hyaline-version")).map_err(|error| error.to_string())
}

/// Downloads the package, and returns its version. A list may name a version
/// that its archive does not have any more: then it is an older one.
fn download() -> Result<String, String> {
    let cannot = |why: String| format!("the source package {PACKAGE} cannot be had: {why}");
    lists().map_err(cannot)?;
    let listed = run_apt("apt-cache", &["showsrc", "--only-source", PACKAGE])?;
    let versions = listed.stdout.lines();
    let versions: Vec<&str> = versions
        .filter_map(|line| line.strip_prefix("Version: "))
        .collect();
    let mut why = String::from("apt knows no version of it");
    for version in versions.iter().rev() {
        eprintln!("downloading {PACKAGE} {version}");
        let wanted = format!("{PACKAGE}={version}");
        let downloaded = run_apt("apt-get", &["source", "--download-only", &wanted])?;
        if downloaded.ok() {
            return Ok((*version).into());
        }
        why = format!("{}\n{}", downloaded.reason(), downloaded.tail(5));
    }
    Err(cannot(why))
}

/// Lists of sources, in a folder of our own, so that the machine's apt stays as it
/// is: for each list of packages that the machine has from Debian.
fn lists() -> Result<(), String> {
    let known = || {
        let mut targets = Command::new("apt-get");
        targets.args(["indextargets", "--format"]).args([
            "deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
            "Origin: Debian",
        ]);
        checked(&mut targets, DOWNLOAD).map(|output| output.stdout)
    };
    let mut lines = known()?;
    if lines.is_empty() {
        provide::update()?;
        lines = known()?;
    }
    for folder in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(cache().join("apt").join(folder)).map_err(|error| error.to_string())?;
    }
    fs::write(cache().join("apt/sources"), lines).map_err(|error| error.to_string())?;
    let updated = run_apt("apt-get", &["update"])?;
    match updated.ok() {
        true => Ok(()),
        false => Err(format!("{}\n{}", updated.reason(), updated.tail(5))),
    }
}

fn run_apt(program: &str, arguments: &[&str]) -> Result<Output, String> {
    let own = |name: &str, file: &str| format!("{name}={}", cache().join(file).display());
    let mut apt = Command::new(program);
    apt.current_dir(cache());
    for setting in [
        own("Dir::Etc::SourceList", "apt/sources"),
        own("Dir::Etc::SourceParts", "apt/none"),
        own("Dir::State::Lists", "apt/lists"),
        own("Dir::Cache", "apt/archives"),
    ] {
        apt.args(["-o", &setting]);
    }
    shell::run(apt.args(arguments), DOWNLOAD)
}
