//! The clock in one word, where a word has 64 bits: an era every nanosecond
//! lasts for 292 years.

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
    /// An era that is not later than now.
    #[inline]
    pub(super) fn at_most(&self) -> u64 {
        // Relaxed: the object is published by a Release store, which makes
        // this value a lower bound of what its readers load.
        self.0.load(Ordering::Relaxed) as u64
    }

    /// An era that is not earlier than now.
    #[inline]
    pub(super) fn at_least(&self) -> u64 {
        // Relaxed: the heavy barrier comes before it (era, 4).
        self.0.load(Ordering::Relaxed) as u64
    }

    /// The next era begins.
    pub(super) fn tick(&self) {
        // Relaxed: nothing but the number itself is passed on.
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

    /// Whether the section holds an object of its own that was born then.
    #[inline]
    pub(super) fn reaches(self, birth: u64) -> bool {
        birth <= self.0 as u64
    }
}

impl SlotEras {
    /// A section begins.
    #[inline(always)]
    pub(super) fn enter<B: Barrier>(&self, clock: &Clock) {
        // Relaxed: the light barrier follows.
        let now = clock.0.load(Ordering::Relaxed);
        // Release, both: pair with `look` (era, 5).
        store_release::<B>(&self.began, now);
        store_release::<B>(&self.access, now);
    }

    /// For the owner.
    #[inline(always)]
    pub(super) fn access(&self) -> Access {
        // Relaxed: only the owner writes it.
        Access(self.access.load(Ordering::Relaxed))
    }

    /// Takes the collector's era over. The light barrier follows.
    pub(super) fn raise<B: Barrier>(&self, clock: &Clock) {
        // Relaxed: the light barrier follows. Release: pairs with `look`.
        store_release::<B>(&self.access, clock.0.load(Ordering::Relaxed));
    }

    /// For publishers, after the heavy barrier.
    #[inline]
    pub(super) fn look(&self) -> Reach {
        // Acquire, both: pair with the Releases above (era, 5).
        Reach {
            began: self.began.load(Ordering::Acquire) as u64,
            access: self.access.load(Ordering::Acquire) as u64,
        }
    }
}
