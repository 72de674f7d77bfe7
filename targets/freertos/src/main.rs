//! Tasks of FreeRTOS, in C, that use `hyaline.h`. The tests are in `c/`; this
//! file has what the board needs: start-up, the interrupt, and a console. The
//! library's misuse ends in the panic handler of `semihosting`, not in C's
//! `hyaline_platform_panic`.

#![no_std]
#![no_main]

#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv.rs")]
mod board;

use core::ffi::{CStr, c_char, c_int};
use hyaline::Config;
// The functions of `hyaline.h`.
use hyaline_c as _;

unsafe extern "C" {
    /// Creates the first task and starts the scheduler.
    safe fn test() -> !;
}

/// # Safety
/// `text` is a valid C string.
unsafe fn str<'a>(text: *const c_char) -> &'a str {
    // SAFETY: `text` is a valid C string (`# Safety`).
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().unwrap_or("(not UTF-8)")
}

/// # Safety
/// Both are valid C strings.
#[unsafe(no_mangle)]
unsafe extern "C" fn say(kind: *const c_char, what: *const c_char, number: u32) {
    // SAFETY: both are valid C strings (`# Safety`).
    let (kind, what) = unsafe { (str(kind), str(what)) };
    semihosting::println!("{kind}: {what}: {number}");
}

/// # Safety
/// Both are valid C strings.
#[unsafe(no_mangle)]
unsafe extern "C" fn fail(file: *const c_char, line: c_int, what: *const c_char) -> ! {
    // SAFETY: both are valid C strings (`# Safety`).
    let (file, what) = unsafe { (str(file), str(what)) };
    semihosting::println!("{file}:{line}: {what}");
    semihosting::process::exit(1)
}

#[unsafe(no_mangle)]
extern "C" fn finish() -> ! {
    semihosting::println!("selftest passed");
    semihosting::process::exit(0)
}

#[unsafe(no_mangle)]
extern "C" fn robust_pool_size(slots: usize, stalls: usize, live: usize) -> usize {
    // As `config` in `c/test.c`.
    let config = Config::new().batch::<2>().era_step::<2>();
    config.pool_size(slots, stalls, live)
}
