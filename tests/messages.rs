//! What an error says: it names the actual one of several possible causes, and
//! its advice helps.

#![cfg(not(hyaline_loom))]

use std::mem;

use hyaline::{
    Busy, Callback, Collector, Linked, Pool, WouldDeadlock, domain, reclaim,
    safe::{Atomic, Domain, Full, Map, Owned, RcuCell, Refused, Stack},
};

/// The error names the cause and the remedy.
fn says(error: &dyn core::error::Error, cause: &str, advice: &str) {
    let text = error.to_string();
    let (causes, advices) = text.split_once("; ").expect("cause; advice");
    assert!(causes.contains(cause), "{cause:?} in {text:?}");
    assert!(advices.contains(advice), "{advice:?} in {text:?}");
}

#[test]
fn slots_exhausted() {
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    says(
        &collector.register().unwrap_err(),
        "each slot",
        "drop a handle",
    );
    drop(handle);

    let handle = collector.register().unwrap();
    let id = handle.id();
    mem::forget(handle.enter());
    drop(handle);
    says(
        &collector.register().unwrap_err(),
        "(1) is claimed",
        "evict",
    );
    // SAFETY: the guard was forgotten, and nothing was loaded.
    unsafe { collector.evict(id) }.unwrap();
    assert!(collector.register().is_ok());
}

#[test]
fn not_the_owner() {
    let (one, two) = (Collector::<1>::new(), Collector::<2>::new());
    let id = one.register().unwrap().id();
    // SAFETY: it does nothing.
    let error = unsafe { one.evict(id) }.unwrap_err();
    says(
        &error,
        "released or evicted before",
        "nothing is left to do",
    );

    let (_first, second) = (two.register().unwrap(), two.register().unwrap());
    // SAFETY: it does nothing: the collector has no such slot.
    let error = unsafe { one.evict(second.id()) }.unwrap_err();
    says(&error, "to another collector", "its own collector");
}

#[test]
fn pool_exhausted() {
    let collector = Collector::<3>::new();
    let pool = Pool::<String, 1>::new();
    let (eager, deferred) = (
        collector.register().unwrap(),
        collector.register_deferred().unwrap(),
    );
    let retire = || {
        let object: *mut Linked<String> = pool.alloc(&eager, String::new()).unwrap();
        // SAFETY: never shared; from a pool that outlives the collector's use.
        unsafe { eager.retire(object, reclaim::pooled::<String>) };
    };
    let used = pool.alloc(&eager, String::new()).unwrap();
    let error = pool.alloc(&eager, String::new()).unwrap_err();
    says(&error, "in use", "make the pool larger");
    // SAFETY: never shared.
    unsafe { pool.free(used) };

    // A deferred reader leaves what waited for it to others.
    let guard = deferred.enter();
    retire();
    let error = pool.alloc(&eager, String::new()).unwrap_err();
    says(&error, "held back by an open guard", "drop guards");
    drop(guard);
    let error = pool.alloc(&deferred, String::new()).unwrap_err();
    says(&error, "waits for an eager handle", "flush an eager handle");
    eager.flush();
    let object = pool.alloc(&deferred, String::new()).unwrap();
    // SAFETY: never shared.
    unsafe { pool.free(object) };
}

/// A handle with an open guard keeps blocks, where there are caches.
#[test]
#[cfg(target_pointer_width = "64")]
fn pool_exhausted_by_what_a_handle_keeps() {
    let (pool, collector) = (Pool::<u32, 64>::new(), Collector::<2>::new());
    let (keeper, other) = (collector.register().unwrap(), collector.register().unwrap());
    let objects: Vec<_> = (0..64).map(|n| pool.alloc(&keeper, n).unwrap()).collect();
    // SAFETY: from this pool, which is dropped last; never shared.
    unsafe { pool.retire(&keeper, objects[0]) };
    let guard = keeper.enter();
    let error = pool.alloc(&other, 64).unwrap_err();
    says(
        &error,
        "kept by a handle with one or in a call",
        "drop guards",
    );
    drop(guard);
    pool.alloc(&other, 64).unwrap();
}

domain!(App: Collector<3> = Collector::new());

#[test]
fn full_and_refused() {
    static STACK: Stack<String, 1, App> = Stack::new();
    static CELL: RcuCell<u32, 2, App> = RcuCell::new(0);
    static MAP: Map<u32, u32, 4, 2, App> = Map::new();
    static PAIR: Pool<u32, 2> = Pool::new();
    let (eager, deferred) = (App::register().unwrap(), App::register_deferred().unwrap());

    STACK.push(&eager, String::new()).unwrap();
    let error: Full<String> = STACK.push(&eager, String::new()).unwrap_err();
    says(&error, "in use", "take something out");
    let taken = STACK.pop(&deferred);
    assert!(taken.is_some());
    STACK.push(&eager, String::new()).unwrap();

    let reader = App::register().unwrap();
    let guard = reader.enter();
    CELL.replace(&eager, 1).unwrap();
    CELL.replace(&eager, 2).unwrap();
    let error = CELL.replace(&eager, 3).unwrap_err();
    says(&error, "held back by an open guard", "drop guards");
    let seen = CELL.read(&guard);
    let error: Refused<u32> = CELL.compare_exchange(&eager, seen, 3).unwrap_err();
    says(&error, "held back by an open guard", "drop guards");
    drop(guard);
    CELL.replace(&eager, 3).unwrap();
    eager.flush();

    let guard = reader.enter();
    let seen = CELL.read(&guard);
    let error = CELL.compare_exchange(&eager, &0, 4).unwrap_err();
    says(&error, "another version", "read again");
    assert_eq!(*seen, 3);
    drop(guard);
    MAP.insert(&eager, 1, 1).unwrap();
    let error = MAP.insert(&eager, 1, 1).unwrap_err();
    says(&error, "the key is there already", "read again");
    let error = MAP.replace(&eager, 2, 1).unwrap_err();
    says(&error, "is not there", "read again");

    let place: Atomic<u32, App> = Atomic::new(Owned::new(&PAIR, &eager, 1).unwrap());
    let guard = eager.enter();
    let null = Atomic::null().load(&guard);
    let new = Owned::new(&PAIR, &eager, 2).unwrap();
    let error = place.compare_exchange(null, new, &guard).unwrap_err();
    says(&error, "not the expected one", "look at the current one");
}

#[test]
fn busy_and_would_deadlock() {
    static COLLECTOR: Collector<1> = Collector::new();
    static CALLBACK: Callback = Callback::new();
    let handle = COLLECTOR.register().unwrap();
    CALLBACK.call_later(&handle, |_| {}, 0).unwrap();
    let error: Busy = CALLBACK.call_later(&handle, |_| {}, 0).unwrap_err();
    says(&error, "an earlier call", "flush an eager handle");
    handle.flush();
    CALLBACK.call_later(&handle, |_| {}, 0).unwrap();

    let guard = handle.enter();
    let error: WouldDeadlock = handle.synchronize(std::thread::yield_now).unwrap_err();
    says(&error, "its own caller", "drop the handle's guards");
    drop(guard);
    handle.synchronize(std::thread::yield_now).unwrap();
}
