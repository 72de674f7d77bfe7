//! crossbeam-epoch.

use std::sync::atomic::{AtomicUsize, Ordering};

use hyaline::{
    Callback, Collector, Pool, domain,
    safe::{Atomic, Domain, Guard, Owned, Shared},
};

use crate::objects::{boxed, count, guards, object, retire_one};

/// Counts its drops in the test's own counter.
struct Noted(&'static AtomicUsize);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn collector_register() {
    static C: Collector<2> = Collector::new(); // default_collector: your own static
    let local = C.register().unwrap();
    assert_eq!(local.slot(), 0);
}

#[test]
fn pin() {
    let collector = Collector::<1>::new();
    let local = collector.register().unwrap();
    assert_eq!(guards(&collector, 0), 0); // is_pinned
    let _guard = local.enter();
    assert_eq!(guards(&collector, 0), 1);
}

#[test]
fn defer() {
    static C: Collector<2> = Collector::new();
    static CALLBACK: Callback = Callback::new();
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    let (local, other) = (C.register().unwrap(), C.register().unwrap());
    let guard = other.enter();
    let function = |word| _ = CALLED.fetch_add(word, Ordering::SeqCst);
    CALLBACK.call_later(&local, function, 7).unwrap();
    local.flush();
    assert_eq!(count(&CALLED), 0);
    drop(guard);
    local.flush();
    assert_eq!(count(&CALLED), 7);
}

#[test]
fn defer_destroy() {
    domain!(App: Collector<2> = Collector::new());
    static POOL: Pool<Noted, 4> = Pool::new();
    static PLACE: Atomic<Noted, App> = Atomic::null();
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let handle = App::register().unwrap();
    let guard = handle.enter();
    PLACE.swap(
        Owned::new(&POOL, &handle, Noted(&DROPS)).ok().unwrap(),
        &guard,
    );
    let old = PLACE.swap(Shared::null(), &guard);
    // SAFETY: `PLACE` was the only pointer to it.
    unsafe { guard.retire(old) };
    assert_eq!(
        count(old.as_ref().unwrap().0),
        0,
        "until the guard is dropped"
    );
    drop(guard);
    handle.flush();
    assert_eq!(count(&DROPS), 1);
}

#[test]
fn flush() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let local = collector.register().unwrap();
    retire_one(&local, &local.enter(), &drops);
    assert_eq!(count(&drops), 0);
    assert_eq!(local.flush(), 1);
}

#[test]
fn repin() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let (local, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let mut guard = local.enter();
    // SAFETY: never shared.
    unsafe { writer.retire(object(&writer, &drops), boxed()) };
    writer.flush();
    assert_eq!(count(&drops), 0);
    guard.refresh();
    assert_eq!(count(&drops), 1);
    // repin_after: drop, do it, enter again.
    drop(guard);
    assert_eq!(guards(&collector, local.slot()), 0);
    let _guard = local.enter();
    assert_eq!(guards(&collector, local.slot()), 1);
}

#[test]
fn atomic_load() {
    domain!(App: Collector<2> = Collector::new());
    static POOL: Pool<u32, 4> = Pool::new();
    static PLACE: Atomic<u32, App> = Atomic::null();
    let handle = App::register().unwrap();
    let guard = handle.enter();
    assert!(PLACE.load(&guard).is_null());
    let new = Owned::new(&POOL, &handle, 7).unwrap();
    // store is a swap whose result is retired.
    assert!(PLACE.swap(new, &guard).is_null());
    assert_eq!(PLACE.load(&guard).as_ref(), Some(&7));
    let next = Owned::new(&POOL, &handle, 8).unwrap();
    let refused = PLACE
        .compare_exchange(Shared::null(), next, &guard)
        .unwrap_err();
    assert_eq!(refused.current.as_ref(), Some(&7));
    let seven = refused.current;
    assert!(PLACE.compare_exchange(seven, refused.new, &guard).is_ok());
    // SAFETY: unlinked by the exchange.
    unsafe { guard.retire(seven) };
    assert_eq!(PLACE.load(&guard).as_ref(), Some(&8));
}

#[test]
fn fetch_update() {
    domain!(App: Collector<2> = Collector::new());
    static POOL: Pool<u32, 4> = Pool::new();
    static PLACE: Atomic<u32, App> = Atomic::null();
    let handle = App::register().unwrap();
    let guard = handle.enter();
    PLACE.swap(Owned::new(&POOL, &handle, 7).unwrap(), &guard);
    let mut current = PLACE.load(&guard);
    let old = loop {
        let next = current.as_ref().unwrap() + 1;
        let new = Owned::new(&POOL, &handle, next).unwrap();
        match PLACE.compare_exchange(current, new, &guard) {
            Ok(old) => break old,
            Err(changed) => current = changed.current, // and `changed.new` is not lost
        }
    };
    // SAFETY: unlinked by the exchange.
    unsafe { guard.retire(old) };
    assert_eq!(PLACE.load(&guard).as_ref(), Some(&8));
}

#[test]
fn unprotected() {
    domain!(App: Collector<2> = Collector::new());
    static POOL: Pool<u32, 1> = Pool::new();
    let handle = App::register().unwrap();
    let place = Atomic::new(Owned::<_, App>::new(&POOL, &handle, 7).unwrap());
    // SAFETY: nobody else ever saw it.
    assert_eq!(unsafe { place.load_unguarded() }.as_ref(), Some(&7));
    // SAFETY: nobody else ever saw it, and `place` is not used any more.
    let owned = unsafe { place.into_owned() };
    assert_eq!(owned.unwrap().into_inner(), 7);
    assert_eq!(POOL.available(), 1);

    let place = Atomic::new(Owned::<_, App>::new(&POOL, &handle, 7).unwrap());
    let clear = |guard: &Guard<'_, App>| {
        // SAFETY: the place was the one way to it.
        unsafe { guard.retire(place.swap(Shared::null(), guard)) };
    };
    // SAFETY: nobody else has the place.
    unsafe { Guard::<App>::with_unprotected(clear) };
    assert_eq!(POOL.available(), 1); // at once
}

#[test]
fn tag() {
    domain!(App: Collector<1> = Collector::new());
    static PLACE: Atomic<u32, App> = Atomic::null();
    let handle = App::register().unwrap();
    let guard = handle.enter();
    assert_eq!(PLACE.fetch_or(1, &guard).tag(), 0);
    let marked = PLACE.load(&guard);
    assert!(marked.tag() == 1 && marked.is_null());
    assert!(marked.with_tag(0) == Shared::null());
}
