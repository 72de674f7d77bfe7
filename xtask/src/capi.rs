//! `cargo xtask capi`: the C library and its header: tests of the header,
//! programs in C (plain, and under the sanitizers), freestanding builds, size
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

/// A build; those for sanitizers have to compile a core library.
const BUILD: Duration = Duration::from_secs(1200);
/// A program.
const RUN: Duration = Duration::from_secs(120);

/// How many more instructions than in the Rust library a C call may take, by
/// kind: a section, and one with a read.
const MORE: [(&str, [i64; 2]); 4] = [
    ("hyaline", [6, 6]),
    ("hyaline_robust", [7, 6]),
    ("hyaline_single", [6, 6]),
    ("hyaline_robust_single", [6, 6]),
];

/// A freestanding build: a target, the compiler's flags, and the symbols that
/// the object may leave to the platform. It always leaves the hooks.
struct Bare {
    target: &'static str,
    flags: &'static str,
    symbols: &'static [&'static str],
}

const BARE: [Bare; 3] = [
    // FreeRTOS; the archive has what the ARM ABI requires.
    Bare {
        target: "thumbv7em-none-eabihf",
        flags: "",
        symbols: &[
            "__aeabi_memclr",
            "__aeabi_memclr4",
            "__aeabi_memclr8",
            "__aeabi_memcpy4",
        ],
    },
    // A Linux module: no global offset table, the code in the upper 2 GiB, no
    // unwinding.
    Bare {
        target: "x86_64-unknown-none",
        flags: "-C relocation-model=static -C code-model=kernel -C force-unwind-tables=no",
        symbols: &["memset", "memcpy", "memmove", "memcmp"],
    },
    Bare {
        target: "aarch64-unknown-none-softfloat",
        flags: "-C relocation-model=static -C force-unwind-tables=no",
        symbols: &["memset", "memcpy", "memmove", "memcmp"],
    },
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
    first_use(&folder)?;
    programs(&folder)?;
    if !no_sanitizers {
        for sanitizer in ["address", "thread"] {
            println!("{sanitizer} sanitizer");
            sanitized(&folder, sanitizer)?;
        }
    }
    for bare in &BARE {
        println!(
            "{}: {} bytes of code",
            bare.target,
            freestanding(&folder, bare)?
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

/// The page's program, verbatim, and the figures for it.
fn first_use(folder: &Path) -> Result<(), String> {
    let page = shell::root().join("docs/from-c.md");
    let page = fs::read_to_string(page).map_err(|error| error.to_string())?;
    let library = host(&folder.join("first"), "staticlib")?;
    let mut programs = 0;
    for program in page.split("\n```c\n").skip(1) {
        let program = program.split("\n```").next().unwrap_or_default();
        if !program.contains("int main(") {
            continue;
        }
        programs += 1;
        let source = folder.join(format!("page-{programs}.c"));
        let made = source.with_extension("");
        fs::write(&source, program).map_err(|error| error.to_string())?;
        link(&source, &library, &["-O2"], &made)?;
        let ran = checked(&mut Command::new(&made), RUN)?;
        // It prints what the page says.
        for line in ran.stdout.lines() {
            if !page.contains(line) {
                return Err(format!(
                    "{} printed, and docs/from-c.md does not say: {line}",
                    made.display()
                ));
            }
        }
        let size = checked(Command::new("size").arg(&made), RUN)?;
        let all = size
            .stdout
            .lines()
            .nth(1)
            .and_then(|line| line.split_whitespace().next());
        println!(
            "  program {programs}: {} bytes of code, libc's start included",
            all.unwrap_or("?")
        );
    }
    if programs == 0 {
        return Err("docs/from-c.md shows no program".into());
    }
    Ok(())
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
    // C++ reads the header, too.
    let mut plus = Command::new("gcc");
    plus.args([
        "-x",
        "c++",
        "-fsyntax-only",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-DHYALINE_PLATFORM_BARRIER",
    ]);
    match plus.arg(capi().join("hyaline.h")).status() {
        Ok(status) if status.success() => {}
        _ if !shell::exists("g++") => println!("  no g++ here: C++ was not tried"),
        _ => return Err("hyaline.h is not C++".into()),
    }
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

/// Builds for a machine without an operating system. Returns our object.
fn build_bare(folder: &Path, bare: &Bare) -> Result<PathBuf, String> {
    provide::target(bare.target)?;
    let mut cargo = shell::cargo();
    cargo.arg("rustc").env("RUSTFLAGS", bare.flags);
    let features = "staticlib,platform-barrier";
    let library = library(cargo, Some(bare.target), &folder.join("bare"), features)?;
    object(folder, &library)
}

/// The library for a module of Linux on this target, as one object without
/// debugging information.
pub fn kernel_object(target: &str) -> Result<PathBuf, String> {
    let bare = BARE.iter().find(|bare| bare.target == target);
    let bare = bare.ok_or_else(|| format!("the library is not built for kernels on {target}"))?;
    let folder = target_folder().join("capi-check");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let object = build_bare(&folder, bare)?;
    let stripped = folder.join(format!("kernel-{target}.o"));
    let mut objcopy = tool("llvm-objcopy")?;
    checked(objcopy.arg("-g").arg(object).arg(&stripped), RUN)?;
    Ok(stripped)
}

/// Builds as above, and checks which symbols the object needs. Returns bytes of
/// code and constants.
fn freestanding(folder: &Path, bare: &Bare) -> Result<u64, String> {
    let object = build_bare(folder, bare)?;
    let symbols = checked(tool("llvm-nm")?.arg("-u").arg(&object), RUN)?.stdout;
    for symbol in symbols.split_whitespace().filter(|word| *word != "U") {
        let hook = symbol.starts_with("hyaline_platform_");
        if !hook && !bare.symbols.contains(&symbol) {
            return Err(format!(
                "{}: it needs {symbol}, which a platform may not have",
                bare.target
            ));
        }
    }
    let relocations = checked(tool("llvm-readobj")?.arg("-r").arg(&object), RUN)?.stdout;
    // A global offset table, which a kernel's loader does not fill.
    if !bare.flags.is_empty() && relocations.contains("GOT") {
        return Err(format!("{}: it needs a GOT", bare.target));
    }
    let code = checked(
        tool("llvm-objdump")?
            .args(["-d", "--no-show-raw-insn"])
            .arg(&object),
        RUN,
    )?
    .stdout;
    let float = code
        .lines()
        .find(|line| line.contains("mm0") || line.contains("vldr") || line.contains("\tfmov"));
    if let Some(line) = float {
        return Err(format!("{}: it uses vector registers: {line}", bare.target));
    }
    let size = checked(tool("llvm-size")?.arg(&object), RUN)?.stdout;
    let text = size
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().next()?.parse().ok());
    text.ok_or_else(|| "llvm-size prints nothing".into())
}

/// Our object in a library; the rest comes from the compiler.
fn object(folder: &Path, library: &Path) -> Result<PathBuf, String> {
    let names = checked(tool("llvm-ar")?.arg("t").arg(library), RUN)?.stdout;
    let mut ours = names.lines().filter(|name| name.starts_with("hyaline_c"));
    let (Some(name), None) = (ours.next(), ours.next()) else {
        return Err("the library is not one object: fat LTO, one codegen unit".into());
    };
    checked(
        tool("llvm-ar")?
            .current_dir(folder)
            .arg("x")
            .arg(library)
            .arg(name),
        RUN,
    )?;
    Ok(folder.join(name))
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
