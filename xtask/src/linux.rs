//! `cargo xtask linux`: the library in Debian's kernel, under QEMU.

mod boot;
mod build;
mod kernel;
#[cfg(test)]
mod lists;
mod scale;
mod source;
mod torture;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use lexopt::{Arg, Parser, ValueExt};

use crate::{
    capi::{checked, tool},
    provide,
    qemu::{Outcome, Tally},
    verdicts::said,
};
use kernel::{AMD64, ARM64, Flavour, Kernel, RT};

/// Milliseconds in which a collector whose interrupt is left out must be caught.
const CONTROL: u64 = 60_000;

/// A boot that ends in misuse.
const STOP: Duration = Duration::from_secs(120);

/// The kinds of collectors that the module tests.
const KINDS: [&str; 4] = [
    "hyaline",
    "hyaline_robust",
    "hyaline_platform",
    "hyaline_robust_platform",
];

/// What is run.
enum Test {
    Module,
    Torture,
    Scale,
}

pub struct Options {
    /// Seconds of one measurement; without it each test has its own.
    pub seconds: Option<u64>,
    /// One flavour of rcutorture instead of all.
    pub only: Option<String>,
    pub verbose: bool,
}

/// What the arguments ask for.
struct Asked {
    flavour: &'static Flavour,
    test: Test,
    options: Options,
    allow_missing: bool,
}

fn asked(mut parser: Parser) -> Result<Asked, String> {
    let mut options = Options {
        seconds: None,
        only: None,
        verbose: false,
    };
    let [mut rt, mut arm64, mut torture, mut scale, mut allow_missing] = [false; 5];
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("rt") => rt = true,
            Arg::Long("arm64") => arm64 = true,
            Arg::Long("rcutorture") => torture = true,
            Arg::Long("scale") => scale = true,
            Arg::Long("only") => {
                let value = parser.value().and_then(|value| value.string());
                options.only = Some(value.map_err(|error| error.to_string())?);
            }
            Arg::Long("allow-missing") => allow_missing = true,
            Arg::Long("verbose") | Arg::Short('v') => options.verbose = true,
            Arg::Long("seconds") => {
                let value = parser.value().and_then(|value| value.parse());
                options.seconds = Some(value.map_err(|error| error.to_string())?);
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if options.only.is_some() && !torture {
        return Err("--only is for --rcutorture".into());
    }
    let flavour = match (rt, arm64) {
        (false, false) => &AMD64,
        (true, false) => &RT,
        (false, true) => &ARM64,
        (true, true) => return Err("--rt or --arm64, one at a time".into()),
    };
    let test = match (torture, scale) {
        (false, false) => Test::Module,
        (true, false) => Test::Torture,
        (false, true) => Test::Scale,
        (true, true) => return Err("--rcutorture or --scale, one at a time".into()),
    };
    Ok(Asked {
        flavour,
        test,
        options,
        allow_missing,
    })
}

pub fn run(parser: Parser) -> Result<(), String> {
    let Asked {
        flavour,
        test,
        options,
        allow_missing,
    } = asked(parser)?;
    let mut tally = Tally::new(allow_missing);
    let start = Instant::now();
    match provided(flavour) {
        Err(reason) => tally.note(flavour.name, Outcome::Missing(reason), start.elapsed()),
        Ok(kernel) => {
            println!("Linux {}, Debian {}", kernel.release, kernel.version);
            match test {
                Test::Module => test_module(flavour, &kernel, &options, &mut tally)?,
                Test::Scale => scale::run(flavour, &kernel, &options, &mut tally)?,
                Test::Torture => torture::run(flavour, &kernel, &options, &mut tally)?,
            }
        }
    }
    tally.close()
}

/// The kernel and what is needed to build and boot it.
fn provided(flavour: &Flavour) -> Result<Kernel, String> {
    for program in ["make", "cpio", "xz", flavour.compiler, flavour.emulator] {
        provide::program(program, &[])?;
    }
    // For the kernel's objtool.
    provide::library("libelf.so.1", "libelf1")?;
    provide::target(flavour.target)?;
    flavour.provide()
}

/// The module of `targets/linux/c`, with each way of preemption.
fn test_module(
    flavour: &Flavour,
    kernel: &Kernel,
    options: &Options,
    tally: &mut Tally,
) -> Result<(), String> {
    let folder = build::prepare(flavour, "test")?;
    let module = build::module(flavour, kernel, &folder, "hyaline_test")?;
    println!("{}", size(&module)?);
    let files = boot::file_system(&folder, &kernel.shell, &[module])?;
    let milliseconds = options.seconds.map_or(1500, |seconds| 1000 * seconds);
    for preemption in flavour.preemption {
        let start = Instant::now();
        let control = if flavour.barrier_control { CONTROL } else { 0 };
        let parameters =
            format!("run=test_module ms={milliseconds} control={control} {preemption}");
        let limit = Duration::from_secs(250 + (control + 20 * milliseconds) / 1000);
        let console = boot::boot(flavour, kernel, &files, &parameters, limit);
        let outcome = console.and_then(|console| {
            said(&console, options.verbose);
            boot::LINUX.judge(&console, &verdicts(flavour.barrier_control))
        });
        let outcome = outcome.map_or_else(Outcome::Failed, |()| Outcome::Passed);
        tally.note(
            format!("{} {preemption}", flavour.name).trim(),
            outcome,
            start.elapsed(),
        );
    }
    let start = Instant::now();
    let console = boot::boot(flavour, kernel, &files, "run=test_stop", STOP);
    let outcome = console.and_then(|console| {
        said(&console, options.verbose);
        boot::STOPPED.judge(&console, &["hyaline misuse-next".into()])
    });
    let outcome = outcome.map_or_else(Outcome::Failed, |()| Outcome::Passed);
    tally.note(
        &format!("{}, stopped", flavour.name),
        outcome,
        start.elapsed(),
    );
    Ok(())
}

/// Bytes of a module.
fn size(module: &Path) -> Result<String, String> {
    let sizes = checked(tool("llvm-size")?.arg(module), Duration::from_secs(60))?;
    let text = sizes
        .stdout
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().next());
    let text = text.ok_or("llvm-size prints nothing")?;
    Ok(format!("the module: {text} bytes of code and constants"))
}

/// What the module must say, each at least once.
fn verdicts(barrier_control: bool) -> Vec<String> {
    let mut all: Vec<String> = KINDS
        .iter()
        .flat_map(|kind| {
            ["slots", "work", "offline", "control", "end"].map(|test| format!("{kind} {test}"))
        })
        .collect();
    all.extend(
        [
            "hyaline_platform barrier",
            "hyaline_robust_platform barrier",
            "hyaline start",
            "hyaline unload-refused",
            "hyaline file",
            "hyaline unload-waits",
            "hyaline unload",
            "hyaline again",
            "hyaline misuse-next",
            "hyaline misuse",
            "hyaline misuse-unload",
        ]
        .map(String::from),
    );
    if barrier_control {
        all.push("hyaline_platform barrier-control".into());
    }
    all
}

#[test]
fn what_excludes_each_other_is_refused() {
    let asked = |arguments: &str| asked(Parser::from_args(arguments.split_whitespace()));
    for refused in ["--rt --arm64", "--rcutorture --scale", "--only hyaline"] {
        assert!(asked(refused).is_err(), "{refused}");
    }
    let taken = asked("--rcutorture --only hyaline --rt --seconds 3").ok();
    assert!(taken.is_some_and(|asked| matches!(asked.test, Test::Torture)));
    assert!(asked("").is_ok_and(|asked| asked.flavour.name == AMD64.name));
}
