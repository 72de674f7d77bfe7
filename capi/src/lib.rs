//! hyaline for C: what `hyaline.h` declares.
//!
//! The contract of each function is in the header, where its users read it. A
//! test compares the header's declarations with the types of the functions
//! here, its contexts with `docs/guarantees.md`, and its number with [`ABI`].
//! `cargo xtask capi` compares sizes and offsets with a C compiler's.
//!
//! # How C's values represent ours
//!
//! C's handle is memory that contains the Rust library's handle, C's collector
//! the pointer to ours. A handle has no role in its type:
//! [`Erased`](hyaline::Erased). A section has no object: entering forgets the
//! guard, and leaving recreates it and drops it.
//!
//! A header's word for the reclaimer holds a C reclaimer as if it were a Rust
//! function. The [barriers](barrier) here, which no other crate can name, call
//! it with its real type. So all objects of a collector made here have C
//! reclaimers.

#![no_std]

#[cfg(test)]
extern crate std;

mod api;
mod barrier;
mod common;
#[cfg(test)]
mod header;
mod kinds;
mod pool;
#[cfg(test)]
mod signature;
/// The pools' tree, which the Rust library does not export.
#[allow(dead_code)] // which uses more of it
#[path = "../../src/raw/tree.rs"]
mod tree;
mod types;

/// What the tree uses of the module of this name in the Rust library.
mod sync {
    pub(crate) use core::sync::atomic::{Ordering, fence};
    #[cfg(not(target_pointer_width = "64"))]
    pub(crate) use portable_atomic::AtomicU16 as AtomicHalf;
    #[cfg(target_pointer_width = "64")]
    pub(crate) use portable_atomic::AtomicU32 as AtomicHalf;

    pub(crate) const IN_MODEL: bool = false;

    #[cfg(target_pointer_width = "64")]
    pub(crate) type Half = u32;
    #[cfg(not(target_pointer_width = "64"))]
    pub(crate) type Half = u16;
}

pub use kinds::*;
pub use {common::*, pool::*, types::*};

/// `HYALINE_ABI` of the header that this library was written with.
pub const ABI: usize = 0x2629_d960;

#[cfg(all(feature = "staticlib", not(test)))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn hyaline_platform_panic(message: *const u8, length: usize);
    }
    let message = info.message().as_str();
    let message = message.unwrap_or("hyaline: a check failed that never should");
    // SAFETY: the text is valid during the call.
    unsafe { hyaline_platform_panic(message.as_ptr(), message.len()) };
    // It must not return. No sound continuation exists.
    loop {
        core::hint::spin_loop();
    }
}

// A symbol that members of the precompiled archive of a host refer to, and that
// is never called: nothing unwinds here. Weak where objects are ELF, since the
// standard library in another Rust library defines it, too. Stable Rust has no
// weak functions; assemblers have.
#[cfg(all(feature = "staticlib", not(any(test, target_os = "none"))))]
#[cfg_attr(any(not(unix), target_vendor = "apple"), unsafe(no_mangle))]
extern "C" fn rust_eh_personality() {}
#[cfg(all(feature = "staticlib", unix, not(any(test, target_vendor = "apple"))))]
core::arch::global_asm!(
    ".weak rust_eh_personality",
    ".set rust_eh_personality, {}",
    sym rust_eh_personality
);
