//! How a slot passes from one owner to the next: released, or taken from an
//! owner that is dead. And the end of them all, when the collector is dropped.

use super::{Chain, EraPolicy, Global, Local, Scheme};
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
        // The first object is published at once if there is anything from
        // before, or owners that come, retire and die would add up.
        let left = !slot.retired.seems_empty() || !self.left_over.seems_empty();
        slot.room.set(if left { 1 } else { self.settings.room() });
        slot.limit.set(0);
        // Relaxed: a request to the last owner is of no interest.
        slot.restart.store(false, Ordering::Relaxed);
        Some(Local { global: self, slot })
    }

    /// Takes a slot from an owner that is dead, and gives it up. What it
    /// retired and what waits for its sections stays where all find it; no
    /// reclaimer is run. False if the slot has another owner by now, or none.
    ///
    /// # Safety
    ///
    /// As for `Collector::evict`.
    pub(crate) unsafe fn evict(&self, index: usize, owner: usize) -> bool {
        let Some(slot) = self.slots.get(index) else {
            return false;
        };
        let taken = slot.claimed.evict(owner);
        if taken {
            slot.section.close();
            slot.draining.set(false);
            Local { global: self, slot }.release_passive();
        }
        taken
    }

    /// Asks a reader to end its section. Whether there is one.
    pub(crate) fn request_restart(&self, index: usize) -> bool {
        let Some(slot) = self.slots.get(index) else {
            return false;
        };
        let open = slot.section.look().is_open();
        if open {
            // Relaxed: see `take_restart`.
            slot.restart.store(true, Ordering::Relaxed);
        }
        open
    }

    /// Reclaims everything, when no handle and no guard is left.
    pub(crate) fn reclaim_all(&mut self) {
        let global = &*self;
        let Some(slot) = global.slots.first() else {
            return;
        };
        for other in &global.slots {
            // A guard that was forgotten is over.
            other.section.close();
            other.draining.set(false);
            // Of handles that were forgotten.
            Local {
                global,
                slot: other,
            }
            .put_hand_back();
            // SAFETY: the inbox is ours, with what `hold` noted in it.
            let waiting = unsafe { S::Eras::join(other.inbox.take()) };
            // SAFETY: what was retired is ours.
            let retired = unsafe { Chain::from_list(other.retired.take()) };
            for chain in [waiting, retired].into_iter().flatten() {
                global.left_over.push(chain);
            }
        }
        let local = Local { global, slot };
        // A reclaimer that panics leaves the rest, which the guard reclaims.
        let rest = DrainOnUnwind(local);
        local.drain(usize::MAX);
        core::mem::forget(rest);
        for slot in &global.slots {
            slot.magazine.give_back();
        }
    }
}

impl<S: Scheme> Local<'_, S> {
    /// Gives the slot up without running a reclaimer. What was retired here
    /// and what waits for its sections stays where all find it.
    ///
    /// If a guard was forgotten the slot stays active and claimed, until it is
    /// evicted: what it may hold is pinned, the others go on.
    pub(crate) fn release_passive(&self) {
        self.put_hand_back();
        self.slot.magazine.give_back();
        if !self.slot.section.own().is_open() {
            self.slot.claimed.release();
        }
    }

    /// Publishes and reclaims what it can, then gives the slot up.
    pub(crate) fn release(&self) {
        let unclaim = ReleaseOnDrop(*self);
        // The last call leaves nothing for a next one.
        self.slot.limit.set(0);
        // What a reclaimer retires stays on the stack, where all find it.
        self.collect(usize::MAX);
        drop(unclaim);
    }
}

/// The end of a release, also when a reclaimer panicked.
struct ReleaseOnDrop<'c, S: Scheme>(Local<'c, S>);

impl<S: Scheme> Drop for ReleaseOnDrop<'_, S> {
    fn drop(&mut self) {
        self.0.release_passive();
    }
}

/// Continues after a reclaimer panicked.
struct DrainOnUnwind<'c, S: Scheme>(Local<'c, S>);

impl<S: Scheme> Drop for DrainOnUnwind<'_, S> {
    fn drop(&mut self) {
        self.0.drain(usize::MAX);
    }
}
