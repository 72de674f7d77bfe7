//! The statics of one scheme: a collector, a pool, a ledger and a shared cell.

use crate::node::{Ledger, Node, Shelf, shelve};
use hyaline::{
    AtomicPtr, Collector, Config, Guard, Handle, Link, Linked, Pool, Reclaimer, Role, Scheme,
    reclaim,
};
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
    /// How often the pool was empty.
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

    /// Reads the cell under a guard and counts a torn value.
    #[inline(never)]
    pub fn read<R: Role>(&'static self, handle: &Handle<'_, S, R>, times: u32) {
        let guard = handle.enter();
        self.look(&guard, times);
    }

    /// Reads the cell under an existing guard.
    pub fn look<R: Role>(&'static self, guard: &Guard<'_, S, R>, times: u32) {
        // Acquire: the node's contents are visible with its address.
        let node = guard.protect(&self.cell, Ordering::Acquire);
        // SAFETY: protected by the guard, which outlives this function.
        if let Some(node) = unsafe { node.as_ref() }
            && !node.holds(times)
        {
            self.ledger.note_torn();
        }
    }

    /// Protects the node in the cell and runs the body: afterwards the node is
    /// as before.
    pub fn watch<R: Role>(&'static self, guard: &Guard<'_, S, R>, body: impl FnOnce()) {
        // Acquire: as in `look`.
        let node = guard.protect(&self.cell, Ordering::Acquire);
        // SAFETY: protected by the guard, which outlives this function; the body does
        // not refresh it.
        let node = unsafe { node.as_ref() };
        let stamp = node.map(|node| node.stamp());
        body();
        let same = |node: &Linked<Node>| node.holds(2) && Some(node.stamp()) == stamp;
        if node.is_some_and(|node| !same(node)) {
            self.ledger.note_torn();
        }
    }

    /// Replaces the node in the cell by one of this shelf and retires the old one.
    /// False when the shelf is empty.
    #[inline(never)]
    pub fn replace<R: Role>(&'static self, handle: &Handle<'_, S, R>, shelf: usize) -> bool {
        let node = self.shelves[shelf].make(handle, &self.ledger);
        node.inspect(|node| self.exchange(handle, *node)).is_some()
    }

    /// Puts this node into the cell and retires the old one.
    #[inline(always)]
    pub fn exchange<R: Role>(&'static self, handle: &Handle<'_, S, R>, node: *mut Linked<Node>) {
        // AcqRel: publishes the new node and acquires the old one.
        let old = self.cell.swap(node, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: the swap unlinked it, and only one swap can return it.
            unsafe { handle.retire(old, shelve) };
        }
    }

    /// As [`replace`](Self::replace), but reclaims the old node without
    /// waiting: what a control must catch.
    #[inline(never)]
    pub fn replace_rashly<R: Role>(&'static self, handle: &Handle<'_, S, R>, shelf: usize) -> bool {
        let Some(node) = self.shelves[shelf].make(handle, &self.ledger) else {
            return false;
        };
        // AcqRel: as in `replace`.
        let old = self.cell.swap(node, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: only one swap can return it. Readers may still hold it;
            // their accesses are atomic and see its poison.
            unsafe { shelve(old.cast()) };
        }
        true
    }

    /// Puts this node into the cell and retires the old one, which is read
    /// until the guard ends.
    pub fn swing<R: Role>(
        &'static self,
        guard: &Guard<'_, S, R>,
        node: *mut Linked<Node>,
        reclaim: Reclaimer,
    ) {
        // AcqRel: publishes the new node and acquires the old one.
        let old = guard.swap(&self.cell, node, Ordering::AcqRel);
        // SAFETY: the swap unlinked it and only one swap can return it; the guard
        // keeps it readable until its drop.
        unsafe {
            if let Some(node) = old.as_ref() {
                guard.defer_retire(old, reclaim);
                if !node.holds(4) {
                    self.ledger.note_torn();
                }
            }
        }
    }

    /// [`swing`](Self::swing) with a node of the pool. False when the pool is
    /// empty.
    #[inline(never)]
    pub fn swing_pooled<R: Role>(
        &'static self,
        handle: &Handle<'_, S, R>,
        guard: &Guard<'_, S, R>,
    ) -> bool {
        let node = self.pool.alloc(handle, Node::new(&self.ledger));
        let node = node.inspect(|node| self.swing(guard, *node, reclaim::pooled::<Node>));
        node.is_ok()
    }

    /// [`replace`](Self::replace) with a node of the pool. False when the pool
    /// is empty.
    #[inline(never)]
    pub fn replace_pooled<R: Role>(&'static self, handle: &Handle<'_, S, R>) -> bool {
        let Ok(node) = self.pool.alloc(handle, Node::new(&self.ledger)) else {
            return false;
        };
        // AcqRel: publishes the new node and acquires the old one.
        let old = self.cell.swap(node, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: the swap unlinked it, and only one swap can return it.
            unsafe { handle.retire(old, reclaim::pooled::<Node>) };
        }
        true
    }

    /// Flushes a handle; out of line, for boards with little room for code.
    #[inline(never)]
    pub fn flush<R: Role>(&self, handle: &Handle<'_, S, R>) -> usize {
        handle.flush()
    }

    /// Nodes that were made and not yet dropped.
    pub fn alive(&self) -> usize {
        self.ledger.made() - self.ledger.dropped()
    }

    /// Takes the node out of the cell and checks that one collect leaves none:
    /// no other handle is in a section.
    pub fn check_all_reclaimed(&'static self, label: &str, reclaim: unsafe fn(*mut Link)) {
        let handle = self.register();
        // AcqRel: as in `replace`.
        let last = self.cell.swap(core::ptr::null_mut(), Ordering::AcqRel);
        if !last.is_null() {
            // By one that does not reclaim: it waits for the collect.
            let deferred = self.collector.register_deferred();
            // SAFETY: the swap unlinked it, and only one swap can return it.
            unsafe { deferred.expect("a slot is free").retire(last, reclaim) };
        }
        self.flush(&handle);
        // Before the drop, which collects, too.
        self.ledger.check(label);
        drop(handle);
    }
}
