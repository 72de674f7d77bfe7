//! What authors of structures use: the handle and the collector of a guard, the
//! reclaimer of a pool, the value of an object, a guard without a handle.

#![cfg(not(hyaline_loom))]

#[path = "authors/unprotected.rs"]
mod unprotected;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::atomic::Ordering::{AcqRel, Acquire, Release},
};

use hyaline::{
    AsLink, AtomicPtr, Collector, Config, Fences, Guard, Link, Linked, Pool, Robust, Role, Scheme,
    domain,
    safe::{self, Domain},
};

thread_local!(static DROPPED: Cell<usize> = const { Cell::new(0) });

/// Counts its drops; panics if told to.
struct Noisy {
    panics: bool,
}

const QUIET: Noisy = Noisy { panics: false };

impl Drop for Noisy {
    fn drop(&mut self) {
        DROPPED.set(DROPPED.get() + 1);
        assert!(!self.panics, "on purpose");
    }
}

/// The drops during a call.
fn drops<T>(call: impl FnOnce() -> T) -> (usize, T) {
    let before = DROPPED.get();
    let result = call();
    (DROPPED.get() - before, result)
}

fn panics<T>(call: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

/// A collector in which each object begins an era.
fn collector<S: Scheme<Barrier = Fences>>() -> Collector<4, S> {
    Collector::with_config(Config::new().era_step::<1>())
}

#[test]
fn each_scheme_has_a_default() {
    #[derive(Default)]
    struct Both {
        basic: Collector<2>,
        robust: Collector<2, Robust>,
    }
    static ROBUST: Collector<2, Robust> = Collector::new();
    let named = Collector::<2, Robust>::new();
    let both = Both::default();
    assert!(both.basic.register().is_ok() && both.robust.register().is_ok());
    assert!(ROBUST.register().is_ok() && named.register().is_ok());
}

fn a_guard_has_its_handle<S: Scheme<Barrier = Fences>>() {
    fn through<S: Scheme, R: Role>(guard: &Guard<'_, S, R>) {
        let pool = Pool::<u32, 1>::new();
        let handle = guard.handle();
        assert_eq!(handle.slot(), guard.slot());
        assert!(!handle.is_evicted());
        let inner = handle.enter();
        let object = pool.alloc(&inner.handle(), 7).unwrap();
        // SAFETY: from this pool, and never shared.
        unsafe { pool.free(object) };
        drop(inner);
        // This one alone is open.
        let state = guard.collector().slots().nth(guard.slot()).unwrap();
        assert_eq!(state.guards, 1);
    }
    let (own, another) = (collector::<S>(), collector::<S>());
    let eager = own.register().unwrap();
    let deferred = own.register_deferred().unwrap();
    let cpu = own.register_per_cpu().unwrap();
    let erased = own.register().unwrap().erase();
    let id = eager.id();
    through(&eager.enter());
    through(&deferred.enter());
    // SAFETY: one thread.
    through(&unsafe { cpu.get() }.enter());
    through(&erased.enter());
    assert_eq!(eager.enter().handle().id(), id);
    // The copy has released nothing.
    assert!(own.register().is_err());

    let section = eager.enter_owned();
    assert_eq!(section.handle().id(), id);
    let guard = section.guard();
    assert!(guard.belongs_to(&own) && !guard.belongs_to(&another));
    assert!(section.handle().belongs_to(&own) && !section.handle().belongs_to(&another));
    assert!(ptr::eq(guard.collector(), &raw const *own));
    assert!(ptr::eq(section.handle().collector(), &raw const *own));
}

#[test]
fn a_guard_has_its_handle_in_both_schemes() {
    a_guard_has_its_handle::<hyaline::Basic>();
    a_guard_has_its_handle::<Robust>();
}

#[test]
fn a_guard_of_a_domain_has_its_handle() {
    domain!(D: Collector<2> = Collector::new());
    static CELL: safe::RcuCell<u32, 4, D> = safe::RcuCell::new(0);
    fn bump<R: Role>(guard: &safe::Guard<'_, D, R>) -> u32 {
        let handle = guard.handle();
        let put = CELL.update(&handle, |old| old + 1).unwrap();
        assert!(put.guard().belongs_to(&D::COLLECTOR));
        *put
    }
    let (eager, deferred) = (D::register().unwrap(), D::register_deferred().unwrap());
    assert_eq!(bump(&eager.enter()), 1);
    assert_eq!(bump(&deferred.enter()), 2);
    let section = eager.enter_owned();
    assert_eq!(bump(&section), 3);
    drop(section.leave());
    assert_eq!(
        D::COLLECTOR.slots().filter(|s| s.owner.is_some()).count(),
        1
    );
}

fn a_pool_retires_its_own<S: Scheme<Barrier = Fences>>() {
    let pool = Pool::<Noisy, 2>::new();
    let collector = collector::<S>();
    let (handle, reader) = (collector.register().unwrap(), collector.register().unwrap());
    let object = pool.alloc(&handle, QUIET).unwrap();
    // SAFETY: from this pool, which is dropped last; never shared.
    let (dropped, ()) = drops(|| unsafe { pool.retire(&handle, object) });
    assert_eq!((dropped, pool.available()), (1, 2));

    let place = AtomicPtr::new(pool.alloc(&handle, QUIET).unwrap());
    let open = reader.enter();
    assert!(!open.protect(&place, Acquire).is_null());
    let guard = handle.enter();
    let old = guard.swap(&place, ptr::null_mut(), AcqRel);
    // SAFETY: unlinked by the swap; from this pool.
    unsafe { pool.defer_retire(&guard, old) };
    // SAFETY: the guard is still there.
    assert!(!unsafe { &**old }.panics);
    drop(guard);
    assert_eq!(drops(|| handle.collect()), (0, 0));
    let (dropped, _) = drops(|| {
        drop(open);
        handle.collect()
    });
    assert_eq!((dropped, pool.available()), (1, 2));

    // The object of a value that panics is gone, its block is not.
    let object = pool.alloc(&handle, Noisy { panics: true }).unwrap();
    // SAFETY: from this pool, which is dropped last; never shared.
    assert!(panics(|| unsafe { pool.retire(&handle, object) }));
    assert_eq!(pool.available(), 2);
}

#[test]
fn a_pool_retires_its_own_in_both_schemes() {
    a_pool_retires_its_own::<hyaline::Basic>();
    a_pool_retires_its_own::<Robust>();
}

#[repr(C)]
struct Route {
    link: Link,
    port: Cell<u32>,
}

// SAFETY: `repr(C)`, and the link comes first.
unsafe impl AsLink for Route {}

const GIVEN_BACK: u32 = 0xdead;

unsafe fn give_back(link: *mut Link) {
    // SAFETY: it reclaims routes alone.
    unsafe { (*Link::cast::<Route>(link)).port.set(GIVEN_BACK) };
}

/// Memory that is used again, with the header that it had: nothing says that it needs
/// a new one.
#[test]
fn a_header_is_used_again() {
    let collector = Collector::<2, Robust>::with_config(Config::new().batch::<1>().era_step::<1>());
    let [task, reader] = std::array::from_fn(|_| collector.register().unwrap());
    let some_eras = |number| (0..number).for_each(|_| drop(task.stamp()));
    for link in [task.stamp(), Link::new()] {
        let port = Cell::new(1);
        let route = Box::into_raw(Box::new(Route { link, port }));
        let shared = AtomicPtr::new(route);
        let take_out = || {
            let guard = task.enter();
            let old = guard.swap(&shared, ptr::null_mut(), AcqRel);
            // SAFETY: unlinked by the swap; `give_back` is for routes.
            unsafe { guard.defer_retire(old, give_back) };
            drop(guard);
            task.collect();
        };
        some_eras(if cfg!(miri) { 50 } else { 5000 });
        for life in 0..3 {
            shared.store(route, Release);
            let section = reader.enter();
            let held = section.protect(&shared, Acquire);
            // SAFETY: protected.
            let held = unsafe { &*held };
            held.port.set(life);
            some_eras(5);
            take_out();
            assert_eq!(held.port.get(), life, "the section holds it");
            drop(section);
            task.collect();
            // SAFETY: it was reclaimed, and is ours again.
            assert_eq!(unsafe { (*route).port.get() }, GIVEN_BACK);
        }
        // SAFETY: from a box, and nobody else has it.
        drop(unsafe { Box::from_raw(route) });
    }
}

/// What has no destructor can be reclaimed in each context, also if an evicted handle
/// has retired it; and it counts in the peak.
#[test]
fn a_deferred_handle_reclaims_for_an_evicted_one() {
    let (pool, collector) = (Pool::<u32, 1>::new(), Collector::<2>::new());
    let [own, other] = std::array::from_fn(|_| collector.register_deferred().unwrap());
    let object = pool.alloc(&other, 7).unwrap();
    // SAFETY: no call of it is under way, and it has no guard.
    unsafe { collector.evict(other.id()) }.unwrap();
    // SAFETY: from this pool, never shared.
    unsafe { pool.retire(&other, object) };
    assert!(pool.alloc(&own, 8).is_ok());
    assert_eq!(collector.stats().peak, 1);
}

/// A deferred handle may reclaim what has no destructor.
#[test]
fn a_deferred_handle_uses_a_block_again() {
    let (pool, collector) = (Pool::<u32, 1>::new(), Collector::<1>::new());
    let deferred = collector.register_deferred().unwrap();
    for value in 0..10 {
        let object = pool
            .alloc(&deferred, value)
            .expect("it reclaims the last one");
        // SAFETY: from this pool; never shared.
        unsafe {
            match value % 2 {
                0 => pool.retire(&deferred, object),
                _ => pool.defer_retire(&deferred.enter(), object),
            }
        }
    }
    let pool = Pool::<Noisy, 1>::new();
    let object = pool.alloc(&deferred, QUIET).unwrap();
    // SAFETY: from this pool; never shared.
    unsafe { pool.retire(&deferred, object) };
    let (dropped, refused) = drops(|| pool.alloc(&deferred, QUIET));
    assert_eq!(dropped, 0);
    assert!(refused.is_err());
    drop((refused, deferred));
    assert_eq!(drops(|| collector.register().unwrap().collect()).0, 1);
}

#[test]
#[cfg(debug_assertions)]
fn an_object_of_another_pool_is_caught() {
    let (one, another) = (Pool::<u32, 4>::new(), Pool::<u32, 4>::new());
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let object = one.alloc(&handle, 7).unwrap();
    let guard = handle.enter();
    let inside: *mut Linked<u32> = object.wrapping_byte_add(1);
    for wrong in [ptr::null_mut(), inside, object] {
        // SAFETY: it panics before it does anything.
        unsafe {
            assert!(panics(|| another.retire(&handle, wrong)));
            assert!(panics(|| another.defer_retire(&guard, wrong)));
            assert!(panics(|| another.free(wrong)));
            assert!(wrong == object || panics(|| one.free(wrong)));
        }
    }
    // SAFETY: from this pool; never shared.
    unsafe { one.free(object) };
    assert_eq!((one.available(), another.available()), (4, 4));
}

#[test]
fn a_value_leads_back_to_its_object() {
    #[repr(align(64))]
    struct Aligned(u8);

    fn both_ways<T>(value: T) {
        let (pool, collector) = (Pool::<T, 1>::new(), Collector::<1>::new());
        let handle = collector.register().unwrap();
        let object = pool.alloc(&handle, value).unwrap();
        let value = Linked::value_ptr(object);
        // SAFETY: ours.
        let inside: &T = unsafe { &*object };
        assert!(ptr::eq(value, inside));
        assert!(value.is_aligned());
        // The way back may be used: it reaches the header.
        let object = Linked::from_value_ptr(value);
        // SAFETY: from this pool; never shared.
        unsafe { pool.retire(&handle, object) };
        assert_eq!(pool.available(), 1);
    }
    both_ways(7_u8);
    both_ways(());
    both_ways([0_u64; 0]);
    both_ways(Aligned(7));
    both_ways(String::from("seven"));
    assert!(Linked::value_ptr(ptr::null_mut::<Linked<Aligned>>()).is_null());
    assert!(Linked::from_value_ptr(ptr::null_mut::<Aligned>()).is_null());
    assert_eq!(Aligned(7).0, 7);
    // Nothing is accessed.
    let dangling = ptr::without_provenance_mut::<Linked<u32>>(0x1000);
    assert_eq!(
        Linked::from_value_ptr(Linked::value_ptr(dangling)),
        dangling
    );
}
