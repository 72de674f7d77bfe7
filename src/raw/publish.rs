//! The write side: retire, publish, steal, collect, flush.

use core::ptr;

use super::{Local, Mode, Scheme, Shared, Slot, batch};
use crate::{Barrier, Link, Reclaimer, Role, sync::Ordering};

/// Slots that are passed over together if none of them is active or has
/// anything in its inbox. A small target has few slots and little room for
/// code; a model has few slots.
const RUN: usize = if cfg!(hyaline_loom) {
    2
} else if cfg!(target_has_atomic = "64") {
    8
} else {
    1
};

impl<S: Scheme> Shared<S> {
    /// Visits each slot, but for runs of idle ones.
    #[inline(always)]
    fn scan(&self, mut visit: impl FnMut(usize, &Slot<S>)) {
        let used = self.used();
        let (runs, rest) = used.as_chunks::<RUN>();
        if RUN != 1 {
            for (number, run) in runs.iter().enumerate() {
                if run.iter().fold(0, |signs, slot| signs | slot.signs()) != 0 {
                    for (offset, slot) in run.iter().enumerate() {
                        visit(number * RUN + offset, slot);
                    }
                }
            }
        }
        let first = used.len() - if RUN != 1 { rest.len() } else { used.len() };
        for (offset, slot) in used[first..].iter().enumerate() {
            visit(first + offset, slot);
        }
    }

    #[cold]
    #[inline(never)]
    fn publish_and_drain(&self, slot: &Slot<S>) {
        let local = Local { shared: self, slot };
        local.publish();
        local.drain();
    }
}

impl<S: Scheme> Local<'_, S> {
    /// Retires an object that open guards of this slot may still use, the way
    /// a role does it.
    ///
    /// # Safety
    ///
    /// As for `Guard::defer_retire`.
    #[inline]
    pub(crate) unsafe fn retire_as<R: Role>(&self, link: *mut Link, reclaim: Reclaimer) {
        // SAFETY: the caller's.
        unsafe {
            if R::RECLAIMS {
                self.retire(link, reclaim);
            } else if R::NESTED {
                self.retire_nested(link, reclaim);
            } else {
                self.retire_deferred(link, reclaim);
            }
        }
    }

    /// Retires an object that open guards of this slot may still use.
    ///
    /// # Safety
    ///
    /// As for `Guard::defer_retire`.
    #[inline]
    pub(crate) unsafe fn retire(&self, link: *mut Link, reclaim: Reclaimer) {
        // SAFETY: the caller's.
        if unsafe { self.take_over(link, reclaim) } {
            self.shared.publish_and_drain(self.slot);
        }
    }

    /// Puts an object that is retired into the local batch. Returns whether it
    /// is full.
    ///
    /// # Safety
    ///
    /// As for `retire`.
    #[inline]
    pub(super) unsafe fn take_over(&self, link: *mut Link, reclaim: Reclaimer) -> bool {
        // SAFETY: the caller's; the object is ours from here on.
        let birth = unsafe {
            (*link).reclaim.set(reclaim);
            Self::birth(link)
        };
        self.slot.tally.retire();
        // SAFETY: as above.
        unsafe { self.join(link, birth) }
    }

    /// Retires an object that this slot does not use any more: at once if no
    /// other slot is active.
    ///
    /// # Safety
    ///
    /// As for `Handle::retire`.
    pub(crate) unsafe fn retire_now(&self, link: *mut Link, reclaim: Reclaimer) {
        // HEAVY: the object was unlinked before it; as in `publish`.
        S::Barrier::heavy();
        // SAFETY: the caller's.
        let birth = unsafe { Self::birth(link) };
        let waiting = |other: &Slot<S>| !ptr::eq(other, self.slot) && other.may_hold(birth);
        if self.shared.used().iter().any(waiting) {
            // SAFETY: the caller's.
            return unsafe { self.retire(link, reclaim) };
        }
        // SAFETY: the caller's. No other slot can hold the object (1, 7), and
        // the caller does not use it: it goes to the queue as a ring of one.
        unsafe {
            (*link).reclaim.set(reclaim);
            (*link).chain.set(link);
            self.enqueue_ring(link);
        }
        self.slot.tally.retire();
        if !self.slot.batch.is_empty() {
            self.publish();
        }
        self.drain();
    }

    /// When an object that is not published was born; of no matter in basic
    /// mode.
    ///
    /// # Safety
    ///
    /// The header is valid and the caller's.
    #[inline(always)]
    pub(super) unsafe fn birth(link: *mut Link) -> u64 {
        if S::ROBUST {
            // SAFETY: the caller's.
            unsafe { (*link).birth() }
        } else {
            0
        }
    }

    /// Puts an object into the local batch. Returns whether it is time to
    /// publish it.
    ///
    /// # Safety
    ///
    /// The object is retired and belongs to the caller.
    #[inline]
    pub(super) unsafe fn join(&self, link: *mut Link, birth: u64) -> bool {
        S::Mode::note(&self.slot.log, birth);
        // SAFETY: the caller's.
        unsafe { self.slot.batch.push(link) };
        // Never 0 here, but for a release that puts a queue back.
        let room = self.slot.batch.room.get().wrapping_sub(1);
        self.slot.batch.room.set(room);
        room == 0
    }

    /// Publishes the local batch, and what is in limbo.
    fn publish(&self) {
        self.adopt();
        self.publish_local();
    }

    /// Publishes the local batch. If it has fewer objects than there are
    /// slots that may hold them, it stays.
    pub(super) fn publish_local(&self) {
        let counting = self.slot.batch.last();
        if counting.is_null() {
            return;
        }
        S::Mode::cover(&self.shared.clock, &self.slot.mark);
        self.shared.totals.publish();
        self.shared.sample();
        // HEAVY pairs with LIGHT in `enter` and `protect`. If LIGHT comes
        // first, the scan sees the slot active (with its era); if this comes
        // first, the reader's loads see everything in the batch unlinked (1).
        // Without it the scan could miss a reader that found an object.
        S::Barrier::heavy();
        let chosen = match self.choose(counting) {
            Ok(chosen) => chosen,
            Err(missing) => return self.slot.batch.room.set(missing),
        };
        self.slot.batch.take();
        self.slot.batch.room.set(self.shared.settings.batch);
        S::Mode::clear(&self.slot.log);
        // SAFETY: the batch was taken, and its first `chosen` cells name slots.
        let zero = chosen == 0 || unsafe { self.give_out(counting, chosen) };
        if zero {
            // SAFETY: no slot has a reference, and none needs one (1, 2, 7).
            unsafe { self.enqueue_ring(counting) };
        }
    }

    /// Notes the slots that may hold objects of the batch, one in each cell
    /// from the first on, and returns how many; or how many objects are
    /// missing for that. Steals on the way.
    fn choose(&self, counting: *mut Link) -> Result<usize, usize> {
        let oldest = S::Mode::oldest(&self.slot.log);
        // SAFETY: the ring is ours.
        let first = unsafe { (*counting).chain.get() };
        let mut cell = first;
        let mut chosen = 0;
        let mut missing = 0;
        self.shared.scan(|index, slot| {
            if !slot.may_hold(oldest) {
                if !slot.inbox.seems_empty() {
                    self.steal(slot);
                }
            } else if chosen > 0 && ptr::eq(cell, first) {
                missing += 1;
            } else {
                // SAFETY: as above.
                unsafe {
                    (*cell).next.set(ptr::without_provenance_mut(index));
                    cell = (*cell).chain.get();
                }
                chosen += 1;
            }
        });
        if missing == 0 {
            Ok(chosen)
        } else {
            Err(missing)
        }
    }

    /// Pushes the cells onto the inboxes of the slots that they name. Returns
    /// whether all references are dropped already.
    ///
    /// # Safety
    ///
    /// `choose` returned `chosen` for this ring, which is not pushed yet.
    unsafe fn give_out(&self, counting: *mut Link, chosen: usize) -> bool {
        // SAFETY: the batch is ours until `add_count`, also the cells that are
        // pushed: their references are dropped, but it is not at zero (6).
        unsafe {
            batch::start_count(counting);
            let mut cell = (*counting).chain.get();
            let mut pushed = 0;
            for _ in 0..chosen {
                let following = (*cell).chain.get();
                let slot = &self.shared.slots[(*cell).next.get().addr()];
                // Seen inactive now, it needs no reference (2).
                if slot.is_active() {
                    batch::point_to(cell, counting);
                    slot.inbox.push(cell, cell);
                    pushed += 1;
                }
                cell = following;
            }
            batch::add_count(counting, pushed)
        }
    }

    /// Drops the references in the inbox of a slot that is not active.
    #[cold]
    #[inline(never)]
    fn steal(&self, slot: &Slot<S>) {
        if slot.is_active() {
            return;
        }
        let chain = slot.inbox.take();
        if chain.is_null() {
            return;
        }
        // The second look, after the take. It comes after the HEAVY of
        // everything in the chain, as the take acquires the pushes: if a
        // section's LIGHT came before such a HEAVY, we see the slot active;
        // if it came later, that section cannot find the object (3).
        if slot.is_active() {
            // SAFETY: the chain is ours and not empty.
            unsafe {
                let last = last_of_chain(chain);
                slot.inbox.push(chain, last);
            }
            return;
        }
        // SAFETY: (3).
        unsafe { self.drop_references(chain) };
    }

    /// Publishes what is local or hands it over, then collects.
    pub(crate) fn flush(&self) -> usize {
        self.publish();
        self.hand_over();
        self.collect()
    }

    /// Reclaims what can be reclaimed now, up to the slot's limit; returns how
    /// many objects.
    pub(crate) fn collect(&self) -> usize {
        self.gather();
        self.drain()
    }

    /// `collect`, up to a limit of the caller's.
    pub(crate) fn collect_at_most(&self, limit: usize) -> usize {
        self.gather();
        self.drain_at_most(limit)
    }

    /// Queues what can be reclaimed now.
    fn gather(&self) {
        loop {
            // Relaxed: a hint, as in `adopt`.
            if !self.shared.limbo.load(Ordering::Relaxed).is_null() {
                self.publish();
                self.hand_over();
            }
            for slot in self.shared.used() {
                if !slot.inbox.seems_empty() {
                    self.steal(slot);
                }
            }
            // HEAVY pairs with itself in another handle's flush. If ours comes
            // first, it sees what we put into limbo or an inbox; if its does,
            // we see that its section has ended, and do the work ourselves.
            // So when all have flushed after their last section, nothing is
            // left.
            S::Barrier::heavy();
            if !self.left_behind() {
                return;
            }
        }
    }

    /// Pushes a link onto the inbox of the first slot from `next` on that is
    /// active, and moves `next` past it. Returns whether there was one; its
    /// reclaimer is then called once the slot's section has ended.
    ///
    /// Only a slot that is active after the HEAVY at the start of the grace
    /// period counts: one that is seen inactive has ended all earlier sections
    /// (1, 2).
    ///
    /// # Safety
    ///
    /// The link is the caller's, with its reclaimer set, and stays valid until
    /// that is called.
    pub(crate) unsafe fn probe(&self, link: *mut Link, next: &mut usize) -> bool {
        while let Some(slot) = self.shared.used().get(*next) {
            let index = *next;
            *next += 1;
            if slot.is_active() {
                // SAFETY: the caller's: a ring of one, that names its slot.
                let gone = unsafe {
                    (*link).chain.set(link);
                    (*link).next.set(ptr::without_provenance_mut(index));
                    self.give_out(link, 1)
                };
                if !gone {
                    self.slot.tally.retire();
                    return true;
                }
            }
        }
        false
    }

    /// HEAVY, at the start of a grace period.
    pub(crate) fn heavy(&self) {
        // Pairs with LIGHT in `enter`. If LIGHT comes first, `probe` sees the
        // slot active; if this comes first, the section sees what its caller
        // did before the grace period, and need not be waited for.
        S::Barrier::heavy();
    }

    /// Whether something is left for which nobody active is responsible.
    fn left_behind(&self) -> bool {
        let used = self.shared.used();
        // Relaxed: ordered by the caller's HEAVY.
        let limbo = !self.shared.limbo.load(Ordering::Relaxed).is_null();
        limbo && !used.iter().any(Slot::is_active)
            || used
                .iter()
                .any(|slot| !slot.inbox.seems_empty() && !slot.is_active())
    }
}

/// The last cell of a chain that is linked by `next` and not empty.
///
/// # Safety
///
/// The chain is the caller's.
unsafe fn last_of_chain(mut cell: *mut Link) -> *mut Link {
    loop {
        // SAFETY: the caller's.
        let next = unsafe { (*cell).next.get() };
        if next.is_null() {
            return cell;
        }
        cell = next;
    }
}
