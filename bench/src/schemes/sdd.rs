//! sdd, with its raw pointers, which it documents as its fastest.

use core::{mem::transmute, sync::atomic::Ordering::*};

use sdd::{AtomicRaw, Guard, Owned, RawPtr, Tag};

use super::raw::guarded_accesses;
use crate::scheme::{Object, Scheme};

pub struct Sdd;

impl Scheme for Sdd {
    const NAME: &'static str = "sdd";
    type Domain<T: Object> = ();
    type Local<'d, T: Object> = ();
    type Guard<'l, T: Object> = Guard;
    type Cell<T: Object> = AtomicRaw<T>;
    type Ptr<T: Object> = RawPtr<'static, T>;

    fn domain<T: Object>() -> Box<()> {
        Box::new(())
    }

    fn local<T: Object>((): &(), _: usize) {}

    guarded_accesses!();

    #[inline(always)]
    fn enter<T: Object>((): &()) -> Guard {
        Guard::new()
    }

    #[inline(always)]
    fn cell<T: Object>(ptr: Self::Ptr<T>) -> AtomicRaw<T> {
        AtomicRaw::new(ptr)
    }

    #[inline(always)]
    fn null<T: Object>() -> Self::Ptr<T> {
        RawPtr::null()
    }

    #[inline(always)]
    fn is_null<T: Object>(ptr: Self::Ptr<T>) -> bool {
        ptr.is_null()
    }

    #[inline(always)]
    fn is_tagged<T: Object>(ptr: Self::Ptr<T>) -> bool {
        ptr.tag() != Tag::None
    }

    #[inline(always)]
    fn tagged<T: Object>(ptr: Self::Ptr<T>, tag: bool) -> Self::Ptr<T> {
        ptr.with_tag(if tag { Tag::First } else { Tag::None })
    }

    #[inline(always)]
    unsafe fn deref<'a, T: Object>(ptr: Self::Ptr<T>) -> &'a T {
        // SAFETY: not null, and protected or owned (`# Safety`).
        unsafe { ptr.into_ptr().as_ref_unchecked().unwrap_unchecked() }
    }

    #[inline(always)]
    fn alloc<T: Object>(_: &Guard, value: T) -> Option<Self::Ptr<T>> {
        Some(Owned::new(value).into_raw())
    }

    #[inline(always)]
    unsafe fn free<T: Object>(_: &Guard, ptr: Self::Ptr<T>) {
        // SAFETY: exclusively owned, and from `alloc` (`# Safety`).
        unsafe {
            if let Some(owned) = Owned::from_raw(ptr) {
                owned.drop_in_place();
            }
        }
    }

    #[inline(always)]
    unsafe fn retire<T: Object>(_: &Guard, ptr: Self::Ptr<T>) {
        // SAFETY: unlinked, and from `alloc` (`# Safety`). Its drop retires it.
        drop(unsafe { Owned::from_raw(ptr) });
    }

    fn flush<T: Object>((): &()) {
        Guard::new().accelerate();
    }
}
