//! Threads that race, in as few steps as possible: for Miri, which tries
//! another schedule, and other old values of atomics, with each seed. `cargo
//! xtask miri --seeds N`.
//!
//! Each scenario has one race that a model in `tests/loom` also has. Here it is
//! the real crate with its dependencies. Miri itself detects an access to an
//! object that is gone, and a data race; the values read are compared as well.
//! There is no harness, because under Miri one costs as much as all scenarios
//! together.

#![cfg(not(hyaline_loom))]

use std::{
    cell::Cell,
    mem,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use hyaline::{
    AtomicPtr, Basic, Callback, Collector, Config, Guard, Handle, Linked, Pool, Robust, Role,
    Scheme, domain, reclaim,
    safe::{BlockQueue, Domain, Handle as Domained, Map, Queue, RcuCell, Stack},
};

/// The value that an object holds while it is alive.
const ALIVE: u32 = 0x600d;

/// A value that its drop wipes. Not atomic, so that a read that does not happen
/// before the reclaim is a data race.
struct Canary(Cell<u32>);

// SAFETY: threads that share it read it, and the one that drops it has it
// alone: what these tests check.
unsafe impl Sync for Canary {}

impl Drop for Canary {
    fn drop(&mut self) {
        assert_eq!(self.0.replace(0xdead), ALIVE, "dropped twice");
    }
}

type Object = Linked<Canary>;

fn object<S: Scheme, R: Role>(handle: &Handle<'_, S, R>) -> *mut Object {
    Box::into_raw(Box::new(handle.link(Canary(Cell::new(ALIVE)))))
}

/// Reads the object of a cell.
fn read<S: Scheme, R: Role>(guard: &Guard<'_, S, R>, cell: &AtomicPtr<Object>) {
    let seen = guard.protect(cell, Ordering::Acquire);
    if !seen.is_null() {
        // SAFETY: protected by the guard.
        assert_eq!(unsafe { &*seen }.0.get(), ALIVE);
    }
}

/// Puts a new object in a cell, and retires the old one.
fn replace<S: Scheme, R: Role>(handle: &Handle<'_, S, R>, cell: &AtomicPtr<Object>) {
    let guard = handle.enter();
    let old = guard.swap(cell, object(handle), Ordering::AcqRel);
    // SAFETY: protected, never null, and unlinked by the swap.
    unsafe {
        assert_eq!((&*old).0.get(), ALIVE);
        guard.defer_retire(old, reclaim::boxed::<Object>);
    }
}

/// Replaces without a guard, for the path that reclaims at once.
fn replace_now<S: Scheme>(handle: &Handle<'_, S>, cell: &AtomicPtr<Object>) {
    let old = cell.swap(object(handle), Ordering::AcqRel);
    // SAFETY: never null, unlinked by the swap, and not used here.
    unsafe { handle.retire(old, reclaim::boxed::<Object>) };
}

/// The end of a scenario, when the other threads are gone: everything retired
/// is reclaimed.
fn all_is_reclaimed<const N: usize, S: Scheme>(
    collector: &Collector<N, S>,
    handle: &Handle<'_, S>,
    cell: AtomicPtr<Object>,
) {
    // SAFETY: no thread reads any more.
    unsafe { handle.retire(cell.into_inner(), reclaim::boxed::<Object>) };
    handle.flush();
    assert_eq!(collector.stats().pending(), 0);
}

/// Runs each scenario in both schemes, with batches of one, so that each retire
/// publishes, and each object has its own era.
macro_rules! schemes {
    ($($name:ident<$n:literal>($collector:ident) $body:block)*) => {
        $(fn $name<S: Scheme>($collector: Collector<$n, S>) $body)*

        fn algorithm() {
            $(
                $name::<Basic>(Collector::with_config(BASIC));
                $name::<Robust>(Collector::with_config(ROBUST));
            )*
        }
    };
}

const BASIC: Config = Config::new().batch::<1>();
const ROBUST: Config = Config::new().batch::<1>().era_step::<1>();

schemes! {
    // A reader, and two that retire: publish, leave, and eras that advance
    // during the reader's section. Its inbox is left to thieves, one of which
    // may take it when the next section has begun.
    readers_and_retirers<3>(collector) {
        let handle = collector.register().unwrap();
        let cell = AtomicPtr::new(object(&handle));
        thread::scope(|scope| {
            scope.spawn(|| {
                let handle = collector.register_deferred().unwrap();
                for _ in 0..2 {
                    let guard = handle.enter();
                    read(&guard, &cell);
                    read(&guard, &cell);
                }
            });
            scope.spawn(|| {
                let handle = collector.register().unwrap();
                replace(&handle, &cell);
                replace(&handle, &cell);
            });
            replace_now(&handle, &cell);
            handle.collect();
        });
        all_is_reclaimed(&collector, &handle, cell);
    }

    // A long-lived guard of a deferred handle, its quiescent point, and what it
    // retires, which the others publish for it.
    quiescent_points_and_stacks<2>(collector) {
        let handle = collector.register().unwrap();
        let cell = AtomicPtr::new(object(&handle));
        thread::scope(|scope| {
            scope.spawn(|| {
                let deferred = collector.register_deferred().unwrap();
                let mut guard = deferred.enter();
                read(&guard, &cell);
                guard.refresh();
                read(&guard, &cell);
                drop(guard);
                replace(&deferred, &cell);
            });
            replace(&handle, &cell);
            let mut guard = handle.enter();
            read(&guard, &cell);
            guard.refresh();
            read(&guard, &cell);
            drop(guard);
            replace_now(&handle, &cell);
        });
        all_is_reclaimed(&collector, &handle, cell);
    }

    // A thread dies in its section and is evicted, while another one retires
    // what it could have held.
    an_eviction<3>(collector) {
        let handle = collector.register().unwrap();
        let cell = AtomicPtr::new(object(&handle));
        thread::scope(|scope| {
            scope.spawn(|| {
                let handle = collector.register().unwrap();
                replace(&handle, &cell);
                replace_now(&handle, &cell);
            });
            let dying = scope.spawn(|| {
                let handle = collector.register().unwrap();
                let guard = handle.enter();
                read(&guard, &cell);
                mem::forget(guard);
                let id = handle.id();
                mem::forget(handle);
                id
            });
            replace_now(&handle, &cell);
            let id = dying.join().unwrap();
            // SAFETY: the thread was joined, its guard and handle forgotten.
            unsafe { collector.evict(id) }.unwrap();
        });
        all_is_reclaimed(&collector, &handle, cell);
    }

    // What is not an object: a value that a grace period hands over, in each of
    // its forms.
    grace_periods<2>(collector) {
        static CALLBACKS: [Callback; 2] = [const { Callback::new() }; 2];
        static CALLED: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
        fn called(word: usize) {
            assert!(!CALLED[word].swap(true, Ordering::Relaxed));
        }
        let scheme = usize::from(S::ROBUST);
        CALLED[scheme].store(false, Ordering::Relaxed);
        let values = Values([const { Cell::new(ALIVE) }; 2]);
        let (values, current) = (&values, &AtomicUsize::new(0));
        let collector = &collector;
        let handle = collector.register().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                let handle = collector.register().unwrap();
                for _ in 0..2 {
                    let _guard = handle.enter();
                    assert_eq!(values.0[current.load(Ordering::Acquire)].get(), ALIVE);
                }
            });
            current.store(1, Ordering::Release);
            handle.synchronize(thread::yield_now).unwrap();
            values.0[0].set(0);
            values.0[0].set(ALIVE);
            current.store(0, Ordering::Release);
            let mut token = handle.start_grace_period();
            while !token.poll(&handle) {
                thread::yield_now();
            }
            values.0[1].set(0);
            CALLBACKS[scheme].call_later(&handle, called, scheme).unwrap();
        });
        handle.flush();
        assert!(CALLED[scheme].load(Ordering::Relaxed));
    }

    // Blocks that return to a pool through another thread, and are used again;
    // 32 of them, so that handles keep one.
    a_pool<2>(collector) {
        let pool = Pool::<Canary, 32>::new();
        let alloc = |handle: &Handle<'_, S>| {
            pool.alloc(handle, Canary(Cell::new(ALIVE))).ok().unwrap()
        };
        let replace = |handle: &Handle<'_, S>, cell| {
            let guard = handle.enter();
            read(&guard, cell);
            let old = guard.swap(cell, alloc(handle), Ordering::AcqRel);
            // SAFETY: unlinked by the swap, of a pool that stays.
            unsafe { guard.defer_retire(old, reclaim::pooled::<Canary>) };
        };
        let handle = collector.register().unwrap();
        let cell = AtomicPtr::new(alloc(&handle));
        thread::scope(|scope| {
            scope.spawn(|| {
                let handle = collector.register().unwrap();
                replace(&handle, &cell);
                replace(&handle, &cell);
            });
            replace(&handle, &cell);
            replace(&handle, &cell);
        });
        // SAFETY: of a pool that stays; the other thread is gone, so no section can
        // find it.
        unsafe { handle.retire(cell.into_inner(), reclaim::pooled::<Canary>) };
        drop(handle);
        assert_eq!(pool.available(), 32);
        drop(collector);
    }
}

/// Data that grace periods protect.
struct Values([Cell<u32>; 2]);

// SAFETY: the property under test.
unsafe impl Sync for Values {}

/// The structures of the safe layer, in both schemes.
macro_rules! structures {
    ($($name:ident $collector:ty = $config:expr;)*) => {$(
        fn $name() {
            domain!(D: $collector = Collector::with_config($config));
            static STACK: Stack<Box<u32>, 4, D> = Stack::new();
            static QUEUE: Queue<Box<u32>, 6, D> = Queue::new();
            static BLOCKS: BlockQueue<Box<u32>, 2, 6, D> = BlockQueue::new();
            static MAP: Map<u32, Box<u32>, 1, 8, D> = Map::new();
            static CELL: RcuCell<Canary, 6, D> = RcuCell::new(Canary(Cell::new(ALIVE)));
            // Both threads do the same, with different keys.
            let work = |handle: &Domained<D>, key: u32| {
                STACK.push(handle, Box::new(ALIVE)).unwrap();
                assert_eq!(STACK.pop(handle).as_deref(), Some(&ALIVE));
                QUEUE.push(handle, Box::new(ALIVE)).unwrap();
                assert_eq!(QUEUE.pop(handle).as_deref(), Some(&ALIVE));
                MAP.insert(handle, key, Box::new(key)).unwrap();
                assert!(CELL.replace(handle, Canary(Cell::new(ALIVE))).is_ok());
                let guard = handle.enter();
                assert_eq!(CELL.read(&guard).0.get(), ALIVE);
                for (key, value) in MAP.iter(&guard) {
                    assert_eq!(*key, **value);
                }
                assert_eq!(MAP.remove(&guard, &key).map(|value| **value), Some(key));
            };
            let handle = D::register().unwrap();
            // One pushes more values than a segment has, and the other pops them.
            let next = |handle: &Domained<D>| loop {
                match BLOCKS.pop(handle) {
                    Some(value) => break value,
                    None => thread::yield_now(),
                }
            };
            thread::scope(|scope| {
                scope.spawn(|| {
                    let handle = D::register().unwrap();
                    (0..3).for_each(|n| assert_eq!(*next(&handle), n));
                    work(&handle, 1);
                });
                (0..3).for_each(|n| BLOCKS.push(&handle, Box::new(n)).unwrap());
                work(&handle, 2);
            });
        }
    )*};
}

structures! {
    structures_basic Collector<2> = BASIC;
    structures_robust Collector<2, Robust> = ROBUST;
}

fn main() {
    for _ in 0..if cfg!(miri) { 1 } else { 200 } {
        algorithm();
        structures_basic();
        structures_robust();
    }
}
