//! `cargo xtask xen`: the library in Debian's Xen, arm64 at EL2, under QEMU.

mod build;
mod source;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use lexopt::{Arg, Parser, ValueExt};

use crate::{
    capi::target_folder,
    provide,
    qemu::{Outcome, Tally},
    shell,
    verdicts::{System, said},
};

const EMULATOR: &str = "qemu-system-aarch64";
const COMPILER: &str = "aarch64-linux-gnu-gcc-12";
const TARGET: &str = "aarch64-unknown-none-softfloat";

/// Besides the work: a test ends by itself when too little happens.
const BOOT: Duration = Duration::from_secs(400);

/// Where the guest's image is put. Further down is what QEMU itself loads.
const GUEST: &str = "0x60000000";

/// What Xen says.
const XEN: System = System {
    complaints: &[
        "Assertion '",
        "Panic on CPU",
        "Xen BUG at",
        "Xen WARN at",
        "Unexpected Trap",
    ],
    misuse: ["Panic on CPU", "hyaline: panic: the token"],
};

/// The kinds of collectors that are tested.
const KINDS: [&str; 2] = ["hyaline_platform", "hyaline_robust_platform"];

pub fn run(mut parser: Parser) -> Result<(), String> {
    let (mut allow_missing, mut verbose) = (false, false);
    // Of work with each kind of collector.
    let mut seconds = 2;
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("allow-missing") => allow_missing = true,
            Arg::Long("verbose") | Arg::Short('v') => verbose = true,
            Arg::Long("seconds") => {
                let value = parser.value().and_then(|value| value.parse());
                seconds = value.map_err(|error| error.to_string())?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let mut tally = Tally::new(allow_missing);
    let start = Instant::now();
    let outcome = match provided() {
        Err(reason) => Outcome::Missing(reason),
        Ok(source) => match test(&source, seconds, verbose) {
            Ok(()) => Outcome::Passed,
            Err(reason) => Outcome::Failed(reason),
        },
    };
    tally.note("xen arm64", outcome, start.elapsed());
    tally.close()
}

/// The folder of everything that this command keeps.
fn cache() -> PathBuf {
    target_folder().join("xen")
}

/// What is needed to build and boot, and Xen's source.
fn provided() -> Result<PathBuf, String> {
    for program in [
        "make",
        "flex",
        "bison",
        "xz",
        "dpkg-source",
        COMPILER,
        EMULATOR,
    ] {
        provide::program(program, &[])?;
    }
    provide::target(TARGET)?;
    source::provide()
}

fn test(source: &Path, seconds: u64, verbose: bool) -> Result<(), String> {
    println!("Xen, Debian {}", source::version(source)?);
    let xen = build::xen(source)?;
    let guest = build::guest()?;
    let mut emulator = Command::new(EMULATOR);
    emulator
        .args(["-accel", "tcg,thread=multi"])
        .args(["-machine", "virt,gic-version=3,virtualization=on"])
        .args(["-cpu", "cortex-a57", "-smp", "4", "-m", "1024"])
        .args(["-nodefaults", "-nographic", "-no-reboot"])
        .args(["-monitor", "none", "-serial", "stdio", "-kernel"])
        .arg(xen)
        .arg("-append")
        .arg(format!(
            "console=dtuart dtuart=/pl011@9000000 noreboot dom0_mem=64M dom0_max_vcpus=4 \
             dom0_vcpus_pin hyaline_ms={}",
            1000 * seconds
        ))
        .arg("-device")
        .arg(format!(
            // Without arguments of the guest, Xen would not read its own.
            "guest-loader,addr={GUEST},bootargs=guest,kernel={}",
            guest.display()
        ));
    let limit = BOOT + Duration::from_secs(KINDS.len() as u64 * seconds);
    let output = shell::run(&mut emulator, limit)?;
    said(&output.stdout, verbose);
    if !output.ok() {
        return Err(format!("{}\n{}", output.reason(), output.tail(40)));
    }
    if !output
        .stdout
        .contains(&format!("{} ms for each", 1000 * seconds))
    {
        return Err("Xen did not read its command line".into());
    }
    XEN.judge(&output.stdout, &verdicts())
}

/// What the test must say, each at least once.
fn verdicts() -> Vec<String> {
    let of_kind =
        |kind| ["work", "barrier", "barrier-control", "end"].map(|test| format!("{kind} {test}"));
    let mut all: Vec<String> = KINDS.into_iter().flat_map(of_kind).collect();
    all.push("hyaline misuse-next".into());
    all
}
