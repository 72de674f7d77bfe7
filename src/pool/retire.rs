//! Retiring objects of a pool.

use super::{Pool, pooled};
use crate::{Guard, Handle, Linked, Role, Scheme};

impl<T, const K: usize> Pool<T, K> {
    /// Retires an object of this pool: [`Handle::retire`] with the reclaimer that
    /// is right for it. The value is dropped and the block is free again when no
    /// other handle can hold a pointer to the object. Costs and contexts as
    /// there.
    ///
    /// A value without a destructor can be reclaimed in every context: also by a
    /// deferred or per-CPU handle that finds no free block, and beyond a
    /// [limit](Handle::limit_reclaims).
    ///
    /// # Panics
    ///
    /// In debug builds, if the object is not from this pool.
    ///
    /// # Safety
    ///
    /// - `object` came from [`alloc`](Self::alloc) of this pool, which is neither
    ///   moved, dropped nor borrowed exclusively (`&mut`) before the collector and all
    ///   its handles are dropped.
    /// - As for [`Handle::retire`]: it is unlinked and retired once, and this
    ///   thread does not use it any more; in robust mode, it was allocated with a
    ///   handle of this collector. If the value is not `Send`, no other thread
    ///   uses the collector or drops it.
    ///
    /// ```
    /// use hyaline::{Collector, Pool};
    ///
    /// static POOL: Pool<String, 4> = Pool::new();
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let object = POOL.alloc(&handle, String::from("seven")).unwrap();
    /// // SAFETY: from this pool, which is a static; never shared.
    /// unsafe { POOL.retire(&handle, object) };
    /// assert_eq!(POOL.available(), 4);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    ///
    /// The pool of another type does not compile:
    ///
    /// ```compile_fail,E0308
    /// # use hyaline::{Collector, Pool};
    /// static NAMES: Pool<String, 4> = Pool::new();
    /// static NUMBERS: Pool<u32, 4> = Pool::new();
    /// # let collector = Collector::<1>::new();
    /// # let handle = collector.register().unwrap();
    /// let object = NAMES.alloc(&handle, String::from("seven")).unwrap();
    /// unsafe { NUMBERS.retire(&handle, object) };
    /// ```
    #[inline]
    pub unsafe fn retire<S: Scheme, R: Role>(
        &self,
        handle: &Handle<'_, S, R>,
        object: *mut Linked<T>,
    ) {
        self.assert_contains(object);
        // SAFETY: the second clause of the contract; by the first, `pooled` is
        // sound to call with it, and it runs no user code but `T`'s destructor.
        unsafe { handle.retire_value(object, pooled::<T>) };
    }

    /// Retires an object of this pool that the guard may still use:
    /// [`Guard::defer_retire`] with the reclaimer that is right for it. Costs and
    /// contexts as there.
    ///
    /// # Panics
    ///
    /// In debug builds, if the object is not from this pool.
    ///
    /// # Safety
    ///
    /// As for [`retire`](Self::retire), but this thread may use the object until
    /// the guard is dropped or refreshed.
    ///
    /// ```
    /// use core::{ptr, sync::atomic::Ordering::AcqRel};
    /// use hyaline::{AtomicPtr, Collector, Linked, Pool};
    ///
    /// static POOL: Pool<u32, 4> = Pool::new();
    /// static SHARED: AtomicPtr<Linked<u32>> = AtomicPtr::new(ptr::null_mut());
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// for value in 0..100 {
    ///     let new = POOL.alloc(&handle, value).expect("two blocks are enough");
    ///     let guard = handle.enter();
    ///     let old = guard.swap(&SHARED, new, AcqRel);
    ///     if !old.is_null() {
    ///         // SAFETY: unlinked by the swap; from this pool, which is a static.
    ///         unsafe { POOL.defer_retire(&guard, old) };
    ///     }
    /// }
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub unsafe fn defer_retire<S: Scheme, R: Role>(
        &self,
        guard: &Guard<'_, S, R>,
        object: *mut Linked<T>,
    ) {
        self.assert_contains(object);
        guard.local().cap_batch::<R>(K);
        // SAFETY: the second clause of the contract of `retire`, except that the guard
        // may use the object until it is dropped (# Safety); by the first, `pooled` is
        // sound to call with it, and it runs no user code but `T`'s destructor.
        unsafe { guard.retire_value(object, pooled::<T>) };
    }
}
