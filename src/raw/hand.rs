//! What a slot's owner is about to reclaim, whether it does so now, and how much of
//! it in one call.

use core::{num::NonZeroU16, ptr};

use super::chain::Chain;
use crate::{
    Link,
    sync::{Cell, impl_init},
};

/// A list of objects that no section can hold. The slot's owner owns them.
pub(super) struct Hand(Cell<*mut Link>);

impl_init!(Hand = Hand(Cell::new(ptr::null_mut())));

impl Hand {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_null()
    }

    /// Fills the empty hand with a list, which may be null.
    ///
    /// # Safety
    ///
    /// The slot's owner owns the objects, which are valid and were retired. No
    /// section can hold them.
    #[inline]
    pub(super) unsafe fn fill(&self, list: *mut Link) {
        self.0.set(list);
    }

    /// Takes an object, before its reclaimer runs: so it is reclaimed once, even
    /// after a panic.
    #[inline]
    pub(super) fn take_one(&self) -> Option<*mut Link> {
        let link = self.0.get();
        if link.is_null() {
            return None;
        }
        // SAFETY: the object is valid, and the owner's (`fill`, # Safety).
        self.0.set(unsafe { (*link).next() });
        Some(link)
    }

    /// Takes all objects.
    #[inline]
    pub(super) fn take(&self) -> Option<Chain> {
        // SAFETY: the objects are valid, and the owner's (`fill`, # Safety).
        unsafe { Chain::from_list(self.0.replace(ptr::null_mut())) }
    }
}

/// Whether a call on the slot runs reclaimers.
pub(super) struct Draining(Cell<bool>);

impl_init!(Draining = Draining(Cell::new(false)));

impl Draining {
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.0.get()
    }

    /// False if it was on.
    #[inline]
    pub(super) fn begin(&self) -> bool {
        !self.0.replace(true)
    }

    #[inline]
    pub(super) fn end(&self) {
        self.0.set(false);
    }
}

/// The number of reclaimers that one call may run; 0 is no limit.
pub(crate) struct Limit(Cell<u16>);

impl_init!(Limit = Limit(Cell::new(0)));

impl Limit {
    #[inline]
    pub(crate) fn set(&self, limit: Option<NonZeroU16>) {
        self.0.set(limit.map_or(0, NonZeroU16::get));
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<NonZeroU16> {
        NonZeroU16::new(self.0.get())
    }
}
