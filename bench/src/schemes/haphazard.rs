//! haphazard: hazard pointers that the thread keeps, or that each section
//! acquires anew.

use core::{
    cell::{Cell, UnsafeCell},
    sync::atomic::{AtomicPtr, Ordering::*, fence},
};

use haphazard::{Domain, Global, HazardPointer};

use super::raw::{boxes, plain_accesses, plain_atomics, plain_pointers};
use crate::scheme::{Object, Scheme};

/// With hazard pointers that the thread keeps, or else new ones each time.
pub struct Haphazard<const KEEP: bool>;

type Hazards = UnsafeCell<Vec<HazardPointer<'static>>>;

/// The thread's hazard pointers.
pub struct Local {
    kept: Hazards,
    pointers: usize,
}

/// An open section: which of them are in use.
pub struct Open<'l, const KEEP: bool> {
    hazards: &'l Hazards,
    own: Hazards,
    pointers: usize,
    used: Cell<usize>,
}

impl<const KEEP: bool> Open<'_, KEEP> {
    #[inline(always)]
    fn hazard<R>(&self, index: usize, f: impl FnOnce(&mut HazardPointer<'static>) -> R) -> R {
        let hazards = if KEEP { self.hazards } else { &self.own };
        // SAFETY: one thread has it, and `f` does not call back here.
        let hazards = unsafe { &mut *hazards.get() };
        if self.used.get() <= index {
            self.used.set(index + 1);
        }
        if !KEEP {
            while hazards.len() <= index {
                hazards.push(HazardPointer::new());
            }
        }
        f(&mut hazards[index])
    }

    /// Any pointer that the hazard pointer does not protect.
    #[inline(always)]
    fn protect_untagged<T>(&self, index: usize, cell: &AtomicPtr<T>, seen: *mut T) -> *mut T {
        let mut seen = seen;
        loop {
            let object = seen.map_addr(|addr| addr & !1);
            self.hazard(index, |hazard| hazard.protect_raw(object));
            // SeqCst: pairs with the fence before the scan of the hazards.
            fence(SeqCst);
            let now = cell.load(Acquire);
            if now == seen {
                return now;
            }
            seen = now;
        }
    }
}

impl<const KEEP: bool> Drop for Open<'_, KEEP> {
    #[inline(always)]
    fn drop(&mut self) {
        if KEEP {
            for index in 0..self.used.get() {
                self.hazard(index, HazardPointer::reset_protection);
            }
        }
    }
}

impl<const KEEP: bool> Scheme for Haphazard<KEEP> {
    const NAME: &'static str = if KEEP { "haphazard" } else { "haphazard, new" };
    const POINTERWISE: bool = true;
    type Domain<T: Object> = ();
    type Local<'d, T: Object> = Local;
    type Guard<'l, T: Object> = Open<'l, KEEP>;
    type Cell<T: Object> = AtomicPtr<T>;
    type Ptr<T: Object> = *mut T;

    plain_pointers!();
    plain_atomics!();
    plain_accesses!();
    boxes!();

    fn domain<T: Object>() -> Box<()> {
        Box::new(())
    }

    fn local<T: Object>((): &(), pointers: usize) -> Local {
        let mut kept = Vec::new();
        kept.resize_with(if KEEP { pointers } else { 0 }, HazardPointer::new);
        Local {
            kept: UnsafeCell::new(kept),
            pointers,
        }
    }

    #[inline(always)]
    fn enter<T: Object>(local: &Local) -> Open<'_, KEEP> {
        Open {
            hazards: &local.kept,
            own: UnsafeCell::default(),
            pointers: local.pointers,
            used: Cell::new(0),
        }
    }

    #[inline(always)]
    fn protect<T: Object>(open: &Open<'_, KEEP>, index: usize, cell: &AtomicPtr<T>) -> *mut T {
        let mut seen = cell.load(Relaxed);
        loop {
            if seen.addr() & 1 != 0 {
                return open.protect_untagged(index, cell, seen);
            }
            let tried = open.hazard(index, |hazard| {
                hazard
                    .try_protect_ptr(seen, cell)
                    .map(|found| found.map_or(core::ptr::null_mut(), |(ptr, _)| ptr.as_ptr()))
            });
            match tried {
                Ok(found) => return found,
                Err(now) => seen = now,
            }
        }
    }

    #[inline(always)]
    fn hand_over<T: Object>(open: &Open<'_, KEEP>, from: usize, to: usize) {
        let _ = open.pointers;
        let hazards = if KEEP { open.hazards } else { &open.own };
        // SAFETY: one thread has it; the loop over them is not running.
        let hazards = unsafe { &mut *hazards.get() };
        hazards.swap(from, to);
    }

    #[inline(always)]
    unsafe fn retire<T: Object>(_: &Open<'_, KEEP>, ptr: *mut T) {
        // SAFETY: unlinked, and from `alloc` (`# Safety`).
        unsafe { Domain::<Global>::global().retire_ptr::<T, Box<T>>(ptr) };
    }

    fn flush<T: Object>(_: &Local) {
        Domain::<Global>::global().eager_reclaim();
    }
}
