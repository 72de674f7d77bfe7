//! A guard for code that has its objects alone.

use super::CollectorView;
use crate::{Guard, Scheme};

impl<S: Scheme> CollectorView<S> {
    /// Calls `f` with a guard that protects nothing: for `Drop`, and for calls that
    /// take `&mut self`, where code that wants a guard is used without a handle.
    /// Cannot fail.
    ///
    /// A load through the guard is as any other. What is retired through it, or
    /// through another guard of its handle, is reclaimed before the call returns, also
    /// if `f` or a reclaimer panics. What [`Handle::retire`](crate::Handle::retire)
    /// retires waits for the sections that are open, as usual, and so does what was
    /// retired before. Objects that are made through its handle may be shared later.
    ///
    /// As wait-free as `f` and the reclaimers; on the stack, one slot. Any context
    /// in which the reclaimers may run, except an NMI.
    ///
    /// # Panics
    ///
    /// If `f` or a reclaimer does. A second panic aborts.
    ///
    /// # Safety
    ///
    /// In short: until the call returns, nobody else uses or finds an object that `f`
    /// loads or retires through the guard or its handle; and nobody, the caller
    /// included, uses one that `f` retires after that. In detail:
    ///
    /// - No other context loads, before the call returns, a pointer to an object
    ///   that `f` loads or retires through the guard, its handle or other guards
    ///   of this handle; and no other context uses one that it loaded before.
    ///   `&mut self` says so, if the structure alone leads to these objects and
    ///   what it lends does not outlive it.
    /// - The caller does not use after the call what was retired in it, not even in
    ///   a section of its own that was open before, and that loaded it before.
    /// - `f` does not use an object that a section of its own could no longer use.
    /// - The pointers are valid. An exclusive reference to a [`Pool`](crate::Pool)
    ///   invalidates pointers into it, so a structure with such a call borrows its
    ///   pool and does not contain it.
    ///
    /// ```
    /// use core::{ptr, sync::atomic::Ordering};
    /// use hyaline::{AtomicPtr, CollectorView, Guard, Linked, reclaim};
    ///
    /// struct Cell<'c> {
    ///     collector: &'c CollectorView,
    ///     value: AtomicPtr<Linked<String>>,
    /// }
    ///
    /// impl Cell<'_> {
    ///     fn clear(&self, guard: &Guard<'_>) {
    ///         let old = guard.swap(&self.value, ptr::null_mut(), Ordering::AcqRel);
    ///         if !old.is_null() {
    ///             // SAFETY: unlinked by the swap; it comes from a `Box`.
    ///             unsafe { guard.defer_retire(old, reclaim::boxed::<Linked<String>>) };
    ///         }
    ///     }
    /// }
    ///
    /// impl Drop for Cell<'_> {
    ///     fn drop(&mut self) {
    ///         // SAFETY: nobody else has the cell, which alone leads to the value.
    ///         unsafe { self.collector.with_unprotected(|guard| self.clear(guard)) };
    ///     }
    /// }
    ///
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let value = Box::into_raw(Box::new(handle.link(String::from("seven"))));
    /// drop(Cell { collector: &collector, value: AtomicPtr::new(value) });
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[doc(alias = "unprotected")]
    pub unsafe fn with_unprotected<T>(&self, f: impl FnOnce(&Guard<'_, S>) -> T) -> T {
        // SAFETY: the caller has the objects alone (# Safety, which is that of
        // `Global::unprotected`).
        unsafe {
            self.global()
                .unprotected(|local| f(&Guard::open_slot(local)))
        }
    }
}
