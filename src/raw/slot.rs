//! A slot: one of the collector's `N` places for readers and retirers.

use core::ptr;

use super::{
    EraPolicy, Scheme, magazine::Magazine, owner::OwnerWord, section::SectionWord, stack::Stack,
    stats::Tally,
};
use crate::{
    Link, Role,
    padding::Line,
    sync::{Cell, Init, LoadStoreBool, Ordering, init, step},
};

/// The state of one task, CPU or interrupt. It lives here and not in the
/// handle, so that nothing is lost when a handle is forgotten.
///
/// The first part is shared, and all of it may be taken by anyone. The second
/// is the owner's, who is whoever claimed the slot (or has the whole collector
/// exclusively).
pub(crate) struct Slot<S: Scheme> {
    /// The section, written by the owner.
    pub(super) section: SectionWord,
    /// The eras of the section, written by the owner.
    pub(super) eras: <S::Eras as EraPolicy>::SlotEras,
    /// What waits for the section.
    pub(super) inbox: Stack,
    /// What was retired here and is not published.
    pub(super) retired: Stack,
    /// How often the slot was claimed, and by what kind of handle.
    pub(super) claimed: OwnerWord,
    /// Somebody waits for the end of the section, or did.
    pub(super) wanted: LoadStoreBool,
    /// Somebody asks the reader to end its section.
    pub(super) restart: LoadStoreBool,

    /// A reclaimer is running.
    pub(super) draining: Cell<bool>,
    /// Reclaimers that one call may run; 0 is any number.
    pub(crate) limit: Cell<u16>,
    /// Objects to retire before the next publish.
    pub(super) room: Cell<u16>,
    /// What the owner is about to reclaim.
    pub(super) hand: Cell<*mut Link>,
    pub(super) local_eras: <S::Eras as EraPolicy>::LocalEras,
    /// What the owners did.
    pub(super) tally: Tally,
    /// Free blocks of a pool.
    pub(crate) magazine: Magazine,
    _line: Line,
}

// What the page says of microcontrollers: 7 words, in robust mode 12.
#[cfg(all(target_arch = "arm", not(any(hyaline_loom, feature = "stats"))))]
const _: () = if align_of::<Line>() == 1 {
    assert!(size_of::<Slot<crate::Basic>>() <= 7 * size_of::<usize>());
    assert!(size_of::<Slot<crate::Robust>>() <= 12 * size_of::<usize>());
};

// SAFETY: the owner-only fields are accessed by the owner alone; ownership
// passes from a release of `claimed` to an acquiring claim.
unsafe impl<S: Scheme> Sync for Slot<S> {}
// SAFETY: what the pointers in it lead to is the collector's, not a thread's.
unsafe impl<S: Scheme> Send for Slot<S> {}

impl<S: Scheme> Slot<S> {
    /// Whether somebody waits for the end of the section.
    #[inline(always)]
    pub(super) fn is_wanted(&self) -> bool {
        step();
        // Relaxed: a hint; what it misses is delayed (5).
        self.wanted.load(Ordering::Relaxed)
    }

    /// Somebody waits; or, for the owner, those who did are told.
    pub(super) fn want(&self, wanted: bool) {
        step();
        // Relaxed: a hint. It is not set by those who look at the section that
        // follows before the owner cleared it: they saw that section's word,
        // which the owner stored later.
        if self.wanted.load(Ordering::Relaxed) != wanted {
            self.wanted.store(wanted, Ordering::Relaxed);
        }
    }

    /// The owner, if there is one.
    #[inline]
    pub(crate) fn owner(&self) -> usize {
        self.claimed.get()
    }

    /// Whether the owner itself drops what waits for its section, and
    /// publishes what it retired.
    #[inline]
    pub(super) fn is_eager(&self) -> bool {
        self.claimed.is_eager()
    }

    /// Whether reclaimers may run in the calls of the owner, which has that
    /// role.
    #[inline(always)]
    pub(crate) fn reclaims<R: Role>(&self) -> bool {
        R::RECLAIMS.unwrap_or_else(|| self.is_eager())
    }

    /// Whether the owner, which has that role, leaves the owner-only state
    /// alone.
    #[inline(always)]
    pub(crate) fn is_nested<R: Role>(&self) -> bool {
        R::NESTED.unwrap_or_else(|| !self.is_eager())
    }
}

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
            section: init!(SectionWord),
            eras: init!(<S::Eras as EraPolicy>::SlotEras),
            inbox: init!(Stack),
            wanted: LoadStoreBool::new(false),
            retired: init!(Stack),
            claimed: init!(OwnerWord),
            restart: LoadStoreBool::new(false),
            draining: Cell::new(false),
            limit: Cell::new(0),
            room: Cell::new(0),
            hand: Cell::new(ptr::null_mut()),
            local_eras: init!(<S::Eras as EraPolicy>::LocalEras),
            tally: init!(Tally),
            magazine: init!(Magazine),
            _line: Line,
        }
    }
}
