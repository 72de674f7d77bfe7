//! kovan, with nodes from its recycling cache and with `Box`.

use core::sync::atomic::Ordering::*;

use kovan::{Atomic, Guard, RetiredNode, Shared};

use super::raw::plain_pointers;
use crate::scheme::{Object, Scheme};

/// With nodes from the cache of the feature `recycle`, or else from `Box`.
pub struct Kovan<const RECYCLE: bool>;

/// An object with the header that kovan needs.
#[repr(C)]
pub struct Node<T> {
    retired: RetiredNode,
    value: T,
}

/// A raw pointer as kovan's atomics want it.
#[inline(always)]
fn shared<'g, T>(ptr: *mut T) -> Shared<'g, T> {
    // SAFETY: the atomics of this file never dereference it.
    unsafe { Shared::from_raw(ptr) }
}

impl<const RECYCLE: bool> Scheme for Kovan<RECYCLE> {
    const NAME: &'static str = if RECYCLE { "kovan, recycle" } else { "kovan" };
    type Domain<T: Object> = ();
    type Local<'d, T: Object> = ();
    type Guard<'l, T: Object> = Guard;
    type Cell<T: Object> = Atomic<Node<T>>;
    type Ptr<T: Object> = *mut Node<T>;

    plain_pointers!();

    fn domain<T: Object>() -> Box<()> {
        Box::new(())
    }

    fn local<T: Object>((): &(), _: usize) {}

    #[inline(always)]
    fn enter<T: Object>((): &()) -> Guard {
        kovan::pin()
    }

    #[inline(always)]
    fn cell<T: Object>(ptr: Self::Ptr<T>) -> Self::Cell<T> {
        Atomic::new(ptr)
    }

    #[inline(always)]
    unsafe fn deref<'a, T: Object>(ptr: Self::Ptr<T>) -> &'a T {
        // SAFETY: not null, and protected or owned (`# Safety`).
        unsafe { &(*ptr).value }
    }

    #[inline(always)]
    fn protect<T: Object>(guard: &Guard, _: usize, cell: &Self::Cell<T>) -> Self::Ptr<T> {
        cell.load(Acquire, guard).as_raw()
    }

    #[inline(always)]
    fn peek<T: Object>(guard: &Guard, cell: &Self::Cell<T>) -> Self::Ptr<T> {
        // SAFETY: what `peek` loads is not dereferenced, or owned.
        unsafe { cell.load_unprotected(Acquire, guard).as_raw() }
    }

    #[inline(always)]
    fn store<T: Object>(cell: &Self::Cell<T>, new: Self::Ptr<T>) {
        cell.store(shared(new), Relaxed);
    }

    #[inline(always)]
    fn swap<T: Object>(guard: &Guard, cell: &Self::Cell<T>, new: Self::Ptr<T>) -> Self::Ptr<T> {
        cell.swap(shared(new), AcqRel, guard).as_raw()
    }

    #[inline(always)]
    fn exchange<T: Object>(
        guard: &Guard,
        cell: &Self::Cell<T>,
        current: Self::Ptr<T>,
        new: Self::Ptr<T>,
    ) -> bool {
        cell.compare_exchange(shared(current), shared(new), AcqRel, Relaxed, guard)
            .is_ok()
    }

    #[inline(always)]
    fn alloc<T: Object>(_: &Guard, value: T) -> Option<Self::Ptr<T>> {
        let node = Node {
            retired: RetiredNode::new(),
            value,
        };
        Some(if RECYCLE {
            kovan::alloc_node(node)
        } else {
            Box::into_raw(Box::new(node))
        })
    }

    #[inline(always)]
    unsafe fn free<T: Object>(_: &Guard, ptr: Self::Ptr<T>) {
        // SAFETY: exclusively owned, and from `alloc` (`# Safety`), whose
        // source is the same.
        unsafe {
            if RECYCLE {
                kovan::drop_node(ptr);
            } else {
                drop(Box::from_raw(ptr));
            }
        }
    }

    #[inline(always)]
    unsafe fn retire<T: Object>(_: &Guard, ptr: Self::Ptr<T>) {
        // SAFETY: unlinked, and from `alloc` (`# Safety`), whose source is the
        // same.
        unsafe {
            if RECYCLE {
                kovan::retire_node(ptr);
            } else {
                kovan::retire(ptr);
            }
        }
    }

    fn flush<T: Object>((): &()) {
        kovan::flush();
    }
}
