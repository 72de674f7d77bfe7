//! Reclaimers that panic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// The payload of such a panic.
struct OnPurpose;

thread_local! {
    /// How many reclaimers this thread runs before the one that panics.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// How many reclaimers have panicked.
pub static PANICKED: AtomicU64 = AtomicU64::new(0);

/// Runs an operation in which a reclaimer panics: the one that this thread runs
/// after `count` others, if it runs that many. Any other panic propagates.
pub fn with_panic_after(count: u32, operation: impl FnOnce()) {
    LEFT.set(Some(count));
    let result = catch_unwind(AssertUnwindSafe(operation));
    LEFT.set(None);
    match result {
        Err(panic) if !panic.is::<OnPurpose>() => resume_unwind(panic),
        // Relaxed: read when all threads have ended.
        Err(_) => _ = PANICKED.fetch_add(1, Ordering::Relaxed),
        Ok(()) => {}
    }
}

/// For the end of a reclaimer: panics if it is the chosen one. Once, so that
/// the calls of the unwinding do not panic.
pub fn panic_if_due() {
    let left = LEFT.get();
    LEFT.set(left.and_then(|left| left.checked_sub(1)));
    if left == Some(0) {
        // Without a message on the terminal.
        resume_unwind(Box::new(OnPurpose));
    }
}
