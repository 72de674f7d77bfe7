//! What a supervisor sees of a collector and may do to it: observe the slots,
//! request a restart, evict a dead task.

#[cfg(feature = "stats")]
use crate::Stats;
use crate::{CollectorView, HandleId, NotTheOwner, Scheme, SlotState};

impl<S: Scheme> CollectorView<S> {
    /// Iterates over the slots: which are claimed, which are active, and for
    /// how long. Any context; three to nine loads for each slot.
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

    /// Takes the slot from a dead task and releases it. The next collect of any
    /// eager handle finds and reclaims what the task retired and what waited for its
    /// sections; so does the next publish, unless an eager handle has claimed the slot
    /// meanwhile, which then publishes what the task retired in its first batch. Nothing
    /// is reclaimed here.
    ///
    /// Never waits; costs a step for each object that the task was about to
    /// reclaim. Any context except NMI. If the task's handle still exists, it is
    /// inert: [`is_evicted`](crate::Handle::is_evicted) is true; its drop, `flush`,
    /// `collect` and `limit_reclaims` do nothing; and eager handles reclaim what
    /// it retires.
    ///
    /// # Safety
    ///
    /// - What the handle's user did happens before this call: a scheduler
    ///   stopped it, or it was joined. And this call happens before anything that the
    ///   user does with the handle afterwards: the scheduler, or the lock under which
    ///   the handle is kept, sees to that.
    /// - The user does not run again with pointers that it loaded or with guards
    ///   of the handle: they are neither used nor dropped. A call in which it was
    ///   stopped does not continue.
    /// - The user was not stopped inside a call of this crate. Five kinds of
    ///   calls are exempt: `synchronize` and `Token::wait`, if it was stopped in the
    ///   user code of `relax`; `enter`, `protect` and its siblings; the drop of a
    ///   guard of a deferred or per-CPU handle; a call that panicked since a
    ///   token is of another collector; and a call that runs a
    ///   reclaimer, if it was stopped in the user code of that reclaimer. The
    ///   object of the reclaimer is then lost, and in
    ///   [`with_unprotected`](Self::with_unprotected) so is all that was retired
    ///   there, and up to `max(B, N)` objects that an explicit `collect` there was about
    ///   to reclaim.
    /// - Calls of this crate that a reclaimer makes are not exempt for being in
    ///   a reclaimer: a slot whose user was stopped within a call of `retire` or
    ///   `Pool::alloc` that a reclaimer made must not be evicted.
    /// - `id` is of a handle of this collector: ids of two collectors may be
    ///   equal.
    /// - The handle is used only for the calls named above, and to retire: not
    ///   to enter, to make objects, or for grace periods. Debug builds catch an
    ///   `enter`.
    ///
    /// # Errors
    ///
    /// [`NotTheOwner`] if no handle of this collector has the id, because the
    /// handle was released or evicted before. Nothing is done in that case.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// core::mem::forget(handle.enter());
    /// let id = handle.id();
    /// // SAFETY: its only guard was forgotten, and nothing was loaded.
    /// unsafe { collector.evict(id) }.unwrap();
    /// let next = collector.register()?;
    /// drop(handle); // inert
    /// assert!(!next.is_evicted());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub unsafe fn evict(&self, id: HandleId) -> Result<(), NotTheOwner> {
        // SAFETY: the owner is stopped, outside the calls that the contract
        // excludes, and what it did happens before this (fn contract).
        if unsafe { self.global().evict(id.slot, id.owner) } {
            Ok(())
        } else {
            Err(NotTheOwner)
        }
    }

    /// Asks the reader in a slot to end its section and start over. The reader
    /// polls [`Guard::restart_requested`](crate::Guard::restart_requested). Any
    /// context; a load and a store. Returns false if the slot is not active or
    /// does not exist.
    ///
    /// This is the cooperative form of DEBRA+'s neutralisation (Brown, PODC
    /// 2015). There, a signal makes the reader jump out of its section at any
    /// instruction, so the writer may continue as if the reader had left. Here,
    /// nothing changes until the reader has left: nothing is freed early, and a
    /// reader that does not poll, or is not scheduled, holds what it holds.
    /// [`Robust`](crate::Robust) mode bounds what it holds without its help;
    /// `evict` ends it. A request that arrives after the section has ended is
    /// seen by the slot's next section, and costs it a restart.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let reader = collector.register()?;
    /// assert!(!collector.request_restart(0));
    /// let mut guard = reader.enter();
    /// assert!(collector.request_restart(0));
    /// if guard.restart_requested() {
    ///     drop(guard);
    ///     guard = reader.enter(); // and load everything again
    /// }
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn request_restart(&self, slot: usize) -> bool {
        self.global().request_restart(slot)
    }
}
