//! The cache line of the target, to keep apart what different cores write.

/// Aligns what it is a field of to a cache line, and so pads it to a multiple
/// of one. Takes no room itself.
///
/// The lengths are those of crossbeam's `CachePadded`: a guess for each
/// architecture, two lines where the prefetcher takes pairs. Microcontrollers
/// have no data cache, or one core: nothing is padded there.
#[cfg_attr(target_arch = "s390x", repr(align(256)))]
#[cfg_attr(
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "arm64ec",
        target_arch = "powerpc64",
        target_arch = "nvptx64"
    ),
    repr(align(128))
)]
#[cfg_attr(
    any(
        target_arch = "x86",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "loongarch32",
        target_arch = "powerpc",
        target_arch = "sparc64",
        target_arch = "csky",
        target_arch = "bpf",
        target_family = "wasm"
    ),
    repr(align(64))
)]
#[cfg_attr(
    any(
        // Not Cortex-M, which its lack of an exclusive load of two words tells:
        // the compiler's name for it, `mclass`, is not stable.
        all(
            target_arch = "arm",
            any(target_has_atomic = "64", not(target_os = "none"))
        ),
        target_arch = "mips",
        target_arch = "mips32r6",
        target_arch = "mips64",
        target_arch = "mips64r6",
        target_arch = "sparc",
        target_arch = "hexagon"
    ),
    repr(align(32))
)]
#[cfg_attr(target_arch = "m68k", repr(align(16)))]
pub(crate) struct Line;
