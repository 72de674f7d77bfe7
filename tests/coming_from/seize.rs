//! seize 0.3 and 0.5.

use std::{
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use hyaline::{
    AtomicPtr, Basic, Collector, Config, Link, Linked, Robust, Role, Scheme, domain, reclaim,
    safe::{self, Domain},
};

use crate::objects::{Counted, boxed, count, guards, object, retire_one};

#[test]
fn collector_new() {
    static COLLECTOR: Collector<8> = Collector::new();
    let handle = COLLECTOR.register().unwrap(); // once a thread
    assert_eq!(handle.slot(), 0);
    // Collector::ptr_eq, eq: two collectors are two addresses.
    let other = Collector::<8>::new();
    assert!(!ptr::eq(&raw const COLLECTOR, &raw const other));
}

#[test]
fn guard_belongs_to() {
    let (collector, other) = (Collector::<1>::new(), Collector::<1>::new());
    let handle = collector.register().unwrap();
    let guard = handle.enter();
    assert!(ptr::eq(guard.collector(), &raw const *collector));
    assert!(guard.belongs_to(&collector) && !guard.belongs_to(&other));
}

#[test]
fn unprotected() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let shared = AtomicPtr::new(object(&collector.register().unwrap(), &drops));
    let clear = |guard: &hyaline::Guard<'_>| {
        let old = guard.swap(&shared, ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: unlinked by the swap.
        unsafe { guard.defer_retire(old, boxed()) };
    };
    // SAFETY: nobody else has it.
    unsafe { collector.with_unprotected(clear) };
    assert_eq!(count(&drops), 1);
}

#[test]
fn epoch_frequency() {
    /// How many objects are pending after 100 replacements while a reader is
    /// stalled.
    fn pending<S: Scheme<Barrier = hyaline::Fences>>() -> usize {
        let drops = AtomicUsize::new(0);
        let config = Config::new().batch::<1>().era_step::<1>();
        let collector = Collector::<2, S>::with_config(config);
        let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
        let _stalled = reader.enter();
        for _ in 0..100 {
            // SAFETY: never shared.
            unsafe { writer.retire(object(&writer, &drops), boxed()) };
        }
        writer.flush();
        100 - count(&drops)
    }
    assert_eq!(pending::<Robust>(), 0);
    assert_eq!(pending::<Basic>(), 100); // epoch_frequency(None), and 0.5
}

#[test]
fn batch_size() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::with_config(Config::new().batch::<3>());
    let handle = collector.register().unwrap();
    for _ in 0..3 {
        assert_eq!(count(&drops), 0);
        retire_one(&handle, &handle.enter(), &drops);
    }
    assert_eq!(count(&drops), 3);
}

#[test]
fn enter() {
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let guard = handle.enter();
    assert_eq!((guard.slot(), guards(&collector, 0)), (0, 1)); // thread_id
}

#[test]
fn enter_owned() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let writer = collector.register().unwrap();
    let section = collector.register().unwrap().enter_owned();
    // SAFETY: never shared.
    unsafe { writer.retire(object(&writer, &drops), boxed()) };
    writer.flush();
    assert_eq!(count(&drops), 0);
    thread::scope(|scope| scope.spawn(|| drop(section)).join().unwrap());
    writer.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn link() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1, Robust>::with_config(Config::new());
    let handle = collector.register().unwrap();
    // link_boxed
    let linked = Box::into_raw(Box::new(handle.link(Counted(&drops))));
    let back = Link::cast::<Linked<Counted<'_>>>(linked.cast());
    // SAFETY: it is exclusively ours, and the link comes first.
    assert_eq!(count(unsafe { &*back }.0), 0);
    // SAFETY: never shared.
    unsafe { handle.retire(linked, boxed()) };
    assert_eq!(count(&drops), 1);
}

#[test]
fn retire() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let guard = handle.enter();
    let (now, later) = (object(&handle, &drops), object(&handle, &drops));
    // SAFETY: never shared.
    unsafe { guard.defer_retire(later, boxed()) };
    // Guards of the same handle do not count here.
    // SAFETY: never shared.
    unsafe { handle.retire(now, boxed()) };
    assert_eq!(count(&drops), 1);
    // SAFETY: the guard is open.
    assert_eq!(count(unsafe { &*later }.0), 1);
    drop(guard);
    handle.flush();
    assert_eq!(count(&drops), 2);
}

#[test]
fn protect() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let (one, two) = (object(&handle, &drops), object(&handle, &drops));
    let shared = AtomicPtr::new(one);
    let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
    let guard = handle.enter();
    assert_eq!(guard.protect(&shared, Ordering::Acquire), one);
    assert_eq!(guard.swap(&shared, two, Ordering::AcqRel), one);
    let found = guard.compare_exchange(&shared, one, ptr::null_mut(), success, failure);
    assert_eq!(found, Err(two));
    while guard
        .compare_exchange_weak(&shared, two, ptr::null_mut(), success, failure)
        .is_err()
    {}
    // SAFETY: unlinked by the swap.
    unsafe { guard.defer_retire(one, boxed()) };
    // SAFETY: unlinked by the exchange.
    unsafe { guard.defer_retire(two, reclaim::boxed::<Linked<Counted<'_>>>) };
    drop(guard);
    handle.flush();
    assert_eq!(count(&drops), 2);
}

#[test]
fn refresh() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let mut guard = handle.enter();
    retire_one(&handle, &guard, &drops);
    handle.flush();
    assert_eq!(count(&drops), 0);
    guard.refresh();
    assert_eq!(count(&drops), 1);
}

#[test]
fn flush() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<3>::new();
    let [one, two, three] = [(); 3].map(|()| collector.register().unwrap());
    let readers = (one.enter(), two.enter());
    retire_one(&three, &three.enter(), &drops);
    // There a batch smaller than the number of active threads stays where it
    // is. Here each object makes its own way.
    assert_eq!(three.flush(), 0);
    drop(readers);
    assert_eq!(count(&drops), 1, "by the last of them");
    // And any handle reclaims for all.
    retire_one(&three, &three.enter(), &drops);
    assert_eq!(one.flush(), 1);
}

#[test]
fn reclaim_all() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    retire_one(&handle, &handle.enter(), &drops);
    std::mem::forget(handle);
    drop(collector); // takes it by value: no guard can be left
    assert_eq!(count(&drops), 1);
}

#[test]
fn in_place() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let mut memory = core::mem::MaybeUninit::uninit();
    let place: *mut Linked<_> = memory.write(handle.link(Counted(&drops)));
    // SAFETY: never shared, and `memory` does not drop it.
    unsafe { handle.retire(place, reclaim::in_place::<Linked<Counted<'_>>>) };
    assert_eq!(count(&drops), 1);
}

#[test]
fn guard_collector() {
    fn slots<D: Domain<Collector = Collector<2>>, R: Role>(_: &safe::Guard<'_, D, R>) -> usize {
        D::COLLECTOR.capacity()
    }
    domain!(App: Collector<2> = Collector::new());
    let handle = App::register().unwrap();
    assert_eq!(slots(&handle.enter()), 2);
}
