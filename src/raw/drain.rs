//! From "nobody can hold it" to the reclaimer.
//!
//! What a call is about to reclaim is in its slot's *hand*: a list of at most
//! so many objects, taken back by who evicts the slot. What is more than that
//! is *left over* in the collector before the first reclaimer runs, where
//! anyone finds it while a reclaimer takes its time. So is what a limit or a
//! panic leaves.

use core::ptr;

use super::{Chain, Local, Scheme, chain};
use crate::{Barrier, Link, Role};

impl<S: Scheme> Local<'_, S> {
    /// Reclaimers that one call may run.
    pub(super) fn limit(&self) -> usize {
        match self.slot.limit.get() {
            0 => usize::MAX,
            limit => limit.into(),
        }
    }

    /// Objects that a call takes into its hand at a time.
    fn handful(&self) -> usize {
        self.global.settings.batch().max(self.global.slots.len())
    }

    /// What nobody can hold any more is reclaimed by the next `drain`: here, if
    /// the owner may and its hand is free.
    #[inline(never)]
    pub(super) fn reclaim(&self, chain: Option<Chain>) {
        let Some(chain) = chain else { return };
        let slot = self.slot;
        if slot.is_eager() && !slot.draining.get() && slot.hand.get().is_null() {
            self.load_hand(chain.first());
        } else {
            self.global.left_over.push(chain);
        }
    }

    /// Takes a list into the hand, which is empty; what is more than a handful
    /// is left over.
    fn load_hand(&self, list: *mut Link) {
        self.slot.hand.set(list);
        // SAFETY: the list is ours: what nobody can hold.
        unsafe {
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
        self.slot.draining.get()
    }

    /// Runs the reclaimers of what nobody can hold, `limit` at the most.
    /// Returns how many. Called by a reclaimer, it leaves the work to the loop
    /// that runs that reclaimer.
    #[inline(never)]
    pub(super) fn drain(&self, limit: usize) -> usize {
        let slot = self.slot;
        let nothing = slot.hand.get().is_null() && self.global.left_over.seems_empty();
        if nothing || slot.draining.replace(true) {
            return 0;
        }
        self.global.sample();
        // Also when a reclaimer panics: what is in the hand is left over.
        let _done = Done(self);
        let mut reclaimed = 0;
        while reclaimed < limit {
            let Some(link) = self.pop_hand().or_else(|| self.fill_hand()) else {
                break;
            };
            // SAFETY: nobody can hold the object, and it is in no hand but
            // ours; it leaves the hand before its reclaimer runs, so that it is
            // reclaimed once even after a panic.
            unsafe { self.run(link) };
            reclaimed += 1;
        }
        reclaimed
    }

    /// Fills the hand from what is left over, and takes the first object.
    #[cold]
    #[inline(never)]
    fn fill_hand(&self) -> Option<*mut Link> {
        if self.global.left_over.seems_empty() {
            return None;
        }
        self.load_hand(self.global.left_over.take());
        self.pop_hand()
    }

    fn pop_hand(&self) -> Option<*mut Link> {
        let link = self.slot.hand.get();
        if link.is_null() {
            return None;
        }
        // SAFETY: the objects in the hand are valid and ours.
        self.slot.hand.set(unsafe { (*link).next.get() });
        Some(link)
    }

    /// Leaves over what is in the hand.
    pub(super) fn put_hand_back(&self) {
        // SAFETY: the objects in the hand are valid and ours.
        let hand = unsafe { Chain::from_list(self.slot.hand.replace(ptr::null_mut())) };
        if let Some(hand) = hand {
            self.global.left_over.push(hand);
        }
    }

    /// Calls an object's reclaimer.
    ///
    /// # Safety
    ///
    /// The object is the caller's, and nobody can hold it.
    unsafe fn run(&self, link: *mut Link) {
        self.slot.tally.reclaim();
        // SAFETY: valid and ours (fn contract).
        let object = unsafe { &*link };
        object.next.set(self.slot.magazine.as_link());
        object.access.write();
        if let Some(reclaim) = object.reclaim.get() {
            // SAFETY: the contract of `retire`: it is called once, with this
            // object, when nobody can hold it. The memory is the reclaimer's.
            unsafe { S::Barrier::reclaim(reclaim, link) };
        }
    }

    /// Reclaims a handful of left-over objects whose reclaimers run no code of
    /// the user's. Returns how many. Touches nothing that an owner has for
    /// itself.
    pub(super) fn reclaim_plain(&self) -> usize {
        // SAFETY: what is left over is nobody's, and ours now.
        let Some(chain) = (unsafe { Chain::from_list(self.global.left_over.take()) }) else {
            return 0;
        };
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
            // SAFETY: valid and ours.
            let object = unsafe { &*link };
            let following = object.next.replace(ptr::null_mut());
            object.access.write();
            self.global.totals.reclaim();
            if let Some(reclaim) = object.reclaim.get() {
                // SAFETY: as in `run`.
                unsafe { S::Barrier::reclaim(reclaim, link) };
            }
            link = following;
        }
        self.handful() - more
    }

    /// The slot's magazine of blocks, if a handle of that role may use it.
    #[inline]
    pub(crate) fn cache_of<R: Role>(&self) -> *mut Link {
        if self.slot.is_nested::<R>() {
            ptr::null_mut()
        } else {
            self.slot.magazine.as_link()
        }
    }
}

/// Ends a drain.
struct Done<'a, 'c, S: Scheme>(&'a Local<'c, S>);

impl<S: Scheme> Drop for Done<'_, '_, S> {
    fn drop(&mut self) {
        let Self(local) = self;
        local.put_hand_back();
        if !local.global.left_over.seems_empty() {
            // By a limit or a panic. From here on each retire of this handle
            // reclaims some, so that what is left over does not grow.
            local.slot.room.set(1);
        }
        local.slot.draining.set(false);
    }
}
