//! What the safe layer promises, one test a promise, in both schemes. Runs on a
//! host and under Miri.

#![cfg(not(hyaline_loom))]

#[macro_use]
#[path = "common/safe.rs"]
mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};

use common::Counted;
use hyaline::{
    Collector, Config, Pool, Robust, domain,
    safe::{Atomic, Domain, Owned, RcuCell, Refused, Shared},
};

/// Rounds of a test with threads.
const ROUNDS: usize = if cfg!(miri) { 30 } else { 20_000 };

schemes! {
    <4, 4>
    an_owned_object_goes_back_to_its_pool {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static POOL: Pool<Counted, 1> = Pool::new();
        let handle = D::register().unwrap();
        let mut first: Owned<_, D> = Owned::new(&POOL, &handle, Counted(1, &DROPS)).unwrap();
        first.0 = 2;
        let refused = Owned::<_, D>::new(&POOL, &handle, Counted(3, &DROPS));
        let value = refused.unwrap_err().into_inner();
        assert_eq!((value.0, first.0), (3, 2));
        drop((value, first));
        assert_eq!(DROPS.load(SeqCst), 2);
        let second: Owned<_, D> = Owned::new(&POOL, &handle, Counted(4, &DROPS)).unwrap();
        assert_eq!(POOL.available(), 0);
        let value = second.into_inner();
        assert_eq!((DROPS.load(SeqCst), POOL.available()), (2, 1));
        drop(value);
        assert_eq!(DROPS.load(SeqCst), 3);
    }

    an_exchange_that_fails_gives_the_object_back {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static POOL: Pool<Counted, 2> = Pool::new();
        static PLACE: Atomic<Counted, D> = Atomic::null();
        let handle = D::register().unwrap();
        let first = Owned::new(&POOL, &handle, Counted(1, &DROPS)).unwrap();
        let guard = handle.enter();
        PLACE.swap(first, &guard);
        let second = Owned::new(&POOL, &handle, Counted(2, &DROPS)).unwrap();
        let changed = PLACE.compare_exchange(Shared::null(), second, &guard).unwrap_err();
        assert_eq!(changed.current.as_ref().unwrap().0, 1);
        assert_eq!(changed.current, PLACE.load(&guard));
        drop(changed.new);
        assert_eq!((DROPS.load(SeqCst), POOL.available()), (1, 1));
        let old = PLACE.compare_exchange(changed.current, Shared::null(), &guard).unwrap();
        // SAFETY: unlinked, and no thread stores what it loads.
        unsafe { guard.retire(old) };
        assert_eq!(old.as_ref().unwrap().0, 1);
        assert_eq!(DROPS.load(SeqCst), 1, "the guard protects it");
        drop(guard);
        handle.flush();
        assert_eq!((DROPS.load(SeqCst), POOL.available()), (2, 2));
    }

    a_shared_object_is_protected_from_the_start {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static POOL: Pool<Counted, 8> = Pool::new();
        static PLACE: Atomic<Counted, D> = Atomic::null();
        let (handle, other) = (D::register().unwrap(), D::register().unwrap());
        let guard = handle.enter();
        // The era advances after the section began.
        for _ in 0..3 {
            drop(Owned::<_, D>::new(&POOL, &other, Counted(0, &DROPS)).unwrap());
        }
        let object = Owned::new(&POOL, &other, Counted(1, &DROPS)).unwrap();
        let object = object.into_shared(&guard);
        PLACE.swap(object, &guard);
        thread::scope(|scope| {
            scope.spawn(move || {
                let guard = other.enter();
                let old = PLACE.swap(Shared::null(), &guard);
                // SAFETY: unlinked, and no thread stores what it loads.
                unsafe { guard.retire(old) };
                drop(guard);
                other.flush();
            });
        });
        assert_eq!(DROPS.load(SeqCst), 3);
        assert_eq!(object.as_ref().unwrap().0, 1);
        drop(guard);
        handle.flush();
        assert_eq!((DROPS.load(SeqCst), POOL.available()), (4, 8));
    }

    // As for a writer that copies a path and then finds that the root has
    // changed, and as for one under a lock.
    an_object_is_owned_again {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static POOL: Pool<Counted, 2> = Pool::new();
        let handle = D::register().unwrap();
        let guard = handle.enter();
        let below: Owned<_, D> = Owned::new(&POOL, &handle, Counted(1, &DROPS)).unwrap();
        let place = Atomic::new(below);
        let copy = Atomic::from(place.load(&guard));
        assert_eq!(copy.load(&guard), place.load(&guard));
        // SAFETY: no other thread has access to the pointer, nor to a copy of
        // it.
        let below = unsafe { place.load_unguarded() };
        assert_eq!(below.as_ref().unwrap().0, 1);
        // SAFETY: no other thread has access to the pointer, and `copy` is not used
        // again.
        let below = unsafe { below.into_owned() }.unwrap();
        drop(below);
        assert_eq!((DROPS.load(SeqCst), POOL.available()), (1, 2));
        // SAFETY: null.
        assert!(unsafe { Shared::<Counted, D>::null().into_owned() }.is_none());
    }

    a_guard_keeps_its_version {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static CELL: RcuCell<Counted, 2, D> = RcuCell::new(Counted(0, &DROPS));
        let (reader, writer) = (D::register().unwrap(), D::register().unwrap());
        let guard = reader.enter();
        let seen = CELL.read(&guard);
        CELL.replace(&writer, Counted(1, &DROPS)).unwrap();
        writer.flush();
        assert_eq!((seen.0, DROPS.load(SeqCst)), (0, 0));
        assert_eq!((CELL.read(&guard).0, CELL.available()), (1, 1));
        drop(guard);
        writer.flush();
        assert_eq!(DROPS.load(SeqCst), 1);
    }

    two_blocks_never_run_out {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static CELL: RcuCell<Counted, 2, D> = RcuCell::new(Counted(0, &DROPS));
        let handle = D::register().unwrap();
        for round in 1..=50 {
            CELL.replace(&handle, Counted(2 * round - 1, &DROPS)).unwrap();
            CELL.update(&handle, |old| Counted(old.0 + 1, &DROPS)).unwrap();
            assert_eq!(CELL.read(&handle.enter()).0, 2 * round);
        }
        handle.flush();
        assert_eq!(DROPS.load(SeqCst), 100);
    }

    a_full_cell_gives_the_value_back {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static CELL: RcuCell<Counted, 2, D> = RcuCell::new(Counted(0, &DROPS));
        let handle = D::register().unwrap();
        CELL.replace(&handle, Counted(1, &DROPS)).unwrap();
        handle.flush();
        let guard = handle.enter();
        assert_eq!(CELL.read(&guard).0, 1);
        CELL.replace(&handle, Counted(2, &DROPS)).unwrap();
        let full = CELL.replace(&handle, Counted(3, &DROPS)).unwrap_err();
        assert!(full.to_string().contains("drop guards"));
        assert_eq!(full.into_inner().0, 3);
        CELL.update(&handle, |_| unreachable!()).unwrap_err();
        let current = CELL.read(&guard);
        match CELL.compare_exchange(&handle, current, Counted(4, &DROPS)) {
            Err(Refused::Full(value)) => assert_eq!(value.0, 4),
            other => panic!("{other:?}"),
        }
        assert_eq!(current.0, 2);
        assert_eq!(DROPS.load(SeqCst), 3, "the first, and those that came back");
    }

    compare_exchange_compares_versions {
        static CELL: RcuCell<u32, 4, D> = RcuCell::new(7);
        let handle = D::register().unwrap();
        let guard = handle.enter();
        let first = CELL.read(&guard);
        let equal = 7;
        assert_eq!(CELL.compare_exchange(&handle, &equal, 8), Err(Refused::Mismatch(8)));
        assert_eq!(CELL.compare_exchange(&handle, first, 7), Ok(()));
        assert_eq!(CELL.compare_exchange(&handle, first, 9), Err(Refused::Mismatch(9)));
        assert_eq!(CELL.snapshot(&handle), 7);
    }

    a_closure_that_panics_costs_no_block {
        static CELL: RcuCell<u32, 2, D> = RcuCell::new(1);
        let handle = D::register().unwrap();
        for _ in 0..5 {
            let update = AssertUnwindSafe(|| CELL.update(&handle, |_| panic!("for the test")));
            assert!(catch_unwind(update).is_err());
        }
        CELL.update(&handle, |old| old + 1).unwrap();
        CELL.update(&handle, |old| old + 1).unwrap();
        assert_eq!(CELL.snapshot(&handle), 3);
    }

    a_cell_that_is_dropped_drops_its_value {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        drop(RcuCell::<Counted, 2, D>::new(Counted(0, &DROPS)));
        assert_eq!(DROPS.load(SeqCst), 1);
        let leaked = Box::into_raw(Box::new(RcuCell::<_, 2, D>::new(Counted(1, &DROPS))));
        let handle = D::register().unwrap();
        // SAFETY: it lives until it is freed below.
        unsafe { &*leaked }.replace(&handle, Counted(2, &DROPS)).unwrap();
        handle.flush();
        assert_eq!(DROPS.load(SeqCst), 2);
        // SAFETY: it is not used any more, and none of its objects waits to be
        // reclaimed.
        drop(unsafe { Box::from_raw(leaked) });
        assert_eq!(DROPS.load(SeqCst), 3);
    }

    a_refresh_lets_go {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static CELL: RcuCell<Counted, 2, D> = RcuCell::new(Counted(0, &DROPS));
        let (reader, writer) = (D::register().unwrap(), D::register().unwrap());
        assert_eq!(CELL.available(), 2);
        let mut guard = reader.enter();
        assert_eq!(CELL.read(&guard).0, 0);
        CELL.replace(&writer, Counted(1, &DROPS)).unwrap();
        writer.flush();
        assert_eq!(DROPS.load(SeqCst), 0, "the guard holds it back");
        guard.refresh();
        writer.flush();
        assert_eq!(DROPS.load(SeqCst), 1);
        assert_eq!(CELL.read(&guard).0, 1);
    }

    shared_pointers_tell_what_they_point_to {
        static POOL: Pool<u32, 2> = Pool::new();
        static PLACES: [Atomic<u32, D>; 2] = [const { Atomic::null() }; 2];
        let handle = D::register().unwrap();
        let guard = handle.enter();
        assert!(PLACES[0].load(&guard).is_null());
        let [one, two] = [1, 2].map(|n| Owned::new(&POOL, &handle, n).unwrap());
        let [one, two] = [one.into_shared(&guard), two.into_shared(&guard)];
        assert!(!one.is_null() && one != two && one == one);
        PLACES[1].swap(one, &guard);
        assert!(PLACES[1].load(&guard) == one && PLACES[0].load(&guard) != one);
    }

    a_cpu_names_its_slot {
        let (first, second) = (D::register_per_cpu().unwrap(), D::register_per_cpu().unwrap());
        assert_eq!((first.slot(), second.slot()), (0, 1));
        assert_ne!(first.id(), second.id());
    }

    no_update_is_lost {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static CELL: RcuCell<(Counted, usize), 64, D> = RcuCell::new((Counted(0, &DROPS), 0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let handle = D::register().unwrap();
                    for _ in 0..ROUNDS {
                        let next = |old: &(Counted, usize)| (Counted(old.0.0 + 1, &DROPS), old.1 + 1);
                        while CELL.update(&handle, next).is_err() {
                            thread::yield_now();
                        }
                    }
                });
            }
            let handle = D::register().unwrap();
            let mut last = 0;
            while last < ROUNDS {
                let guard = handle.enter();
                let seen = CELL.read(&guard);
                thread::yield_now();
                assert_eq!(seen.0.0, seen.1, "half a version");
                assert!(last <= seen.1, "an older version came back");
                last = seen.1;
            }
        });
        let handle = D::register().unwrap();
        assert_eq!(CELL.read(&handle.enter()).1, 2 * ROUNDS);
        handle.flush();
        // The values that lost an exchange were dropped, too.
        assert!(DROPS.load(SeqCst) >= 2 * ROUNDS);
    }
}
