//! A slot: one of the collector's `N` places for readers and retirers.

use core::ptr;

use super::{Mode, Scheme, batch::Batch, counts::Tally, inbox::Inbox};
use crate::{
    Link,
    sync::{AtomicUsize, Bit, Cell, Flag, Init, Ordering, init},
};

/// The state of one task, CPU or interrupt. It lives here and not in the
/// handle, so that nothing is lost when a handle is forgotten.
///
/// The first five fields are shared; the others are the owner's, who is
/// whoever claimed the slot (or has the whole collector exclusively).
#[cfg_attr(target_has_atomic = "64", repr(align(128)))]
pub(crate) struct Slot<S: Scheme> {
    /// Guards that are open; the slot is active while it is not 0. Stored by
    /// the owner.
    pub(super) active: Flag,
    /// The era that the reader is in.
    pub(super) mark: <S::Mode as Mode>::Mark,
    /// Batches to which this slot holds a reference.
    pub(super) inbox: Inbox,
    /// How often the slot was claimed and given up: odd while somebody owns
    /// it.
    pub(super) claimed: AtomicUsize,
    /// Somebody asks the reader to end its section.
    pub(super) restart: Bit,

    /// Retired objects that are not published yet.
    pub(super) batch: Batch,
    /// Eras of those, and of objects to come.
    pub(super) log: <S::Mode as Mode>::Log,
    /// Objects that nobody can reach, linked by `chain`, to be reclaimed.
    pub(super) queue: Cell<*mut Link>,
    /// A reclaimer is running.
    pub(super) draining: Cell<bool>,
    /// Reclaimers that one call may run; 0 is any number.
    pub(crate) limit: Cell<u16>,
    /// What the owners did.
    pub(super) tally: Tally,
    /// Free blocks of a pool. Small targets have no use for it.
    #[cfg(target_has_atomic = "64")]
    pub(crate) cache: crate::pool::Cache,
}

// On microcontrollers a slot is at most 12 words.
#[cfg(not(any(target_has_atomic = "64", hyaline_loom, feature = "stats")))]
const _: () = assert!(size_of::<Slot<crate::Robust>>() <= 12 * size_of::<usize>());

// SAFETY: the owner-only fields are accessed by the owner alone; ownership
// passes from a release of `claimed` to an acquiring claim.
unsafe impl<S: Scheme> Sync for Slot<S> {}
// SAFETY: what the pointers in it lead to is the collector's, not a thread's.
unsafe impl<S: Scheme> Send for Slot<S> {}

impl<S: Scheme> Init for Slot<S> {
    #[cfg(not(hyaline_loom))]
    #[allow(clippy::declare_interior_mutable_const)] // copied, never borrowed
    const INIT: Self = slot();
    #[cfg(hyaline_loom)]
    fn init() -> Self {
        slot()
    }
}

crate::sync::const_fn! {
    const fn slot<S: Scheme>() -> Slot<S> {
        Slot {
            active: Flag::new(0),
            mark: init!(<S::Mode as Mode>::Mark),
            inbox: init!(Inbox),
            claimed: AtomicUsize::new(0),
            restart: Bit::new(false),
            batch: init!(Batch),
            log: init!(<S::Mode as Mode>::Log),
            queue: Cell::new(ptr::null_mut()),
            draining: Cell::new(false),
            limit: Cell::new(0),
            tally: init!(Tally),
            #[cfg(target_has_atomic = "64")]
            cache: init!(crate::pool::Cache),
        }
    }
}

impl<S: Scheme> Slot<S> {
    /// Whether a section is open, as somebody else sees it.
    #[inline]
    pub(super) fn is_active(&self) -> bool {
        // Acquire: pairs with the Release in `leave`. Seen inactive, all
        // accesses of the sections that ended happen before what the caller
        // does next, which may be the reclaim (raw, 2).
        self.active.load(Ordering::Acquire) != 0
    }

    /// Zero if no section is open and the inbox seems empty.
    #[inline]
    pub(super) fn signs(&self) -> usize {
        // Acquire: as in `is_active`.
        self.active.load(Ordering::Acquire) | self.inbox.sign()
    }

    /// Whether a section may hold objects of a batch with this oldest birth.
    /// Called after HEAVY.
    #[inline]
    pub(super) fn may_hold(&self, oldest: u64) -> bool {
        self.is_active() && S::Mode::holds(&self.mark, oldest)
    }
}
