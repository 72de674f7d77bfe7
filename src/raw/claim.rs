//! Ownership of a slot: claimed, released, or taken from a dead owner. Also the
//! end of all slots, when the collector is dropped.

use super::{Chain, EraPolicy, Global, Local, Scheme, section::Seen};
use crate::sync::Ordering;

impl<S: Scheme> Global<S> {
    /// Claims a slot.
    #[inline(never)]
    pub(crate) fn register(&self, eager: bool) -> Option<Local<'_, S>> {
        let index = self
            .slots
            .iter()
            .position(|slot| slot.claimed.claim(eager))?;
        // Relaxed: see `Global::claimed_slots`.
        self.high_water.fetch_max(index + 1, Ordering::Relaxed);
        let slot = &self.slots[index];
        // Passes on what waited for the previous owner's section, which is over. A
        // publish skips the inbox of an eager owner that is in a section, so that these
        // objects would wait for a section that holds none of them. As in a reclaimer,
        // nothing is reclaimed here.
        let local = Local { global: self, slot };
        slot.draining.begin();
        local.visit(index, slot, true);
        slot.draining.end();
        if slot.retired.seems_empty() && self.left_over.seems_empty() {
            slot.batch.begin(&self.settings);
        } else {
            slot.batch.end_with_next();
        }
        slot.limit.set(None);
        slot.magazine.start(index);
        // Clears a request to the previous owner.
        slot.restart.clear();
        Some(local)
    }

    /// Takes a slot from a dead owner and releases it. The objects that it
    /// retired, and those that wait for its sections, stay in the slot, where
    /// any handle can take them. Runs no reclaimer. False if the slot has
    /// another owner now, or none.
    ///
    /// # Safety
    ///
    /// As for `CollectorView::evict`: what the owner did happens before this
    /// call, and its guards are neither used nor dropped.
    pub(crate) unsafe fn evict(&self, index: usize, owner: usize) -> bool {
        let Some(slot) = self.slots.get(index) else {
            return false;
        };
        let taken = slot.claimed.evict(owner);
        if taken {
            slot.section.close();
            slot.draining.end();
            for other in self.claimed_slots() {
                other.magazine.unclaim_of(slot.name());
            }
            Local { global: self, slot }.release_passive();
        }
        taken
    }

    /// Asks a reader to end its section. False if it has none open.
    pub(crate) fn request_restart(&self, index: usize) -> bool {
        let Some(slot) = self.slots.get(index) else {
            return false;
        };
        let open = slot.section.look().is_open();
        if open {
            slot.restart.set();
        }
        open
    }

    /// Reclaims everything; no handles or guards remain.
    pub(crate) fn reclaim_all(&mut self) {
        let global = &*self;
        let Some(slot) = global.slots.first() else {
            return;
        };
        for other in &global.slots {
            // The guard may have been forgotten.
            other.section.close();
            // Before a reclaimer panics.
            other.magazine.reset();
            other.draining.end();
            // The handle may have been forgotten.
            Local {
                global,
                slot: other,
            }
            .put_hand_back();
            // SAFETY: `take` gives us the list, whose notes `hold` wrote.
            let (_, waiting) =
                unsafe { S::Eras::sort(&other.eras, Seen::NONE, other.inbox.take()) };
            // SAFETY: `take` gives us the list; retired objects are valid.
            let retired = unsafe { Chain::from_list(other.retired.take()) };
            for chain in [waiting, retired].into_iter().flatten() {
                global.left_over.push(chain);
            }
        }
        let local = Local { global, slot };
        // If a reclaimer panics, the guard reclaims the rest. A second panic
        // then aborts: `core` cannot catch the first one.
        let rest = DrainOnUnwind(local);
        local.drain(usize::MAX);
        core::mem::forget(rest);
    }
}

impl<S: Scheme> Local<'_, S> {
    /// Releases the slot without running a reclaimer. The objects that were
    /// retired here, and those that wait for its sections, stay in the slot,
    /// where any handle can take them.
    ///
    /// If a guard was forgotten, the slot stays active and claimed until it is
    /// evicted: the objects that it may hold are pinned, and other slots are not
    /// affected.
    pub(crate) fn release_passive(&self) {
        self.put_hand_back();
        let magazine = &self.slot.magazine;
        // If another slot has claimed it, the blocks stay there or go back: others
        // find them either way.
        if magazine.claim(self.slot.name()) {
            magazine.give_back();
            magazine.unclaim();
        }
        if !self.slot.section.own().is_open() {
            self.slot.claimed.release();
        }
    }

    /// Publishes and reclaims what it can, whatever the limit: no later call of this
    /// handle reclaims what it would leave over. Then releases the slot.
    pub(crate) fn release(&self) {
        let unclaim = ReleaseOnDrop(*self);
        // What a reclaimer retires stays on the slot's stack, where any handle
        // can take it.
        self.collect(usize::MAX);
        drop(unclaim);
    }
}

/// Ends a release, also if a reclaimer panics.
struct ReleaseOnDrop<'c, S: Scheme>(Local<'c, S>);

impl<S: Scheme> Drop for ReleaseOnDrop<'_, S> {
    fn drop(&mut self) {
        self.0.release_passive();
    }
}

/// Continues a drain if a reclaimer panics.
struct DrainOnUnwind<'c, S: Scheme>(Local<'c, S>);

impl<S: Scheme> Drop for DrainOnUnwind<'_, S> {
    fn drop(&mut self) {
        self.0.drain(usize::MAX);
    }
}
