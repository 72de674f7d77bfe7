//! Tags: numbers in the low bits of a pointer, which objects' alignment leaves
//! zero.

use crate::{Linked, sync::AtomicPtr};

/// The bits that a tag may have. Objects are the first fields of blocks, which
/// are aligned as atomic words are.
pub(super) const fn bits<T>() -> usize {
    let (object, state) = (align_of::<Linked<T>>(), align_of::<AtomicPtr<()>>());
    (if object > state { object } else { state }) - 1
}

/// The pointer without its tag.
#[inline]
pub(super) fn untagged<T>(object: *mut Linked<T>) -> *mut Linked<T> {
    object.map_addr(|addr| addr & !bits::<T>())
}
