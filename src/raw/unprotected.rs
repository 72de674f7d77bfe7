//! A slot outside the collector's array. No call scans it, so its sections
//! protect nothing. For code that owns its objects exclusively.

use core::ptr;

use super::{Global, Local, Scheme, Slot};
use crate::sync::init;

impl<S: Scheme> Global<S> {
    /// Calls `f` with such a slot. What is retired in it is reclaimed when `f` has
    /// returned, also if it panics.
    ///
    /// # Safety
    ///
    /// As for `CollectorView::with_unprotected`.
    pub(crate) unsafe fn unprotected<T>(&self, f: impl FnOnce(Local<'_, S>) -> T) -> T {
        let slot = init!(Slot<S>);
        let slot = &slot;
        slot.claimed.claim(true);
        slot.batch.unlimited();
        slot.magazine.shut();
        let local = Local { global: self, slot };
        let _end = ReclaimOnDrop(local);
        f(local)
    }
}

impl<S: Scheme> Local<'_, S> {
    /// The same, for longer.
    ///
    /// # Safety
    ///
    /// The result is not used when the collector or the slot is gone.
    pub(crate) unsafe fn extend<'e>(self) -> Local<'e, S> {
        // SAFETY: both are there while the result is used (# Safety).
        unsafe {
            Local {
                global: &*ptr::from_ref(self.global),
                slot: &*ptr::from_ref(self.slot),
            }
        }
    }
}

/// Reclaims what was retired in the slot, and ends its use.
struct ReclaimOnDrop<'c, S: Scheme>(Local<'c, S>);

impl<S: Scheme> Drop for ReclaimOnDrop<'_, S> {
    fn drop(&mut self) {
        let local = self.0;
        let _end = ReleaseOnDrop(local);
        // Objects that others have retired.
        local.put_hand_back();
        // SAFETY: the caller has the objects alone
        // (`CollectorView::with_unprotected`, # Safety), and they were retired once.
        unsafe { local.slot.hand.fill(local.slot.retired.take()) };
        // If a reclaimer panics, the guard continues: the objects must not outlive
        // the call. A second panic aborts.
        let rest = ReclaimHandOnDrop(local);
        rest.reclaim();
        core::mem::forget(rest);
    }
}

struct ReclaimHandOnDrop<'c, S: Scheme>(Local<'c, S>);

impl<S: Scheme> ReclaimHandOnDrop<'_, S> {
    fn reclaim(&self) {
        while let Some(link) = self.0.slot.hand.take_one() {
            // SAFETY: the object is ours, no section can hold it (`Hand::fill`),
            // and it has just left the hand.
            unsafe { self.0.run(link, ptr::null_mut()) };
        }
    }
}

impl<S: Scheme> Drop for ReclaimHandOnDrop<'_, S> {
    fn drop(&mut self) {
        self.reclaim();
    }
}

/// Gives back the blocks that the slot keeps, and its counts.
struct ReleaseOnDrop<'c, S: Scheme>(Local<'c, S>);

impl<S: Scheme> Drop for ReleaseOnDrop<'_, S> {
    fn drop(&mut self) {
        let Local { global, slot } = self.0;
        self.0.release_passive();
        global.totals.add(&slot.tally);
    }
}
