//! Values whose drop panics.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread::panicking,
};

use hyaline::{
    Collector, Config, Handle, Linked, Pool, domain, reclaim,
    safe::{Domain, Owned},
};

use super::KEEPS;

/// Panics when it is dropped, unless that would be the second panic.
struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        assert!(panicking(), "on purpose");
    }
}

domain!(App: Collector<2> = Collector::new());

/// A value whose drop panics costs no block, whichever call drops it.
#[test]
fn a_panic_in_a_drop_loses_no_block() {
    const K: usize = 40;
    static BLOCKS: Pool<Bad, K> = Pool::new();
    type Object = *mut Linked<Bad>;
    type Alloc<'a> = &'a dyn Fn(&Handle<'_>) -> Object;
    /// A way to drop one object.
    type Way = fn(Collector<2>, Alloc<'_>);

    fn retire(handle: &Handle<'_>, object: Object) {
        // SAFETY: never shared, and the pool is a static.
        unsafe { handle.enter().defer_retire(object, reclaim::pooled::<Bad>) };
    }
    let ways: &[(&str, Way)] = &[
        ("free", |collector, alloc| {
            let handle = collector.register().unwrap();
            // SAFETY: from this pool, and never shared.
            unsafe { BLOCKS.free(alloc(&handle)) };
        }),
        ("retire", |collector, alloc| {
            let handle = collector.register().unwrap();
            // SAFETY: never shared, and the pool is a static.
            unsafe { handle.retire(alloc(&handle), reclaim::pooled::<Bad>) };
        }),
        ("flush", |collector, alloc| {
            let handle = collector.register().unwrap();
            retire(&handle, alloc(&handle));
            handle.flush();
        }),
        ("leave", |collector, alloc| {
            let (handle, other) = (collector.register().unwrap(), collector.register().unwrap());
            let guard = handle.enter();
            retire(&other, alloc(&other));
            other.flush();
            drop(guard);
        }),
        ("collect of another", |collector, alloc| {
            let sleeper = collector.register().unwrap();
            retire(&sleeper, alloc(&sleeper));
            collector.register().unwrap().collect();
        }),
        ("drop of the handle", |collector, alloc| {
            let handle = collector.register().unwrap();
            retire(&handle, alloc(&handle));
        }),
        ("drop of the collector", |collector, alloc| {
            let handle = collector.register().unwrap();
            retire(&handle, alloc(&handle));
            std::mem::forget(handle);
            drop(collector);
        }),
        ("an allocation without a block", |collector, alloc| {
            let handle = collector.register().unwrap();
            let all: Vec<_> = (0..K).map(|_| alloc(&handle)).collect();
            all.into_iter().for_each(|object| retire(&handle, object));
            alloc(&handle);
        }),
        (
            "a deferred handle's, by a collect of another",
            |collector, alloc| {
                let handle = collector.register().unwrap();
                let deferred = collector.register_deferred().unwrap();
                let object = alloc(&handle);
                // SAFETY: never shared, and the pool is a static.
                unsafe { deferred.retire(object, reclaim::pooled::<Bad>) };
                handle.flush();
            },
        ),
    ];
    for (name, way) in ways {
        let alloc = |handle: &Handle<'_>| BLOCKS.alloc(handle, Bad).ok().unwrap();
        // More than all blocks, so that no retire publishes and panics itself.
        let config = Config::new().batch::<{ 2 * K }>();
        let run = || way(Collector::with_config(config), &alloc);
        assert!(
            catch_unwind(AssertUnwindSafe(run)).is_err(),
            "{name}: no drop"
        );
        assert_eq!(BLOCKS.available(), K, "{name}");
    }

    let handle = App::register().unwrap();
    let new = || Owned::<Bad, App>::new(&BLOCKS, &handle, Bad).ok().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(new())));
    assert!(panicked.is_err());
    assert_eq!(BLOCKS.available(), K, "Owned");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let guard = handle.enter();
        let shared = new().into_shared(&guard);
        // SAFETY: never published.
        unsafe { guard.retire(shared) };
        drop(guard);
        handle.flush();
    }));
    assert!(panicked.is_err());
    handle.flush();
    let kept = if KEEPS { K / 32 } else { 0 };
    assert!(BLOCKS.available() >= K - kept, "safe::Guard::retire");
}
