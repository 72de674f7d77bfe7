//! seize, with its default batch size.

use core::sync::atomic::{AtomicPtr, Ordering::*};

use seize::{Collector, Guard, LocalGuard, reclaim};

use super::raw::plain_pointers;
use crate::scheme::{Object, Scheme};

pub struct Seize;

impl Scheme for Seize {
    const NAME: &'static str = "seize";
    type Domain<T: Object> = Collector;
    type Local<'d, T: Object> = &'d Collector;
    type Guard<'l, T: Object> = LocalGuard<'l>;
    type Cell<T: Object> = AtomicPtr<T>;
    type Ptr<T: Object> = *mut T;

    plain_pointers!();

    fn domain<T: Object>() -> Box<Collector> {
        Box::new(Collector::new())
    }

    fn local<T: Object>(domain: &Collector, _: usize) -> &Collector {
        domain
    }

    #[inline(always)]
    fn enter<'l, T: Object>(local: &'l &Collector) -> LocalGuard<'l> {
        local.enter()
    }

    #[inline(always)]
    fn cell<T: Object>(ptr: *mut T) -> AtomicPtr<T> {
        AtomicPtr::new(ptr)
    }

    #[inline(always)]
    unsafe fn deref<'a, T: Object>(ptr: *mut T) -> &'a T {
        // SAFETY: not null, and protected or owned (`# Safety`).
        unsafe { &*ptr }
    }

    #[inline(always)]
    fn protect<T: Object>(guard: &LocalGuard<'_>, _: usize, cell: &AtomicPtr<T>) -> *mut T {
        guard.protect(cell, Acquire)
    }

    #[inline(always)]
    fn peek<T: Object>(_: &LocalGuard<'_>, cell: &AtomicPtr<T>) -> *mut T {
        cell.load(Acquire)
    }

    #[inline(always)]
    fn store<T: Object>(cell: &AtomicPtr<T>, new: *mut T) {
        cell.store(new, Relaxed);
    }

    #[inline(always)]
    fn swap<T: Object>(guard: &LocalGuard<'_>, cell: &AtomicPtr<T>, new: *mut T) -> *mut T {
        guard.swap(cell, new, AcqRel)
    }

    #[inline(always)]
    fn exchange<T: Object>(
        guard: &LocalGuard<'_>,
        cell: &AtomicPtr<T>,
        current: *mut T,
        new: *mut T,
    ) -> bool {
        guard
            .compare_exchange(cell, current, new, AcqRel, Relaxed)
            .is_ok()
    }

    #[inline(always)]
    fn alloc<T: Object>(_: &LocalGuard<'_>, value: T) -> Option<*mut T> {
        Some(Box::into_raw(Box::new(value)))
    }

    #[inline(always)]
    unsafe fn free<T: Object>(_: &LocalGuard<'_>, ptr: *mut T) {
        // SAFETY: exclusively owned, and from `alloc` (`# Safety`).
        drop(unsafe { Box::from_raw(ptr) });
    }

    #[inline(always)]
    unsafe fn retire<T: Object>(guard: &LocalGuard<'_>, ptr: *mut T) {
        // SAFETY: unlinked, and from `alloc` (`# Safety`).
        unsafe { guard.defer_retire(ptr, reclaim::boxed::<T>) };
    }

    fn flush<T: Object>(local: &&Collector) {
        local.enter().flush();
    }
}
