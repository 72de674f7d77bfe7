//! What an observer can see of a collector.

#[cfg(feature = "stats")]
use crate::Stats;
use crate::{CollectorView, Scheme, SlotState};

impl<S: Scheme> CollectorView<S> {
    /// Iterates over the slots: which are claimed, which are active, and for
    /// how long. Any context; a few `Relaxed` loads for each slot.
    ///
    /// ```
    /// let collector = hyaline::Collector::<2>::new();
    /// let reader = collector.register()?;
    /// let guard = reader.enter();
    /// let states: Vec<_> = collector.slots().collect();
    /// assert_eq!(states[0].owner, Some(reader.id()));
    /// assert_eq!(states[0].guards, 1);
    /// assert_eq!(states[1].owner, None);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn slots(&self) -> impl Iterator<Item = SlotState> + '_ {
        (0..self.capacity()).filter_map(|slot| self.global().state(slot))
    }

    /// The active slot with the oldest section: the one to ask for a restart, or
    /// to evict. `None` if no section is open, or if ages are unknown, which
    /// they are in basic mode without feature `stats`. Any context; a few loads
    /// for each slot.
    ///
    /// ```
    /// use hyaline::{Collector, Config, Robust};
    ///
    /// let collector = Collector::<2, Robust>::with_config(Config::new().era_step::<1>());
    /// let (stalled, busy) = (collector.register()?, collector.register()?);
    /// let guard = stalled.enter();
    /// let _ = busy.link(1); // an era later
    /// let other = busy.enter();
    /// let oldest = collector.oldest().unwrap();
    /// assert_eq!((oldest.slot, oldest.age), (stalled.slot(), Some(1)));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn oldest(&self) -> Option<SlotState> {
        self.slots()
            .filter(|state| state.age.is_some())
            .max_by_key(|state| state.age)
    }

    /// The numbers of objects retired and reclaimed so far. Any context; two
    /// loads for each slot.
    ///
    /// ```
    /// use hyaline::{Collector, Linked, reclaim};
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let guard = handle.enter();
    /// let object = Box::into_raw(Box::new(handle.link(7)));
    /// // SAFETY: it was never shared, and it comes from a `Box`.
    /// unsafe { guard.defer_retire(object, reclaim::boxed::<Linked<i32>>) };
    /// assert_eq!(collector.stats().pending(), 1);
    /// drop(guard);
    /// handle.flush();
    /// let stats = collector.stats();
    /// assert_eq!((stats.retired, stats.reclaimed, stats.peak), (1, 1, 1));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[cfg(feature = "stats")]
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.global().stats()
    }
}
