//! The algorithm: Hyaline with numbered sections and a read side of plain
//! loads and stores.
//!
//! The source is Hyaline (Nikolaev & Ravindran, PLDI 2021, arXiv 1905.07903
//! and 2108.02763): retired objects are handed to the readers that may hold
//! them, and the last of these reclaims them. The array of slots claimed by
//! compare-and-swap comes from the Hazard Eras discussion (Ramalhete &
//! Correia, 2017); the numbers of sections are the counters of quiescent-state
//! based reclamation; the eras are those of interval-based reclamation.
//!
//! # How it works
//!
//! A reader *enters* a section and *leaves* it. The slot's *section word*
//! shows whether a section is open, and a number that changes between two
//! sections when another thread waits. A writer unlinks an object, so that no
//! new section can find it, and *retires* it: pushes it onto its slot's stack
//! of retired objects. From time to time the stack is taken and *published*:
//! after a heavy barrier the objects, now one *chain*, *walk* along the slots.
//! They pass each slot that is idle or whose section cannot hold them. At the
//! first slot whose section may hold them they wait in the slot's *inbox*, and
//! the slot's flag says that the end of its section is *wanted*. When that
//! section is over they continue from the next slot: an eager handle forwards
//! its own inbox, a new owner that of the last one, every publish those of other
//! slots, except eager ones in a section, and every collect those of all.
//! After the last slot nothing can hold them, and they are *reclaimed*.
//!
//! There is no second mechanism. A grace period is a walk too: a slot's index
//! and a section's number, advanced by whichever thread polls it. A sleeping
//! retirer, a released slot, a limit or a panic leaves objects in words that
//! any thread can take.
//!
//! # Why it is safe
//!
//! The code cites these by number; `tests/loom` has a model for each.
//!
//! 1. **enter and publish.** The reader stores its section, executes the light
//!    barrier, loads pointers; the publisher takes what was unlinked, executes
//!    the heavy barrier, checks the sections. At least one of them sees the
//!    other: either the check finds the section open, or the reader does not
//!    find the object.
//! 2. **A section seen over.** `leave` and the next `enter` store the word
//!    with Release, and a check loads it with Acquire. So all accesses of a
//!    section happen before a reclaim by the thread that saw it over.
//! 3. **One slot after the other, one barrier.** The sections that may hold a
//!    chain are those that were open at its heavy barrier. When the walk comes
//!    to a slot it checks it after that barrier: taking an inbox (Acquire)
//!    is ordered after the pushes into it (Release), and so after the heavy
//!    barriers of all that it holds. A check clears the slot permanently (1, 2)
//!    if it finds no section, or another one than the check that left the chain
//!    there, or one that cannot hold it by its eras.
//! 4. **The owner and its inbox.** A slot that takes its own inbox when it has
//!    no section open, or has just renumbered it, holds no pointers.
//! 5. **A push that comes late** into the inbox of a slot that has left in
//!    between is delayed, not lost: the slot's next leave, or the next publish
//!    or collect of any handle, finds it.
//! 6. **One hand.** An object is in one stack, inbox or hand at a time, and
//!    each of these is taken as a whole by a swap. There are no counts.
//! 7. **Eras** (robust mode) are argued in [`era`].
//!
//! # What waits for whom
//!
//! In basic mode a chain notes the number of the section that it was left
//! for. A thread that finds the slot open with another number forwards it. In
//! robust mode the eras tell the sections that began after the publish: the
//! clock advances when a chain is left at a slot. So of the sections of a slot
//! that begin after a call has returned, what that call left there waits for
//! one at most: one that had read the clock, or whose predecessor had looked
//! for the flag, too early.
//!
//! Nothing else is waited for. A retirer that sleeps has its objects on a
//! stack that a collect takes. A reader that is inside at every check has
//! incremented its number since the last one, because that check set its flag.
//! Numbers repeat, which delays: see [`section`].
//!
//! # Where retired objects are
//!
//! ```text
//! retire -> retired (slot) -- publish --> inbox (slot) -- section over --> hand -> reclaimer
//!               ^   any handle takes        |  ^  walks on |                ^
//!               |                           +--+-----------+                |
//!   nested and deferred contexts            any handle takes  -> left over (collector)
//! ```
//!
//! No function here recurses (a reclaimer that registers a handle of its own
//! and flushes it runs others inside: one level for each slot), and none
//! needs stack in proportion to `N`.
//!
//! # Rejected designs
//!
//! - *Reference-counted batches*, as in the paper, with a cell in the inbox of
//!   each reader: all readers are waited for at the same time, which is faster
//!   when many sections are open. But a batch needs an object for each of
//!   them, so smaller ones need a second mechanism (the first edition had
//!   limbo, then spare cells were tried); one old object holds back a whole
//!   batch, which made the bound larger by the batch's length; and each
//!   object's path depends on a count in another object's header.
//! - *Polling only*, as in epoch schemes, with the chains in one list: nothing
//!   to do at the end of a section, but each publish checks everything that
//!   a stalled reader holds.
//! - *An owner's batch of plain stores*, behind a word by which others claim
//!   it: saves the compare-and-swap of a retire and costs a protocol of four
//!   states. Modelled; sound; not needed.
//! - *The number of the section in the inbox's head*: the spare bits of an
//!   aligned pointer are too few. The section word has more of them, at least
//!   2^8 numbers; the same delay is possible there, but takes that many
//!   sections, each of them seen open.
//! - *Remembering open sections in a bitmap on the stack*: limits `N` or grows
//!   with it.

mod batch;
mod chain;
mod claim;
mod drain;
mod era;
mod hand;
mod hint;
pub(crate) mod magazine;
mod owner;
mod publish;
mod read;
mod role;
mod scheme;
mod section;
mod slot;
mod snapshot;
mod stack;
mod stats;
pub(crate) mod tree;
mod unprotected;

use core::ptr;

use chain::Chain;
pub(crate) use era::EraPolicy;
pub use scheme::{Basic, Robust, Scheme};
pub(crate) use slot::Slot;
pub use snapshot::SlotState;
use stack::Stack;
#[cfg(feature = "stats")]
pub use stats::Stats;

use crate::{
    config::Settings,
    sync::{AtomicUsize, Ordering, const_fn, init, init_array},
};

/// The state that all slots share, and the slots. `T` is `[Slot<S>; N]` in a
/// collector, and `[Slot<S>]` everywhere else.
pub(crate) struct Global<S: Scheme, T: ?Sized = [Slot<S>]> {
    /// The era (robust mode).
    clock: <S::Eras as EraPolicy>::Clock,
    /// Slots from this index on were never claimed, and are not scanned.
    high_water: AtomicUsize,
    /// Reclaimable objects that are not reclaimed yet: left by a limit, by a
    /// panic, or by a context in which no reclaimer may run.
    left_over: Stack,
    settings: Settings,
    totals: stats::Totals,
    pub(crate) slots: T,
}

impl<S: Scheme, const N: usize> Global<S, [Slot<S>; N]> {
    const_fn! {
        pub(crate) const fn new(settings: Settings) -> Self {
            Self {
                clock: init!(<S::Eras as EraPolicy>::Clock),
                high_water: AtomicUsize::new(0),
                left_over: init!(Stack),
                settings,
                totals: init!(stats::Totals),
                slots: init_array!(Slot<S>; N),
            }
        }
    }
}

impl<S: Scheme> Global<S> {
    /// Initialises an empty collector in place. The pointer's metadata is the
    /// number of slots.
    ///
    /// # Safety
    ///
    /// The memory is valid for writes, and nothing else accesses it during the
    /// call. It need not be initialised.
    pub(crate) unsafe fn init(this: *mut Self, settings: Settings) {
        // SAFETY: "the memory is valid for writes, and nothing else accesses
        // it" (# Safety). Each field is written once, and none is read.
        unsafe {
            (&raw mut (*this).clock).write(init!(<S::Eras as EraPolicy>::Clock));
            (&raw mut (*this).high_water).write(AtomicUsize::new(0));
            (&raw mut (*this).left_over).write(init!(Stack));
            (&raw mut (*this).settings).write(settings);
            (&raw mut (*this).totals).write(init!(stats::Totals));
            let slots = &raw mut (*this).slots;
            for index in 0..slots.len() {
                // Slot by slot, not by one `memset`: the call would go through
                // a table that a kernel module does not have.
                let slot = core::hint::black_box(slots.cast::<Slot<S>>().add(index));
                slot.write(init!(Slot<S>));
            }
        }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The slots that may have been claimed.
    fn claimed_slots(&self) -> &[Slot<S>] {
        // Relaxed: `register` raises it before the slot's first section, and
        // so before that section's light barrier. The argument of (1) holds
        // for this word too: either a check after the heavy barrier includes the
        // slot, or its section does not find the object.
        let end = self.high_water.load(Ordering::Relaxed);
        self.slots.get(..end).unwrap_or(&self.slots)
    }

    /// The address, which identifies the collector.
    pub(crate) fn addr(&self) -> usize {
        ptr::from_ref(&self.high_water).addr()
    }

    /// The number of one of the slots. Of a slot that lies elsewhere
    /// (`unprotected`), a number beyond them.
    fn index_of(&self, slot: &Slot<S>) -> usize {
        let offset = (ptr::from_ref(slot).addr()).wrapping_sub(self.slots.as_ptr().addr());
        offset / size_of::<Slot<S>>()
    }
}

/// A claimed slot and its collector: what handles and guards are made of.
pub(crate) struct Local<'c, S: Scheme> {
    global: &'c Global<S>,
    pub(crate) slot: &'c Slot<S>,
}

impl<S: Scheme> Clone for Local<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Scheme> Copy for Local<'_, S> {}

impl<'c, S: Scheme> Local<'c, S> {
    /// The collector.
    pub(crate) fn global(&self) -> &'c Global<S> {
        self.global
    }

    /// The number of the slot; the capacity for one that lies elsewhere.
    pub(crate) fn number(&self) -> usize {
        self.index().min(self.global.capacity())
    }

    /// The number of the slot.
    pub(crate) fn index(&self) -> usize {
        self.global.index_of(self.slot)
    }

    /// Whether the slot is outside the collector's array, so that its sections
    /// protect nothing.
    fn is_unprotected(&self) -> bool {
        self.index() >= self.global.capacity()
    }
}
