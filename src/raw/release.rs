//! How a slot passes from one owner to the next: released, or taken from an
//! owner that is dead.
//!
//! `claimed` counts the owners: odd while the slot has one, even while it is
//! free. So a number that an owner remembers tells it from all that come
//! after it (until the word has gone round, after half a word's range of
//! owners), and costs no space.

use core::ptr;

use super::{Local, Scheme, Shared, Slot};
use crate::sync::Ordering;

impl<S: Scheme> Slot<S> {
    /// Claims a slot that is free.
    pub(super) fn claim(&self) -> bool {
        // Relaxed: a look before the exchange.
        let owners = self.claimed.load(Ordering::Relaxed);
        let next = owners.wrapping_add(1);
        // Acquire: pairs with the Release in `unclaim`; the owner-only fields
        // are as the last owner left them. Relaxed on failure: another slot is
        // tried.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        owners.is_multiple_of(2)
            && (self.claimed)
                .compare_exchange(owners, next, success, failure)
                .is_ok()
    }

    /// The number of the owner; even if there is none.
    #[inline]
    pub(crate) fn owner(&self) -> usize {
        // Relaxed: an owner reads what it wrote; to others it is a moment's
        // view.
        self.claimed.load(Ordering::Relaxed)
    }

    /// Gives the slot up.
    fn unclaim(&self) {
        // Release: see `claim`.
        self.claimed
            .store(self.owner().wrapping_add(1), Ordering::Release);
    }
}

impl<S: Scheme> Local<'_, S> {
    /// Gives the slot up without running a reclaimer. What is in its inbox is
    /// left for thieves.
    pub(crate) fn release_deferred(&self) {
        drop(Unclaim(self));
    }

    /// Gives the slot up, with nothing left behind in it.
    ///
    /// If a guard was forgotten the slot stays active and claimed, until it is
    /// evicted: what it may hold is pinned, the others go on.
    pub(crate) fn release(&self) {
        let unclaim = Unclaim(self);
        // The last call leaves nothing for a next one.
        self.slot.limit.set(0);
        loop {
            self.flush();
            // A reclaimer may have retired again.
            if self.slot.batch.is_empty() {
                break;
            }
        }
        drop(unclaim);
    }
}

impl<S: Scheme> Shared<S> {
    /// Takes a slot from an owner that is dead, and gives it up. Its batch and
    /// queue go to limbo, its inbox is left for thieves; no reclaimer is run.
    /// False if the slot has another owner by now, or none.
    ///
    /// # Safety
    ///
    /// As for `Collector::evict`.
    pub(crate) unsafe fn evict(&self, index: usize, owner: usize) -> bool {
        let Some(slot) = self.slots.get(index) else {
            return false;
        };
        let evictor = owner.wrapping_add(2);
        // Relaxed: of two that evict one owner, one does it. What the owner
        // did happens before this by the caller's promise.
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let taken = owner % 2 == 1
            && (slot.claimed)
                .compare_exchange(owner, evictor, success, failure)
                .is_ok();
        if taken {
            // Release: as in `leave`, for the sections of the dead.
            slot.active.store(0, Ordering::Release);
            slot.draining.set(false);
            drop(Unclaim(&Local { shared: self, slot }));
        }
        taken
    }
}

impl<S: Scheme> Shared<S> {
    /// Asks a reader to end its section. Whether there is one.
    pub(crate) fn request_restart(&self, index: usize) -> bool {
        let Some(slot) = self.slots.get(index) else {
            return false;
        };
        // Relaxed: a moment's view.
        let active = slot.active.load(Ordering::Relaxed) != 0;
        if active {
            // Relaxed: see `take_restart`.
            slot.restart.store(true, Ordering::Relaxed);
        }
        active
    }
}

/// The end of a release, also when a reclaimer panicked.
struct Unclaim<'a, 'c, S: Scheme>(&'a Local<'c, S>);

impl<S: Scheme> Drop for Unclaim<'_, '_, S> {
    fn drop(&mut self) {
        let Local { shared, slot } = *self.0;
        // Nothing is queued but after a panic, an eviction or under a limit:
        // limbo is the one place from which others take.
        let queue = slot.queue.replace(ptr::null_mut());
        if !queue.is_null() {
            // SAFETY: what is queued is ours, and nobody can hold it.
            unsafe { shared.unheld_to_limbo(queue) };
        }
        self.0.hand_over();
        #[cfg(target_has_atomic = "64")]
        slot.cache.give_back();
        if !self.0.is_active() {
            slot.unclaim();
        }
    }
}
