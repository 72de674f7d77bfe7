//! Runs the reclaimers of objects that no section can hold.
//!
//! The objects that a call is about to reclaim are in its slot's *hand*: a list
//! of at most `max(B, N)` objects (of an unprotected slot, all at its end), which an
//! eviction of the slot takes back.
//! Further ones are *left over* in the collector before the first reclaimer
//! runs, so that any handle can take them while a reclaimer is slow. So are the
//! objects that a limit or a panic leaves.

use core::ptr;

use super::{Chain, Local, Scheme, chain, tree::Tree};
use crate::{Barrier, Link};

impl<S: Scheme> Local<'_, S> {
    /// The number of reclaimers that one call may run.
    pub(super) fn limit(&self) -> usize {
        let limit = self.slot.limit.get();
        limit.map_or(usize::MAX, |limit| limit.get().into())
    }

    /// The size of a hand.
    fn handful(&self) -> usize {
        self.global.settings.batch().max(self.global.slots.len())
    }

    /// Queues objects that no section can hold for the next `drain`: in the hand,
    /// if the owner may run reclaimers and its hand is empty, else left over.
    #[inline(never)]
    pub(super) fn reclaim(&self, chain: Option<Chain>) {
        let Some(chain) = chain else { return };
        let slot = self.slot;
        if slot.is_eager() && !slot.draining.is_on() && slot.hand.is_empty() {
            self.load_hand(chain.first());
        } else {
            self.global.left_over.push(chain);
        }
    }

    /// Fills the empty hand from a list. Objects that do not fit are left over.
    fn load_hand(&self, list: *mut Link) {
        // SAFETY: we own the list, whose objects no section can hold.
        unsafe {
            self.slot.hand.fill(list);
            let rest = chain::cut(list, self.handful());
            if !rest.is_null() {
                self.global.left_over.put_back(rest);
            }
        }
    }

    /// `drain`, up to the slot's limit.
    pub(super) fn drain_limited(&self) -> usize {
        self.drain(self.limit())
    }

    /// Whether a reclaimer runs on this slot.
    pub(crate) fn is_draining(&self) -> bool {
        self.slot.draining.is_on()
    }

    /// Runs the reclaimers of objects that no section can hold, at most `limit`.
    /// Returns how many. Does nothing in a reclaimer on this slot: the loop that
    /// runs that reclaimer continues with the work.
    #[inline(never)]
    pub(super) fn drain(&self, limit: usize) -> usize {
        let slot = self.slot;
        let nothing = slot.hand.is_empty() && self.global.left_over.seems_empty();
        if nothing || !slot.draining.begin() {
            return 0;
        }
        self.global.sample();
        let claimed = slot.magazine.claim_to_keep(slot.name());
        let magazine = if claimed {
            slot.magazine.as_link()
        } else {
            ptr::null_mut()
        };
        // Leaves over what is in the hand, also if a reclaimer panics.
        let _done = Done(self, claimed);
        let mut reclaimed = 0;
        while reclaimed < limit {
            let Some(link) = slot.hand.take_one() else {
                if self.fill_hand() {
                    continue;
                }
                break;
            };
            // SAFETY: the object is the owner's, no section can hold it
            // (`Hand::fill`), and it has just left the hand.
            unsafe { self.run(link, magazine) };
            reclaimed += 1;
        }
        reclaimed
    }

    /// Fills the empty hand with objects that were left over, if there are any.
    #[cold]
    #[inline(never)]
    fn fill_hand(&self) -> bool {
        if self.global.left_over.seems_empty() {
            return false;
        }
        // Reclaimers may have retired them, one at a time.
        self.global.sample();
        self.load_hand(self.global.left_over.take());
        !self.slot.hand.is_empty()
    }

    /// Leaves over the objects in the hand.
    pub(super) fn put_hand_back(&self) {
        if let Some(hand) = self.slot.hand.take() {
            self.global.left_over.push(hand);
        }
    }

    /// Calls an object's reclaimer.
    ///
    /// # Safety
    ///
    /// The caller owns the object, no section can hold it, and its reclaimer was
    /// not called. `magazine` is null, or the slot's, which is claimed.
    pub(super) unsafe fn run(&self, link: *mut Link, magazine: *mut Link) {
        self.slot.tally.reclaim();
        // SAFETY: "the caller owns the object" (# Safety).
        let object = unsafe { &*link };
        object.set_next(magazine);
        if let Some(reclaim) = object.reclaimer() {
            // SAFETY: `retire` stored the reclaimer with this object; "no
            // section can hold it, and its reclaimer was not called" (# Safety).
            // We do not access the object afterwards.
            unsafe { S::Barrier::reclaim(reclaim, link) };
        }
    }

    /// Reclaims at most a hand's worth of left-over objects whose reclaimers run
    /// no user code. Returns how many. Accesses no owner-only state.
    pub(super) fn reclaim_plain(&self) -> usize {
        // SAFETY: `take` gives us the list, whose objects are valid.
        let Some(chain) = (unsafe { Chain::from_list(self.global.left_over.take()) }) else {
            return 0;
        };
        self.global.sample();
        let mut more = self.handful();
        let mut is_rest = |link: &Link| {
            let rest = !link.notes.is_plain() || more == 0;
            more -= usize::from(!rest);
            rest
        };
        let (rest, plain) = chain.partition(&mut is_rest);
        if let Some(rest) = rest {
            self.global.left_over.push(rest);
        }
        let mut link = plain.map_or(ptr::null_mut(), |plain| plain.first());
        while !link.is_null() {
            // SAFETY: we own the object, which is valid: we took its list.
            let object = unsafe { &*link };
            let following = object.take_next();
            self.global.totals.reclaim();
            if let Some(reclaim) = object.reclaimer() {
                // SAFETY: `retire` stored the reclaimer with this object, which no
                // section can hold, as it was left over; its reclaimer was not called.
                unsafe { S::Barrier::reclaim(reclaim, link) };
            }
            link = following;
        }
        self.handful() - more
    }

    /// Gives back to a pool the free blocks that handles keep, except those whose
    /// section is open.
    pub(crate) fn gather_blocks(&self, pool: Tree) {
        for slot in self.global.claimed_slots() {
            let open = || slot.section.look().is_open();
            let magazine = &slot.magazine;
            if magazine.seems_empty() || open() || !magazine.claim(self.slot.name()) {
                continue;
            }
            // The heavy barrier pairs with the light one in `enter`. If the
            // light one comes first, we see the section open; if this comes
            // first, the owner sees that the magazine is claimed. Without it
            // both could use it.
            S::Barrier::heavy();
            if !open() {
                magazine.give_back_to(pool);
            }
            magazine.unclaim();
        }
    }
}

/// Ends a drain.
struct Done<'a, 'c, S: Scheme>(&'a Local<'c, S>, bool);

impl<S: Scheme> Drop for Done<'_, '_, S> {
    fn drop(&mut self) {
        let Self(local, claimed) = self;
        if *claimed {
            local.slot.magazine.unclaim();
        }
        local.put_hand_back();
        if !local.global.left_over.seems_empty() {
            // By a limit or a panic. From here on each retire of this handle
            // reclaims at least one object, so that their number does not grow.
            local.slot.batch.end_with_next();
        }
        local.slot.draining.end();
    }
}
