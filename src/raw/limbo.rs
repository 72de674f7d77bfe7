//! Limbo: retired objects that no slot owns, and the ways into it and out.
//!
//! A stack of objects, linked by `chain`. Chains are pushed by
//! compare-and-swap and everything is taken at once, so there is no ABA. Each
//! object keeps its birth era, under which the adopter publishes it; or it has
//! a mark that says that nobody can hold it, and the adopter reclaims it.

use core::ptr;

use super::{Local, Mode, Scheme, Shared, batch};
use crate::{Link, Reclaimer, sync::Ordering};

/// Later than any era: the birth of an object that nobody can hold, in both
/// schemes. (In basic mode the words of the birth have other values here: null,
/// a number of a slot, a pointer. None is all ones.)
const NOT_HELD: u64 = u64::MAX;

impl<S: Scheme> Shared<S> {
    /// Puts the chain `first ..= last` in.
    ///
    /// # Safety
    ///
    /// The objects are retired, the caller's, linked by `chain`, and have
    /// their births.
    pub(super) unsafe fn to_limbo(&self, first: *mut Link, last: *mut Link) {
        // Relaxed: only linked, not dereferenced.
        let mut head = self.limbo.load(Ordering::Relaxed);
        loop {
            // SAFETY: `last` is ours until the exchange succeeds.
            unsafe { (*last).chain.set(head) };
            // Release: see `adopt`. Relaxed on failure: as the load.
            match self.limbo.compare_exchange_weak(
                head,
                first,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Retires an object without a slot: straight into limbo. Lock-free, and
    /// touches nothing that an owner has for itself.
    ///
    /// # Safety
    ///
    /// As for `Handle::retire`; guards of the slot that still use the object
    /// have its birth covered.
    pub(crate) unsafe fn retire_to_limbo(&self, link: *mut Link, reclaim: Reclaimer) {
        self.totals.retire();
        // SAFETY: the caller's: a chain of one.
        unsafe {
            (*link).reclaim.set(reclaim);
            self.to_limbo(link, link);
        }
    }

    /// Puts a list that ends with null in, of objects that nobody can hold.
    ///
    /// # Safety
    ///
    /// As `to_limbo`, for those; the list is not empty.
    pub(super) unsafe fn unheld_to_limbo(&self, first: *mut Link) {
        // SAFETY: the caller's.
        unsafe {
            let last = set_births(first, NOT_HELD, ptr::null_mut());
            self.to_limbo(first, last);
        }
    }
}

impl<S: Scheme> Local<'_, S> {
    /// Retires without looking at other slots and without running a
    /// reclaimer: a full batch goes to limbo.
    ///
    /// # Safety
    ///
    /// As for `retire`.
    pub(crate) unsafe fn retire_deferred(&self, link: *mut Link, reclaim: Reclaimer) {
        // SAFETY: the caller's.
        if unsafe { self.take_over(link, reclaim) } {
            self.hand_over();
        }
    }

    /// Retires in any of the contexts that share a slot, each of which
    /// preempts the one before: straight into limbo.
    ///
    /// # Safety
    ///
    /// As for `retire`.
    pub(crate) unsafe fn retire_nested(&self, link: *mut Link, reclaim: Reclaimer) {
        S::Mode::cover(&self.shared.clock, &self.slot.mark);
        // SAFETY: the caller's.
        unsafe { self.shared.retire_to_limbo(link, reclaim) };
    }

    /// Takes over what is in limbo, in batches no larger than those of one's
    /// own.
    pub(super) fn adopt(&self) {
        // Relaxed: a hint; what it misses is found by the next one.
        if self.shared.limbo.load(Ordering::Relaxed).is_null() {
            return;
        }
        // Acquire: pairs with the Release in `to_limbo`. What those who
        // retired the objects unlinked happens before our HEAVY.
        let mut link = self.shared.limbo.swap(ptr::null_mut(), Ordering::Acquire);
        while !link.is_null() {
            // SAFETY: the list is ours; `chain` is read before it changes.
            unsafe {
                let joining = link;
                let following = (*link).chain.get();
                let birth = Self::birth(link);
                // In basic mode one word of it tells.
                let is_held = if S::ROBUST {
                    birth != NOT_HELD
                } else {
                    (*link).next.get().addr() != usize::MAX
                };
                link = following;
                if !is_held {
                    (*joining).chain.set(self.slot.queue.get());
                    self.slot.queue.set(joining);
                } else if self.join(joining, birth) {
                    self.publish_local();
                }
            }
        }
    }

    /// Puts the local batch into limbo.
    pub(crate) fn hand_over(&self) {
        let last = self.slot.batch.take();
        if last.is_null() {
            return;
        }
        self.slot.batch.room.set(self.shared.settings.batch);
        S::Mode::cover(&self.shared.clock, &self.slot.mark);
        let oldest = S::Mode::oldest(&self.slot.log);
        S::Mode::clear(&self.slot.log);
        // SAFETY: the ring is ours.
        unsafe {
            let first = (*last).chain.get();
            if S::ROBUST {
                // `choose` has written over births: the oldest stands for all.
                set_births(first, oldest, first);
            }
            self.shared.to_limbo(first, last);
        }
    }

    /// A quiescent point that runs no reclaimer: drops the references in the
    /// own inbox, and leaves what comes to zero to the others. Does nothing if
    /// more than one guard is open. Touches nothing that an owner has for
    /// itself, so contexts that share a slot may call it.
    #[inline]
    pub(crate) fn pass_on(&self) {
        // Relaxed: for the owner, the only one to write it.
        if !self.slot.inbox.seems_empty() && self.slot.active.load(Ordering::Relaxed) <= 1 {
            // SAFETY: (4).
            unsafe { self.shared.pass_on(self.slot.inbox.take()) };
        }
    }
}

impl<S: Scheme> Shared<S> {
    /// Drops the reference of each cell in a chain. Batches that come to zero
    /// go to limbo.
    ///
    /// # Safety
    ///
    /// As for `drop_references`.
    #[cold]
    #[inline(never)]
    unsafe fn pass_on(&self, mut chain: *mut Link) {
        while !chain.is_null() {
            // SAFETY: the cell lives until its reference is dropped, and is
            // ours, once; a batch at zero is ours alone.
            unsafe {
                let next = (*chain).next.get();
                if let Some(last) = batch::drop_reference(chain) {
                    let first = (*last).chain.replace(ptr::null_mut());
                    self.unheld_to_limbo(first);
                }
                chain = next;
            }
        }
    }
}

/// Gives all objects from `link` to the one before `end` the same birth.
/// Returns the last.
///
/// # Safety
///
/// They are linked by `chain`, the caller's, and at least one.
unsafe fn set_births(mut link: *mut Link, birth: u64, end: *mut Link) -> *mut Link {
    loop {
        // SAFETY: the caller's.
        unsafe {
            (*link).set_birth(birth);
            let following = (*link).chain.get();
            if ptr::eq(following, end) {
                return link;
            }
            link = following;
        }
    }
}
