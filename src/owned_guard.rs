//! A section that can move between threads, for async code.

use core::fmt;

use crate::{AtomicPtr, Basic, Eager, Guard, Handle, Role, Scheme, sync::Ordering};

/// An open section that owns its handle. It can be sent, and held across an
/// `await` by a task that moves between threads.
///
/// A [`Guard`] is bound to its thread, because its handle may have other guards
/// there. An `OwnedGuard` is the only user of its handle. Pointers protected
/// through it, or through a guard borrowed from it, stay valid on any thread
/// until it is dropped, refreshed or [left](Self::leave).
///
/// Do not keep one in an object that is retired to the same collector: it holds
/// itself back, as a cycle of `Rc`s does.
///
/// ```
/// use core::sync::atomic::Ordering;
/// use hyaline::{AtomicPtr, Collector, Linked};
///
/// static C: Collector<2> = Collector::new();
/// static SHARED: AtomicPtr<Linked<u32>> = AtomicPtr::new(core::ptr::null_mut());
///
/// let section = C.register()?.enter_owned();
/// let seen = section.protect(&SHARED, Ordering::Acquire);
/// assert!(seen.is_null());
/// let section = std::thread::spawn(move || section).join().unwrap();
/// let handle = section.leave();
/// # assert_eq!(handle.slot(), 0);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub struct OwnedGuard<'c, S: Scheme = Basic, R: Role = Eager> {
    handle: Handle<'c, S, R>,
}

impl<'c, S: Scheme, R: Role> Handle<'c, S, R> {
    /// Opens a section that owns the handle and can be sent. Costs as much as
    /// [`enter`](Self::enter).
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let section = collector.register()?.enter_owned();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn enter_owned(self) -> OwnedGuard<'c, S, R> {
        core::mem::forget(self.enter());
        OwnedGuard { handle: self }
    }
}

impl<'c, S: Scheme, R: Role> OwnedGuard<'c, S, R> {
    /// The number of the slot.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// assert_eq!(collector.register()?.enter_owned().slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn slot(&self) -> usize {
        self.handle.slot()
    }

    /// Whether this reader was asked to end its section, like
    /// [`Guard::restart_requested`].
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let section = collector.register()?.enter_owned();
    /// assert!(!section.restart_requested());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn restart_requested(&self) -> bool {
        self.handle.local().take_restart()
    }

    /// Loads a pointer that stays valid while the section is open, like
    /// [`Guard::protect`].
    ///
    /// ```
    /// use core::{ptr, sync::atomic::Ordering};
    ///
    /// let collector = hyaline::Collector::<1>::new();
    /// let section = collector.register()?.enter_owned();
    /// let shared = hyaline::AtomicPtr::<u32>::new(ptr::null_mut());
    /// assert!(section.protect(&shared, Ordering::Acquire).is_null());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn protect<T>(&self, src: &AtomicPtr<T>, order: Ordering) -> *mut T {
        self.handle.local().protect(src, order)
    }

    /// The handle: to allocate, to collect.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let section = collector.register()?.enter_owned();
    /// assert_eq!(section.handle().collect(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn handle(&self) -> &Handle<'c, S, R> {
        &self.handle
    }

    /// A guard nested in the section, for all other operations. It cannot be
    /// held across an `await` of a task that moves between threads.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let section = collector.register()?.enter_owned();
    /// let guard = section.guard();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn guard(&self) -> Guard<'_, S, R> {
        self.handle.enter()
    }

    /// A quiescent point, like [`Guard::refresh`].
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let mut section = collector.register()?.enter_owned();
    /// section.refresh();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn refresh(&mut self) {
        self.handle.local().refresh::<R>();
    }

    /// Drops the guard that `enter_owned` forgot. Called once. May run
    /// reclaimers.
    fn close(handle: &Handle<'c, S, R>) {
        if !handle.is_evicted() {
            drop(Guard::<S, R>::new(*handle.local()));
        }
    }

    /// Ends the section and returns the handle. May run reclaimers on an eager
    /// handle.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?.enter_owned().leave();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn leave(self) -> Handle<'c, S, R> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: valid for reads, and moved out once: `ManuallyDrop` does not
        // drop `this`, and it is not used again.
        let handle = unsafe { core::ptr::read(&raw const this.handle) };
        // If a reclaimer panics, the handle is dropped and releases its slot.
        Self::close(&handle);
        handle
    }
}

impl<S: Scheme, R: Role> Drop for OwnedGuard<'_, S, R> {
    fn drop(&mut self) {
        Self::close(&self.handle);
    }
}

impl<S: Scheme, R: Role> fmt::Debug for OwnedGuard<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedGuard")
            .field("slot", &self.slot())
            .finish_non_exhaustive()
    }
}
