//! Chains and lists of retired objects, linked by `next`.

use core::ptr;

use crate::Link;

/// A non-empty list of objects, owned by the holder of the chain. The last
/// object's `next` is null.
pub struct Chain {
    first: *mut Link,
    /// Null while it is not known.
    last: *mut Link,
}

impl Chain {
    /// The objects of a null-terminated list; none if `first` is null.
    ///
    /// # Safety
    ///
    /// The caller owns the objects, which are valid.
    #[inline]
    pub(super) unsafe fn from_list(first: *mut Link) -> Option<Self> {
        let last = ptr::null_mut();
        (!first.is_null()).then(|| Self::of(first, last))
    }

    /// The same, where the last object is known.
    ///
    /// # Safety
    ///
    /// The caller owns the objects, which are valid; `last` is the last of them.
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
    /// The caller owns `link`, which is valid.
    #[inline]
    pub(super) unsafe fn single(link: *mut Link) -> Self {
        // SAFETY: "the caller owns `link`, which is valid" (# Safety).
        unsafe { (*link).set_next(ptr::null_mut()) };
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

    /// Appends another chain.
    pub(super) fn append(mut self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        // SAFETY: a chain owns its objects, which are valid.
        unsafe { (*self.last()).set_next(other.first) };
        Self::of(self.first, other.last)
    }

    /// Calls `visit` with each object.
    #[inline]
    pub(super) fn for_each(&mut self, mut visit: impl FnMut(&Link)) {
        let mut link = self.first;
        loop {
            // SAFETY: a chain owns its objects, which are valid.
            let object = unsafe { &*link };
            visit(object);
            let next = object.next();
            if next.is_null() {
                self.last = link;
                return;
            }
            link = next;
        }
    }

    /// Divides the objects into those for which `held` is true, and the others.
    pub(super) fn partition(
        self,
        held: &mut dyn FnMut(&Link) -> bool,
    ) -> (Option<Self>, Option<Self>) {
        let mut parts: [Option<Self>; 2] = [None, None];
        let mut link = self.first;
        while !link.is_null() {
            // SAFETY: a chain owns its objects, which are valid.
            let object = unsafe { &*link };
            let following = object.next();
            let part = &mut parts[usize::from(!held(object))];
            match part {
                None => *part = Some(Self::of(link, link)),
                Some(part) => {
                    // SAFETY: `last` is one of the chain's objects, which are valid.
                    unsafe { (*part.last).set_next(link) };
                    part.last = link;
                }
            }
            link = following;
        }
        for part in parts.iter().flatten() {
            // SAFETY: `last` is one of the chain's objects, which are valid.
            unsafe { (*part.last).set_next(ptr::null_mut()) };
        }
        let [held, rest] = parts;
        (held, rest)
    }
}

/// Prepends `chain` to `to`.
pub(super) fn add(to: &mut Option<Chain>, chain: Chain) {
    *to = Some(chain.append(to.take()));
}

/// Cuts a list after its first `length` objects, and returns the rest, or
/// null. O(length).
///
/// # Safety
///
/// The caller owns the objects, which are valid; the last one's `next` is null.
pub(super) unsafe fn cut(mut list: *mut Link, length: usize) -> *mut Link {
    for _ in 1..length {
        if list.is_null() {
            return list;
        }
        // SAFETY: "the caller owns the objects, which are valid" (# Safety).
        list = unsafe { (*list).next() };
    }
    if list.is_null() {
        return list;
    }
    // SAFETY: "the caller owns the objects, which are valid" (# Safety); it is one of
    // them, as it is not null.
    unsafe { (*list).take_next() }
}
