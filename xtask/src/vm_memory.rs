//! `cargo xtask vm-memory`: the port for vm-memory. Its own tests, and those of the
//! published vm-memory with the port in the place of its address space.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    arguments,
    capi::{checked, target_folder},
    nightly, shell,
};

const LIMIT: Duration = Duration::from_secs(600);

/// What vm-memory's tests need. Without arc-swap, so that they cannot use it.
const MANIFEST: &str = r#"
[package]
name = "vm-memory"
version = "0.0.0"
edition = "2021"

[features]
backend-atomic = []
backend-bitmap = []
backend-mmap = []
iommu = []
rawfd = []
xen = []

[dependencies]
libc = "0.2"
thiserror = "2"

[dev-dependencies]
matches = "0.1"
vmm-sys-util = "0.15"

[workspace]
"#;

/// Where the tests of its address space begin; what is above gives way to the port.
const TESTS: &str = "\n#[cfg(test)]\nmod tests {";
const INSTEAD: &str = "\
    pub use crate::port::{GuestMemoryAtomic, GuestMemoryLoadGuard};\n\
    use {crate::GuestAddressSpace, std::sync::Arc};\n";

/// What these tests write in another way, because the port may have no slot.
const EDITS: [(&str, &str); 2] = [
    (
        "GuestMemoryMmapAtomic::new(gmm)",
        "GuestMemoryMmapAtomic::new(gmm).unwrap()",
    ),
    (
        "GuestMemoryAtomic<_> = gmm.clone().into()",
        "GuestMemoryAtomic<_> = gmm.clone().try_into().unwrap()",
    ),
];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let [miri] = arguments::flags(parser, ["miri"])?;
    if miri {
        let mut test = nightly::miri("", &target_folder())?;
        return ours(test.arg("--tests"));
    }
    ours(shell::cargo().arg("test"))?;
    let mut page = shell::cargo();
    page.args(["doc", "--quiet", "--no-deps"]);
    ours(page.env("RUSTDOCFLAGS", "-D warnings"))?;
    theirs()
}

/// A command of cargo on the port.
fn ours(command: &mut Command) -> Result<(), String> {
    command.args(["--package", "hyaline-vm-memory"]);
    let output = checked(command.current_dir(shell::root()), LIMIT)?;
    print!("{}", output.stdout);
    Ok(())
}

/// Their tests, in a copy of the sources that cargo has fetched.
fn theirs() -> Result<(), String> {
    let (version, sources) = published()?;
    let folder = target_folder().join("vm-memory");
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    // That of another version may be there.
    let _ = fs::remove_dir_all(folder.join("src"));
    copy(&sources.join("src"), &folder.join("src")).map_err(failed)?;
    let port = shell::root().join("ports/vm-memory/src/lib.rs");
    let hyaline = format!(
        "[dependencies.hyaline]\npath = {:?}\nfeatures = [\"std\"]\n",
        shell::root()
    );
    fs::write(folder.join("Cargo.toml"), format!("{MANIFEST}{hyaline}")).map_err(failed)?;
    // The versions that the port is tested with.
    fs::copy(shell::root().join("Cargo.lock"), folder.join("Cargo.lock")).map_err(failed)?;
    edit(&folder.join("src/lib.rs"), |text| {
        let port =
            format!("\nextern crate self as vm_memory;\n#[path = {port:?}]\npub mod port;\n");
        Ok(text + &port)
    })?;
    edit(&folder.join("src/atomic.rs"), on_the_port)?;
    let mut test = shell::cargo();
    test.current_dir(&folder)
        .args(["test", "--lib"])
        .args(["--features", "backend-mmap,backend-atomic,rawfd"])
        .arg("--target-dir")
        .arg(folder.join("target"));
    let output = checked(&mut test, LIMIT)?;
    let passed = |line: &&str| line.starts_with("test ") && line.ends_with(" ... ok");
    let all = output.stdout.lines().filter(passed).count();
    let of_port = output.stdout.lines().filter(passed);
    let of_port = of_port.filter(|line| line.starts_with("test atomic::tests::"));
    match of_port.count() {
        0 => Err(format!(
            "no test of the address space ran\n{}",
            output.tail(40)
        )),
        few => {
            println!("vm-memory {version}: {all} of its tests passed, {few} of them on the port");
            Ok(())
        }
    }
}

/// The version of vm-memory in the lock file, and where cargo keeps its sources.
fn published() -> Result<(String, PathBuf), String> {
    let mut metadata = shell::cargo();
    metadata
        .current_dir(shell::root())
        .args(["metadata", "--format-version", "1"]);
    let text = checked(&mut metadata, LIMIT)?.stdout;
    let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let packages = json["packages"].as_array().into_iter().flatten();
    let found = packages
        .filter(|package| package["name"] == "vm-memory")
        .find_map(|package| {
            let manifest = PathBuf::from(package["manifest_path"].as_str()?);
            let version = package["version"].as_str()?;
            Some((version.into(), manifest.parent()?.into()))
        });
    found.ok_or_else(|| "the lock file has no vm-memory".into())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::write(to, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

fn edit(path: &Path, change: impl FnOnce(String) -> Result<String, String>) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(failed)?;
    fs::write(path, change(text)?).map_err(failed)
}

/// Their address space and its tests, with the port instead of the former.
fn on_the_port(text: String) -> Result<String, String> {
    let at = text
        .find(TESTS)
        .ok_or("vm-memory's src/atomic.rs has no tests any more")?;
    let mut tests = format!("{INSTEAD}{}", &text[at..]);
    for (theirs, ours) in EDITS {
        if !tests.contains(theirs) {
            return Err(format!(
                "vm-memory's src/atomic.rs has no {theirs} any more"
            ));
        }
        tests = tests.replace(theirs, ours);
    }
    Ok(tests)
}

#[test]
fn the_port_takes_the_place_of_their_address_space() {
    let theirs = "struct GuestMemoryAtomic;\n#[cfg(test)]\nmod tests {\n\
        GuestMemoryMmapAtomic::new(gmm); let a: GuestMemoryAtomic<_> = gmm.clone().into();\n}\n";
    let ours = on_the_port(theirs.into()).unwrap();
    assert!(!ours.contains("struct") && ours.contains("::new(gmm).unwrap()"));
    assert!(on_the_port(theirs.replace(".into()", "")).is_err());
    assert!(on_the_port("struct GuestMemoryAtomic;".into()).is_err());
}
