//! The statics of one scheme: a collector, a pool, a ledger and a shared cell.

use crate::node::{Ledger, Node, Shelf, shelve};
use hyaline::{AtomicPtr, Collector, Config, Guard, Handle, Link, Linked, Pool, Scheme};
use portable_atomic::{AtomicUsize, Ordering};

/// Slots of each collector: more than the cores and interrupts that use one.
pub const SLOTS: usize = 6;
/// Nodes of each shelf.
pub const SHELF: usize = 8;
/// Blocks of each pool.
pub const BLOCKS: usize = 8;

/// A collector and what it protects, for at most `WRITERS` writers.
pub struct World<S: Scheme, const WRITERS: usize> {
    pub collector: Collector<SLOTS, S>,
    pub cell: AtomicPtr<Linked<Node>>,
    pub ledger: Ledger,
    pub shelves: [Shelf<SHELF>; WRITERS],
    pub pool: Pool<Node, BLOCKS>,
    /// How often the pool ran dry.
    pub dry: AtomicUsize,
}

impl<S: Scheme, const WRITERS: usize> World<S, WRITERS> {
    pub const fn new(config: Config<S::Barrier>) -> Self {
        Self {
            collector: Collector::with_config(config),
            cell: AtomicPtr::new(core::ptr::null_mut()),
            ledger: Ledger::new(),
            shelves: [const { Shelf::new() }; WRITERS],
            pool: Pool::new(),
            dry: AtomicUsize::new(0),
        }
    }

    pub fn register(&'static self) -> Handle<'static, S> {
        self.collector.register().expect("a slot is free")
    }

    /// Reads the cell under a guard and notes what is wrong with it.
    #[inline(never)]
    pub fn read(&'static self, handle: &Handle<'_, S>, times: u32) {
        let guard = handle.enter();
        self.look(&guard, times);
    }

    /// Reads the cell under a guard that is there already.
    pub fn look(&'static self, guard: &Guard<'_, S>, times: u32) {
        // Acquire: the node's contents are visible with its address.
        let node = guard.protect(&self.cell, Ordering::Acquire);
        // SAFETY: protected by the guard, which outlives this function.
        if let Some(node) = unsafe { node.as_ref() }
            && !node.holds(times)
        {
            self.ledger.note_torn();
        }
    }

    /// Replaces the node in the cell by one of this shelf and retires the old one.
    /// False when the shelf is empty.
    #[inline(never)]
    pub fn replace(&'static self, handle: &Handle<'_, S>, shelf: usize) -> bool {
        let node = self.shelves[shelf].make(handle, &self.ledger);
        node.inspect(|node| self.exchange(handle, *node)).is_some()
    }

    /// Puts this node into the cell and retires the old one.
    #[inline(always)]
    pub fn exchange(&'static self, handle: &Handle<'_, S>, node: *mut Linked<Node>) {
        // AcqRel: publishes the new node and takes over the old one.
        let old = self.cell.swap(node, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: the swap unlinked it, and one swap only can return it.
            unsafe { handle.retire(old, shelve) };
        }
    }

    /// As [`replace`](Self::replace), but reclaims the old node without waiting. What
    /// a control must catch.
    pub fn replace_rashly(&'static self, handle: &Handle<'_, S>, shelf: usize) -> bool {
        let Some(node) = self.shelves[shelf].make(handle, &self.ledger) else {
            return false;
        };
        // AcqRel: as in `replace`.
        let old = self.cell.swap(node, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: one swap only can return it; readers may still hold it, whose
            // accesses are atomic and see its poison.
            unsafe { shelve(old.cast()) };
        }
        true
    }

    /// Takes the node out of the cell and checks that every node came back.
    pub fn settle(&'static self, label: &str, reclaim: unsafe fn(*mut Link)) {
        let handle = self.register();
        // AcqRel: as in `replace`.
        let last = self.cell.swap(core::ptr::null_mut(), Ordering::AcqRel);
        if !last.is_null() {
            // SAFETY: as in `replace`.
            unsafe { handle.retire(last, reclaim) };
        }
        handle.flush();
        handle.flush();
        drop(handle);
        self.ledger.check(label);
    }
}
