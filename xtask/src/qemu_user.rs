//! `cargo xtask qemu-user`: the hosted tests on other processors, with real threads.

use crate::{
    arguments, provide,
    qemu::{Outcome, Tally},
    shell::{self, cargo, root},
};
use std::time::{Duration, Instant};

/// Emulated threads are slow, and the first run builds the test dependencies.
const LIMIT: Duration = Duration::from_secs(1500);

struct Arch {
    name: &'static str,
    target: &'static str,
    linker: &'static str,
    emulator: &'static str,
    /// The location of the processor's C library.
    sysroot: &'static str,
    library: &'static str,
}

const ARCHES: &[Arch] = &[
    Arch {
        name: "aarch64",
        target: "aarch64-unknown-linux-gnu",
        linker: "aarch64-linux-gnu-gcc",
        emulator: "qemu-aarch64",
        sysroot: "/usr/aarch64-linux-gnu",
        library: "libc6-dev-arm64-cross",
    },
    Arch {
        name: "riscv64",
        target: "riscv64gc-unknown-linux-gnu",
        linker: "riscv64-linux-gnu-gcc",
        emulator: "qemu-riscv64",
        sysroot: "/usr/riscv64-linux-gnu",
        library: "libc6-dev-riscv64-cross",
    },
    Arch {
        name: "armv7",
        target: "armv7-unknown-linux-gnueabihf",
        linker: "arm-linux-gnueabihf-gcc",
        emulator: "qemu-arm",
        sysroot: "/usr/arm-linux-gnueabihf",
        library: "libc6-dev-armhf-cross",
    },
    // Big-endian, with 64 bits and with 32.
    Arch {
        name: "s390x",
        target: "s390x-unknown-linux-gnu",
        linker: "s390x-linux-gnu-gcc",
        emulator: "qemu-s390x",
        sysroot: "/usr/s390x-linux-gnu",
        library: "libc6-dev-s390x-cross",
    },
    Arch {
        name: "powerpc",
        target: "powerpc-unknown-linux-gnu",
        linker: "powerpc-linux-gnu-gcc",
        emulator: "qemu-ppc",
        sysroot: "/usr/powerpc-linux-gnu",
        library: "libc6-dev-powerpc-cross",
    },
    Arch {
        name: "powerpc64le",
        target: "powerpc64le-unknown-linux-gnu",
        linker: "powerpc64le-linux-gnu-gcc",
        emulator: "qemu-ppc64le",
        sysroot: "/usr/powerpc64le-linux-gnu",
        library: "libc6-dev-ppc64el-cross",
    },
];

/// The library's own tests, those of the interface and of grace periods, and
/// the self-test with threads as cores. The others depend on the host's
/// compiler or examples; `bound` has no threads, and takes minutes here.
const TESTS: &[&str] = &[
    "--lib",
    "--test",
    "collector",
    "--test",
    "grace",
    "--test",
    "selftest",
];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let known = ARCHES.iter().map(|arch| arch.name);
    let ([allow_missing], names) = arguments::flags_and_names(parser, ["allow-missing"], known)?;
    let mut tally = Tally::new(allow_missing);
    for arch in ARCHES {
        if names.choose(arch.name) {
            let start = Instant::now();
            let outcome = test(arch).unwrap_or_else(Outcome::Failed);
            tally.note(arch.name, outcome, start.elapsed());
        }
    }
    tally.close()
}

fn test(arch: &Arch) -> Result<Outcome, String> {
    let provided = provide::target(arch.target)
        .and_then(|()| provide::program(arch.linker, &[arch.library]))
        .and_then(|()| provide::program(arch.emulator, &[]));
    if let Err(reason) = provided {
        return Ok(Outcome::Missing(reason));
    }
    let variable = arch.target.to_uppercase().replace('-', "_");
    let mut command = cargo();
    command
        .current_dir(root())
        .env(format!("CARGO_TARGET_{variable}_LINKER"), arch.linker)
        .env(
            format!("CARGO_TARGET_{variable}_RUNNER"),
            format!("{} -L {}", arch.emulator, arch.sysroot),
        )
        .args(["test", "--quiet", "--release", "--target", arch.target])
        .args(TESTS);
    let output = shell::run(&mut command, LIMIT)?;
    if output.ok() {
        return Ok(Outcome::Passed);
    }
    Err(format!("{}\n{}", output.reason(), output.tail(30)))
}
