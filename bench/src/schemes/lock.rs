//! `spin::RwLock` around everything: the alternative to reclamation.

use core::cell::UnsafeCell;

use spin::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::raw::{boxes, plain_pointers};
use crate::scheme::{Object, Scheme};

pub struct Lock;

/// Held for reading or for writing.
pub enum Open<'l> {
    Read(#[allow(dead_code)] RwLockReadGuard<'l, ()>),
    Write(#[allow(dead_code)] RwLockWriteGuard<'l, ()>),
}

/// A plain pointer, guarded by the lock.
pub struct Plain<T>(UnsafeCell<*mut T>);

// SAFETY: accessed under the lock, and written under the lock for writing.
unsafe impl<T: Object> Sync for Plain<T> {}
// SAFETY: a pointer; what it leads to is `Send` and `Sync`.
unsafe impl<T: Object> Send for Plain<T> {}

impl Scheme for Lock {
    const NAME: &'static str = "spin::RwLock";
    type Domain<T: Object> = RwLock<()>;
    type Local<'d, T: Object> = &'d RwLock<()>;
    type Guard<'l, T: Object> = Open<'l>;
    type Cell<T: Object> = Plain<T>;
    type Ptr<T: Object> = *mut T;

    plain_pointers!();
    boxes!();

    fn domain<T: Object>() -> Box<RwLock<()>> {
        Box::default()
    }

    fn local<T: Object>(domain: &RwLock<()>, _: usize) -> &RwLock<()> {
        domain
    }

    #[inline(always)]
    fn enter<'l, T: Object>(local: &'l &RwLock<()>) -> Open<'l> {
        Open::Read(local.read())
    }

    #[inline(always)]
    fn enter_write<'l, T: Object>(local: &'l &RwLock<()>) -> Open<'l> {
        Open::Write(local.write())
    }

    #[inline(always)]
    fn cell<T: Object>(ptr: *mut T) -> Plain<T> {
        Plain(UnsafeCell::new(ptr))
    }

    #[inline(always)]
    unsafe fn deref<'a, T: Object>(ptr: *mut T) -> &'a T {
        // SAFETY: not null, and protected or owned (`# Safety`).
        unsafe { &*ptr }
    }

    #[inline(always)]
    fn protect<T: Object>(_: &Open<'_>, _: usize, cell: &Plain<T>) -> *mut T {
        // SAFETY: the lock is held.
        unsafe { *cell.0.get() }
    }

    #[inline(always)]
    fn peek<T: Object>(open: &Open<'_>, cell: &Plain<T>) -> *mut T {
        Self::protect(open, 0, cell)
    }

    #[inline(always)]
    fn store<T: Object>(cell: &Plain<T>, new: *mut T) {
        // SAFETY: the object is not shared yet.
        unsafe { *cell.0.get() = new };
    }

    #[inline(always)]
    fn swap<T: Object>(_: &Open<'_>, cell: &Plain<T>, new: *mut T) -> *mut T {
        // SAFETY: writers hold the lock for writing.
        unsafe {
            let old = *cell.0.get();
            *cell.0.get() = new;
            old
        }
    }

    #[inline(always)]
    fn exchange<T: Object>(open: &Open<'_>, cell: &Plain<T>, current: *mut T, new: *mut T) -> bool {
        let same = Self::peek(open, cell) == current;
        if same {
            Self::store(cell, new);
        }
        same
    }

    #[inline(always)]
    unsafe fn retire<T: Object>(_: &Open<'_>, ptr: *mut T) {
        // SAFETY: unlinked, and from `alloc` (`# Safety`). The lock is held for
        // writing, so no thread reads.
        drop(unsafe { Box::from_raw(ptr) });
    }
}
