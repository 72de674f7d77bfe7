//! The two words of a header in which a scheme keeps its notes.
//!
//! In basic mode the first object of a chain notes the section that the chain
//! waits for, and the chain's last object. In robust mode each object notes
//! the era of its birth and, once it is published, the era of its retirement.
//!
//! A flag says that the object's reclaimer runs no user code, so that contexts
//! in which no destructor may run can free its memory.
//!
//! On 64-bit targets an era is a word, less the bit of the flag. Elsewhere an
//! era has two words, and the two eras of a retired object are [`packed`] into
//! 64 bits. 16-bit targets have basic mode only.

#[cfg(target_pointer_width = "64")]
mod one_word;
#[cfg_attr(target_pointer_width = "64", allow(dead_code))] // tested on every width
mod packed;
#[cfg(not(target_pointer_width = "64"))]
mod two_words;

use core::ptr;

use crate::sync::{Cell, const_fn};

/// The birth era of an object, and the era in which it was retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) birth: u64,
    pub(crate) retired: u64,
}

/// The flag, in `word`, of a retired object whose reclaimer runs no user code.
const PLAIN: usize = 1;

pub(crate) struct Notes {
    word: Cell<usize>,
    /// In basic mode the last object of a chain; in robust mode part of the
    /// eras; while a reclaimer runs, whatever it needs.
    pointer: Cell<*mut ()>,
}

impl Notes {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self {
                word: Cell::new(0),
                pointer: Cell::new(ptr::null_mut()),
            }
        }
    }

    /// Whether the reclaimer runs no user code.
    pub(crate) fn is_plain(&self) -> bool {
        self.word.get() & PLAIN != 0
    }

    /// Notes the section that a chain waits for, and its last object.
    pub(crate) fn wait_for(&self, section: usize, last: *mut ()) {
        let plain = self.word.get() & PLAIN;
        self.word.set(section << 1 | plain);
        self.pointer.set(last);
    }

    /// The section and the last object that `wait_for` noted.
    pub(crate) fn waits_for(&self) -> (usize, *mut ()) {
        (self.word.get() >> 1, self.pointer.get())
    }
}
