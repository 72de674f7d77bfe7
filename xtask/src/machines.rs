//! The table of machines.

/// A firmware and the machine that runs it.
pub struct Machine {
    pub name: &'static str,
    /// What distinguishes it, for `--list`.
    pub about: &'static str,
    pub package: &'static str,
    pub bin: &'static str,
    pub features: &'static [&'static str],
    /// Conditions for the compiler, `--cfg`.
    pub cfg: &'static [&'static str],
    pub target: &'static str,
    pub emulator: &'static str,
    pub arguments: &'static [&'static str],
    pub pass: Pass,
}

/// The criterion of a good run, beyond exit code 0. A crash can end with exit
/// code 0 too: a triple fault on x86-64 is a shutdown.
pub enum Pass {
    /// The last line is that of the self-test.
    SelfTest,
    /// The whole output equals this file in `targets/expected`.
    Output(&'static str),
}

/// The last line of a self-test, kept in `targets/selftest`.
pub const PASSED: &str = "selftest passed";

pub const SEMIHOSTING: &[&str] = &[
    "-nographic",
    "-monitor",
    "none",
    "-serial",
    "none",
    "-semihosting-config",
    "enable=on,target=native",
];

const PLAIN: &[&str] = &[
    "-nodefaults",
    "-display",
    "none",
    "-serial",
    "stdio",
    "-no-reboot",
    "-device",
    "isa-debug-exit,iobase=0xf4,iosize=0x04",
];

impl Machine {
    /// The arguments that all machines of its kind share.
    pub fn common(&self) -> &'static [&'static str] {
        match self.emulator {
            "qemu-system-x86_64" => PLAIN,
            _ => SEMIHOSTING,
        }
    }

    /// The C compiler that its build needs.
    pub fn compiler(&self) -> Option<&'static str> {
        match (self.package, self.emulator) {
            ("freertos", "qemu-system-arm") => Some("arm-none-eabi-gcc"),
            ("freertos", _) => Some("riscv64-unknown-elf-gcc"),
            _ => None,
        }
    }
}

/// An instruction takes 1024 ns of guest time: timers can strike at each one.
const ICOUNT: &str = "shift=10";

/// The low word of the eras wraps within the first objects.
const LATE_ERA: &[&str] = &["hyaline_late_era"];

/// What most machines have in common.
const SELF_TEST: Machine = Machine {
    name: "",
    about: "",
    package: "",
    bin: "",
    features: &[],
    cfg: &[],
    target: "",
    emulator: "",
    arguments: &[],
    pass: Pass::SelfTest,
};

/// A board of `targets/cortex-m`.
const CORTEX_M: Machine = Machine {
    package: "cortex-m-boards",
    bin: "cortex-m-boards",
    emulator: "qemu-system-arm",
    ..SELF_TEST
};

/// The board of `targets/riscv32`.
const RISCV32: Machine = Machine {
    package: "riscv32",
    bin: "riscv32",
    target: "riscv32imac-unknown-none-elf",
    emulator: "qemu-system-riscv32",
    arguments: &[
        "-M", "virt", "-cpu", "rv32", "-bios", "none", "-icount", ICOUNT,
    ],
    ..SELF_TEST
};

/// The harts of `targets/riscv64`, in M-mode.
const RISCV64: Machine = Machine {
    package: "riscv64",
    bin: "riscv64",
    target: "riscv64gc-unknown-none-elf",
    emulator: "qemu-system-riscv64",
    arguments: &["-M", "virt", "-smp", "4", "-bios", "none"],
    ..SELF_TEST
};

/// The cores of `targets/aarch64`, at EL1.
const AARCH64: Machine = Machine {
    package: "aarch64",
    bin: "aarch64",
    target: "aarch64-unknown-none",
    emulator: "qemu-system-aarch64",
    arguments: &["-M", "virt", "-cpu", "cortex-a53", "-smp", "4"],
    ..SELF_TEST
};

/// The same cores at EL2.
const AARCH64_EL2: Machine = Machine {
    arguments: &[
        "-M",
        "virt,virtualization=on",
        "-cpu",
        "cortex-a53",
        "-smp",
        "4",
    ],
    ..AARCH64
};

/// The boards of `targets/cortex-m` with two machines each.
const MICROBIT: Machine = Machine {
    target: "thumbv6m-none-eabi",
    arguments: &["-M", "microbit", "-icount", ICOUNT],
    ..CORTEX_M
};
const LM3S6965EVB: Machine = Machine {
    features: &["lm3s6965evb"],
    target: "thumbv7m-none-eabi",
    arguments: &["-M", "lm3s6965evb", "-icount", ICOUNT],
    ..CORTEX_M
};

/// The board of `targets/small-memory`.
const SMALL_MEMORY: Machine = Machine {
    package: "small-memory",
    bin: "small-memory",
    target: "thumbv7em-none-eabihf",
    emulator: "qemu-system-arm",
    arguments: &["-M", "mps2-an386", "-icount", "shift=6"],
    ..SELF_TEST
};

pub const MACHINES: &[Machine] = &[
    Machine {
        name: "microbit",
        about: "Cortex-M0, thumbv6m, no compare-and-swap",
        features: &["microbit", "assume-single-core"],
        ..MICROBIT
    },
    Machine {
        name: "microbit-cs",
        about: "the same, atomics from the critical-section crate",
        features: &["microbit", "critical-section"],
        ..MICROBIT
    },
    Machine {
        name: "lm3s6965evb",
        about: "Cortex-M3, thumbv7m",
        ..LM3S6965EVB
    },
    Machine {
        name: "lm3s6965evb-wrap",
        about: "the same, eras begin just before they wrap",
        cfg: LATE_ERA,
        ..LM3S6965EVB
    },
    Machine {
        name: "mps2-an386",
        about: "Cortex-M4F, thumbv7em",
        features: &["mps2-an386"],
        target: "thumbv7em-none-eabihf",
        arguments: &["-M", "mps2-an386", "-icount", ICOUNT],
        ..CORTEX_M
    },
    Machine {
        name: "mps2-an505",
        about: "Cortex-M33, thumbv8m.main",
        features: &["mps2-an505"],
        target: "thumbv8m.main-none-eabihf",
        arguments: &["-M", "mps2-an505", "-icount", ICOUNT],
        ..CORTEX_M
    },
    Machine {
        name: "riscv32imc",
        about: "RV32 without the A extension",
        features: &["no-atomics"],
        target: "riscv32imc-unknown-none-elf",
        arguments: &[
            "-M",
            "virt",
            "-cpu",
            "rv32,a=off",
            "-bios",
            "none",
            "-icount",
            ICOUNT,
        ],
        ..RISCV32
    },
    Machine {
        name: "riscv32imac",
        about: "RV32 with atomics",
        ..RISCV32
    },
    Machine {
        name: "riscv32imac-wrap",
        about: "the same, eras begin just before they wrap",
        cfg: LATE_ERA,
        ..RISCV32
    },
    Machine {
        name: "riscv64-m",
        about: "4 RV64 harts in M-mode",
        ..RISCV64
    },
    Machine {
        name: "riscv64-s",
        about: "4 RV64 harts in S-mode under OpenSBI",
        features: &["s-mode"],
        arguments: &["-M", "virt", "-smp", "4", "-bios", "default"],
        ..RISCV64
    },
    Machine {
        name: "aarch64-el1",
        about: "4 AArch64 cores at EL1",
        ..AARCH64
    },
    Machine {
        name: "aarch64-el2",
        about: "the same image on 4 AArch64 cores at EL2",
        ..AARCH64_EL2
    },
    Machine {
        name: "armv7a",
        about: "2 ARMv7-A cores",
        package: "armv7a",
        bin: "armv7a",
        target: "armv7a-none-eabi",
        emulator: "qemu-system-arm",
        arguments: &["-M", "virt", "-cpu", "cortex-a15", "-smp", "2"],
        ..SELF_TEST
    },
    Machine {
        name: "x86_64",
        about: "2 x86-64 cores on q35",
        package: "x86_64",
        bin: "x86_64",
        target: "x86_64-unknown-none",
        emulator: "qemu-system-x86_64",
        arguments: &["-M", "q35", "-smp", "2"],
        ..SELF_TEST
    },
    Machine {
        name: "freertos-arm",
        about: "FreeRTOS with tasks in C, Cortex-M3, an interrupt that its kernel never masks",
        package: "freertos",
        bin: "freertos",
        target: "thumbv7m-none-eabi",
        emulator: "qemu-system-arm",
        arguments: &["-M", "mps2-an385", "-icount", "shift=6"],
        ..SELF_TEST
    },
    Machine {
        name: "freertos-riscv32",
        about: "the same on RV32",
        package: "freertos",
        bin: "freertos",
        target: "riscv32imac-unknown-none-elf",
        emulator: "qemu-system-riscv32",
        arguments: &[
            "-M", "virt", "-cpu", "rv32", "-bios", "none", "-icount", "shift=6",
        ],
        ..SELF_TEST
    },
    Machine {
        name: "rtic-calibration",
        about: "example: a record between two RTIC tasks",
        package: "rtic-calibration",
        bin: "rtic-calibration",
        target: "thumbv7m-none-eabi",
        emulator: "qemu-system-arm",
        arguments: &["-M", "lm3s6965evb"],
        pass: Pass::Output("rtic-calibration.txt"),
        ..SELF_TEST
    },
    Machine {
        name: "rtos-tasks",
        about: "example: interrupts, a task and the idle task share settings and samples",
        package: "rtos-tasks",
        bin: "rtos-tasks",
        target: "thumbv7m-none-eabi",
        emulator: "qemu-system-arm",
        arguments: &["-M", "lm3s6965evb"],
        pass: Pass::Output("rtos-tasks.txt"),
        ..SELF_TEST
    },
    Machine {
        name: "embassy-calibration",
        about: "example: a record between Embassy tasks, no compare-and-swap",
        package: "embassy-calibration",
        bin: "embassy-calibration",
        target: "thumbv6m-none-eabi",
        emulator: "qemu-system-arm",
        arguments: &["-M", "microbit"],
        pass: Pass::Output("embassy-calibration.txt"),
        ..SELF_TEST
    },
    Machine {
        name: "small-memory",
        about: "the README's sizes between main and an interrupt, defaults",
        pass: Pass::Output("small-memory.txt"),
        ..SMALL_MEMORY
    },
    Machine {
        name: "readme-cell",
        about: "a cell of four, updated without a pause, defaults",
        bin: "readme-cell",
        pass: Pass::Output("readme-cell.txt"),
        ..SMALL_MEMORY
    },
    Machine {
        name: "percpu-table",
        about: "example: a kernel table on 4 harts, the barrier is an IPI",
        bin: "percpu-table",
        pass: Pass::Output("percpu-table.txt"),
        ..RISCV64
    },
    Machine {
        name: "stage2-table",
        about: "example: a guest page table at EL2",
        bin: "stage2-table",
        pass: Pass::Output("stage2-table.txt"),
        ..AARCH64_EL2
    },
];
