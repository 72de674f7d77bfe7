//! A section that may move between threads, for async code.

use core::fmt;

use crate::{AtomicPtr, Basic, Eager, Guard, Handle, Role, Scheme, sync::Ordering};

/// A handle and an open section in one: exclusive, so it can be sent, and held
/// across an `await` by a task that moves between threads.
///
/// [`Guard`] is bound to its thread, because its handle may have other guards
/// there. This one owns the handle. Pointers that were protected through it,
/// or through a guard borrowed from it, stay valid until it is dropped,
/// refreshed or [left](Self::leave), on whichever thread.
///
/// ```
/// use core::sync::atomic::Ordering;
/// use hyaline::{AtomicPtr, Collector, Linked};
///
/// static C: Collector<2> = Collector::new();
/// static SHARED: AtomicPtr<Linked<u32>> = AtomicPtr::new(core::ptr::null_mut());
///
/// let section = C.register()?.into_section();
/// let seen = section.protect(&SHARED, Ordering::Acquire);
/// assert!(seen.is_null());
/// let section = std::thread::spawn(move || section).join().unwrap();
/// let handle = section.leave();
/// # assert_eq!(handle.slot(), 0);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub struct Section<'c, S: Scheme = Basic, R: Role = Eager> {
    handle: Handle<'c, S, R>,
}

impl<'c, S: Scheme, R: Role> Handle<'c, S, R> {
    /// Opens a section that owns the handle, and can be sent.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let section = collector.register()?.into_section();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn into_section(self) -> Section<'c, S, R> {
        core::mem::forget(self.enter());
        Section { handle: self }
    }
}

impl<'c, S: Scheme, R: Role> Section<'c, S, R> {
    /// The number of the slot.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// assert_eq!(collector.register()?.into_section().slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn slot(&self) -> usize {
        self.handle.slot()
    }

    /// Whether somebody asked this reader to end its section: as
    /// [`Guard::restart_requested`].
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let section = collector.register()?.into_section();
    /// assert!(!section.restart_requested());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn restart_requested(&self) -> bool {
        self.handle.local().take_restart()
    }

    /// Loads a pointer that stays valid while the section is open: as
    /// [`Guard::protect`].
    ///
    /// ```
    /// use core::{ptr, sync::atomic::Ordering};
    ///
    /// let collector = hyaline::Collector::<1>::new();
    /// let section = collector.register()?.into_section();
    /// let shared = hyaline::AtomicPtr::<u32>::new(ptr::null_mut());
    /// assert!(section.protect(&shared, Ordering::Acquire).is_null());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn protect<T>(&self, src: &AtomicPtr<T>, order: Ordering) -> *mut T {
        self.handle.local().protect(src, order)
    }

    /// A guard nested in the section, for everything else, not to be held
    /// across an `await`.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let section = collector.register()?.into_section();
    /// let guard = section.guard();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn guard(&self) -> Guard<'_, S, R> {
        self.handle.enter()
    }

    /// A quiescent point: as [`Guard::refresh`].
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let mut section = collector.register()?.into_section();
    /// section.refresh();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn refresh(&mut self) {
        self.handle.local().refresh::<R>();
    }

    /// Drops the guard that `into_section` forgot; once.
    fn close(handle: &Handle<'c, S, R>) {
        if !handle.is_evicted() {
            drop(Guard::<S, R>::new(*handle.local()));
        }
    }

    /// Ends the section and gives the handle back.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?.into_section().leave();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn leave(self) -> Handle<'c, S, R> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not used or dropped again.
        let handle = unsafe { core::ptr::read(&raw const this.handle) };
        // If a reclaimer panics the handle is dropped.
        Self::close(&handle);
        handle
    }
}

impl<S: Scheme, R: Role> Drop for Section<'_, S, R> {
    fn drop(&mut self) {
        Self::close(&self.handle);
    }
}

impl<S: Scheme, R: Role> fmt::Debug for Section<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("slot", &self.slot())
            .finish_non_exhaustive()
    }
}
