//! The read side: enter, protect, leave, refresh.

use super::{EraPolicy, Global, Local, Scheme, Slot, section::Seen};
use crate::{
    Barrier, Link, Role,
    sync::{AtomicPtr, Ordering, step},
};

impl<S: Scheme> Local<'_, S> {
    /// Opens a section, or one more guard on the section that is open.
    #[inline(always)]
    pub(crate) fn enter<R: Role>(&self) {
        let section = &self.slot.section;
        let own = self.own_if_needed::<R>();
        // What is constant comes first, or the branch stays, with nothing in it.
        if (S::ROBUST || cfg!(feature = "stats")) && !own.is_open() {
            S::Eras::enter::<S::Barrier>(&self.global.clock, &self.slot.eras);
            self.slot.tally.enter(&self.global.totals);
        }
        section.enter::<S::Barrier>(own);
        if R::NESTED != Some(false) || S::Barrier::LIGHT_IS_FREE || !own.is_open() {
            // The light barrier pairs with the heavy one in `publish` and
            // `retire_now`. If it comes first, they see the section open; if
            // the heavy one comes first, our loads see what was unlinked
            // before it. Without it our word could wait in the store buffer
            // while we load a pointer that is being reclaimed. An interrupt
            // executes one of its own also where it finds a section open: the
            // task it preempted may not have come to its barrier yet.
            S::Barrier::light();
        }
    }

    /// The section word. x86-64 adds to it in memory; where nothing else
    /// depends on what is there, it need not be loaded.
    #[inline(always)]
    fn own_if_needed<R: Role>(&self) -> Seen {
        let adds = cfg!(all(target_arch = "x86_64", not(feature = "stats")));
        if adds && !S::ROBUST && (R::NESTED != Some(false) || S::Barrier::LIGHT_IS_FREE) {
            return Seen::NONE;
        }
        self.slot.section.own()
    }

    /// Closes a guard; the last one ends the section.
    #[inline(always)]
    pub(crate) fn leave<R: Role>(&self) {
        self.slot.section.leave::<S::Barrier>();
        // What this look misses is delayed (5).
        if self.slot.is_wanted() {
            self.global.section_over::<R>(self.slot);
        }
    }

    /// `leave`, for those who have `self` in memory, and nothing in registers
    /// that the rare case would need.
    #[inline(always)]
    pub(crate) fn leave_in_place<R: Role>(&self) {
        self.slot.section.leave::<S::Barrier>();
        // As in `leave`.
        if self.slot.is_wanted() {
            self.section_over_in_place::<R>();
        }
    }

    #[cold]
    #[inline(never)]
    fn section_over_in_place<R: Role>(&self) {
        self.global.section_over::<R>(self.slot);
    }

    /// Whether a section is open.
    pub(crate) fn is_open(&self) -> bool {
        self.slot.section.own().is_open()
    }

    /// A quiescent point: ends the section and begins a new one, if somebody
    /// waits for it. One load if nobody does. Does nothing if more than one
    /// guard is open.
    #[inline]
    pub(crate) fn refresh<R: Role>(&self) {
        if self.slot.is_wanted() {
            self.global.renumber::<R>(self.slot);
        }
    }

    /// Whether somebody asked for the end of the section; once for each
    /// request.
    #[inline]
    pub(crate) fn take_restart(&self) -> bool {
        // Relaxed: a request, nothing more. One that comes between the load
        // and the store is taken for the same one.
        let asked = self.slot.restart.load(Ordering::Relaxed);
        if asked {
            self.slot.restart.store(false, Ordering::Relaxed);
        }
        asked
    }

    /// Loads a pointer that stays valid until the section ends. `order` is
    /// the caller's.
    #[inline]
    pub(crate) fn protect<T>(&self, src: &AtomicPtr<T>, order: Ordering) -> *mut T {
        let access = S::Eras::access(&self.slot.eras);
        step();
        let pointer = src.load(at_least_acquire(order));
        if S::Eras::is_current(&self.global.clock, access) {
            return pointer;
        }
        // From the start, so that a caller's own code has no call to return to.
        self.global.protect_slow(self.slot, src, order)
    }

    /// Loads a pointer, once; nothing if it is not protected.
    #[inline(always)]
    fn try_protect<T>(&self, src: &AtomicPtr<T>, order: Ordering) -> Option<*mut T> {
        let access = S::Eras::access(&self.slot.eras);
        step();
        let pointer = src.load(at_least_acquire(order));
        S::Eras::validate::<S::Barrier>(&self.global.clock, &self.slot.eras, access)
            .then_some(pointer)
    }

    /// Swaps a pointer; the old one is protected.
    #[inline]
    pub(crate) fn swap<T>(&self, src: &AtomicPtr<T>, new: *mut T, order: Ordering) -> *mut T {
        // At least Acquire, as in `protect`, with the caller's Release.
        let order = match order {
            Ordering::Relaxed | Ordering::Acquire => Ordering::Acquire,
            Ordering::SeqCst => Ordering::SeqCst,
            _ => Ordering::AcqRel,
        };
        if !S::ROBUST {
            step();
            return src.swap(new, order);
        }
        // What a swap brings could be younger than the access era, and there
        // is no loading it again. So it is loaded first.
        // Relaxed: `try_protect` makes it Acquire.
        if let Some(seen) = self.try_protect(src, Ordering::Relaxed) {
            step();
            // Relaxed on failure: nothing is returned then.
            let swapped = src.compare_exchange_weak(seen, new, order, Ordering::Relaxed);
            if let Ok(old) = swapped {
                return old;
            }
        }
        self.global.swap_slow(self.slot, src, new)
    }

    /// Runs `exchange`, with a failure ordering that will do, until it succeeds
    /// or fails with a protected pointer. `failure` is the caller's.
    #[inline]
    pub(crate) fn compare_exchange_with<T>(
        &self,
        failure: Ordering,
        exchange: impl Fn(Ordering) -> Result<*mut T, *mut T>,
    ) -> Result<*mut T, *mut T> {
        loop {
            let access = S::Eras::access(&self.slot.eras);
            step();
            let result = exchange(at_least_acquire(failure));
            let (clock, eras) = (&self.global.clock, &self.slot.eras);
            if result.is_ok() || S::Eras::validate::<S::Barrier>(clock, eras, access) {
                return result;
            }
        }
    }

    /// Makes the section hold an object of the caller's own, before others
    /// can find it.
    ///
    /// # Safety
    ///
    /// As for `Guard::protect_own`.
    #[inline]
    pub(crate) unsafe fn protect_own(&self, link: *mut Link) {
        // SAFETY: valid and not shared (fn contract).
        let link = unsafe { &*link };
        S::Eras::protect_own::<S::Barrier>(&self.global.clock, &self.slot.eras, link);
    }
}

// The functions that are out of line take what they need, and not `&Local`:
// the guard, whose part it is, then stays in registers.
impl<S: Scheme> Global<S> {
    /// Tells those who wait that the section has ended; an eager owner sends
    /// on what they left.
    #[cold]
    #[inline(never)]
    fn section_over<R: Role>(&self, slot: &Slot<S>) {
        let own = slot.section.own();
        if own.is_open() {
            return;
        }
        slot.want(false);
        slot.section.renumber::<S::Barrier>(own);
        if slot.reclaims::<R>() {
            Local { global: self, slot }.drain_inbox();
        }
    }

    /// Begins a new section under the one guard that is open.
    #[cold]
    #[inline(never)]
    fn renumber<R: Role>(&self, slot: &Slot<S>) {
        let own = slot.section.own();
        if own.depth() != 1 {
            return;
        }
        slot.want(false);
        // As a new section has it; a look that sees these eras comes after the
        // old section.
        S::Eras::enter::<S::Barrier>(&self.clock, &slot.eras);
        slot.section.renumber::<S::Barrier>(own);
        // The light barrier: as in `enter`. Without it what the new section
        // loads could be what a publisher reclaims that saw its number.
        S::Barrier::light();
        if slot.reclaims::<R>() {
            Local { global: self, slot }.drain_inbox();
        }
    }

    /// `protect` in robust mode, where the next era began.
    #[cold]
    #[inline(never)]
    fn protect_slow<T>(&self, slot: &Slot<S>, src: &AtomicPtr<T>, order: Ordering) -> *mut T {
        let local = Local { global: self, slot };
        loop {
            if let Some(pointer) = local.try_protect(src, order) {
                return pointer;
            }
        }
    }

    /// `swap` in robust mode, where another thread or the next era came in
    /// between.
    #[cold]
    #[inline(never)]
    fn swap_slow<T>(&self, slot: &Slot<S>, src: &AtomicPtr<T>, new: *mut T) -> *mut T {
        let local = Local { global: self, slot };
        loop {
            // Relaxed: `protect` makes it Acquire.
            let seen = local.protect(src, Ordering::Relaxed);
            // SeqCst: whatever the caller asked for. Relaxed on failure:
            // nothing is returned then.
            let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
            if let Ok(old) = src.compare_exchange_weak(seen, new, success, failure) {
                return old;
            }
        }
    }
}

/// The ordering of a load whose pointer is to be protected: the object's
/// contents, and in robust mode the clock that its birth was read from, are
/// seen by the section. SeqCst is for the caller's own total order.
#[inline(always)]
const fn at_least_acquire(order: Ordering) -> Ordering {
    match order {
        Ordering::SeqCst => Ordering::SeqCst,
        _ => Ordering::Acquire,
    }
}
