//! The targets, and how each is built.

/// What builds the library.
#[derive(Clone, Copy)]
pub enum How {
    /// The toolchain of the project, with rustup's standard library for the
    /// target; as `Core` where rustup has none.
    Rustup,
    /// Nightly, which builds core.
    Core,
    /// Nightly, without generating code: its LLVM cannot generate any for this
    /// target, and has another data layout than the compiler expects.
    Check { layout: &'static str },
}

pub struct Row {
    pub target: &'static str,
    pub how: How,
    /// Features of `targets/probe` and its dependencies.
    pub features: &'static str,
    pub flags: &'static str,
    /// Part of `--quick`.
    pub quick: bool,
    /// The compiler's message; empty where the build succeeds.
    pub fails: &'static str,
}

impl Row {
    const fn new(target: &'static str, how: How) -> Self {
        Self {
            target,
            how,
            features: "",
            flags: "",
            quick: false,
            fails: "",
        }
    }

    const fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    const fn features(mut self, features: &'static str) -> Self {
        self.features = features;
        self
    }

    const fn flags(mut self, flags: &'static str) -> Self {
        self.flags = flags;
        self
    }

    const fn fails(mut self, text: &'static str) -> Self {
        self.fails = text;
        self
    }

    /// What distinguishes it from its siblings.
    pub fn name(&self) -> String {
        let name = [self.target, self.features, self.flags].join(" ");
        let known = if self.fails.is_empty() { "" } else { " fails" };
        format!("{}{known}", name.trim_end())
    }
}

const fn rustup(target: &'static str) -> Row {
    Row::new(target, How::Rustup)
}

const fn core(target: &'static str) -> Row {
    Row::new(target, How::Core)
}

/// The binary chose, by a feature of portable-atomic or by its condition.
const SINGLE: &str = "portable-atomic/unsafe-assume-single-core";
const CRITICAL: &str = "portable-atomic/critical-section";
const CFG: &str = "--cfg=portable_atomic_unsafe_assume_single_core";
/// portable-atomic's message if the binary did not choose.
const NO_CHOICE: &str = "dependents require atomic CAS but not available on this target";
const STD: &str = "hyaline/std";
/// Robust mode on 16-bit words.
const ROBUST: &str = "robust";
const REFUSED: &str = "`Robust` needs words of 32 bits or more for its clock";
/// For `check`, which generates code for core.
const NO_CODE: &str = "-Zno-codegen";
const XTENSA: How = How::Check {
    layout: "e-m:e-p:32:32-i8:8:32-i16:16:32-i64:64-n32",
};

pub const TARGETS: &[Row] = &[
    // No compare-and-swap: each way to choose, and none.
    rustup("thumbv6m-none-eabi").features(SINGLE).quick(),
    rustup("thumbv6m-none-eabi").features(CRITICAL).quick(),
    rustup("thumbv6m-none-eabi").flags(CFG).quick(),
    rustup("thumbv6m-none-eabi").fails(NO_CHOICE).quick(),
    rustup("riscv32imc-unknown-none-elf")
        .features(SINGLE)
        .quick(),
    rustup("riscv32imc-unknown-none-elf").features(CRITICAL),
    rustup("riscv32imc-unknown-none-elf").flags(CFG).quick(),
    rustup("riscv32imc-unknown-none-elf")
        .fails(NO_CHOICE)
        .quick(),
    rustup("riscv32i-unknown-none-elf").features(SINGLE),
    core("riscv32e-unknown-none-elf").features(SINGLE),
    core("riscv64im-unknown-none-elf").features(SINGLE),
    Row::new("xtensa-esp32s2-none-elf", XTENSA)
        .features(CRITICAL)
        .flags(NO_CODE),
    core("mipsel-sony-psx").features(CRITICAL),
    core("sparc-unknown-none-elf").features(CRITICAL),
    core("bpfel-unknown-none").features(CRITICAL),
    // Not even loads and stores in core.
    core("thumbv4t-none-eabi").features(SINGLE),
    core("thumbv4t-none-eabi").features(CRITICAL),
    core("armv4t-none-eabi").features(SINGLE),
    core("armv5te-none-eabi").features(SINGLE).quick(),
    core("thumbv5te-none-eabi").features(SINGLE),
    // 16-bit words.
    core("msp430-none-elf"),
    core("msp430-none-elf")
        .features(ROBUST)
        .fails(REFUSED)
        .quick(),
    core("avr-none").flags("-Ctarget-cpu=atmega328p").quick(),
    core("avr-none")
        .features(ROBUST)
        .flags("-Ctarget-cpu=atmega328p")
        .fails(REFUSED),
    // Compare-and-swap, without an operating system.
    rustup("thumbv7m-none-eabi"),
    rustup("thumbv7em-none-eabihf"),
    rustup("thumbv8m.base-none-eabi"),
    rustup("thumbv8m.main-none-eabihf"),
    rustup("armv7r-none-eabihf").quick(),
    rustup("armv8r-none-eabihf"),
    core("armebv7r-none-eabihf"),
    rustup("armv7a-none-eabi"),
    core("armv6-none-eabi"),
    rustup("aarch64-unknown-none"),
    core("aarch64_be-unknown-none-softfloat"),
    rustup("riscv32imac-unknown-none-elf"),
    core("riscv32ima-unknown-none-elf"),
    rustup("riscv64gc-unknown-none-elf"),
    rustup("x86_64-unknown-none"),
    rustup("loongarch64-unknown-none").quick(),
    core("loongarch32-unknown-none"),
    core("mips-mti-none-elf"),
    core("mipsel-unknown-none"),
    core("s390x-unknown-none-softfloat"),
    core("hexagon-unknown-none-elf"),
    core("nvptx64-nvidia-cuda"),
    Row::new("xtensa-esp32-none-elf", XTENSA).flags(NO_CODE),
    Row::new("xtensa-esp32s3-none-elf", XTENSA).flags(NO_CODE),
    rustup("wasm32v1-none"),
    rustup("wasm32-unknown-unknown").quick(),
    core("wasm32-unknown-unknown").flags("-Ctarget-feature=+atomics"),
    core("wasm64-unknown-unknown"),
    // With an operating system.
    rustup("i686-unknown-linux-gnu").features(STD),
    core("i586-unknown-linux-gnu"),
    core("armv5te-unknown-linux-gnueabi"),
    core("mips64-unknown-linux-gnuabi64"),
    rustup("powerpc-unknown-linux-gnu").features(STD).quick(),
    rustup("powerpc64le-unknown-linux-gnu").features(STD),
    rustup("s390x-unknown-linux-gnu").features(STD),
    core("loongarch64-unknown-linux-gnu"),
    core("sparc64-unknown-linux-gnu"),
    core("csky-unknown-linux-gnuabiv2"),
    rustup("wasm32-wasip1-threads").features(STD),
    rustup("x86_64-pc-windows-gnu").features(STD),
    rustup("x86_64-unknown-freebsd").features(STD),
];
