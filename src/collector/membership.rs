//! Which collector a handle or a guard belongs to.

use super::CollectorView;
use crate::{Guard, Handle, Role, Scheme};

impl<'c, S: Scheme, R: Role> Handle<'c, S, R> {
    /// The collector whose slot this is. Wait-free; any context.
    ///
    /// ```
    /// let collector = hyaline::Collector::<2>::new();
    /// let handle = collector.register()?;
    /// let another = handle.collector().register()?;
    /// assert_eq!(another.slot(), 1);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn collector(&self) -> &'c CollectorView<S> {
        CollectorView::from_global(self.local().global())
    }

    /// Whether this is a slot of the collector. For a `debug_assert` in a
    /// structure that knows its collector; the [safe layer](crate::safe) checks
    /// it when it is compiled. Wait-free; any context.
    ///
    /// ```
    /// use hyaline::Collector;
    ///
    /// let (one, another) = (Collector::<1>::new(), Collector::<1>::new());
    /// let handle = one.register()?;
    /// assert!(handle.belongs_to(&one) && !handle.belongs_to(&another));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn belongs_to(&self, collector: &CollectorView<S>) -> bool {
        self.local().global().addr() == collector.global().addr()
    }
}

impl<'h, S: Scheme, R: Role> Guard<'h, S, R> {
    /// The collector whose section this is, like [`Handle::collector`].
    ///
    /// ```
    /// let collector = hyaline::Collector::<2>::new();
    /// let handle = collector.register()?;
    /// assert_eq!(handle.enter().collector().capacity(), 2);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn collector(&self) -> &'h CollectorView<S> {
        CollectorView::from_global(self.local().global())
    }

    /// Whether this is a section of the collector, like [`Handle::belongs_to`]. A
    /// guard of another collector protects nothing.
    ///
    /// ```
    /// use core::sync::atomic::Ordering;
    /// use hyaline::{AtomicPtr, CollectorView, Guard, Linked};
    ///
    /// /// A structure that is used with one collector.
    /// struct Place<'c> {
    ///     collector: &'c CollectorView,
    ///     value: AtomicPtr<Linked<u32>>,
    /// }
    ///
    /// impl Place<'_> {
    ///     fn load(&self, guard: &Guard<'_>) -> *mut Linked<u32> {
    ///         debug_assert!(guard.belongs_to(self.collector));
    ///         guard.protect(&self.value, Ordering::Acquire)
    ///     }
    /// }
    /// # let collector = hyaline::Collector::<1>::new();
    /// # let place = Place { collector: &collector, value: AtomicPtr::new(core::ptr::null_mut()) };
    /// # assert!(place.load(&collector.register()?.enter()).is_null());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn belongs_to(&self, collector: &CollectorView<S>) -> bool {
        self.local().global().addr() == collector.global().addr()
    }
}
