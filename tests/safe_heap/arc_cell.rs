//! The cell of an `Arc`.

use std::sync::Arc;

use hyaline::safe::ArcCell;

use super::*;

schemes! {
    <6, 4>
    it_holds_one_count_and_gives_it_back {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let live = LIVE.get();
        let handle = D::register().unwrap();
        let values: Vec<_> = (0..4).map(|n| Arc::new(Counted(n, &DROPS))).collect();
        let counts = || values.iter().map(Arc::strong_count).collect::<Vec<_>>();
        let cell = ArcCell::new(&handle, values[0].clone()).unwrap();
        assert_eq!(counts(), [2, 1, 1, 1]);
        let guard = handle.enter();
        let old = cell.load(&guard);
        assert_eq!(counts(), [2, 1, 1, 1]);
        cell.store(&handle, values[1].clone()).unwrap();
        assert_eq!((old.0, cell.load(&guard).0), (0, 1));
        let full = cell.load_full(&handle);
        assert_eq!(counts(), [2, 3, 1, 1]);
        assert!(Arc::ptr_eq(&cell.swap(&handle, values[2].clone()).unwrap(), &full));
        drop(full);
        assert!(Arc::ptr_eq(&cell.rcu(&handle, |_| values[3].clone()).unwrap(), &values[2]));
        cell.compare_exchange(&handle, &values[3], values[0].clone()).unwrap();
        let refused = cell.compare_exchange(&handle, &values[3], values[1].clone()).unwrap_err();
        assert!(matches!(refused, Refused::Mismatch(same) if Arc::ptr_eq(&same, &values[1])));
        drop(guard);
        handle.collect();
        assert_eq!(counts(), [2, 1, 1, 1]);
        assert!(Arc::ptr_eq(&cell.into_inner(), &values[0]));
        drop(ArcCell::<_, D>::new(&handle, values[0].clone()).unwrap());
        assert_eq!(counts(), [1, 1, 1, 1]);
        drop(values);
        assert_eq!((DROPS.load(SeqCst), LIVE.get()), (4, live));
    }

    // What was retired outlives the cell, and needs nothing of it.
    a_cell_is_dropped_before_its_old_versions {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let handle = D::register().unwrap();
        let reader = D::register().unwrap();
        let section = reader.enter();
        let cell = ArcCell::new(&handle, Arc::new(Counted(0, &DROPS))).unwrap();
        for n in 1..10 {
            cell.store(&handle, Arc::new(Counted(n, &DROPS))).unwrap();
        }
        drop(cell);
        assert!(DROPS.load(SeqCst) < 10);
        drop(section);
        handle.collect();
        assert_eq!(DROPS.load(SeqCst), 10);
    }

    it_refuses_when_there_is_no_memory {
        let handle = D::register().unwrap();
        let (one, two) = (Arc::new(1), Arc::new(2));
        let (full, failed) = refusing(0, || ArcCell::<_, D>::new(&handle, one.clone()));
        assert!(failed && *full.unwrap_err().into_inner() == 1);
        let cell = ArcCell::<_, D>::new(&handle, one.clone()).unwrap();
        let (full, failed) = refusing(0, || cell.store(&handle, two.clone()));
        assert!(failed && *full.unwrap_err().into_inner() == 2);
        let (full, failed) = refusing(0, || cell.swap(&handle, two.clone()));
        assert!(failed && *full.unwrap_err().into_inner() == 2);
        let (full, failed) = refusing(0, || cell.compare_exchange(&handle, &one, two.clone()));
        assert!(failed && matches!(full, Err(Refused::Full(two)) if *two == 2));
        let (full, failed) = refusing(0, || {
            cell.rcu(&handle, |_| -> Arc<i32> { panic!("it must not run") })
        });
        assert!(failed && full.is_err());
        assert!(Arc::ptr_eq(&cell.load_full(&handle), &one));
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two)), (2, 1));
        let (_, failed) = refusing(1, || cell.swap(&handle, two.clone()));
        assert!(!failed, "one allocation a call");
    }

    // Nothing at all in an interrupt that loads, and no value where one writes.
    a_deferred_handle_drops_no_value {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let task = D::register().unwrap();
        let interrupt = D::register_deferred().unwrap();
        let cell = ArcCell::new(&task, Arc::new(Counted(0, &DROPS))).unwrap();
        let fresh = |n| Arc::new(Counted(n, &DROPS));
        cell.store(&interrupt, fresh(1)).unwrap();
        // Loses, once: what was made is retired.
        let mut first = true;
        let old = cell.rcu(&interrupt, |old| {
            if std::mem::take(&mut first) {
                cell.store(&interrupt, fresh(2)).unwrap();
            }
            fresh(old.0 + 10)
        });
        assert_eq!(old.unwrap().0, 2);
        assert_eq!(DROPS.load(SeqCst), 0);
        assert_eq!(cell.load_full(&interrupt).0, 12);
        task.collect();
        // 0, 1, 2, and 11, which lost.
        assert_eq!(DROPS.load(SeqCst), 4);
    }

    // The closure's, before and after it lost, and those of a value that is
    // reclaimed.
    a_panic_leaks_nothing {
        #[repr(align(512))]
        struct Fused(bool);
        impl Drop for Fused {
            fn drop(&mut self) {
                assert!(!self.0, "for the test");
            }
        }
        let handle = D::register().unwrap();
        let cell = ArcCell::new(&handle, Arc::new(Fused(false))).unwrap();
        let value = cell.load_full(&handle);
        for runs in 0..2 {
            let mut left = runs;
            let thrown = catch_unwind(AssertUnwindSafe(|| cell.rcu(&handle, |_| {
                if left == 0 {
                    panic!("for the test");
                }
                left -= 1;
                cell.store(&handle, value.clone()).unwrap();
                Arc::new(Fused(false))
            })));
            assert!(thrown.is_err());
            assert_eq!(WIDE.get(), 1);
        }
        cell.store(&handle, Arc::new(Fused(true))).unwrap();
        cell.store(&handle, value.clone()).unwrap();
        let caught = (0..2).filter(|_| {
            catch_unwind(AssertUnwindSafe(|| handle.collect())).is_err()
        });
        assert_eq!(caught.count(), 1);
        assert_eq!((WIDE.get(), Arc::strong_count(&value)), (1, 2));
    }

    values_without_a_size {
        let handle = D::register().unwrap();
        let text = ArcCell::<str, D>::new(&handle, "one".into()).unwrap();
        assert_eq!(&*text.rcu(&handle, |old| format!("{old}, two")).unwrap(), "one");
        assert_eq!(&**text.load(&handle.enter()), "one, two");
        let call = ArcCell::<dyn Fn() -> u32 + Send + Sync, D>::new(&handle, Arc::new(|| 1)).unwrap();
        call.store(&handle, Arc::new(|| 2)).unwrap();
        assert_eq!(call.load(&handle.enter())(), 2);
        let unit = ArcCell::<(), D>::new(&handle, Arc::new(())).unwrap();
        unit.store(&handle, Arc::new(())).unwrap();
        assert_eq!(**unit.load(&handle.enter()), ());
    }

    no_update_is_lost {
        let handle = D::register().unwrap();
        let cell = &ArcCell::<usize, D>::new(&handle, Arc::new(0)).unwrap();
        let times = MANY / 4;
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let handle = D::register().unwrap();
                    let mut last = 0;
                    for _ in 0..times {
                        cell.rcu(&handle, |n| **n + 1).unwrap();
                        let now = *cell.load_full(&handle);
                        assert!(now > last);
                        last = now;
                    }
                });
            }
        });
        assert_eq!(*cell.load_full(&handle), 3 * times);
    }
}
