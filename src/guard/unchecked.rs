//! Sections whose guard is not kept, for C.

use crate::{Guard, Handle, Role, Scheme};

impl<S: Scheme, R: Role> Handle<'_, S, R> {
    /// Closes a section whose guard was forgotten, as the drop of the guard
    /// would. For code that enters at one place and leaves at another, as in C.
    ///
    /// # Safety
    ///
    /// A guard of this handle was forgotten in this context, or before the handle
    /// moved to this thread, and nothing else closes the section for it. Pointers
    /// loaded through it are not used any more.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// core::mem::forget(handle.enter());
    /// // SAFETY: the guard was forgotten just now.
    /// unsafe { handle.leave_unchecked() };
    /// assert_eq!(collector.slots().next().unwrap().guards, 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub unsafe fn leave_unchecked(&self) {
        self.local().leave_in_place::<R>();
    }

    /// Makes a guard of an open section whose own guard was forgotten. For code
    /// that does not keep the guard, as in C.
    ///
    /// Wait-free; no access to memory.
    ///
    /// # Safety
    ///
    /// A guard of this handle was forgotten in this context, or before the handle
    /// moved to this thread, and the new guard takes its place. Of all guards made
    /// for it in this way at most one is dropped, and none if
    /// [`leave_unchecked`](Self::leave_unchecked) is called for it. After that, pointers loaded through any of them are not
    /// used any more. Nor are they after a `refresh` of any of them.
    ///
    /// Or no guard was forgotten, and all that is done with the new one is
    /// [`defer_retire`](Guard::defer_retire) of objects that no section of this handle
    /// uses. It is not dropped.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// core::mem::forget(handle.enter());
    /// // SAFETY: the guard was forgotten just now.
    /// drop(unsafe { handle.make_guard_unchecked() });
    /// assert_eq!(collector.slots().next().unwrap().guards, 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub unsafe fn make_guard_unchecked(&self) -> Guard<'_, S, R> {
        Guard::new(*self.local())
    }
}
