//! Sections that are on record, so that a grace period can be checked.
//!
//! A thread that stays in a section for long writes down a number that nobody
//! else has, after it entered, and strikes it out before it leaves. Who waits
//! for a grace period takes a copy of all numbers before it starts. When it is
//! told that the period is over, none of them may still be there.

use std::sync::atomic::{AtomicU64, Ordering};

use hyaline::Callback;

use crate::SLOTS;
use crate::objects::BOOKS;

static NEXT: AtomicU64 = AtomicU64::new(1);
/// The numbers of the open sections, by thread; 0 is none.
static OPEN: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];

/// A section on record, until it is dropped: before the guard.
pub struct OnRecord(usize);

impl OnRecord {
    /// To be called by a thread that has entered.
    pub fn new(thread: usize) -> Self {
        // Relaxed: unique, and that is all.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Release: who reads the number sees that the section is open.
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

    /// The period is over, says `what`.
    pub fn check(&self, what: &str) {
        for (thread, &number) in self.0.iter().enumerate() {
            // Relaxed: what says so has to order it.
            if number != 0 && OPEN[thread].load(Ordering::Relaxed) == number {
                BOOKS.violation(|| format!("{what} says that section {number} is over"));
            }
        }
    }
}

/// The callbacks of the threads, and what each of them is to check.
static CALLBACKS: [Callback; SLOTS] = [const { Callback::new() }; SLOTS];
static WATCHED: [[AtomicU64; SLOTS]; SLOTS] =
    [const { [const { AtomicU64::new(0) }; SLOTS] }; SLOTS];
pub static ASKED: AtomicU64 = AtomicU64::new(0);
pub static CALLED: AtomicU64 = AtomicU64::new(0);

/// Has the callback of this thread called later, if the last call is over.
pub fn call_later<S: hyaline::Scheme, R: hyaline::Role>(
    thread: usize,
    handle: &hyaline::Handle<'_, S, R>,
    free: &mut bool,
) {
    // The books are the thread's while its callback is not under way.
    // Acquire: pairs with the Release in `called`.
    *free |= WATCHED[thread][thread].load(Ordering::Acquire) == DONE;
    if !*free {
        return;
    }
    let snapshot = Snapshot::take();
    for (place, number) in WATCHED[thread].iter().zip(snapshot.0) {
        // Relaxed: the collector passes it on.
        place.store(number, Ordering::Relaxed);
    }
    // Its own section, if any, does not matter: the place is for the answer.
    WATCHED[thread][thread].store(0, Ordering::Relaxed);
    let asked = CALLBACKS[thread].call_later(handle, called, thread);
    if asked.is_err() {
        return BOOKS.violation(|| "a callback that was called is busy".into());
    }
    ASKED.fetch_add(1, Ordering::Relaxed);
    *free = false;
}

/// In the place of a thread's own section: its callback was called.
const DONE: u64 = u64::MAX;

fn called(thread: usize) {
    // Relaxed: see `call_later`.
    let watched = std::array::from_fn(|i| WATCHED[thread][i].load(Ordering::Relaxed));
    Snapshot(watched).check("a callback");
    CALLED.fetch_add(1, Ordering::Relaxed);
    // Release: the books are the thread's again.
    WATCHED[thread][thread].store(DONE, Ordering::Release);
}
