//! `cargo xtask capi`: the C library and its header: tests of the header,
//! programs in C (plain, and under the sanitizers), Miri, freestanding builds, size
//! and instructions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    arguments, nightly, provide,
    shell::{self, Output},
};

mod bare;
mod page;

pub use bare::kernel_object;

/// A build; those for sanitizers have to compile a core library.
const BUILD: Duration = Duration::from_secs(1200);
/// A program.
const RUN: Duration = Duration::from_secs(120);

/// How many more instructions than in the Rust library a C call may take, by
/// kind: a section, and one with a read.
const MORE: [(&str, [i64; 2]); 4] = [
    ("hyaline", [6, 6]),
    // docs/from-c.md says which seven.
    ("hyaline_robust", [7, 6]),
    ("hyaline_single", [6, 6]),
    ("hyaline_robust_single", [6, 6]),
];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let [no_sanitizers] = arguments::flags(parser, ["no-sanitizers"])?;
    provide::program("gcc", &["libc6-dev"])?;
    provide::program("valgrind", &[])?;
    let folder = target_folder().join("capi-check");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;

    println!("header");
    for features in ["", "platform-barrier,stats"] {
        let mut test = shell::cargo();
        test.args(["test", "--quiet", "--package", "hyaline-capi"]);
        checked(test.args(["--features", features]), BUILD)?;
    }
    println!("programs");
    page::first_use(&folder)?;
    page::header(&folder)?;
    page::beside_rust(&folder)?;
    programs(&folder)?;
    if !no_sanitizers {
        for sanitizer in ["address", "thread"] {
            println!("{sanitizer} sanitizer");
            sanitized(&folder, sanitizer)?;
        }
        println!("Miri");
        miri(&folder)?;
    }
    for bare in &bare::BARE {
        println!(
            "{}: {} bytes of code",
            bare.target,
            bare::freestanding(&folder, bare)?
        );
    }
    println!("instructions of a section, and of one that reads");
    counts(&folder)
}

/// Where builds are kept.
pub fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell::root().join("target"), PathBuf::from)
}

fn capi() -> PathBuf {
    shell::root().join("capi")
}

/// Runs a command that must succeed.
pub fn checked(command: &mut Command, limit: Duration) -> Result<Output, String> {
    let output = shell::run(command, limit)?;
    if output.ok() {
        return Ok(output);
    }
    Err(format!(
        "{command:?}\n{}\n{}",
        output.reason(),
        output.tail(40)
    ))
}

/// Builds the static library, with arguments that precede its features.
fn library(
    mut cargo: Command,
    target: Option<&str>,
    folder: &Path,
    features: &str,
) -> Result<PathBuf, String> {
    cargo
        .current_dir(shell::root())
        .args([
            "--quiet",
            "--package",
            "hyaline-capi",
            "--lib",
            "--profile",
            "capi",
        ])
        .args(["--crate-type", "staticlib", "--features", features])
        .arg("--target-dir")
        .arg(folder);
    let mut path = folder.to_path_buf();
    if let Some(target) = target {
        cargo.args(["--target", target]);
        path.push(target);
    }
    checked(&mut cargo, BUILD)?;
    Ok(path.join("capi/libhyaline_c.a"))
}

/// The library for this machine.
fn host(folder: &Path, features: &str) -> Result<PathBuf, String> {
    let mut cargo = shell::cargo();
    cargo.arg("rustc");
    library(cargo, None, folder, features)
}

/// Compiles and links a program.
fn link(source: &Path, library: &Path, flags: &[&str], to: &Path) -> Result<(), String> {
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(capi())
        .args(flags)
        .arg(source)
        .arg(library)
        .args(["-lpthread", "-Wl,--gc-sections", "-o"])
        .arg(to);
    checked(&mut gcc, RUN).map(drop)
}

fn programs(folder: &Path) -> Result<(), String> {
    let library = host(&folder.join("host"), "staticlib,platform-barrier,stats")?;
    let (source, test) = (capi().join("c/test.c"), folder.join("test"));
    link(
        &source,
        &library,
        &["-O2", "-DHYALINE_PLATFORM_BARRIER"],
        &test,
    )?;
    print!("{}", indented(&passed(&test)?));
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// Runs all tests.
fn passed(test: &Path) -> Result<String, String> {
    let output = shell::run(Command::new(test).args(["all", "500"]), RUN)?;
    match output.code {
        Some(0) => Ok(output.stdout),
        // The kernel has no membarrier: tests that need it did not run.
        Some(3) => Ok(format!("{}{}\n", output.stdout, output.stderr.trim())),
        _ => Err(format!("{}\n{}", output.reason(), output.tail(40))),
    }
}

/// The tests, unchanged, with the library compiled for a sanitizer; and a
/// program that frees without waiting, which must be caught.
fn sanitized(folder: &Path, sanitizer: &str) -> Result<(), String> {
    nightly::install(&["rust-src"])?;
    let flag = format!("-Zsanitizer={sanitizer}");
    let mut cargo = nightly::cargo("rustc");
    cargo.env("RUSTFLAGS", &flag).arg("-Zbuild-std=core");
    let built = folder.join(sanitizer);
    let features = "staticlib,platform-barrier";
    let library = library(cargo, Some("x86_64-unknown-linux-gnu"), &built, features)?;
    let (source, test) = (
        capi().join("c/test.c"),
        folder.join(format!("test-{sanitizer}")),
    );
    let flag = format!("-fsanitize={sanitizer}");
    link(
        &source,
        &library,
        &["-O1", "-DHYALINE_PLATFORM_BARRIER", &flag],
        &test,
    )?;
    print!("{}", indented(&passed(&test)?));
    for _ in 0..5 {
        let broken = shell::run(Command::new(&test).args(["broken", "2000"]), RUN)?;
        if broken.stderr.contains("Sanitizer") {
            return Ok(());
        }
    }
    Err(format!(
        "{sanitizer}: a program that frees without waiting was not caught"
    ))
}

/// The test that only Miri can see fail: ThreadSanitizer derives no order from fences.
fn miri(folder: &Path) -> Result<(), String> {
    let mut test = nightly::miri("-Zmiri-many-seeds=0..16", folder)?;
    test.args(["--package", "hyaline-capi", "--lib"])
        .arg("the_last_unregister_happens_before_destroy");
    let output = checked(&mut test, BUILD)?;
    match output.stdout.contains("1 passed") {
        true => Ok(()),
        false => Err("Miri did not run its test".into()),
    }
}

/// A program of the component llvm-tools.
pub fn tool(name: &str) -> Result<Command, String> {
    provide::llvm_tools()?;
    let root = checked(
        Command::new("rustc").args(["--print", "target-libdir"]),
        RUN,
    )?;
    let bin = Path::new(root.stdout.trim()).with_file_name("bin");
    Ok(Command::new(bin.join(name)))
}

/// The instructions of sections, in C and in Rust.
fn counts(folder: &Path) -> Result<(), String> {
    let library = host(&folder.join("first"), "staticlib")?;
    let c = folder.join("section");
    link(&capi().join("c/section.c"), &library, &["-O2"], &c)?;
    let mut cargo = shell::cargo();
    cargo
        .args([
            "build",
            "--quiet",
            "--package",
            "hyaline-capi",
            "--example",
            "section",
        ])
        .args(["--profile", "capi", "--target-dir"])
        .arg(folder.join("first"));
    checked(&mut cargo, BUILD)?;
    let rust = folder.join("first/capi/examples/section");
    let mut more = Vec::new();
    for (kind, limits) in MORE {
        for (reads, limit) in ["0", "1"].into_iter().zip(limits) {
            let (c, rust) = (
                instructions(&c, kind, reads)?,
                instructions(&rust, kind, reads)?,
            );
            println!("  {kind}, {reads} reads: {c}, in Rust {rust}");
            if c > rust + limit {
                more.push(format!(
                    "{kind}, {reads} reads: {c}, more than {rust} + {limit}"
                ));
            }
        }
    }
    if more.is_empty() {
        Ok(())
    } else {
        Err(more.join("\n"))
    }
}

/// Instructions of one section: the cost of a thousand more, divided by a
/// thousand.
fn instructions(program: &Path, kind: &str, reads: &str) -> Result<i64, String> {
    let count = |sections: &str| {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args([kind, sections, reads]);
        let output = checked(&mut valgrind, RUN)?;
        let line = output
            .stderr
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let number = line.and_then(|(_, number)| number.trim().parse::<i64>().ok());
        number.ok_or_else(|| "valgrind counted nothing".to_string())
    };
    Ok((count("2000")? - count("1000")?) / 1000)
}
