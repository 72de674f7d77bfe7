//! Parts of a scheme that several share, by their kinds of pointers and atomics.

/// Implements the pointer functions of a scheme whose `Ptr` is a raw pointer to an
/// object with an alignment of at least two.
macro_rules! plain_pointers {
    () => {
        #[inline(always)]
        fn null<T: Object>() -> Self::Ptr<T> {
            core::ptr::null_mut()
        }

        #[inline(always)]
        fn is_null<T: Object>(ptr: Self::Ptr<T>) -> bool {
            ptr.addr() <= 1
        }

        #[inline(always)]
        fn is_tagged<T: Object>(ptr: Self::Ptr<T>) -> bool {
            ptr.addr() & 1 != 0
        }

        #[inline(always)]
        fn tagged<T: Object>(ptr: Self::Ptr<T>, tag: bool) -> Self::Ptr<T> {
            ptr.map_addr(|addr| addr & !1 | usize::from(tag))
        }
    };
}

/// Implements the functions on an atomic type like the standard library's, for
/// pointers that can be dereferenced as they are.
macro_rules! plain_atomics {
    () => {
        #[inline(always)]
        fn cell<T: Object>(ptr: Self::Ptr<T>) -> Self::Cell<T> {
            <Self::Cell<T>>::new(ptr)
        }

        #[inline(always)]
        unsafe fn deref<'a, T: Object>(ptr: Self::Ptr<T>) -> &'a T {
            // SAFETY: not null, and protected or owned (`# Safety`).
            unsafe { &*ptr }
        }

        #[inline(always)]
        fn store<T: Object>(cell: &Self::Cell<T>, new: Self::Ptr<T>) {
            cell.store(new, Relaxed);
        }
    };
}

/// Implements the accesses of a scheme that needs no guard for them.
macro_rules! plain_accesses {
    () => {
        #[inline(always)]
        fn peek<'l, T: Object>(_: &Self::Guard<'l, T>, cell: &Self::Cell<T>) -> Self::Ptr<T> {
            cell.load(Acquire)
        }

        #[inline(always)]
        fn swap<'l, T: Object>(
            _: &Self::Guard<'l, T>,
            cell: &Self::Cell<T>,
            new: Self::Ptr<T>,
        ) -> Self::Ptr<T> {
            cell.swap(new, AcqRel)
        }

        #[inline(always)]
        fn exchange<'l, T: Object>(
            _: &Self::Guard<'l, T>,
            cell: &Self::Cell<T>,
            current: Self::Ptr<T>,
            new: Self::Ptr<T>,
        ) -> bool {
            cell.compare_exchange(current, new, AcqRel, Relaxed).is_ok()
        }
    };
}

/// Implements the accesses of a scheme whose pointers have the lifetime of the
/// guard under which they are loaded.
macro_rules! guarded_accesses {
    () => {
        #[inline(always)]
        fn protect<'l, T: Object>(
            guard: &Self::Guard<'l, T>,
            _: usize,
            cell: &Self::Cell<T>,
        ) -> Self::Ptr<T> {
            // SAFETY: only the lifetime changes; the users of a pointer ensure it,
            // see the trait.
            unsafe { transmute(cell.load(Acquire, guard)) }
        }

        #[inline(always)]
        fn peek<'l, T: Object>(guard: &Self::Guard<'l, T>, cell: &Self::Cell<T>) -> Self::Ptr<T> {
            Self::protect(guard, 0, cell)
        }

        #[inline(always)]
        fn store<T: Object>(cell: &Self::Cell<T>, new: Self::Ptr<T>) {
            cell.store(new, Relaxed);
        }

        #[inline(always)]
        fn swap<'l, T: Object>(
            guard: &Self::Guard<'l, T>,
            cell: &Self::Cell<T>,
            new: Self::Ptr<T>,
        ) -> Self::Ptr<T> {
            // SAFETY: only the lifetime changes; the users of a pointer ensure it, see
            // the trait.
            unsafe { transmute(cell.swap(new, AcqRel, guard)) }
        }

        #[inline(always)]
        fn exchange<'l, T: Object>(
            guard: &Self::Guard<'l, T>,
            cell: &Self::Cell<T>,
            current: Self::Ptr<T>,
            new: Self::Ptr<T>,
        ) -> bool {
            cell.compare_exchange(current, new, AcqRel, Relaxed, guard)
                .is_ok()
        }
    };
}

/// Implements `alloc` and `free` of a scheme with objects in `Box`.
macro_rules! boxes {
    () => {
        #[inline(always)]
        fn alloc<'l, T: Object>(_: &Self::Guard<'l, T>, value: T) -> Option<Self::Ptr<T>> {
            Some(Box::into_raw(Box::new(value)))
        }

        #[inline(always)]
        unsafe fn free<'l, T: Object>(_: &Self::Guard<'l, T>, ptr: Self::Ptr<T>) {
            // SAFETY: exclusively owned, and from `alloc` (`# Safety`).
            drop(unsafe { Box::from_raw(ptr) });
        }
    };
}

pub(super) use {boxes, guarded_accesses, plain_accesses, plain_atomics, plain_pointers};
