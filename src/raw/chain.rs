//! Chains and lists of retired objects, linked by `next`.

use core::ptr;

use crate::Link;

/// Objects that belong to whoever has the chain: at least one, the last of
/// which leads to null.
pub struct Chain {
    first: *mut Link,
    /// Null while nobody asked for it.
    last: *mut Link,
}

impl Chain {
    /// The objects from `first` to the one that leads to null; none if `first`
    /// is null.
    ///
    /// # Safety
    ///
    /// They are valid and the caller's.
    #[inline]
    pub(super) unsafe fn from_list(first: *mut Link) -> Option<Self> {
        let last = ptr::null_mut();
        (!first.is_null()).then(|| Self::of(first, last))
    }

    /// The same, where the last object is known.
    ///
    /// # Safety
    ///
    /// They are valid and the caller's; `last` is the one that leads to null.
    #[inline]
    pub(super) unsafe fn new(first: *mut Link, last: *mut Link) -> Self {
        Self::of(first, last)
    }

    #[inline]
    fn of(first: *mut Link, last: *mut Link) -> Self {
        Self { first, last }
    }

    /// A chain of one.
    ///
    /// # Safety
    ///
    /// `link` is valid and the caller's.
    #[inline]
    pub(super) unsafe fn single(link: *mut Link) -> Self {
        // SAFETY: valid and ours (fn contract).
        unsafe { (*link).next.set(ptr::null_mut()) };
        Self::of(link, link)
    }

    /// The first object.
    #[inline]
    pub(super) fn first(&self) -> *mut Link {
        self.first
    }

    /// The last object. O(length) the first time, unless it is known.
    #[inline]
    pub(super) fn last(&mut self) -> *mut Link {
        if self.last.is_null() {
            self.for_each(|_| ());
        }
        self.last
    }

    /// The objects of both.
    pub(super) fn append(mut self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        // SAFETY: the last object of a chain is valid and ours.
        unsafe { (*self.last()).next.set(other.first) };
        Self::of(self.first, other.last)
    }

    /// Calls `visit` with each object.
    #[inline]
    pub(super) fn for_each(&mut self, mut visit: impl FnMut(&Link)) {
        let mut link = self.first;
        loop {
            // SAFETY: the objects of a chain are valid and ours.
            let object = unsafe { &*link };
            visit(object);
            let next = object.next.get();
            if next.is_null() {
                self.last = link;
                return;
            }
            link = next;
        }
    }

    /// Divides the objects into those that `held` is true for, and the others.
    pub(super) fn partition(
        self,
        held: &mut dyn FnMut(&Link) -> bool,
    ) -> (Option<Self>, Option<Self>) {
        let mut parts: [Option<Self>; 2] = [None, None];
        let mut link = self.first;
        while !link.is_null() {
            // SAFETY: the objects of a chain are valid and ours.
            let object = unsafe { &*link };
            let following = object.next.get();
            let part = &mut parts[usize::from(!held(object))];
            match part {
                None => *part = Some(Self::of(link, link)),
                Some(part) => {
                    // SAFETY: `last` is one of the objects.
                    unsafe { (*part.last).next.set(link) };
                    part.last = link;
                }
            }
            link = following;
        }
        for part in parts.iter().flatten() {
            // SAFETY: `last` is one of the objects.
            unsafe { (*part.last).next.set(ptr::null_mut()) };
        }
        let [held, rest] = parts;
        (held, rest)
    }
}

/// Adds `chain` to what is there.
pub(super) fn add(to: &mut Option<Chain>, chain: Chain) {
    *to = Some(chain.append(to.take()));
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
            return list;
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
