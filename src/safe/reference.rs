//! A reference that keeps its section open.

use core::{fmt, ops::Deref, ptr::NonNull};

use super::{Domain, Guard};
use crate::{Eager, Role};

/// A reference to a value, and the open section that keeps the value valid:
/// what a call returns that puts a value and shows it.
///
/// Dropping it ends the section, as dropping a [`Guard`] does, and may run
/// reclaimers. Until then the section holds back what others retire.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, RcuCell, Ref}};
///
/// domain!(App: Collector<2> = Collector::new());
/// static COUNT: RcuCell<u32, 4, App> = RcuCell::new(0);
///
/// let handle = App::register()?;
/// let count: Ref<'_, u32, App> = COUNT.update(&handle, |count| count + 1)?;
/// COUNT.replace(&handle, 7)?;
/// assert_eq!(*count, 1); // the version that this call put
/// # drop(count);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Ref<'h, T, D: Domain, R: Role = Eager> {
    /// Protected by the guard.
    value: NonNull<T>,
    guard: Guard<'h, D, R>,
}

impl<'h, T, D: Domain, R: Role> Ref<'h, T, D, R> {
    /// # Safety
    ///
    /// `value` is shared, valid, and protected by the guard.
    pub(super) unsafe fn new(value: *const T, guard: Guard<'h, D, R>) -> Self {
        // SAFETY: valid (fn contract), so not null.
        let value = unsafe { NonNull::new_unchecked(value.cast_mut()) };
        Self { value, guard }
    }

    /// The section, to read more in it.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static COUNT: RcuCell<u32, 4, App> = RcuCell::new(0);
    /// # let handle = App::register()?;
    /// let count = COUNT.update(&handle, |count| count + 1)?;
    /// assert_eq!(COUNT.read(count.guard()), &1);
    /// # drop(count);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn guard(&self) -> &Guard<'h, D, R> {
        &self.guard
    }
}

impl<T, D: Domain, R: Role> Deref for Ref<'_, T, D, R> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: protected by the guard, which lives as long as `self`, and
        // is not refreshed, as it is lent immutably.
        unsafe { self.value.as_ref() }
    }
}

impl<T: fmt::Debug, D: Domain, R: Role> fmt::Debug for Ref<'_, T, D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ref").field(&**self).finish()
    }
}
