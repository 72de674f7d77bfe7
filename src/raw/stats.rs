//! Counts of what happens, for feature `stats`; nothing without it.
//!
//! Core's atomics and never loom's: the algorithm does not depend on them. An
//! owner counts with a load and a store, so that nobody waits for a bus.

#[cfg(feature = "stats")]
pub(crate) use enabled::{Tally, Totals};

#[cfg(not(feature = "stats"))]
pub(crate) use disabled::{Tally, Totals};

#[cfg(feature = "stats")]
mod enabled {
    // The accesses are Relaxed, all of them: numbers for a person to read.
    use core::sync::atomic::Ordering::Relaxed;

    use portable_atomic::AtomicUsize;

    /// What a slot's owners did. Written by the owner.
    pub(crate) struct Tally {
        pub(crate) retired: AtomicUsize,
        pub(crate) reclaimed: AtomicUsize,
        /// The batches published when the section began.
        since: AtomicUsize,
    }

    crate::sync::impl_init!(
        Tally = Tally {
            retired: AtomicUsize::new(0),
            reclaimed: AtomicUsize::new(0),
            since: AtomicUsize::new(0),
        }
    );

    impl Tally {
        pub(crate) fn enter(&self, totals: &Totals) {
            // Relaxed, here and below: numbers for a person to read.
            self.since.store(totals.published.load(Relaxed), Relaxed);
        }

        pub(crate) fn retire(&self) {
            add_one(&self.retired);
        }

        pub(crate) fn reclaim(&self) {
            add_one(&self.reclaimed);
        }

        /// Batches published since the section began.
        pub(crate) fn age(&self, totals: &Totals) -> Option<u64> {
            let published = totals.published.load(Relaxed);
            Some(published.wrapping_sub(self.since.load(Relaxed)) as u64)
        }
    }

    fn add_one(count: &AtomicUsize) {
        // Relaxed: as above; the owner is the only one to write it.
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// What all did together.
    pub(crate) struct Totals {
        /// Objects that were retired without a slot's count.
        pub(crate) retired: AtomicUsize,
        /// Objects that were reclaimed without one.
        reclaimed: AtomicUsize,
        pub(crate) published: AtomicUsize,
        pub(crate) peak: AtomicUsize,
    }

    crate::sync::impl_init!(
        Totals = Totals {
            retired: AtomicUsize::new(0),
            reclaimed: AtomicUsize::new(0),
            published: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    );

    impl Totals {
        pub(crate) fn retire(&self) {
            // Relaxed: a count; anybody may add to it.
            self.retired.fetch_add(1, Relaxed);
        }

        pub(crate) fn reclaim(&self) {
            // Relaxed: as above.
            self.reclaimed.fetch_add(1, Relaxed);
        }

        /// A chain is about to be published.
        pub(crate) fn publish(&self) {
            self.published.fetch_add(1, Relaxed);
        }

        /// What was retired and what was reclaimed, in that order, so that
        /// their difference is never more than there is.
        pub(crate) fn sums<'a, I: Iterator<Item = &'a Tally>>(
            &self,
            tallies: impl Fn() -> I,
        ) -> (usize, usize) {
            // Relaxed: the order of the two sums is that of the program only,
            // and a difference below nothing is left out.
            let retired = tallies().fold(self.retired.load(Relaxed), |sum, tally| {
                sum.wrapping_add(tally.retired.load(Relaxed))
            });
            let reclaimed = tallies().fold(self.reclaimed.load(Relaxed), |sum, tally| {
                sum.wrapping_add(tally.reclaimed.load(Relaxed))
            });
            (retired, reclaimed)
        }

        /// Notes how many objects are pending: called before that goes down.
        pub(crate) fn sample<'a, I: Iterator<Item = &'a Tally>>(&self, tallies: impl Fn() -> I) {
            let (retired, reclaimed) = self.sums(tallies);
            // Less than nothing: some were reclaimed between the two looks.
            if let Ok(pending) = isize::try_from(retired.wrapping_sub(reclaimed)) {
                // Relaxed: as above.
                self.peak.fetch_max(pending as usize, Relaxed);
            }
        }
    }
}

#[cfg(not(feature = "stats"))]
mod disabled {
    pub(crate) struct Tally;
    crate::sync::impl_init!(Tally = Tally);

    impl Tally {
        #[inline(always)]
        pub(crate) fn enter(&self, _: &Totals) {}
        #[inline(always)]
        pub(crate) fn retire(&self) {}
        #[inline(always)]
        pub(crate) fn reclaim(&self) {}
        #[inline(always)]
        pub(crate) fn age(&self, _: &Totals) -> Option<u64> {
            None
        }
    }

    pub(crate) struct Totals;
    crate::sync::impl_init!(Totals = Totals);

    impl Totals {
        #[inline(always)]
        pub(crate) fn retire(&self) {}
        #[inline(always)]
        pub(crate) fn reclaim(&self) {}
        #[inline(always)]
        pub(crate) fn publish(&self) {}
        #[inline(always)]
        pub(crate) fn sample<'a, I: Iterator<Item = &'a Tally>>(&self, _: impl Fn() -> I) {}
    }
}
