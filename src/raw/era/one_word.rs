//! The clock in one word, on 64-bit targets: an era every nanosecond lasts for
//! 292 years.

use super::reach::Reach;
use crate::{
    Barrier,
    raw::section::store_release,
    sync::{AtomicUsize, LoadStoreUsize, Ordering, impl_init},
};

/// The collector's era.
pub struct Clock(AtomicUsize);

impl_init!(Clock = Clock(AtomicUsize::new(0)));

impl Clock {
    /// An era not later than the current one.
    #[inline]
    pub(super) fn at_most(&self) -> u64 {
        // Relaxed: a Release store makes the object reachable, so readers that
        // load its pointer (Acquire) read this era or a later one.
        self.0.load(Ordering::Relaxed) as u64
    }

    /// An era not earlier than the current one at this thread's heavy barrier.
    #[inline]
    pub(super) fn at_least(&self) -> u64 {
        // Relaxed: the heavy barrier precedes it (era, 4).
        self.0.load(Ordering::Relaxed) as u64
    }

    /// Begins the next era.
    pub(super) fn tick(&self) {
        // Relaxed: publishes only the number itself.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The eras of a slot's section: written by its owner, read by publishers.
pub struct SlotEras {
    began: LoadStoreUsize,
    access: LoadStoreUsize,
}

impl_init!(
    SlotEras = SlotEras {
        began: LoadStoreUsize::new(0),
        access: LoadStoreUsize::new(0),
    }
);

/// An access era.
#[derive(Clone, Copy)]
pub struct Access(usize);

impl Access {
    /// Whether it is the collector's era.
    #[inline(always)]
    pub(super) fn is_current(self, clock: &Clock) -> bool {
        // Relaxed: it follows an Acquire load of the pointer, see `at_most`.
        self.0 == clock.0.load(Ordering::Relaxed)
    }

    /// Whether the section already protects its owner's object of that birth.
    #[inline]
    pub(super) fn reaches(self, birth: u64) -> bool {
        birth <= self.0 as u64
    }
}

impl SlotEras {
    /// Notes the start of a section.
    #[inline(always)]
    pub(super) fn enter<B: Barrier>(&self, clock: &Clock) {
        // Relaxed: the light barrier follows (era, 4).
        let now = clock.0.load(Ordering::Relaxed);
        // Release, both: pair with the Acquires in `look` (era, 5).
        store_release::<B>(&self.began, now);
        store_release::<B>(&self.access, now);
    }

    /// The access era, for the owner.
    #[inline(always)]
    pub(super) fn access(&self) -> Access {
        // Relaxed: only the owner writes it.
        Access(self.access.load(Ordering::Relaxed))
    }

    /// Raises the access era to the collector's. The light barrier follows.
    pub(super) fn raise<B: Barrier>(&self, clock: &Clock) {
        // Relaxed: the light barrier follows. Release: pairs with `look`.
        store_release::<B>(&self.access, clock.0.load(Ordering::Relaxed));
    }

    /// Both eras, for publishers, after the heavy barrier.
    #[inline]
    pub(super) fn look(&self) -> Reach {
        // Acquire, both: pair with the Releases above (era, 5).
        Reach {
            began: self.began.load(Ordering::Acquire) as u64,
            access: self.access.load(Ordering::Acquire) as u64,
        }
    }
}
