//! The read side: enter, protect, leave, refresh.

use super::{EraPolicy, Global, Local, Scheme, Slot, section::Seen, stats::Tally};
use crate::{
    Barrier, Link, Role,
    sync::{ADDS_IN_MEMORY, AtomicPtr, Ordering},
};

impl<S: Scheme> Local<'_, S> {
    /// Opens a section, or another guard on the open one.
    #[inline(always)]
    pub(crate) fn enter<R: Role>(&self) {
        let section = &self.slot.section;
        // Whether a guard on an open section executes the light barrier, too.
        let always = Self::always_light::<R>();
        let own = self.own_if_needed(always);
        // The constants come first, or an empty branch remains.
        if (S::ROBUST || Tally::COUNTS) && !own.is_open() {
            S::Eras::enter::<S::Barrier>(&self.global.clock, &self.slot.eras);
            self.slot.tally.enter(&self.global.totals);
        }
        section.enter::<S::Barrier>(own);
        if always || !own.is_open() {
            // The light barrier pairs with the heavy one in `advance` and
            // `retire_now`. If the light one comes first, they see the section
            // open. If the heavy one comes first, our loads see what was
            // unlinked before it. Without it our word could stay in the store
            // buffer while we load a pointer that is being reclaimed. An
            // interrupt executes its own even if it finds a section open: the
            // task that it preempted may not have reached its barrier yet.
            S::Barrier::light();
        }
    }

    /// The section word. A target that increments it in memory does not load it
    /// where nothing else depends on its value: not the light barrier, if it is
    /// executed `always`.
    #[inline(always)]
    fn own_if_needed(&self, always: bool) -> Seen {
        if ADDS_IN_MEMORY && !Tally::COUNTS && !S::ROBUST && always {
            return Seen::NONE;
        }
        self.slot.section.own()
    }

    /// Closes a guard; the last one ends the section.
    #[inline(always)]
    pub(crate) fn leave<R: Role>(&self) {
        self.slot.section.leave::<S::Barrier>();
        // A push that this check misses is delayed (5).
        if self.slot.is_wanted() {
            self.global.section_over::<R>(self.slot);
        }
    }

    /// `leave`, for callers that have `self` in memory, and in registers nothing
    /// that the cold path needs.
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

    /// A quiescent point: ends the section and begins a new one if another
    /// thread waits for its end, and in robust mode if the era has advanced: otherwise
    /// it would hold what was retired before. Otherwise it costs one load, in robust
    /// mode four. Does nothing if more than one guard is open.
    #[inline]
    pub(crate) fn refresh<R: Role>(&self) {
        let ages = S::Eras::ages(&self.global.clock, &self.slot.eras);
        if self.slot.is_wanted() || ages.is_some_and(|(age, _)| age != 0) {
            self.global.renumber::<R>(self.slot);
        }
    }

    /// Whether the end of the section was requested; true once for each
    /// request.
    #[inline]
    pub(crate) fn take_restart(&self) -> bool {
        // A request between the two counts as the same one.
        let asked = self.slot.restart.is_set();
        if asked {
            self.slot.restart.clear();
        }
        asked
    }

    /// Loads a pointer that stays valid until the section ends, with `order` or
    /// Acquire, whichever is stronger.
    #[inline]
    pub(crate) fn protect<T>(&self, src: &AtomicPtr<T>, order: Ordering) -> *mut T {
        let access = S::Eras::access(&self.slot.eras);
        let pointer = src.load(at_least_acquire(order));
        if S::Eras::is_current(&self.global.clock, access) {
            return pointer;
        }
        // Starts again from the load, so that this is a tail call.
        self.global.protect_slow(self.slot, src, order)
    }

    /// Loads a pointer once. `None` if it is not protected.
    #[inline(always)]
    fn try_protect<T>(&self, src: &AtomicPtr<T>, order: Ordering) -> Option<*mut T> {
        let access = S::Eras::access(&self.slot.eras);
        let pointer = src.load(at_least_acquire(order));
        S::Eras::validate::<S::Barrier>(&self.global.clock, &self.slot.eras, access)
            .then_some(pointer)
    }

    /// Swaps a pointer. The old one is protected.
    #[inline]
    pub(crate) fn swap<T>(&self, src: &AtomicPtr<T>, new: *mut T, order: Ordering) -> *mut T {
        // At least Acquire: see `at_least_acquire`. A Release that the caller
        // asks for pairs with the Acquire of a load that finds `new`; without
        // it that thread's reads race with the object's initialisation.
        let order = match order {
            Ordering::Relaxed | Ordering::Acquire => Ordering::Acquire,
            Ordering::SeqCst => Ordering::SeqCst,
            _ => Ordering::AcqRel,
        };
        if !S::ROBUST {
            return src.swap(new, order);
        }
        // The pointer that a plain swap returned could be younger than the
        // access era, and it could not be loaded again. So it is protected
        // first. Relaxed: `try_protect` makes it Acquire.
        if let Some(seen) = self.try_protect(src, Ordering::Relaxed) {
            // Relaxed on failure: the value is not used.
            let swapped = src.compare_exchange_weak(seen, new, order, Ordering::Relaxed);
            if let Ok(old) = swapped {
                return old;
            }
        }
        self.global.swap_slow(self.slot, src, new)
    }

    /// Calls `exchange` until it succeeds or fails with a protected pointer. Its
    /// argument is the failure ordering: `failure` or Acquire, whichever is
    /// stronger.
    #[inline]
    pub(crate) fn compare_exchange_with<T>(
        &self,
        failure: Ordering,
        exchange: impl Fn(Ordering) -> Result<*mut T, *mut T>,
    ) -> Result<*mut T, *mut T> {
        loop {
            let access = S::Eras::access(&self.slot.eras);
            let result = exchange(at_least_acquire(failure));
            let (clock, eras) = (&self.global.clock, &self.slot.eras);
            if result.is_ok() || S::Eras::validate::<S::Barrier>(clock, eras, access) {
                return result;
            }
        }
    }

    /// Protects an object that the caller owns, before other threads can find
    /// it.
    ///
    /// # Safety
    ///
    /// As for `Guard::protect_own`.
    #[inline]
    pub(crate) unsafe fn protect_own(&self, link: *mut Link) {
        // SAFETY: the object is valid and not shared (`Guard::protect_own`,
        // # Safety).
        let link = unsafe { &*link };
        S::Eras::protect_own::<S::Barrier>(&self.global.clock, &self.slot.eras, link);
    }
}

// The out-of-line functions take the collector and the slot, not `&Local`: the
// guard, which contains the `Local`, then stays in registers.
impl<S: Scheme> Global<S> {
    /// The section has ended and is wanted: gives the next one another number.
    /// An eager owner forwards its inbox.
    #[cold]
    #[inline(never)]
    fn section_over<R: Role>(&self, slot: &Slot<S>) {
        let own = slot.section.own();
        if own.is_open() {
            return;
        }
        slot.unwant();
        slot.section.renumber::<S::Barrier>(own);
        Local { global: self, slot }.forward_inbox::<R>();
    }

    /// Begins a new section under the one guard that is open.
    #[cold]
    #[inline(never)]
    fn renumber<R: Role>(&self, slot: &Slot<S>) {
        let own = slot.section.own();
        if own.depth() != 1 {
            return;
        }
        slot.unwant();
        // The eras of a new section. A look that sees them comes after the old
        // section.
        S::Eras::enter::<S::Barrier>(&self.clock, &slot.eras);
        slot.tally.enter(&self.totals);
        slot.section.renumber::<S::Barrier>(own);
        // The light barrier: pairs as in `enter`. Without it a publisher that
        // saw the new number could reclaim what the new section loads.
        S::Barrier::light();
        Local { global: self, slot }.forward_inbox::<R>();
    }

    /// `protect` in robust mode, when the era has advanced.
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

    /// `swap` in robust mode, when another thread was faster or the era has
    /// advanced.
    #[cold]
    #[inline(never)]
    fn swap_slow<T>(&self, slot: &Slot<S>, src: &AtomicPtr<T>, new: *mut T) -> *mut T {
        let local = Local { global: self, slot };
        loop {
            // Relaxed: `protect` makes it Acquire.
            let seen = local.protect(src, Ordering::Relaxed);
            // SeqCst: not weaker than what the caller asked for, whose total
            // order would lack this access. Relaxed on failure: the value is
            // not used.
            let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
            if let Ok(old) = src.compare_exchange_weak(seen, new, success, failure) {
                return old;
            }
        }
    }
}

/// The ordering of a load that protects. Acquire pairs with the Release that
/// published the pointer: the section sees the object's contents and, in robust
/// mode, a clock not older than its birth. Without it the reads would race with
/// the object's initialisation, and an object born later would seem protected.
/// SeqCst is kept for the caller's own total order.
#[inline(always)]
const fn at_least_acquire(order: Ordering) -> Ordering {
    match order {
        Ordering::SeqCst => Ordering::SeqCst,
        _ => Ordering::Acquire,
    }
}
