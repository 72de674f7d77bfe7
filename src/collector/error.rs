//! Errors of making a collector and of claiming a slot.

use core::{alloc::Layout, fmt};

/// Why a [`CollectorView`](crate::CollectorView) cannot be made.
///
/// ```
/// use hyaline::{Basic, CollectorView, MemoryError};
///
/// let error = CollectorView::<Basic>::layout(usize::MAX).unwrap_err();
/// assert_eq!(error, MemoryError::TooLarge);
/// assert!(error.to_string().starts_with("so many slots are larger than the address space"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MemoryError {
    /// A collector has at least one slot.
    NoSlots,
    /// The size overflows the address space.
    TooLarge,
    /// The given memory is too small or misaligned for this layout.
    Unfit(Layout),
    /// The allocator has no memory of this layout.
    Refused(Layout),
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlots => f.write_str("a collector has at least one slot; ask for more than 0"),
            Self::TooLarge => {
                f.write_str("so many slots are larger than the address space; ask for fewer")
            }
            Self::Unfit(layout) => write!(
                f,
                "a collector of so many slots needs {} bytes aligned to {}; pass more memory, or ask for fewer slots",
                layout.size(),
                layout.align()
            ),
            Self::Refused(layout) => write!(
                f,
                "the allocator has no {} bytes for a collector of so many slots; free memory, or ask for fewer slots",
                layout.size()
            ),
        }
    }
}

impl core::error::Error for MemoryError {}

/// All slots of a collector are claimed.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let handle = collector.register()?;
/// let error = collector.register().unwrap_err();
/// assert!(error.to_string().starts_with("each slot of the collector (1) is claimed"));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SlotsExhausted {
    pub(super) capacity: usize,
}

impl SlotsExhausted {
    /// The number of slots of the collector.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert_eq!(collector.register().unwrap_err().capacity(), 1);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }
}

impl fmt::Display for SlotsExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "each slot of the collector ({}) is claimed; drop a handle and its guards, evict a handle whose task is dead or has forgotten a guard, or make the collector with more slots",
            self.capacity
        )
    }
}

impl core::error::Error for SlotsExhausted {}
