//! An allocation that is refused.

use core::fmt;

/// The pool has no free block. The value that was to be stored comes back.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let handle = collector.register()?;
/// let pool = hyaline::Pool::<u32, 1>::new();
/// let first = pool.alloc(&handle, 1);
/// let error = pool.alloc(&handle, 2).unwrap_err();
/// assert!(error.to_string().starts_with("the pool has no free block"));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PoolExhausted<T> {
    pub(super) value: T,
}

impl<T> PoolExhausted<T> {
    /// The value.
    ///
    /// ```
    /// # let collector = hyaline::Collector::<1>::new();
    /// # let handle = collector.register()?;
    /// # let pool = hyaline::Pool::<u32, 1>::new();
    /// # let first = pool.alloc(&handle, 1);
    /// assert_eq!(pool.alloc(&handle, 2).unwrap_err().into_inner(), 2);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for PoolExhausted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolExhausted").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PoolExhausted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the pool has no free block: each is in use, held back by an open guard, kept by a handle with one or in a call, or waits for an eager handle; drop guards, flush an eager handle, or make the pool larger",
        )
    }
}

impl<T> core::error::Error for PoolExhausted<T> {}
