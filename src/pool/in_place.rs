//! Pools in memory that is given, or on the heap.

use core::mem::MaybeUninit;

use super::{Block, Pool};

impl<T, const K: usize> Pool<T, K> {
    /// Makes an empty pool in the given memory: found at boot, or too large for the
    /// stack. O(`K`); constant stack, also for large objects. Any context.
    ///
    /// The pool is not dropped automatically, and nothing is lost by that.
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    /// use hyaline::{Collector, Pool};
    ///
    /// let mut page = Box::new(MaybeUninit::uninit());
    /// let pool: &mut Pool<[u8; 64], 1000> = Pool::in_place(&mut page);
    /// assert_eq!(pool.available(), 1000);
    /// ```
    pub fn in_place(memory: &mut MaybeUninit<Self>) -> &mut Self {
        const { Self::CHECK }
        let first = memory.as_mut_ptr().cast::<Block<T>>();
        for number in 0..K {
            // SAFETY: a pool is an array of `K` blocks (`repr(transparent)`), and
            // the memory is that of one.
            unsafe { Block::init(first.add(number)) };
        }
        // SAFETY: all blocks are initialised.
        unsafe { memory.assume_init_mut() }
    }

    /// Makes an empty pool on the heap, without the copy on the stack that
    /// `Box::new(Pool::new())` may need. `None` if the allocator has no memory.
    /// O(`K`).
    ///
    /// ```
    /// use hyaline::Pool;
    ///
    /// let pool = Pool::<[u8; 4096], 1000>::boxed().expect("4 MB are free");
    /// assert_eq!(pool.available(), 1000);
    /// ```
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn boxed() -> Option<alloc::boxed::Box<Self>> {
        use alloc::{alloc::alloc, boxed::Box};
        use core::alloc::Layout;

        // SAFETY: the size is not zero: there is a block, which has a number.
        let memory = unsafe { alloc(Layout::new::<Self>()) }.cast::<MaybeUninit<Self>>();
        if memory.is_null() {
            return None;
        }
        // SAFETY: the memory has the layout of a pool, is ours, and need not be
        // initialised.
        Self::in_place(unsafe { &mut *memory });
        // SAFETY: a pool, in memory that a box frees with this layout.
        Some(unsafe { Box::from_raw(memory.cast::<Self>()) })
    }
}
