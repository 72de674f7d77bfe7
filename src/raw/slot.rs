//! A slot: the state of one of the collector's `N` readers and retirers.

use core::ptr;

use super::{
    EraPolicy, Scheme,
    batch::Batch,
    hand::{Draining, Hand, Limit},
    hint::Hint,
    magazine::Magazine,
    owner::OwnerWord,
    section::SectionWord,
    stack::Stack,
    stats::Tally,
};
use crate::{
    padding::Line,
    sync::{impl_init, init},
};

/// The state of one task, CPU or interrupt. It is stored here, not in the handle,
/// so that nothing is lost when a handle is forgotten.
///
/// The first part is shared: any thread reads it and takes the objects in it.
/// The second part is owner-only. The owner is the context that claimed the
/// slot, or one that has exclusive access to the collector.
pub(crate) struct Slot<S: Scheme> {
    /// The section, written by the owner.
    pub(super) section: SectionWord,
    /// The eras of the section, written by the owner.
    pub(super) eras: <S::Eras as EraPolicy>::SlotEras,
    /// Objects that wait for the end of the section.
    pub(super) inbox: Stack,
    /// Objects that were retired here and are not published.
    pub(super) retired: Stack,
    /// How often the slot was claimed, and by what kind of handle.
    pub(super) claimed: OwnerWord,
    /// A thread waits for the end of the section, or did.
    pub(super) wanted: Hint,
    /// The reader is asked to end its section.
    pub(super) restart: Hint,

    /// A reclaimer is running.
    pub(super) draining: Draining,
    /// The number of reclaimers that one call may run.
    pub(crate) limit: Limit,
    /// Objects to retire before the next publish.
    pub(super) batch: Batch,
    /// Objects that the owner is about to reclaim.
    pub(super) hand: Hand,
    pub(super) local_eras: <S::Eras as EraPolicy>::LocalEras,
    /// Statistics of the slot's owners.
    pub(super) tally: Tally,
    /// Free blocks of a pool.
    pub(crate) magazine: Magazine,
    _line: Line,
}

// The documented sizes on microcontrollers: 7 words, in robust mode 12.
#[cfg(all(target_arch = "arm", not(any(hyaline_loom, feature = "stats"))))]
const _: () = if align_of::<Line>() == 1 {
    assert!(size_of::<Slot<crate::Basic>>() <= 7 * size_of::<usize>());
    assert!(size_of::<Slot<crate::Robust>>() <= 12 * size_of::<usize>());
};

// SAFETY: only the owner accesses the owner-only fields. Ownership passes from
// the Release in `OwnerWord::release` to the Acquire in `OwnerWord::claim`.
unsafe impl<S: Scheme> Sync for Slot<S> {}
// SAFETY: the objects that its pointers lead to belong to the collector, not to
// a thread.
unsafe impl<S: Scheme> Send for Slot<S> {}

impl<S: Scheme> Slot<S> {
    /// An identity, different from those of all other slots; not zero.
    #[inline]
    pub(crate) fn name(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Whether a thread waits for the end of the section.
    #[inline(always)]
    pub(super) fn is_wanted(&self) -> bool {
        // A request that it misses is delayed (5).
        self.wanted.is_set()
    }

    /// Notes that a thread waits for the end of the section.
    pub(super) fn want(&self) {
        // The line is not written needlessly.
        if !self.wanted.is_set() {
            self.wanted.set();
        }
    }

    /// Forgets it, for the owner, before the next section.
    pub(super) fn unwant(&self) {
        // A thread that looks at the following section does not set the flag
        // before this store: it saw that section's word (Acquire), which the owner
        // stored (Release) afterwards.
        self.wanted.clear();
    }

    /// The owner word, which identifies the owner, if there is one.
    #[inline]
    pub(crate) fn owner(&self) -> usize {
        self.claimed.get()
    }

    /// Whether the owner itself forwards what waits for its section, and
    /// publishes what it retired.
    #[inline]
    pub(super) fn is_eager(&self) -> bool {
        self.claimed.is_eager()
    }
}

impl_init!(Slot<S> = slot(); S: Scheme);

crate::sync::const_fn! {
    const fn slot<S: Scheme>() -> Slot<S> {
        Slot {
            section: init!(SectionWord),
            eras: init!(<S::Eras as EraPolicy>::SlotEras),
            inbox: init!(Stack),
            wanted: init!(Hint),
            retired: init!(Stack),
            claimed: init!(OwnerWord),
            restart: init!(Hint),
            draining: init!(Draining),
            limit: init!(Limit),
            batch: init!(Batch),
            hand: init!(Hand),
            local_eras: init!(<S::Eras as EraPolicy>::LocalEras),
            tally: init!(Tally),
            magazine: init!(Magazine),
            _line: Line,
        }
    }
}
