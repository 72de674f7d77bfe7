//! hyaline for C: what `hyaline.h` declares.
//!
//! The contract of each function is in the header, which is where its callers
//! read. A test compares the header's declarations with the types of the
//! functions here, its contexts with `docs/guarantees.md`, and its number with
//! [`ABI`]; `cargo xtask capi` compares sizes and offsets with a C compiler's.
//!
//! # How C's values are ours
//!
//! A handle and a collector of C's are memory of the caller's, in which lies
//! the handle, or the pointer to the collector, of the Rust library. A handle
//! has no role in its type: [`Erased`](hyaline::Erased). A section has no
//! object: to enter forgets the guard, and to leave drops one that is made
//! again.
//!
//! A C reclaimer is kept in a header's one word for a reclaimer, as if it were
//! a Rust function. The [barriers](barrier) here, which no other crate can
//! name, call it as what it is. So all objects of a collector made here have C
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
mod types;

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
    // SAFETY: the text is there for the length of the call.
    unsafe { hyaline_platform_panic(message.as_ptr(), message.len()) };
    // It must not return. Nothing sound is left to be done.
    loop {
        core::hint::spin_loop();
    }
}

/// What the precompiled core library of a host names in its tables, and what
/// nobody calls: nothing unwinds here.
#[cfg(all(feature = "staticlib", not(any(test, target_os = "none"))))]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
