//! Statistics of feature `stats`; empty types without it.
//!
//! The atomics are core's, never loom's: the algorithm does not depend on them.
//! An owner counts with a load and a store, without a locked instruction.

#[cfg(feature = "stats")]
pub use enabled::Stats;
#[cfg(feature = "stats")]
pub(crate) use enabled::{Tally, Totals};

#[cfg(not(feature = "stats"))]
pub(crate) use disabled::{Tally, Totals};

#[cfg(feature = "stats")]
mod enabled {
    // All accesses are Relaxed: the numbers are for people to read.
    use core::sync::atomic::Ordering::Relaxed;

    use portable_atomic::AtomicUsize;

    /// What a slot's owners did. Written by the current owner.
    pub(crate) struct Tally {
        retired: AtomicUsize,
        reclaimed: AtomicUsize,
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
        /// Whether it counts at all.
        pub(crate) const COUNTS: bool = true;

        pub(crate) fn enter(&self, totals: &Totals) {
            // Relaxed, here and below: numbers for people to read.
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
        // Relaxed: as above; only the owner writes it.
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// What all slots did together.
    pub(crate) struct Totals {
        /// Objects that were retired and not counted in a slot.
        retired: AtomicUsize,
        /// Objects that were reclaimed and not counted in a slot.
        reclaimed: AtomicUsize,
        published: AtomicUsize,
        peak: AtomicUsize,
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
            // Relaxed: a count; any thread may add to it.
            self.retired.fetch_add(1, Relaxed);
        }

        pub(crate) fn reclaim(&self) {
            // Relaxed: as above.
            self.reclaimed.fetch_add(1, Relaxed);
        }

        /// Takes over the counts of a slot that is none of the collector's.
        pub(crate) fn add(&self, tally: &Tally) {
            // Relaxed: as above. In this order, so that the difference is never too
            // large in between.
            self.reclaimed
                .fetch_add(tally.reclaimed.load(Relaxed), Relaxed);
            self.retired.fetch_add(tally.retired.load(Relaxed), Relaxed);
        }

        /// A chain is about to be published.
        pub(crate) fn publish(&self) {
            self.published.fetch_add(1, Relaxed);
        }

        /// The objects retired and those reclaimed, summed in that order, so that
        /// the difference is never too large.
        fn sums<'a, I: Iterator<Item = &'a Tally>>(
            &self,
            tallies: impl Fn() -> I,
        ) -> (usize, usize) {
            // Relaxed: the two sums are in program order only; a negative
            // difference is ignored.
            let retired = tallies().fold(self.retired.load(Relaxed), |sum, tally| {
                sum.wrapping_add(tally.retired.load(Relaxed))
            });
            let reclaimed = tallies().fold(self.reclaimed.load(Relaxed), |sum, tally| {
                sum.wrapping_add(tally.reclaimed.load(Relaxed))
            });
            (retired, reclaimed)
        }

        /// Samples the number of pending objects, before it decreases.
        pub(crate) fn sample<'a, I: Iterator<Item = &'a Tally>>(&self, tallies: impl Fn() -> I) {
            let (retired, reclaimed) = self.sums(tallies);
            // Negative: some were reclaimed between the two sums.
            if let Ok(pending) = isize::try_from(retired.wrapping_sub(reclaimed)) {
                // Relaxed: as above.
                self.peak.fetch_max(pending as usize, Relaxed);
            }
        }

        pub(crate) fn stats<'a, I: Iterator<Item = &'a Tally>>(
            &self,
            tallies: impl Fn() -> I,
        ) -> Stats {
            let (retired, reclaimed) = self.sums(tallies);
            // Relaxed: as above.
            let peak = self.peak.load(Relaxed);
            let mut stats = Stats {
                retired,
                reclaimed,
                peak,
            };
            stats.peak = peak.max(stats.pending());
            stats
        }
    }

    /// Statistics of a collector since it was made, from
    /// [`Collector::stats`](crate::CollectorView::stats). Callbacks count as objects.
    /// The counts wrap, and are not taken at one moment. What is retired or reclaimed in
    /// [`with_unprotected`](crate::CollectorView::with_unprotected) counts when that call
    /// returns.
    ///
    /// ```
    /// let stats = hyaline::Collector::<1>::new().stats();
    /// assert_eq!((stats.retired, stats.pending()), (0, 0));
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    #[non_exhaustive]
    pub struct Stats {
        /// Objects that were retired.
        pub retired: usize,
        /// Reclaimers that were called.
        pub reclaimed: usize,
        /// The most objects that were pending when a batch was published, when objects
        /// were about to be reclaimed, or now.
        pub peak: usize,
    }

    impl Stats {
        /// Objects that were retired and are not reclaimed yet; 0 if the counts that
        /// were taken while others worked say that more were reclaimed.
        ///
        /// ```
        /// assert_eq!(hyaline::Collector::<1>::new().stats().pending(), 0);
        /// ```
        #[must_use]
        pub const fn pending(&self) -> usize {
            let pending = self.retired.wrapping_sub(self.reclaimed);
            if pending > isize::MAX as usize {
                return 0;
            }
            pending
        }
    }
}

#[cfg(not(feature = "stats"))]
mod disabled {
    pub(crate) struct Tally;
    crate::sync::impl_init!(Tally = Tally);

    impl Tally {
        pub(crate) const COUNTS: bool = false;

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
        pub(crate) fn add(&self, _: &Tally) {}
        #[inline(always)]
        pub(crate) fn publish(&self) {}
        #[inline(always)]
        pub(crate) fn sample<'a, I: Iterator<Item = &'a Tally>>(&self, _: impl Fn() -> I) {}
    }
}
