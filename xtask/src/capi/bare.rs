//! Builds for machines without an operating system, and what they need of one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{RUN, checked, library, target_folder, tool};
use crate::{provide, shell};

/// A freestanding build: a target, the compiler's flags, and the symbols that
/// the object may leave to the platform. It always leaves the hooks.
pub struct Bare {
    pub target: &'static str,
    flags: &'static str,
    symbols: &'static [&'static str],
}

pub const BARE: [Bare; 5] = [
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
    // Cores without compare-and-swap, with a choice for portable-atomic.
    Bare {
        target: "thumbv6m-none-eabi",
        flags: "--cfg portable_atomic_unsafe_assume_single_core",
        symbols: &[
            "__aeabi_llsl",
            "__aeabi_llsr",
            "__aeabi_lmul",
            "__aeabi_memclr4",
            "__aeabi_uidiv",
            "__aeabi_uidivmod",
            "__clzsi2",
        ],
    },
    Bare {
        target: "riscv32imc-unknown-none-elf",
        flags: "--cfg portable_atomic_unsafe_assume_single_core",
        symbols: &["memset"],
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
pub fn freestanding(folder: &Path, bare: &Bare) -> Result<u64, String> {
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
