//! Recorded sections, for the check of grace periods.
//!
//! A thread that stays in a section for long records a unique number after it
//! entered, and removes it before it leaves. A thread that waits for a grace
//! period copies all numbers before it starts. When the period is reported
//! over, none of them may still be recorded.

use std::sync::atomic::{AtomicU64, Ordering};

use hyaline::Callback;

use crate::SLOTS;
use crate::objects::BOOKS;

static NEXT: AtomicU64 = AtomicU64::new(1);
/// The numbers of the open sections, by thread; 0 is none.
static OPEN: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];

/// A recorded section. It is dropped before the guard.
pub struct OnRecord(usize);

impl OnRecord {
    /// To be called by a thread that has entered.
    pub fn new(thread: usize) -> Self {
        // Relaxed: it only has to be unique.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Release: a thread that reads the number sees that the section is
        // open.
        OPEN[thread].store(number, Ordering::Release);
        Self(thread)
    }
}

impl Drop for OnRecord {
    fn drop(&mut self) {
        // Relaxed: the end of the section releases it.
        OPEN[self.0].store(0, Ordering::Relaxed);
    }
}

/// The sections that were open when a grace period started.
pub struct Snapshot([u64; SLOTS]);

impl Snapshot {
    pub fn take() -> Self {
        // Acquire: see `OnRecord::new`.
        Self(std::array::from_fn(|i| OPEN[i].load(Ordering::Acquire)))
    }

    /// Whether no section was open.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; SLOTS]
    }

    /// Checks the sections when `what` reports that the period is over.
    pub fn check(&self, what: &str) {
        for (thread, &number) in self.0.iter().enumerate() {
            // Relaxed: the reporting call has to order it.
            if number != 0 && OPEN[thread].load(Ordering::Relaxed) == number {
                BOOKS.violation(|| format!("{what} says that section {number} is over"));
            }
        }
    }
}

/// The callbacks of the threads, and what each of them has to check.
static CALLBACKS: [Callback; SLOTS] = [const { Callback::new() }; SLOTS];
static WATCHED: [[AtomicU64; SLOTS]; SLOTS] =
    [const { [const { AtomicU64::new(0) }; SLOTS] }; SLOTS];
pub static ASKED: AtomicU64 = AtomicU64::new(0);
pub static CALLED: AtomicU64 = AtomicU64::new(0);

/// Registers the callback of this thread, if its last call is over.
pub fn call_later<S: hyaline::Scheme, R: hyaline::Role>(
    thread: usize,
    handle: &hyaline::Handle<'_, S, R>,
    free: &mut bool,
) {
    // The records belong to the thread while its callback is not under way.
    // Acquire: pairs with the Release in `called`.
    *free |= WATCHED[thread][thread].load(Ordering::Acquire) == DONE;
    if !*free {
        return;
    }
    let snapshot = Snapshot::take();
    for (place, number) in WATCHED[thread].iter().zip(snapshot.0) {
        // Relaxed: the collector passes it to the callback.
        place.store(number, Ordering::Relaxed);
    }
    // The thread's own section, if any, does not matter: its entry is for the
    // result.
    WATCHED[thread][thread].store(0, Ordering::Relaxed);
    let asked = CALLBACKS[thread].call_later(handle, called, thread);
    if asked.is_err() {
        return BOOKS.violation(|| "a callback that was called is busy".into());
    }
    ASKED.fetch_add(1, Ordering::Relaxed);
    *free = false;
}

/// The value of a thread's own entry after its callback was called.
const DONE: u64 = u64::MAX;

fn called(thread: usize) {
    // Relaxed: see `call_later`.
    let watched = std::array::from_fn(|i| WATCHED[thread][i].load(Ordering::Relaxed));
    Snapshot(watched).check("a callback");
    CALLED.fetch_add(1, Ordering::Relaxed);
    // Release: the records belong to the thread again.
    WATCHED[thread][thread].store(DONE, Ordering::Release);
}
