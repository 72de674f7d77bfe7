//! How a slot passes from one owner to the next: released, or taken from an
//! owner that is dead.
//!
//! `claimed` counts the owners in its upper bits. The lower two say what kind
//! of owner there is. So a value that an owner remembers tells it from all
//! that come after it (until the word has gone round, after a quarter of a
//! word's range of owners), and costs no space.

use super::{Global, Local, Scheme, Slot};
use crate::sync::Ordering;

/// The bits of `claimed` for the kind of owner.
const KIND: usize = 3;
/// The next owner.
const NEXT: usize = KIND + 1;
/// The slot is free. Zero: that is how it starts.
const FREE: usize = 0;
/// The owner drops what waited for its sections, and publishes what it
/// retired.
const EAGER: usize = 1;
/// The owner leaves both to others.
const PASSIVE: usize = 2;
/// The slot is being taken from a dead owner.
const EVICTING: usize = 3;

impl<S: Scheme> Slot<S> {
    /// Claims a slot that is free.
    fn claim(&self, eager: bool) -> bool {
        // Relaxed: a look before the exchange.
        let owner = self.claimed.load(Ordering::Relaxed);
        let kind = if eager { EAGER } else { PASSIVE };
        let next = owner.wrapping_add(NEXT) | kind;
        // Acquire: pairs with the Release in `unclaim`; the owner-only fields
        // are as the last owner left them. Relaxed on failure: another slot is
        // tried.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        owner & KIND == FREE
            && (self.claimed)
                .compare_exchange(owner, next, success, failure)
                .is_ok()
    }

    /// The owner, if there is one.
    #[inline]
    pub(crate) fn owner(&self) -> usize {
        // Relaxed: an owner reads what it wrote; to others it is a snapshot.
        self.claimed.load(Ordering::Relaxed)
    }

    /// Whether an owner has the slot.
    pub(super) fn is_claimed(owner: usize) -> bool {
        matches!(owner & KIND, EAGER | PASSIVE)
    }

    /// Whether the owner itself drops what waits for its section, and
    /// publishes what it retired.
    #[inline]
    pub(super) fn is_eager(&self) -> bool {
        self.owner() & KIND == EAGER
    }

    /// Gives the slot up.
    fn unclaim(&self) {
        // Release: see `claim`.
        self.claimed.store(self.owner() & !KIND, Ordering::Release);
    }
}

impl<S: Scheme> Global<S> {
    /// Claims a slot.
    #[inline(never)]
    pub(crate) fn register(&self, eager: bool) -> Option<Local<'_, S>> {
        let index = self.slots.iter().position(|slot| slot.claim(eager))?;
        // Relaxed: see `used`.
        self.used.fetch_max(index + 1, Ordering::Relaxed);
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
        // Relaxed: of two that evict one owner, one does it. What the owner
        // did happens before this by the caller's promise.
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let taken = Slot::<S>::is_claimed(owner)
            && (slot.claimed)
                .compare_exchange(owner, owner | EVICTING, success, failure)
                .is_ok();
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
            self.slot.unclaim();
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
