//! crossbeam-epoch, with a handle for each thread and with the global collector
//! that its documentation begins with.

use core::{mem::transmute, sync::atomic::Ordering::*};

use crossbeam_epoch::{self as epoch, Atomic, Collector, Guard, LocalHandle, Owned, Shared};

use super::raw::guarded_accesses;
use crate::scheme::{Object, Scheme};

/// `Collector::register`, or else `epoch::pin`.
pub struct Crossbeam<const OWN: bool>;

impl<const OWN: bool> Scheme for Crossbeam<OWN> {
    const NAME: &'static str = if OWN {
        "crossbeam-epoch"
    } else {
        "crossbeam-epoch, global"
    };
    type Domain<T: Object> = Collector;
    type Local<'d, T: Object> = LocalHandle;
    type Guard<'l, T: Object> = Guard;
    type Cell<T: Object> = Atomic<T>;
    type Ptr<T: Object> = Shared<'static, T>;

    fn domain<T: Object>() -> Box<Collector> {
        Box::new(Collector::new())
    }

    fn local<T: Object>(domain: &Collector, _: usize) -> LocalHandle {
        domain.register()
    }

    guarded_accesses!();

    #[inline(always)]
    fn enter<T: Object>(local: &LocalHandle) -> Guard {
        if OWN { local.pin() } else { epoch::pin() }
    }

    #[inline(always)]
    fn cell<T: Object>(ptr: Self::Ptr<T>) -> Atomic<T> {
        Atomic::from(ptr)
    }

    #[inline(always)]
    fn null<T: Object>() -> Self::Ptr<T> {
        Shared::null()
    }

    #[inline(always)]
    fn is_null<T: Object>(ptr: Self::Ptr<T>) -> bool {
        ptr.is_null()
    }

    #[inline(always)]
    fn is_tagged<T: Object>(ptr: Self::Ptr<T>) -> bool {
        ptr.tag() != 0
    }

    #[inline(always)]
    fn tagged<T: Object>(ptr: Self::Ptr<T>, tag: bool) -> Self::Ptr<T> {
        ptr.with_tag(usize::from(tag))
    }

    #[inline(always)]
    unsafe fn deref<'a, T: Object>(ptr: Self::Ptr<T>) -> &'a T {
        // SAFETY: not null, and protected or owned (`# Safety`).
        unsafe { ptr.deref() }
    }

    #[inline(always)]
    fn alloc<T: Object>(guard: &Guard, value: T) -> Option<Self::Ptr<T>> {
        let new = Owned::new(value).into_shared(guard);
        // SAFETY: only the lifetime changes; the users of a pointer ensure it, see the
        // trait.
        Some(unsafe { transmute::<Shared<'_, T>, Shared<'static, T>>(new) })
    }

    #[inline(always)]
    unsafe fn free<T: Object>(_: &Guard, ptr: Self::Ptr<T>) {
        // SAFETY: exclusively owned, and from `alloc` (`# Safety`).
        drop(unsafe { ptr.into_owned() });
    }

    #[inline(always)]
    unsafe fn retire<T: Object>(guard: &Guard, ptr: Self::Ptr<T>) {
        // SAFETY: unlinked, and from `alloc` (`# Safety`).
        unsafe { guard.defer_destroy(ptr) };
    }

    fn flush<T: Object>(local: &LocalHandle) {
        Self::enter::<T>(local).flush();
    }
}
