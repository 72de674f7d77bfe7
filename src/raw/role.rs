//! Roles: what a call of the core does by the role of its handle. Elsewhere the core
//! asks a slot, not a handle, whether its owner is eager: a walk, whether the owner
//! forwards its inbox itself; a drain, whether the owner has a hand.
//!
//! | | eager | deferred | nested |
//! |---|---|---|---|
//! | enter under an open guard | no barrier | no barrier | a light barrier: the interrupted enter may not have reached its own |
//! | stamp | the clock advances once in `era_step` objects | same | the clock advances |
//! | a retire | counts in the slot, and publishes a full batch | counts in the slot | counts in the collector |
//! | the end of a section for which others wait | forwards the inbox | leaves it | leaves it |
//! | an allocation | from the magazine, then from the pool | same | from the pool |
//! | none is free | flushes | what it can without user code | same |
//! | release | publishes and reclaims | leaves everything in the slot | same |
//!
//! `Erased` is eager or nested; the slot knows.

use super::{EraPolicy, Local, Scheme, magazine::Magazine};
use crate::{Barrier, Link, Reclaimer, Role};

impl<S: Scheme> Local<'_, S> {
    /// Whether reclaimers may run in the calls of a handle.
    #[inline(always)]
    pub(crate) fn reclaims<R: Role>(&self) -> bool {
        R::RECLAIMS.unwrap_or_else(|| self.slot.is_eager())
    }

    /// Whether the owner-only state must not be accessed: another call on the
    /// slot may interrupt this one.
    #[inline(always)]
    fn is_nested<R: Role>(&self) -> bool {
        R::NESTED.unwrap_or_else(|| !self.slot.is_eager())
    }

    /// Whether an enter under an open guard executes the light barrier.
    #[inline(always)]
    pub(super) fn always_light<R: Role>() -> bool {
        R::NESTED != Some(false) || S::Barrier::LIGHT_IS_FREE
    }

    /// Stamps a new object with its birth era.
    #[inline]
    pub(crate) fn stamp<R: Role>(&self, link: &Link) {
        let clock = &self.global.clock;
        if self.is_nested::<R>() {
            S::Eras::stamp_and_tick(clock, link);
        } else {
            S::Eras::stamp(clock, &self.slot.local_eras, &self.global.settings, link);
        }
    }

    /// Retires an object that open guards of this slot may still use.
    ///
    /// # Safety
    ///
    /// As for `Guard::defer_retire`. If `plain`, the reclaimer runs no user
    /// code.
    #[inline]
    pub(crate) unsafe fn retire<R: Role>(&self, link: *mut Link, reclaim: Reclaimer, plain: bool) {
        let slot = self.slot;
        // SAFETY: "`ptr` is valid" (`Guard::defer_retire`, # Safety); the header
        // is the collector's.
        let object = unsafe { &*link };
        if S::ROBUST && slot.section.own().is_open() {
            S::Eras::protect_own::<S::Barrier>(&self.global.clock, &slot.eras, object);
        }
        // SAFETY: "`ptr` is valid" and "is retired once" (`Guard::defer_retire`,
        // # Safety); `object` is what `link` points to.
        unsafe { self.global.push_retired(slot, object, link, reclaim, plain) };
        if self.is_nested::<R>() {
            self.global.totals.retire();
        } else {
            slot.tally.retire();
        }
        if self.reclaims::<R>() {
            self.fill_batch();
        }
    }

    /// Precedes a retire of a block of a pool that has so many (0: of the heap).
    #[inline(always)]
    pub(crate) fn cap_batch<R: Role>(&self, blocks: usize) {
        if self.reclaims::<R>() {
            self.slot.batch.cap(blocks);
        }
    }

    /// Retires an object that the slot's guards do not use.
    ///
    /// # Safety
    ///
    /// As for `retire_now`.
    pub(crate) unsafe fn retire_unused<R: Role>(
        &self,
        link: *mut Link,
        reclaim: Reclaimer,
        plain: bool,
    ) {
        // SAFETY: the contract of `retire_now` (# Safety), which implies that of
        // `retire`: the slot's guards do not use the object.
        unsafe {
            if self.reclaims::<R>() {
                self.retire_now(link, reclaim, plain);
            } else {
                self.retire::<R>(link, reclaim, plain);
            }
        }
    }

    /// `retire`, for what waits for all sections also in an unprotected slot,
    /// whose objects wait for none.
    ///
    /// # Safety
    ///
    /// As for `retire`, and the slot's guards do not use the object.
    pub(crate) unsafe fn retire_waiting<R: Role>(&self, link: *mut Link, reclaim: Reclaimer) {
        // SAFETY: the contract of `retire`, and "the slot's guards do not use the
        // object" (# Safety), which `retire_now` asks for.
        unsafe {
            if self.is_unprotected() {
                self.retire_now(link, reclaim, false);
            } else {
                self.retire::<R>(link, reclaim, false);
            }
        }
    }

    /// The section of the slot has ended, and others wait for that.
    #[inline(always)]
    pub(super) fn forward_inbox<R: Role>(&self) {
        if self.reclaims::<R>() {
            self.drain_inbox();
        }
    }

    /// The magazine of blocks that the call may use.
    #[inline(always)]
    pub(crate) fn magazine<R: Role>(&self) -> Option<&Magazine> {
        (!self.is_nested::<R>()).then_some(&self.slot.magazine)
    }

    /// Whether the call may execute the heavy barrier.
    pub(crate) fn may_heavy<R: Role>(&self) -> bool {
        self.reclaims::<R>() || S::Barrier::HEAVY_IN_INTERRUPTS
    }

    /// Releases the slot.
    pub(crate) fn release_as<R: Role>(&self) {
        if self.reclaims::<R>() {
            self.release();
        } else {
            self.release_passive();
        }
    }
}
