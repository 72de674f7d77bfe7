//! Objects under a guard, and checks of them.

use std::hint;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use hyaline::{AtomicPtr, Guard, Role, Scheme};

use crate::objects::{BOOKS, Block};

/// A cache line that all threads write to.
#[repr(align(128))]
struct Line(AtomicU64);

/// Stores to lines that another core has just written take long to complete,
/// and later stores of the same core wait behind them. This exposes a reader
/// without a barrier between its "I am active" and its loads: its flag is not
/// visible yet when it holds a pointer.
static SLOW_LINES: [Line; 8] = [const { Line(AtomicU64::new(0)) }; 8];

/// Makes the lines slow for other cores, and delays this core's next stores.
pub fn use_slow_lines() {
    for line in &SLOW_LINES {
        // Relaxed: it publishes nothing.
        line.0.store(1, Ordering::Relaxed);
    }
}

/// Checks a protected object while the guard is open.
pub const LOOKS: usize = 16;

/// An object that is protected. It must stay in the life in which it was found.
pub struct Seen {
    block: *mut Block,
    life: u64,
    what: &'static str,
}

// SAFETY: the pointer is one into a static pool, and its target is atomic. It
// is sent together with the section that protects it.
unsafe impl Send for Seen {}

impl Seen {
    /// Records what was loaded in an open section.
    pub fn new(block: *mut Block, what: &'static str) -> Option<Self> {
        let mut seen = Self {
            block,
            life: 0,
            what,
        };
        if block.is_null() {
            return None;
        }
        seen.life = seen.look()?;
        Some(seen)
    }

    /// Checks the object now.
    fn look(&self) -> Option<u64> {
        // SAFETY: not null, and from the static pool: readable, whatever the
        // collector does.
        let block = unsafe { &*self.block };
        let life = block.life();
        if let Err(reason) = life {
            let what = self.what;
            BOOKS.violation(|| format!("{what}: an object is protected, but {reason}"));
        }
        life.ok()
    }

    /// Checks again, several times.
    pub fn verify(&self, looks: usize) {
        for _ in 0..looks {
            match self.look() {
                None => return,
                Some(life) if life != self.life => {
                    let (what, before) = (self.what, self.life);
                    return BOOKS.violation(|| {
                        format!(
                            "{what}: life {before} is protected, but its block is in life {life}"
                        )
                    });
                }
                Some(_) => hint::spin_loop(),
            }
        }
    }
}

/// An object under a guard.
pub struct Held<'g> {
    seen: Seen,
    guard: PhantomData<&'g ()>,
}

impl<'g> Held<'g> {
    /// Protects what `cell` points to.
    pub fn protect<S: Scheme, R: Role>(
        guard: &'g Guard<'_, S, R>,
        cell: &AtomicPtr<Block>,
        what: &'static str,
    ) -> Option<Self> {
        // Acquire: the object's contents.
        Self::new(guard, guard.protect(cell, Ordering::Acquire), what)
    }

    /// Records an object that `guard` protects.
    pub fn new<S: Scheme, R: Role>(
        _: &'g Guard<'_, S, R>,
        block: *mut Block,
        what: &'static str,
    ) -> Option<Self> {
        Some(Self {
            seen: Seen::new(block, what)?,
            guard: PhantomData,
        })
    }

    pub fn block(&self) -> *mut Block {
        self.seen.block
    }

    pub fn verify(&self, looks: usize) {
        self.seen.verify(looks);
    }
}
