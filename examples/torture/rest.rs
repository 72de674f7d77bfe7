//! Moments at which every thread rests outside of a section, and one collect has
//! to reclaim everything.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Steps of the first thread between two rests.
pub const STEPS: u64 = 500;

/// Where the threads meet.
pub struct Rest {
    threads: usize,
    arrived: AtomicUsize,
    /// How often all have met.
    met: AtomicUsize,
    /// A thread has panicked, and does not come.
    abandoned: AtomicBool,
    /// A rest is due.
    pub due: AtomicBool,
    /// The last rest is over.
    pub ended: AtomicBool,
}

impl Rest {
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
            met: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            due: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Waits until all threads are here. Returns how often they have met.
    pub fn meet(&self) -> usize {
        // Relaxed: it changes only when this thread has arrived, too.
        let met = self.met.load(Ordering::Relaxed);
        // AcqRel: what the others did before happens before the last one's store.
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            // Relaxed: the next store publishes it.
            self.arrived.store(0, Ordering::Relaxed);
            // Release: pairs with the Acquire below.
            self.met.store(met + 1, Ordering::Release);
        }
        // Acquire: what all did before.
        while self.met.load(Ordering::Acquire) == met {
            // Relaxed: a flag, which publishes nothing.
            if self.abandoned.load(Ordering::Relaxed) {
                panic!("another thread panicked");
            }
            thread::yield_now();
        }
        met
    }
}

/// Lets the others know when this thread panics.
pub struct AbandonOnPanic<'a>(pub &'a Rest);

impl Drop for AbandonOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Relaxed: a flag, which publishes nothing.
            self.0.abandoned.store(true, Ordering::Relaxed);
        }
    }
}
