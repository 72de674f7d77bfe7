//! The operations of any handle.

use std::ptr;
use std::sync::atomic::Ordering;
use std::thread;

use hyaline::{AtomicPtr, Handle, Role, Scheme};

use crate::held::{Held, LOOKS, use_slow_lines};
use crate::objects::{Block, alloc, free, mark_retired, poison};

/// A handle in use: eager, deferred or per-CPU.
pub struct Hands<'h, 'c, S: Scheme + 'static, R: Role>(pub &'h Handle<'c, S, R>);

impl<S: Scheme + 'static, R: Role> Hands<'_, '_, S, R> {
    pub fn read(&self, cell: &AtomicPtr<Block>) {
        use_slow_lines();
        let guard = self.0.enter();
        if let Some(held) = Held::protect(&guard, cell, "read") {
            held.verify(LOOKS);
        }
    }

    /// Replaces an object and retires the old one without a guard: it may be
    /// reclaimed at once.
    pub fn replace(&self, cell: &AtomicPtr<Block>) {
        use_slow_lines();
        let Some(new) = self.alloc() else { return };
        // AcqRel: publishes the new object, acquires the old one.
        self.retire(cell.swap(new, Ordering::AcqRel));
    }

    /// Replaces an object and keeps using the old one, under a guard.
    pub fn replace_and_defer(&self, cell: &AtomicPtr<Block>) {
        let Some(new) = self.alloc() else { return };
        let guard = self.0.enter();
        let held = Held::protect(&guard, cell, "replace");
        let old = held.as_ref().map_or(ptr::null_mut(), Held::block);
        // AcqRel, as in `replace`; Relaxed: a failed attempt is dropped.
        if guard
            .compare_exchange(cell, old, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return free(new);
        }
        if let Some(held) = held {
            mark_retired(old);
            // SAFETY: the exchange unlinked it, so it is retired only here; it
            // is from the pool, and the reclaimer is a pool's.
            unsafe { guard.defer_retire(old, poison) };
            held.verify(LOOKS);
        }
    }

    /// Moves an object from one cell to another, so that readers find an object
    /// there that is not the youngest.
    pub fn shift(&self, from: &AtomicPtr<Block>, to: &AtomicPtr<Block>) {
        let Some(new) = self.alloc() else { return };
        let old = {
            let guard = self.0.enter();
            // AcqRel, as in `replace`.
            let moved = guard.swap(from, new, Ordering::AcqRel);
            let held = Held::new(&guard, moved, "shift");
            let old = guard.swap(to, moved, Ordering::AcqRel);
            if let Some(held) = held {
                held.verify(1);
            }
            old
        };
        self.retire(old);
    }

    /// Two guards, dropped in either order.
    pub fn nest(&self, first: &AtomicPtr<Block>, second: &AtomicPtr<Block>, inner_first: bool) {
        let outer = self.0.enter();
        let in_outer = Held::protect(&outer, first, "outer guard");
        let inner = self.0.enter();
        let in_inner = Held::protect(&inner, second, "inner guard");
        let look = |held: &Option<Held<'_>>| held.iter().for_each(|held| held.verify(LOOKS));
        if inner_first {
            look(&in_inner);
            drop(inner);
            look(&in_outer);
        } else {
            look(&in_outer);
            drop(outer);
            look(&in_inner);
        }
    }

    /// A guard that is used for several sections.
    pub fn refresh(&self, cell: &AtomicPtr<Block>) {
        let mut guard = self.0.enter();
        for _ in 0..4 {
            if let Some(held) = Held::protect(&guard, cell, "refresh") {
                held.verify(LOOKS);
            }
            guard.refresh();
        }
    }

    /// A section in which another call on the same handle does everything
    /// again, as an interrupt does to a task of its CPU.
    pub fn interrupted(&self, cell: &AtomicPtr<Block>, interrupt: impl FnOnce()) {
        let guard = self.0.enter();
        let held = Held::protect(&guard, cell, "interrupted section");
        interrupt();
        if let Some(held) = held {
            held.verify(LOOKS);
        }
    }

    /// Makes an object and frees it unused.
    pub fn change_of_mind(&self) {
        if let Some(block) = self.alloc() {
            free(block);
        }
    }

    pub fn alloc(&self) -> Option<*mut Block> {
        let block = alloc(self.0);
        if block.is_none() {
            // Everything is held by readers that do not run: yield to them.
            thread::yield_now();
        }
        block
    }

    /// Retires what this call unlinked, if anything.
    pub fn retire(&self, block: *mut Block) {
        if !block.is_null() {
            mark_retired(block);
            // SAFETY: this call's exchange unlinked it, and it is retired only
            // here; no guard of this handle uses it; it is from the pool, and
            // the reclaimer is a pool's.
            unsafe { self.0.retire(block, poison) };
        }
    }
}
