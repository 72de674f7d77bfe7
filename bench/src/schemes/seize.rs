//! seize, with its default batch size.

use core::sync::atomic::{AtomicPtr, Ordering::*};

use seize::{Collector, Guard, LocalGuard, reclaim};

use super::raw::{boxes, plain_atomics, plain_pointers};
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
    plain_atomics!();
    boxes!();

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
    fn protect<T: Object>(guard: &LocalGuard<'_>, _: usize, cell: &AtomicPtr<T>) -> *mut T {
        guard.protect(cell, Acquire)
    }

    #[inline(always)]
    fn peek<T: Object>(_: &LocalGuard<'_>, cell: &AtomicPtr<T>) -> *mut T {
        cell.load(Acquire)
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
    unsafe fn retire<T: Object>(guard: &LocalGuard<'_>, ptr: *mut T) {
        // SAFETY: unlinked, and from `alloc` (`# Safety`).
        unsafe { guard.defer_retire(ptr, reclaim::boxed::<T>) };
    }

    fn flush<T: Object>(local: &&Collector) {
        local.enter().flush();
    }
}
