//! What all kinds of collectors share.

use core::{
    ffi::{CStr, c_char, c_int, c_void},
    sync::atomic::Ordering,
};

use crate::types::Place;

/// A result of the header.
pub type Code = c_int;

/// Done.
pub const OK: Code = 0;
/// All slots are claimed.
pub const NO_SLOT: Code = -1;
/// It is in use.
pub const BUSY: Code = -2;
/// It would wait for its own call.
pub const WOULD_DEADLOCK: Code = -3;
/// The handle is deferred, per-CPU, or evicted.
pub const NOT_EAGER: Code = -4;
/// The handle was released or evicted.
pub const NOT_THE_OWNER: Code = -5;
/// Too small, or not aligned.
pub const BAD_MEMORY: Code = -6;
/// Out of range.
pub const BAD_ARGUMENT: Code = -7;
/// The program was compiled with another header.
pub const WRONG_HEADER: Code = -8;
/// The library was built without it.
pub const NOT_BUILT: Code = -9;

/// What to do about a result.
#[unsafe(no_mangle)]
pub extern "C" fn hyaline_error(result: c_int) -> *const c_char {
    let text: &CStr = match result {
        OK => c"done",
        NO_SLOT => c"all slots are claimed; unregister a handle, or make the collector with more slots",
        BUSY => c"it is in use; unregister all handles, or wait until the callback has run",
        WOULD_DEADLOCK => {
            c"it would wait for its own caller; leave the section first, and do not call it in a reclaimer"
        }
        NOT_EAGER => c"the handle is deferred, of a CPU, or was evicted; use one of hyaline_register",
        NOT_THE_OWNER => c"the handle was released or evicted before; there is nothing left to do",
        BAD_MEMORY => c"the memory is too small or not aligned; ask size and align for what is needed",
        BAD_ARGUMENT => c"an argument is out of range; the header says what it may be",
        WRONG_HEADER => {
            c"the library was built with another hyaline.h; compile with the one that came with it"
        }
        NOT_BUILT => c"the library was built without this; build it with the feature that the header names",
        _ => c"not a result of this library",
    };
    text.as_ptr()
}

/// Loads a pointer, without protection.
///
/// # Safety
///
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hyaline_load(place: *const Place) -> *mut c_void {
    // SAFETY: valid (the header's contract).
    // Acquire: pairs with the Release in `hyaline_store` and in `swap`; the
    // contents of the object are visible.
    unsafe { (*place).load(Ordering::Acquire) }
}

/// Stores a pointer.
///
/// # Safety
///
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hyaline_store(place: *mut Place, object: *mut c_void) {
    // SAFETY: valid (the header's contract).
    // Release: pairs with the Acquire of `protect`, which sees the contents of
    // the object.
    unsafe { (*place).store(object, Ordering::Release) };
}
