//! Identifies a handle, also after its end.

use core::fmt;

/// Identifies a handle: its slot, and which of the slot's owners it is. Returned
/// by [`Handle::id`](crate::Handle::id), and taken by
/// [`Collector::evict`](crate::CollectorView::evict).
///
/// An id repeats after as many owners of the slot as a quarter of the range of a
/// word: 2^62 on 64-bit targets, 2^30 on 32 bits, 2^14 on 16.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let first = collector.register()?.id();
/// let second = collector.register()?.id();
/// assert_eq!(first.slot(), second.slot());
/// assert_ne!(first, second);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HandleId {
    pub(crate) slot: usize,
    pub(crate) owner: usize,
}

impl HandleId {
    /// The number of the slot.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// assert_eq!(collector.register()?.id().slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub const fn slot(self) -> usize {
        self.slot
    }
}

/// The slot has another owner now, or none, or the collector has no such slot.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let id = collector.register()?.id(); // and released
/// // SAFETY: the handle is gone.
/// let error = unsafe { collector.evict(id) }.unwrap_err();
/// assert!(error.to_string().starts_with("no handle of this collector has the id"));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NotTheOwner;

impl fmt::Display for NotTheOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no handle of this collector has the id: it was released or evicted before, or belongs \
             to another collector; nothing is left to do, or evict it from its own collector",
        )
    }
}

impl core::error::Error for NotTheOwner {}
