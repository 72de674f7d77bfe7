//! The part of a scheme that works on plain pointers: shared by schemes whose
//! atomic type is that of the standard library, or similar.

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

pub(super) use plain_pointers;
