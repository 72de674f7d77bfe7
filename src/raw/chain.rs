//! Chains and lists of retired objects, linked by `next`.

use core::ptr;

use crate::Link;

/// Objects that belong to whoever has the chain: at least one, the last of
/// which leads to null.
pub struct Chain {
    pub(super) first: *mut Link,
    pub(super) last: *mut Link,
}

impl Chain {
    /// A chain of one.
    ///
    /// # Safety
    ///
    /// `link` is valid and the caller's.
    pub(super) unsafe fn single(link: *mut Link) -> Self {
        // SAFETY: valid and ours (fn contract).
        unsafe { (*link).next.set(ptr::null_mut()) };
        Self {
            first: link,
            last: link,
        }
    }

    /// The objects from `first` to the one that leads to null. O(length).
    ///
    /// # Safety
    ///
    /// They are valid and the caller's.
    pub(super) unsafe fn from_list(first: *mut Link) -> Option<Self> {
        if first.is_null() {
            return None;
        }
        let mut last = first;
        loop {
            // SAFETY: `last` is one of the caller's objects (fn contract).
            let next = unsafe { (*last).next.get() };
            if next.is_null() {
                return Some(Self { first, last });
            }
            last = next;
        }
    }

    /// The objects of both.
    pub(super) fn append(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        // SAFETY: the last object of a chain is valid and ours.
        unsafe { (*self.last).next.set(other.first) };
        Self {
            first: self.first,
            last: other.last,
        }
    }

    /// Calls `visit` with each object.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&Link)) {
        let mut link = self.first;
        while !link.is_null() {
            // SAFETY: the objects of a chain are valid and ours.
            let object = unsafe { &*link };
            visit(object);
            link = object.next.get();
        }
    }
}

/// Cuts a list after its first `length` objects, and returns the rest, or
/// null. O(length).
///
/// # Safety
///
/// The objects are valid and the caller's; the last leads to null.
pub(super) unsafe fn cut(mut list: *mut Link, length: usize) -> *mut Link {
    for _ in 1..length {
        if list.is_null() {
            break;
        }
        // SAFETY: valid and ours (fn contract).
        list = unsafe { (*list).next.get() };
    }
    if list.is_null() {
        return list;
    }
    // SAFETY: as above.
    unsafe { (*list).next.replace(ptr::null_mut()) }
}

/// Appends `chain` to what is there.
pub(super) fn add(to: &mut Option<Chain>, chain: Chain) {
    *to = Some(chain.append(to.take()));
}

/// Splits a list into the objects that `held` is true for, and the others.
///
/// # Safety
///
/// The objects are valid and the caller's; the last leads to null.
pub(super) unsafe fn partition(
    mut link: *mut Link,
    mut held: impl FnMut(&Link) -> bool,
) -> (Option<Chain>, Option<Chain>) {
    let mut parts = [None, None];
    while !link.is_null() {
        // SAFETY: valid and ours (fn contract).
        let object = unsafe { &*link };
        let following = object.next.get();
        let part = &mut parts[usize::from(!held(object))];
        *part = Some(match part.take() {
            None => Chain {
                first: link,
                last: link,
            },
            Some(Chain { first, last }) => {
                // SAFETY: `last` is one of the objects.
                unsafe { (*last).next.set(link) };
                Chain { first, last: link }
            }
        });
        link = following;
    }
    for part in parts.iter().flatten() {
        // SAFETY: `last` is one of the objects.
        unsafe { (*part.last).next.set(ptr::null_mut()) };
    }
    let [held, rest] = parts;
    (held, rest)
}
