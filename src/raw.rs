//! The algorithm: Hyaline-1 and Hyaline-1S with a read side of plain loads
//! and stores.
//!
//! The source is Hyaline (Nikolaev & Ravindran, PLDI 2021, arXiv 1905.07903
//! and 2108.02763); the fixed array of slots claimed by compare-and-swap comes
//! from the Hazard Eras discussion (Ramalhete & Correia, 2017).
//!
//! # How it works
//!
//! A reader *enters* a section and *leaves* it. A writer unlinks an object, so
//! that no new section can find it, and *retires* it. Retired objects gather
//! in a *batch*, which is *published*: for each slot that is active, one of
//! the batch's objects is pushed onto the slot's *inbox*, and the batch counts
//! these references. A slot drops the references in its inbox when its section
//! ends; whoever drops the last one reclaims the batch. So the work of
//! reclaiming is spread over all, no thread is waited for, and a reader looks
//! at nothing but its own slot.
//!
//! In the paper a reader leaves with an atomic swap, because the head of the
//! list is also the active flag. Here flag and list are two words. A leave is
//! one store, and a load that sees whether the inbox has anything. What this
//! opens is one race: a cell that is pushed in the instant its reader leaves
//! stays behind in the inbox of a slot that is not active. It is closed on the
//! side of those who reclaim, by *stealing* (`steal`).
//!
//! | reader (slot 1) | retirer |
//! |---|---|
//! | | sees slot 1 active |
//! | `active = 0` | |
//! | inbox is empty: done | |
//! | | pushes a cell onto inbox 1 |
//! | *the paper: the swap finds the cell, or the push fails* | |
//! | | a later publish, collect or flush of anyone sees slot 1 inactive with a full inbox, and steals it |
//!
//! # Why it is safe
//!
//! The code cites these by number; `tests/loom` has a model for each.
//!
//! 1. **enter and publish.** The reader stores `active`, executes LIGHT, loads
//!    pointers; the retirer unlinks, executes HEAVY, loads `active`. At least
//!    one of them sees the other: either the scan finds the slot active, or
//!    the reader does not find the object.
//! 2. **A slot seen inactive.** `leave` stores with Release and the scan loads
//!    with Acquire, so all accesses of the section happen before the reclaim.
//! 3. **steal.** Everything in an inbox was unlinked, then its publisher
//!    executed HEAVY, then it was pushed. The thief takes the inbox (Acquire)
//!    and then looks at the flag again: that look comes after those HEAVYs.
//!    If the slot is inactive, every section that could hold the objects has
//!    ended (2), and each later one sees that they are unlinked (1). If it is
//!    active the chain goes back. A slot has one owner, so the flag needs no
//!    counter; and the thief needs no barrier of its own.
//! 4. **The owner and its inbox.** A slot that takes its own inbox while it
//!    has no section open, or at a quiescent point, holds no pointers.
//! 5. **What a leave misses** is delayed, not lost: the next leave, publish,
//!    collect or flush of anyone finds it.
//! 6. **The count** of a batch is below zero until the publisher has added
//!    what it pushed, so it comes to zero once, in one hand.
//! 7. **Eras** (robust mode) are argued in [`era`]: a slot whose era is older
//!    than every birth in the batch holds none of its objects.
//!
//! # Where retired objects are
//!
//! ```text
//! retire -> batch (of a slot) -- publish --> inboxes -- last reference --> queue -> reclaimer
//!               |      ^      \-- nobody is active ------------------------^
//!      hand over|      |adopt
//!               v      |
//!              limbo (of the collector)
//! ```
//!
//! A batch needs an object for each active slot. One that has fewer waits for
//! more; `flush` and a released handle put it in *limbo*, where the next
//! publish or collect of anyone adopts it. So no object waits for an owner
//! that sleeps.
//!
//! No function here recurses (a reclaimer that registers a handle of its own
//! and flushes it runs others inside: one level for each slot), and none needs stack in proportion to `N`: the
//! slots that a publish found active are noted in the link cells themselves.
//!
//! # Rejected designs
//!
//! - *A counter of sections instead of a flag*, so that a thief need not look
//!   twice: a read-modify-write or a wider word on the read side, for nothing.
//! - *Remembering active slots in a bitmap on the stack*: limits `N` or grows
//!   with it. Scanning twice, first to count and then to push: a slot that
//!   became active in between could use up the last cell.
//! - *Padding small batches with spare cells* kept in the slots: memory for
//!   every slot, where limbo needs one word.

mod batch;
mod counts;
pub(crate) mod era;
mod inbox;
mod limbo;
mod publish;
mod release;
mod section;
mod slot;
mod view;

use core::ptr;

pub(crate) use era::Mode;
pub(crate) use slot::Slot;

use crate::{
    Link, Role, Scheme,
    config::Settings,
    sync::{AtomicPtr, AtomicUsize, Init, Ordering, const_fn, init},
};

/// What all slots share, and the slots. `T` is `[Slot<S>; N]` in a collector
/// and `[Slot<S>]` for everyone else.
pub(crate) struct Shared<S: Scheme, T: ?Sized = [Slot<S>]> {
    /// The era (robust mode).
    clock: <S::Mode as Mode>::Clock,
    /// Slots from here on were never claimed, and need not be scanned.
    used: AtomicUsize,
    /// Retired objects that no slot owns, linked by `chain`.
    limbo: AtomicPtr<Link>,
    settings: Settings,
    totals: counts::Totals,
    slots: T,
}

impl<S: Scheme, const N: usize> Shared<S, [Slot<S>; N]> {
    const_fn! {
        pub(crate) const fn new(settings: Settings) -> Self {
            Self {
                clock: init!(<S::Mode as Mode>::Clock),
                used: AtomicUsize::new(0),
                limbo: AtomicPtr::new(ptr::null_mut()),
                settings,
                totals: init!(counts::Totals),
                #[cfg(not(hyaline_loom))]
                slots: [const { <Slot<S> as Init>::INIT }; N],
                #[cfg(hyaline_loom)]
                slots: core::array::from_fn(|_| <Slot<S> as Init>::init()),
            }
        }
    }
}

impl<S: Scheme> Shared<S> {
    /// The slots that may have been claimed.
    fn used(&self) -> &[Slot<S>] {
        // Relaxed: `register` raises it before the slot's first section, and
        // so before that section's LIGHT: the argument of (1), for this word.
        let used = self.used.load(Ordering::Relaxed);
        self.slots.get(..used).unwrap_or(&self.slots)
    }

    /// Where it is, which tells it from others.
    pub(crate) fn place(&self) -> usize {
        ptr::from_ref(&self.used).addr()
    }

    /// Claims a slot.
    #[inline(never)]
    pub(crate) fn register(&self) -> Option<Local<'_, S>> {
        let index = self.slots.iter().position(Slot::claim)?;
        // Relaxed: see `used`.
        self.used.fetch_max(index + 1, Ordering::Relaxed);
        let slot = &self.slots[index];
        slot.batch.room.set(self.settings.batch);
        slot.limit.set(0);
        // Relaxed: a request to the last owner is of no interest.
        slot.restart.store(false, Ordering::Relaxed);
        Some(Local { shared: self, slot })
    }

    /// Reclaims everything, when no handle and no guard is left.
    pub(crate) fn reclaim_all(&mut self) {
        let shared = &*self;
        let Some(slot) = shared.slots.first() else {
            return;
        };
        let local = Local { shared, slot };
        for other in &shared.slots {
            // Relaxed: we are alone. A guard that was forgotten is over.
            other.active.store(0, Ordering::Relaxed);
            // SAFETY: no section is open, nobody can reach a retired object.
            unsafe {
                local.enqueue_ring(other.batch.take());
                if !ptr::eq(other, slot) {
                    local.enqueue_list(other.queue.replace(ptr::null_mut()));
                }
                local.drop_references(other.inbox.take());
            }
        }
        // Relaxed: we are alone.
        let limbo = shared.limbo.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { local.enqueue_list(limbo) };
        slot.draining.set(false);
        slot.limit.set(0);
        let rest = DrainOnUnwind(local);
        local.drain();
        core::mem::forget(rest);
        // Of handles that were forgotten.
        #[cfg(target_has_atomic = "64")]
        for slot in &shared.slots {
            slot.cache.give_back();
        }
    }
}

/// Goes on after a reclaimer panicked.
struct DrainOnUnwind<'c, S: Scheme>(Local<'c, S>);

impl<S: Scheme> Drop for DrainOnUnwind<'_, S> {
    fn drop(&mut self) {
        self.0.drain();
    }
}

/// A claimed slot and its collector: what handles and guards are made of.
pub(crate) struct Local<'c, S: Scheme> {
    shared: &'c Shared<S>,
    pub(crate) slot: &'c Slot<S>,
}

impl<S: Scheme> Clone for Local<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Scheme> Copy for Local<'_, S> {}

impl<S: Scheme> Local<'_, S> {
    /// What is not the slot's.
    pub(crate) fn shared(&self) -> &Shared<S> {
        self.shared
    }

    /// The number of the slot.
    pub(crate) fn index(&self) -> usize {
        let offset = ptr::from_ref(self.slot).addr() - self.shared.slots.as_ptr().addr();
        offset / size_of::<Slot<S>>()
    }

    /// Stamps an object that is made now with its birth era.
    #[inline]
    pub(crate) fn stamp<R: Role>(&self, link: &Link) {
        let clock = &self.shared.clock;
        let birth = if R::NESTED {
            S::Mode::birth_at_once(clock)
        } else {
            S::Mode::birth(clock, &self.slot.log, &self.shared.settings)
        };
        if S::ROBUST {
            link.set_birth(birth);
        }
    }
}
