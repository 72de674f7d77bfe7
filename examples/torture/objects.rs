//! Pooled objects that detect whether they are alive, and the records about
//! them.
//!
//! An object contains a canary: the number of its life, unique in the run. The
//! thread that retires it marks the canary, the reclaimer poisons it. So a
//! reader detects that its object was reclaimed during its section, and a
//! reclaimer that it was called too early or twice.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hyaline::{Handle, Link, Linked, Pool, Role, Scheme, reclaim};

use crate::panics::panic_if_due;

/// Few, so that they are soon used again.
pub const OBJECTS: usize = 2048;

/// All objects. Static, so that an object that was reclaimed too early stays
/// readable.
pub static POOL: Pool<Object, OBJECTS> = Pool::new();

/// An object with its reclamation header.
pub type Block = Linked<Object>;

/// The canary of a reclaimed object. No life has this number.
const POISON: u64 = 0xdead_dead_dead_dead;
/// Set in the canary of a retired object.
const RETIRED: u64 = 1;

/// What threads share.
pub struct Object {
    /// `2 * life`, later with `RETIRED`, in the end `POISON`. Atomic, so that
    /// reading it is defined even when the collector is broken.
    canary: AtomicU64,
}

impl Object {
    /// The life of the object, or why it has none.
    ///
    /// Never inlined, and so never merged with another check.
    #[inline(never)]
    pub fn life(&self) -> Result<u64, &'static str> {
        // Relaxed: the collector has to order this against the poisoning; a
        // stronger load here would hide an error of the collector.
        match self.canary.load(Ordering::Relaxed) {
            POISON => Err("it is reclaimed"),
            canary => Ok(canary / 2),
        }
    }
}

/// Counters of one run.
#[derive(Default)]
pub struct Books {
    lives: AtomicU64,
    retired: AtomicU64,
    reclaimed: AtomicU64,
    refused: AtomicU64,
    peak_pending: AtomicU64,
    violations: AtomicU64,
    first: Mutex<String>,
}

/// The records; static, because reclaimers have only the object.
pub static BOOKS: Books = Books {
    lives: AtomicU64::new(0),
    retired: AtomicU64::new(0),
    reclaimed: AtomicU64::new(0),
    refused: AtomicU64::new(0),
    peak_pending: AtomicU64::new(0),
    violations: AtomicU64::new(0),
    first: Mutex::new(String::new()),
};

// Relaxed throughout, unless stated otherwise: counters that publish nothing,
// and are exact when all threads have ended.
impl Books {
    /// Records something that must not happen.
    pub fn violation(&self, what: impl FnOnce() -> String) {
        if self.violations.fetch_add(1, Ordering::Relaxed) == 0 {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            write!(first, "{}", what()).expect("a string takes everything");
        }
    }

    pub fn violations(&self) -> u64 {
        self.violations.load(Ordering::Relaxed)
    }

    /// The first violation in words.
    pub fn first_violation(&self) -> String {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.clone()
    }

    pub fn retired(&self) -> u64 {
        self.retired.load(Ordering::Relaxed)
    }

    pub fn reclaimed(&self) -> u64 {
        self.reclaimed.load(Ordering::Relaxed)
    }

    /// How often the pool was empty.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub fn peak_pending(&self) -> u64 {
        self.peak_pending.load(Ordering::Relaxed)
    }

    fn note_pending(&self) {
        // In this order: a thread that is preempted in between sees less than
        // there was, and never more.
        let retired = self.retired();
        let pending = retired.saturating_sub(self.reclaimed());
        // A load first: usually there is nothing to write.
        if pending > self.peak_pending() {
            self.peak_pending.fetch_max(pending, Ordering::Relaxed);
        }
    }
}

/// A new object, or none if the pool has no more.
pub fn alloc<S: Scheme, R: Role>(handle: &Handle<'_, S, R>) -> Option<*mut Block> {
    let canary = 2 * BOOKS.lives.fetch_add(1, Ordering::Relaxed);
    let object = Object {
        canary: AtomicU64::new(canary),
    };
    match POOL.alloc(handle, object) {
        Ok(block) => Some(block),
        Err(error) => {
            BOOKS.refused.fetch_add(1, Ordering::Relaxed);
            if error.into_inner().canary.into_inner() != canary {
                BOOKS.violation(|| "an empty pool gave back another value".into());
            }
            None
        }
    }
}

/// Frees an object that was never shared.
pub fn free(block: *mut Block) {
    // SAFETY: exclusively ours.
    let object = unsafe { &**block };
    object.canary.store(POISON, Ordering::Relaxed);
    // SAFETY: from this pool, never published.
    unsafe { POOL.free(block) };
}

/// Marks an object that is about to be retired; this thread unlinked it.
pub fn mark_retired(block: *mut Block) {
    // SAFETY: only this thread retires it, so it is not reclaimed yet.
    let object = unsafe { &**block };
    // Relaxed: the collector orders this before the reclaimer.
    let canary = object.canary.fetch_or(RETIRED, Ordering::Relaxed);
    if canary == POISON || canary & RETIRED != 0 {
        BOOKS.violation(|| format!("an object to be retired has the canary {canary:#x}"));
    }
    BOOKS.retired.fetch_add(1, Ordering::Relaxed);
    BOOKS.note_pending();
}

/// Checks that the object was retired and not yet reclaimed, poisons it, and
/// returns it to the pool. May panic at its end.
///
/// # Safety
///
/// As for every reclaimer: called by the collector, with a retired object.
pub unsafe fn poison(link: *mut Link) {
    {
        // SAFETY: the collector calls this with an object of the pool, whose
        // memory is static.
        let object = unsafe { &**Link::cast::<Block>(link) };
        // Relaxed: the collector orders this after all checks of the object.
        let canary = object.canary.swap(POISON, Ordering::Relaxed);
        if canary == POISON {
            BOOKS.violation(|| "an object was reclaimed twice".into());
        } else if canary & RETIRED == 0 {
            BOOKS.violation(|| format!("life {} was reclaimed but not retired", canary / 2));
        }
    }
    BOOKS.reclaimed.fetch_add(1, Ordering::Relaxed);
    // SAFETY: from a pool, and the collector calls this once.
    unsafe { reclaim::pooled::<Object>(link) };
    panic_if_due();
}
