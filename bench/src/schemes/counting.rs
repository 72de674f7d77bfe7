//! Any scheme, with a count of its objects that are retired and not reclaimed.

use core::{
    marker::PhantomData,
    sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
};

use crate::scheme::{Object, Scheme};

/// Objects of this process that are retired and not reclaimed.
static PENDING: AtomicI64 = AtomicI64::new(0);
/// The peak.
static PEAK: AtomicI64 = AtomicI64::new(0);

/// How many objects are retired and not reclaimed, now and at most.
pub fn pending() -> (i64, i64) {
    (PENDING.load(Relaxed), PEAK.load(Relaxed))
}

/// Resets the peak.
pub fn restart() {
    PEAK.store(PENDING.load(Relaxed), Relaxed);
}

/// The scheme `S`, whose objects are counted.
pub struct Counting<S>(PhantomData<S>);

/// An object that is counted from its retirement to its drop.
pub struct Tracked<T> {
    value: T,
    retired: AtomicBool,
}

impl<T> Drop for Tracked<T> {
    fn drop(&mut self) {
        if *self.retired.get_mut() {
            PENDING.fetch_sub(1, Relaxed);
        }
    }
}

impl<S: Scheme> Scheme for Counting<S> {
    const NAME: &'static str = S::NAME;
    const POINTERWISE: bool = S::POINTERWISE;
    type Domain<T: Object> = S::Domain<Tracked<T>>;
    type Local<'d, T: Object> = S::Local<'d, Tracked<T>>;
    type Guard<'l, T: Object> = S::Guard<'l, Tracked<T>>;
    type Cell<T: Object> = S::Cell<Tracked<T>>;
    type Ptr<T: Object> = S::Ptr<Tracked<T>>;

    fn domain<T: Object>() -> Box<Self::Domain<T>> {
        S::domain()
    }

    fn local<T: Object>(domain: &Self::Domain<T>, pointers: usize) -> Self::Local<'_, T> {
        S::local(domain, pointers)
    }

    fn enter<'l, T: Object>(local: &'l Self::Local<'_, T>) -> Self::Guard<'l, T> {
        S::enter(local)
    }

    fn enter_write<'l, T: Object>(local: &'l Self::Local<'_, T>) -> Self::Guard<'l, T> {
        S::enter_write(local)
    }

    fn cell<T: Object>(ptr: Self::Ptr<T>) -> Self::Cell<T> {
        S::cell(ptr)
    }

    fn null<T: Object>() -> Self::Ptr<T> {
        S::null()
    }

    fn is_null<T: Object>(ptr: Self::Ptr<T>) -> bool {
        S::is_null(ptr)
    }

    fn is_tagged<T: Object>(ptr: Self::Ptr<T>) -> bool {
        S::is_tagged(ptr)
    }

    fn tagged<T: Object>(ptr: Self::Ptr<T>, tag: bool) -> Self::Ptr<T> {
        S::tagged(ptr, tag)
    }

    unsafe fn deref<'a, T: Object>(ptr: Self::Ptr<T>) -> &'a T {
        // SAFETY: not null, and protected or owned (`# Safety`).
        unsafe { &S::deref::<Tracked<T>>(ptr).value }
    }

    fn protect<'l, T: Object>(
        guard: &Self::Guard<'l, T>,
        index: usize,
        cell: &Self::Cell<T>,
    ) -> Self::Ptr<T> {
        S::protect(guard, index, cell)
    }

    fn hand_over<'l, T: Object>(guard: &Self::Guard<'l, T>, from: usize, to: usize) {
        S::hand_over(guard, from, to);
    }

    fn peek<'l, T: Object>(guard: &Self::Guard<'l, T>, cell: &Self::Cell<T>) -> Self::Ptr<T> {
        S::peek(guard, cell)
    }

    fn store<T: Object>(cell: &Self::Cell<T>, new: Self::Ptr<T>) {
        S::store(cell, new);
    }

    fn swap<'l, T: Object>(
        guard: &Self::Guard<'l, T>,
        cell: &Self::Cell<T>,
        new: Self::Ptr<T>,
    ) -> Self::Ptr<T> {
        S::swap(guard, cell, new)
    }

    fn exchange<'l, T: Object>(
        guard: &Self::Guard<'l, T>,
        cell: &Self::Cell<T>,
        current: Self::Ptr<T>,
        new: Self::Ptr<T>,
    ) -> bool {
        S::exchange(guard, cell, current, new)
    }

    fn alloc<'l, T: Object>(guard: &Self::Guard<'l, T>, value: T) -> Option<Self::Ptr<T>> {
        let retired = AtomicBool::new(false);
        S::alloc(guard, Tracked { value, retired })
    }

    unsafe fn free<'l, T: Object>(guard: &Self::Guard<'l, T>, ptr: Self::Ptr<T>) {
        // SAFETY: exclusively owned, and from `alloc` (`# Safety`).
        unsafe { S::free(guard, ptr) };
    }

    unsafe fn retire<'l, T: Object>(guard: &Self::Guard<'l, T>, ptr: Self::Ptr<T>) {
        // Counted before: the scheme may reclaim it at once.
        let now = PENDING.fetch_add(1, Relaxed) + 1;
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: unlinked, and from `alloc` (`# Safety`); alive until it is
        // retired.
        unsafe {
            S::deref::<Tracked<T>>(ptr).retired.store(true, Relaxed);
            S::retire(guard, ptr);
        }
    }

    fn flush<T: Object>(local: &Self::Local<'_, T>) {
        S::flush(local);
    }
}
