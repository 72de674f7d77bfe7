//! A guard that protects nothing, for code that owns its objects exclusively.

use std::{
    num::NonZeroU16,
    ptr,
    sync::atomic::{
        AtomicUsize,
        Ordering::{self, AcqRel, Acquire},
    },
};

use hyaline::{
    AtomicPtr, Callback, Collector, CollectorView, Config, Fences, Guard, Linked, Pool, Robust,
    Scheme, domain, reclaim,
    safe::{self, Atomic, Domain, Owned, Shared},
};

use super::{Noisy, QUIET, collector, drops, panics};

struct Node {
    _value: Noisy,
    next: *mut Linked<Node>,
}

/// A stack whose calls take a guard. It borrows its pool: an exclusive reference to
/// a pool would invalidate all pointers into it.
struct List<'c, S: Scheme> {
    collector: &'c CollectorView<S>,
    head: AtomicPtr<Linked<Node>>,
    nodes: &'c Pool<Node, 4>,
}

impl<'c, S: Scheme> List<'c, S> {
    fn new(collector: &'c CollectorView<S>, nodes: &'c Pool<Node, 4>) -> Self {
        Self {
            collector,
            head: AtomicPtr::default(),
            nodes,
        }
    }

    fn push(&self, guard: &Guard<'_, S>, value: Noisy) -> bool {
        let next = guard.protect(&self.head, Acquire);
        let node = Node {
            _value: value,
            next,
        };
        let Ok(node) = self.nodes.alloc(&guard.handle(), node) else {
            return false;
        };
        let put = guard.compare_exchange(&self.head, next, node, AcqRel, Acquire);
        put.expect("one thread");
        true
    }

    fn pop(&self, guard: &Guard<'_, S>) -> bool {
        let first = guard.protect(&self.head, Acquire);
        if first.is_null() {
            return false;
        }
        // SAFETY: protected.
        let node: &Node = unsafe { &*first };
        guard.swap(&self.head, node.next, AcqRel);
        // SAFETY: unlinked by the swap; from this pool, which is dropped last.
        unsafe { self.nodes.defer_retire(guard, first) };
        true
    }

    /// Calls with a guard and no handle.
    fn alone<T>(&mut self, call: impl FnOnce(&Self, &Guard<'_, S>) -> T) -> T {
        let this = &*self;
        // SAFETY: nobody else has the list.
        unsafe { self.collector.with_unprotected(|guard| call(this, guard)) }
    }
}

impl<S: Scheme> Drop for List<'_, S> {
    fn drop(&mut self) {
        self.alone(|list, guard| while list.pop(guard) {});
    }
}

fn a_structure<S: Scheme<Barrier = Fences>>() {
    let (nodes, collector) = (Pool::new(), collector::<S>());
    let handles: [_; 4] = std::array::from_fn(|_| collector.register().unwrap());
    assert!(collector.register().is_err());
    let mut list = List::new(&collector, &nodes);
    let reader = handles[0].enter();
    let (dropped, ()) = drops(|| {
        list.alone(|list, guard| {
            assert!(guard.belongs_to(list.collector));
            assert!(guard.slot() >= list.collector.capacity());
            assert!(guard.handle().synchronize(|| ()).is_err());
            assert!((0..4).all(|_| list.push(guard, QUIET)));
            assert!(!list.push(guard, QUIET)); // dropped here
            assert!(list.pop(guard) && list.pop(guard));
            // Not while the guard is open.
            assert_eq!(list.nodes.available(), 0);
        });
    });
    assert_eq!((dropped, list.nodes.available()), (3, 2));
    // What was made there is shared now, and waits for sections.
    let late = handles[2].enter();
    assert!(!late.protect(&list.head, Acquire).is_null());
    assert!(list.pop(&handles[1].enter()));
    assert_eq!(drops(|| handles[1].collect()), (0, 0));
    assert_eq!(drops(|| drop((reader, late))).0, 1);
    assert_eq!(list.nodes.available(), 3);
    assert_eq!(drops(|| drop(list)).0, 1);
    assert_eq!(nodes.available(), 4);
    let stats = collector.stats();
    assert_eq!((stats.retired, stats.pending()), (4, 0));
}

#[test]
fn a_structure_in_both_schemes() {
    a_structure::<hyaline::Basic>();
    a_structure::<Robust>();
}

fn a_panic<S: Scheme<Barrier = Fences>>() {
    let (nodes, collector) = (Pool::new(), collector::<S>());
    let mut list = List::new(&collector, &nodes);
    list.alone(|list, guard| while list.push(guard, QUIET) {});
    // Of the closure: what it retired is reclaimed.
    let (dropped, caught) = drops(|| {
        panics(|| {
            list.alone(|list, guard| {
                list.pop(guard);
                list.pop(guard);
                panic!("on purpose");
            })
        })
    });
    assert!(caught);
    assert_eq!((dropped, list.nodes.available()), (2, 2));
    // Of a reclaimer: the others run.
    list.alone(|list, guard| list.push(guard, Noisy { panics: true }));
    list.alone(|list, guard| list.push(guard, QUIET));
    let (dropped, caught) = drops(|| panics(|| list.alone(|list, guard| while list.pop(guard) {})));
    assert!(caught);
    assert_eq!((dropped, list.nodes.available()), (4, 4));
    let stats = collector.stats();
    assert_eq!((stats.retired, stats.pending()), (6, 0));
}

#[test]
fn a_panic_in_both_schemes() {
    a_panic::<hyaline::Basic>();
    a_panic::<Robust>();
}

/// A guard that is forgotten there keeps nothing, and what others have left behind
/// stays where it is found.
#[test]
fn others_are_not_affected() {
    let collector = collector::<hyaline::Basic>();
    let pool = Pool::<Noisy, 64>::new();
    let deferred = collector.register_deferred().unwrap();
    let object = pool.alloc(&deferred, QUIET).unwrap();
    // SAFETY: from this pool; never shared.
    unsafe { pool.retire(&deferred, object) };
    let (dropped, token) = drops(|| {
        // SAFETY: nobody else has these objects.
        unsafe {
            collector.with_unprotected(|guard| {
                let handle = guard.handle();
                std::mem::forget(handle.enter());
                // Blocks that a slot of the collector would keep.
                for _ in 0..8 {
                    let object = pool.alloc(&handle, QUIET).unwrap();
                    pool.retire(&handle, object);
                }
                handle.start_grace_period()
            })
        }
    });
    assert_eq!((dropped, pool.available()), (8, 63));
    let mut token = token;
    let eager = collector.register().unwrap();
    // `Handle::retire` waits for sections, as always.
    let section = eager.enter();
    // SAFETY: nobody else has these objects.
    let (dropped, ()) = drops(|| unsafe {
        collector.with_unprotected(|guard| {
            let object = pool.alloc(&guard.handle(), QUIET).unwrap();
            pool.retire(&guard.handle(), object);
        });
    });
    assert_eq!(dropped, 0);
    assert_eq!(drops(|| drop(section)).0, 1);
    assert!(token.poll(&eager));
    assert_eq!(drops(|| eager.collect()), (1, 1));
    // SAFETY: nothing is loaded.
    let id = unsafe { collector.with_unprotected(|guard| guard.handle().id()) };
    // SAFETY: no slot has the id.
    assert!(unsafe { collector.evict(id) }.is_err());
}

domain!(D: Collector<1> = Collector::new());

struct Place(Atomic<Noisy, D>);

impl Place {
    fn clear(&self, guard: &safe::Guard<'_, D>) {
        let old = self.0.swap(Shared::null(), guard);
        // SAFETY: the place was the one way to it.
        unsafe { guard.retire(old) };
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: nobody else has the place.
        unsafe { safe::Guard::<D>::with_unprotected(|guard| self.clear(guard)) };
    }
}

#[test]
fn a_place_of_the_safe_layer() {
    static POOL: Pool<Noisy, 2> = Pool::new();
    let handle = D::register().unwrap();
    let place = Place(Atomic::null());
    let guard = handle.enter();
    place
        .0
        .swap(Owned::new(&POOL, &handle, QUIET).unwrap(), &guard);
    place.clear(&guard);
    place
        .0
        .swap(Owned::new(&POOL, &handle, QUIET).unwrap(), &guard);
    // At once; what was retired before waits for the guard.
    assert_eq!(drops(|| drop(place)).0, 1);
    drop(guard);
    assert_eq!(drops(|| handle.collect()).0, 1);
    assert_eq!(POOL.available(), 2);
    // Empty.
    assert_eq!(drops(|| drop(Place(Atomic::null()))).0, 0);
    // The guard allocates, and has the domain's handle.
    // SAFETY: nothing is shared.
    let made = unsafe {
        safe::Guard::<D>::with_unprotected(|guard| {
            assert!(ptr::eq(guard.collector(), &raw const **D::COLLECTOR));
            Owned::<_, D>::new(&POOL, &guard.handle(), QUIET).unwrap()
        })
    };
    assert_eq!(drops(|| drop(made)).0, 1);
}

/// A callback waits for the sections that are open, as a grace period does.
#[test]
fn a_callback_waits() {
    static C: Collector<2> = Collector::new();
    static CALLBACK: Callback = Callback::new();
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    let reader = C.register().unwrap();
    let guard = reader.enter();
    // SAFETY: no object is loaded or retired.
    unsafe {
        C.with_unprotected(|guard| {
            let handle = guard.handle();
            assert_eq!(handle.slot(), C.capacity(), "no slot of the collector");
            let called = |word| CALLED.store(word, Ordering::SeqCst);
            CALLBACK.call_later(&handle, called, 3).unwrap();
        });
    }
    assert_eq!(CALLED.load(Ordering::SeqCst), 0);
    drop(guard);
    reader.collect();
    assert_eq!(CALLED.load(Ordering::SeqCst), 3);
}

/// A retire through a pool publishes early, but not here: neither the reclaimers of
/// others nor their blocks come into the call.
#[test]
fn others_are_not_reclaimed_there() {
    let (nodes, collector) = (Pool::new(), collector::<Robust>());
    let other = collector.register_deferred().unwrap();
    let eager = collector.register().unwrap();
    let retired = Box::into_raw(Box::new(eager.link(QUIET)));
    // SAFETY: never shared, and from a `Box`.
    unsafe { other.retire(retired, reclaim::boxed::<Linked<Noisy>>) };
    let mut list = List::new(&collector, &nodes);
    let (own, ()) = drops(|| {
        list.alone(|list, guard| {
            let (dropped, ()) = drops(|| {
                for _ in 0..4 {
                    assert!(list.push(guard, QUIET) && list.pop(guard));
                }
            });
            assert_eq!(dropped, 0);
        });
    });
    assert_eq!((own, drops(|| eager.collect()).0), (4, 1));
}

/// The call keeps no free blocks, which no other could find.
#[test]
fn no_block_is_kept_there() {
    let (blocks, collector) = (Pool::<u32, 64>::new(), collector::<Robust>());
    let other = collector.register_deferred().unwrap();
    let eager = collector.register().unwrap();
    let used = blocks.alloc(&eager, 1).unwrap();
    // SAFETY: nobody else uses the collector; all objects are from this pool, and were
    // never shared.
    unsafe {
        collector.with_unprotected(|guard| {
            let handle = guard.handle();
            blocks.free(blocks.alloc(&handle, 2).unwrap());
            blocks.retire(&other, used);
            assert_eq!(handle.collect(), 1);
            assert_eq!(blocks.available(), 64);
        });
    }
}

/// `Handle::retire` reclaims in the call what no section can hold, also where the
/// count of a batch runs out: with a limit, at each call that leaves something over.
#[test]
fn a_retire_reclaims_in_the_call() {
    let (blocks, collector) = (Pool::<Noisy, 8>::new(), collector::<hyaline::Basic>());
    let eager = collector.register().unwrap();
    let reader = collector.register_deferred().unwrap();
    // SAFETY: never shared; all objects are from this pool.
    unsafe {
        let guard = reader.enter();
        for _ in 0..2 {
            blocks.retire(&eager, blocks.alloc(&eager, QUIET).unwrap());
        }
        drop(guard);
        assert_eq!(eager.collect_at_most(1), 1);
        // One is left over.
        collector.with_unprotected(|guard| {
            let handle = guard.handle();
            handle.limit_reclaims(NonZeroU16::new(1));
            for _ in 0..4 {
                let object = blocks.alloc(&handle, QUIET).unwrap();
                assert_eq!(drops(|| blocks.retire(&handle, object)).0, 1);
            }
        });
    }
    assert_eq!(drops(|| eager.collect()).0, 1);
}

/// A handle that retires outside sections only still publishes what others have
/// retired, once in a batch.
#[test]
fn a_retire_publishes_for_deferred_handles() {
    let collector = Collector::<2, Robust>::with_config(Config::new().batch::<4>());
    let (other, eager) = (
        collector.register_deferred().unwrap(),
        collector.register().unwrap(),
    );
    let make = || Box::into_raw(Box::new(eager.link(QUIET)));
    let by = reclaim::boxed::<Linked<Noisy>>;
    let (dropped, ()) = drops(|| {
        // SAFETY: never shared, and from a `Box`.
        unsafe {
            other.retire(make(), by);
            (0..4).for_each(|_| eager.retire(make(), by));
        }
    });
    assert_eq!(dropped, 5);
}
