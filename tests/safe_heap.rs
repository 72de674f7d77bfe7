//! Structures on the heap, one test a promise, in both schemes: as many values
//! as there is memory for, every allocation that fails, sizes and alignments,
//! and what deferred handles must not do. Runs on a host and under Miri.

#![cfg(not(hyaline_loom))]

#[macro_use]
#[path = "common/safe.rs"]
mod common;
#[path = "common/random.rs"]
mod random;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use common::Counted;
use hyaline::{
    Collector, Config, Robust, Role, domain,
    safe::{Atomic, Domain, Handle, Heap, Map, Owned, Queue, RcuCell, Refused, Shared, Stack},
};

/// The system's allocator, which refuses what it is told to, and counts. Each
/// test has a thread of its own.
struct Refusing;

thread_local! {
    /// How many allocations succeed before one fails; `usize::MAX` for all.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Allocations that were not freed.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static FREED: Cell<usize> = const { Cell::new(0) };
    /// Those of 512 bytes' alignment that were not freed: what a panic itself
    /// allocates does not count.
    static WIDE: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

// SAFETY: null is an answer, and all others are the system's.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match LEFT.get() {
            usize::MAX => {}
            0 => {
                LEFT.set(usize::MAX);
                return ptr::null_mut();
            }
            left => LEFT.set(left - 1),
        }
        LIVE.set(LIVE.get() + 1);
        WIDE.set(WIDE.get() + isize::from(layout.align() == 512));
        // SAFETY: the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - 1);
        WIDE.set(WIDE.get() - isize::from(layout.align() == 512));
        FREED.set(FREED.get() + 1);
        // SAFETY: the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(memory, layout) };
    }
}

/// Runs a call whose allocation number `n` fails. Returns whether there was one.
fn refusing<T>(n: usize, call: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(n);
    let result = call();
    (result, LEFT.replace(usize::MAX) == usize::MAX)
}

/// A structure that is dropped at the end of a test.
fn leak<T>(structure: T) -> (&'static T, impl FnOnce()) {
    let leaked = Box::into_raw(Box::new(structure));
    // SAFETY: tests free it as the last thing they do, when all handles are
    // dropped, so that nothing of it waits to be reclaimed.
    unsafe { (&*leaked, move || drop(Box::from_raw(leaked))) }
}

#[path = "safe_heap/arc_cell.rs"]
mod arc_cell;
#[path = "safe_heap/contexts.rs"]
mod contexts;
#[path = "safe_heap/hash_map.rs"]
mod hash_map;
#[path = "safe_heap/hash_map_faults.rs"]
mod hash_map_faults;

const MANY: usize = if cfg!(miri) { 100 } else { 10_000 };

schemes! {
    <6, 4>
    as_many_values_as_there_is_memory_for {
        let live = LIVE.get();
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (stack, free_stack) = leak(Stack::<_, 0, D, Heap>::in_heap());
        let (queue, free_queue) = leak(Queue::<_, 0, D, Heap>::in_heap());
        let (map, free_map) = leak(Map::<_, _, 64, 0, D, Heap>::in_heap());
        let handle = D::register().unwrap();
        for n in 0..MANY {
            stack.push(&handle, Counted(n, &DROPS)).unwrap();
            queue.push(&handle, Counted(n, &DROPS)).unwrap();
            map.insert(&handle, n, Counted(n, &DROPS)).unwrap();
        }
        assert_eq!((stack.len(&handle), queue.len(&handle), map.len(&handle)), (MANY, MANY, MANY));
        for n in 0..MANY / 2 {
            assert_eq!(stack.pop(&handle).unwrap().0, MANY - 1 - n);
            assert_eq!(queue.pop(&handle).unwrap().0, n);
            assert_eq!(map.remove(&handle.enter(), &n).unwrap().0, n);
        }
        handle.collect();
        assert_eq!(DROPS.load(SeqCst), MANY / 2 * 3);
        drop(handle);
        // The rest goes with the structures, and all memory with it.
        free_stack();
        free_queue();
        free_map();
        assert_eq!(DROPS.load(SeqCst), MANY * 3);
        assert_eq!(LIVE.get(), live);
    }

    a_cell_has_a_version_for_each_reader {
        let live = LIVE.get();
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (cell, free) = leak(RcuCell::<_, 0, D, Heap>::in_heap(Counted(0, &DROPS)));
        let handle = D::register().unwrap();
        assert_eq!(cell.read(&handle.enter()).0, 0);
        let mut guards = Vec::new();
        for n in 1..=MANY.min(200) {
            guards.push(handle.enter());
            let before = cell.read(&guards[0]).0;
            cell.replace(&handle, Counted(n, &DROPS)).unwrap();
            assert_eq!((before, cell.read(&guards[0]).0), (n - 1, n));
        }
        assert_eq!(DROPS.load(SeqCst), 0);
        drop(guards);
        let last = cell.update(&handle, |old| Counted(old.0 + 1, &DROPS)).unwrap();
        let guard = handle.enter();
        assert!(cell.compare_exchange(&handle, cell.read(&guard), Counted(7, &DROPS)).is_ok());
        let refused = cell.compare_exchange(&handle, &last, Counted(8, &DROPS)).unwrap_err();
        assert!(matches!(refused, Refused::Mismatch(Counted(8, _))));
        drop((refused, last, guard));
        handle.collect();
        assert_eq!(cell.read(&handle.enter()).0, 7);
        drop(handle);
        free();
        assert_eq!(DROPS.load(SeqCst), MANY.min(200) + 4);
        assert_eq!(LIVE.get(), live);
    }

    // A cell that was never replaced has its first value in itself.
    a_cell_that_is_dropped_drops_its_value {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let live = LIVE.get();
        drop(RcuCell::<_, 0, D, Heap>::in_heap(Counted(0, &DROPS)));
        assert_eq!((DROPS.load(SeqCst), LIVE.get()), (1, live));
    }

    an_allocation_that_fails_gives_the_value_back {
        static STACK: Stack<usize, 0, D, Heap> = Stack::in_heap();
        static QUEUE: Queue<usize, 0, D, Heap> = Queue::in_heap();
        static CELL: RcuCell<usize, 0, D, Heap> = RcuCell::in_heap(0);
        static MAP: Map<usize, usize, 4, 0, D, Heap> = Map::in_heap();
        let handle = D::register().unwrap();
        // Nothing waits, so the flush finds nothing, and there is one attempt.
        let full = |call: &dyn Fn() -> usize| {
            let (value, failed) = refusing(0, call);
            assert!(failed);
            assert_eq!(value, 7);
            let (_, failed) = refusing(1, call);
            assert!(!failed, "one allocation a call");
            handle.collect();
        };
        full(&|| STACK.push(&handle, 7).map_or_else(|full| full.into_inner(), |()| 0));
        full(&|| QUEUE.push(&handle, 7).map_or_else(|full| full.into_inner(), |()| 0));
        full(&|| CELL.replace(&handle, 7).map_or_else(|full| full.into_inner(), |()| 0));
        full(&|| CELL.update(&handle, |_| 8).map_or_else(|_| 7, |_| 0));
        full(&|| Owned::<_, D, Heap>::in_heap(&handle, 7).map_or_else(|full| full.into_inner(), |_| 0));
        full(&|| match MAP.insert(&handle, 1, 7) {
            Err(Refused::Full((1, value))) => value,
            other => other.map_or(1, |()| 0),
        });
        full(&|| match MAP.upsert(&handle, 1, 7) {
            Err(Refused::Full((1, value))) => value,
            other => usize::from(other.unwrap()),
        });
        full(&|| MAP.get_or_insert(&handle, 2, 7).map_or_else(|full| full.into_inner().1, |_| 0));
        full(&|| MAP.update(&handle, &1, |_| 8).map_or_else(|_| 7, |_| 0));
        let guard = handle.enter();
        assert!(MAP.iter(&guard).map(|(k, v)| (*k, *v)).eq([(2, 7), (1, 8)])
            || MAP.iter(&guard).map(|(k, v)| (*k, *v)).eq([(1, 8), (2, 7)]));
        assert_eq!(CELL.read(&guard), &8);
        assert_eq!((STACK.pop(&handle), STACK.pop(&handle)), (Some(7), None));
        assert_eq!((QUEUE.pop(&handle), QUEUE.pop(&handle)), (Some(7), None));
    }

    // What waits to be reclaimed is not out of reach.
    an_allocation_that_fails_flushes_and_tries_again {
        static STACK: Stack<usize, 0, D, Heap> = Stack::in_heap();
        let handle = D::register().unwrap();
        for n in 0..2 {
            STACK.push(&handle, n).unwrap();
        }
        assert_eq!(STACK.pop(&handle), Some(1));
        let freed = FREED.get();
        let (pushed, failed) = refusing(0, || STACK.push(&handle, 2).is_ok());
        assert!(pushed && failed);
        assert_eq!(FREED.get(), freed + 1);
        // Not while a section of the same handle holds it back.
        assert_eq!(STACK.pop(&handle), Some(2));
        let guard = handle.enter();
        assert_eq!(STACK.pop(&handle), Some(0));
        let (full, _) = refusing(0, || STACK.push(&handle, 3));
        drop(guard);
        assert!(full.is_ok() || full.is_err_and(|full| full.into_inner() == 3));
    }

    // Nor does it free memory, which in an interrupt it must not.
    a_deferred_handle_frees_nothing_that_was_put {
        static STACK: Stack<usize, 0, D, Heap> = Stack::in_heap();
        static QUEUE: Queue<usize, 0, D, Heap> = Queue::in_heap();
        static CELL: RcuCell<usize, 0, D, Heap> = RcuCell::in_heap(0);
        static MAP: Map<usize, usize, 4, 0, D, Heap> = Map::in_heap();
        static SMALL: Stack<usize, 2, D> = Stack::new();
        let task = D::register().unwrap();
        let interrupt = D::register_deferred().unwrap();
        for n in 0..20 {
            STACK.push(&interrupt, n).unwrap();
            QUEUE.push(&interrupt, n).unwrap();
            MAP.insert(&interrupt, n, n).unwrap();
        }
        let freed = FREED.get();
        for n in 0..20 {
            assert_eq!(STACK.pop(&interrupt), Some(19 - n));
            assert_eq!(QUEUE.pop(&interrupt), Some(n));
            assert_eq!(MAP.remove(&interrupt.enter(), &n), Some(&n));
            CELL.replace(&interrupt, n).unwrap();
            // A pool that is exhausted looks for blocks, and not for memory.
            SMALL.push(&interrupt, n).unwrap();
            assert_eq!(SMALL.pop(&interrupt), Some(n));
        }
        assert_eq!(FREED.get(), freed);
        task.collect();
        // All nodes, but the queue's dummy; and all versions but one.
        assert_eq!(FREED.get() - freed, 20 + 19 + 20 + 19);
    }

    every_size_and_alignment {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(align(256))]
        struct Wide(u8);
        fn at<T>(place: &T) -> bool {
            (&raw const *place).addr() % align_of::<T>() == 0
        }
        let (units, free_units) = leak(Stack::<(), 0, D, Heap>::in_heap());
        let (wides, free_wides) = leak(Queue::<Wide, 0, D, Heap>::in_heap());
        let (cell, free_cell) = leak(RcuCell::<Wide, 0, D, Heap>::in_heap(Wide(0)));
        let (map, free_map) = leak(Map::<Wide, (), 4, 0, D, Heap>::in_heap());
        let (unit, free_unit) = leak(RcuCell::<(), 0, D, Heap>::in_heap(()));
        let handle = D::register().unwrap();
        for n in 0..20 {
            units.push(&handle, ()).unwrap();
            wides.push(&handle, Wide(n)).unwrap();
            cell.replace(&handle, Wide(n)).unwrap();
            unit.replace(&handle, ()).unwrap();
            map.insert(&handle, Wide(n), ()).unwrap();
            let guard = handle.enter();
            assert!(at(cell.read(&guard)) && *cell.read(&guard) == Wide(n));
            assert!(map.iter(&guard).all(|(key, ())| at(key)));
            let own: Owned<_, D, Heap> = Owned::in_heap(&handle, Wide(n)).unwrap();
            assert!(at(&*own) && own.into_inner() == Wide(n));
            let own: Owned<_, D, Heap> = Owned::in_heap(&handle, ()).unwrap();
            drop(own);
        }
        for n in 0..20 {
            assert_eq!(units.pop(&handle), Some(()));
            assert_eq!(wides.pop(&handle), Some(Wide(n)));
        }
        assert_eq!(units.pop(&handle), None);
        drop(handle);
        free_units();
        free_wides();
        free_cell();
        free_map();
        free_unit();
    }

    // Pointers: owned, shared, tagged, retired.
    an_owned_object_is_freed_once {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static PLACE: Atomic<Counted, D, Heap> = Atomic::null();
        let live = LIVE.get();
        let handle = D::register().unwrap();
        let one = Owned::in_heap(&handle, Counted(1, &DROPS)).unwrap();
        let two = Owned::in_heap(&handle, Counted(2, &DROPS)).unwrap();
        let guard = handle.enter();
        let one = one.into_shared(&guard);
        assert!(PLACE.compare_exchange(Shared::null(), one, &guard).is_ok());
        let changed = PLACE.compare_exchange(Shared::null(), two, &guard).unwrap_err();
        assert_eq!((changed.current.as_ref().unwrap().0, changed.new.0), (1, 2));
        assert_eq!(PLACE.fetch_or(1, &guard).tag(), 0);
        let old = PLACE.swap(changed.new, &guard);
        assert!(old.tag() == 1 && old.with_tag(0) == one);
        // SAFETY: unlinked, and nobody stores what they load.
        unsafe { guard.retire(old) };
        drop(guard);
        handle.collect();
        assert_eq!(DROPS.load(SeqCst), 1);
        let guard = handle.enter();
        // SAFETY: nobody else has the place.
        let two = unsafe { PLACE.swap(Shared::null(), &guard).into_owned() };
        drop(guard);
        assert_eq!(two.as_deref().map(|two| two.0), Some(2));
        drop(two);
        assert_eq!((DROPS.load(SeqCst), LIVE.get()), (2, live));
    }

    // Of values: by the collector, and of an owned one.
    a_drop_that_panics_leaks_no_memory {
        #[repr(align(512))]
        struct Panics(bool);
        impl Drop for Panics {
            fn drop(&mut self) {
                assert!(!self.0, "for the test");
            }
        }
        let (cell, free) = leak(RcuCell::<Panics, 0, D, Heap>::in_heap(Panics(false)));
        let wide = WIDE.get(); // with the cell itself
        let handle = D::register().unwrap();
        cell.replace(&handle, Panics(true)).unwrap();
        cell.replace(&handle, Panics(false)).unwrap();
        assert_eq!(WIDE.get(), wide + 2);
        let caught = (0..2).filter(|_| {
            catch_unwind(AssertUnwindSafe(|| handle.collect())).is_err()
        });
        assert_eq!(caught.count(), 1);
        assert_eq!(WIDE.get(), wide + 1);
        let own: Owned<_, D, Heap> = Owned::in_heap(&handle, Panics(true)).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(own))).is_err());
        assert_eq!(WIDE.get(), wide + 1);
        drop(handle);
        free();
    }
}

/// A user may be generic over where things are.
#[test]
fn a_function_takes_each_storage() {
    fn drain<const K: usize, D: Domain, P, R: Role>(
        stack: &'static Stack<u32, K, D, P>,
        handle: &Handle<D, R>,
    ) -> usize
    where
        P: hyaline::safe::Storage<hyaline::safe::Node<u32>, K>,
    {
        core::iter::from_fn(|| stack.pop(handle)).count()
    }
    domain!(D: Collector<2> = Collector::new());
    static OWN: Stack<u32, 4, D> = Stack::new();
    static HEAP: Stack<u32, 0, D, Heap> = Stack::in_heap();
    let handle = D::register().unwrap();
    OWN.push(&handle, 1).unwrap();
    HEAP.push(&handle, 1).unwrap();
    assert_eq!((drain(&OWN, &handle), drain(&HEAP, &handle)), (1, 1));
}
