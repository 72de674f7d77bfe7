//! What the collector promises, one test a promise. Runs on a host and under
//! Miri, in both schemes.

#![cfg(not(hyaline_loom))]

#[path = "common/counted.rs"]
mod counted;
#[macro_use]
#[path = "common/schemes.rs"]
mod schemes;
#[path = "collector/reclaimers.rs"]
mod reclaimers;

use std::{
    cell::Cell,
    ptr,
    sync::{
        Barrier as Gate,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use counted::{Counted, Object, boxed, count, object};
use hyaline::{
    AsLink, AtomicPtr, Basic, Collector, Config, Guard, Handle, Link, Linked, Membarrier, Pool,
    Robust, Scheme, SlotsExhausted, reclaim,
};

schemes! {
    [
        basic: Basic = Config::new();
        basic_small: Basic = Config::new().batch::<1>();
        membarrier: Basic<Membarrier> = Config::new().barrier(Membarrier);
        robust: Robust = Config::new();
        robust_small: Robust = Config::new().batch::<5>().era_step::<1>();
    ]

    retire_reclaims_at_once_if_no_section_is_open<2>(collector) {
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let _idle = collector.register().unwrap();
        // SAFETY: never shared.
        unsafe { handle.retire(object(&handle, &drops), boxed()) };
        assert_eq!(count(&drops), 1);
    }

    retire_inside_own_guard_does_not_wait_for_it<1>(collector) {
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let guard = handle.enter();
        // SAFETY: never shared.
        unsafe { guard.defer_retire(object(&handle, &drops), boxed()) };
        // SAFETY: never shared.
        unsafe { handle.retire(object(&handle, &drops), boxed()) };
        assert_eq!(count(&drops), 1, "the deferred one waits for the guard");
        drop(guard);
        handle.flush();
        assert_eq!(count(&drops), 2);
    }

    a_guard_holds_back_what_was_shared<2>(collector) {
        let drops = AtomicUsize::new(0);
        let reader = collector.register().unwrap();
        let writer = collector.register().unwrap();
        let shared = AtomicPtr::new(object(&writer, &drops));
        let guard = reader.enter();
        let seen = guard.protect(&shared, Ordering::Acquire);
        let old = shared.swap(ptr::null_mut(), Ordering::AcqRel);
        assert_eq!(seen, old);
        // SAFETY: unlinked.
        unsafe { writer.retire(old, boxed()) };
        writer.flush();
        assert_eq!(count(&drops), 0);
        // SAFETY: protected.
        assert_eq!(unsafe { &*seen }.0.load(Ordering::SeqCst), 0);
        drop(guard);
        writer.flush();
        assert_eq!(count(&drops), 1);
    }

    defer_retire_waits_for_its_guard<3>(collector) {
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let other = collector.register().unwrap();
        let guard = handle.enter();
        for _ in 0..200 {
            // SAFETY: never shared.
            unsafe { guard.defer_retire(object(&handle, &drops), boxed()) };
        }
        handle.flush();
        other.flush();
        assert_eq!(count(&drops), 0);
        drop(guard);
        handle.flush();
        assert_eq!(count(&drops), 200);
    }

    guards_nest_in_any_order<1>(collector) {
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let first = handle.enter();
        let second = handle.enter();
        // SAFETY: never shared.
        unsafe { first.defer_retire(object(&handle, &drops), boxed()) };
        drop(first);
        handle.flush();
        assert_eq!(count(&drops), 0, "the second guard is still there");
        let third = handle.enter();
        drop(second);
        handle.flush();
        assert_eq!(count(&drops), 0, "the third guard is still there");
        drop(third);
        handle.flush();
        assert_eq!(count(&drops), 1);
    }

    refresh_is_a_quiescent_point<1>(collector) {
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let mut guard = handle.enter();
        // SAFETY: never shared.
        unsafe { guard.defer_retire(object(&handle, &drops), boxed()) };
        handle.flush();
        let inner = handle.enter();
        guard.refresh();
        assert_eq!(count(&drops), 0, "another guard is open");
        drop(inner);
        guard.refresh();
        assert_eq!(count(&drops), 1);
    }

    the_last_leave_reclaims<2>(collector) {
        let drops = AtomicUsize::new(0);
        let reader = collector.register().unwrap();
        let writer = collector.register().unwrap();
        let guard = reader.enter();
        for _ in 0..100 {
            // SAFETY: never shared.
            unsafe { writer.retire(object(&writer, &drops), boxed()) };
        }
        writer.flush();
        drop(guard);
        // In robust mode the reader can hold none of them: all are gone then.
        assert_eq!(count(&drops), 100, "reclaimed by the reader's leave");
    }

    // One object, three active slots: it waits for one after another, in
    // whichever order they leave, and the last leave reclaims it.
    an_object_walks_from_section_to_section<4>(collector) {
        let drops = AtomicUsize::new(0);
        let handles: Vec<_> = (0..4).map(|_| collector.register().unwrap()).collect();
        for (done, order) in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]].into_iter().enumerate() {
            let lone = object(&handles[3], &drops);
            let mut guards: Vec<_> = handles[..3].iter().map(|h| Some(h.enter())).collect();
            // SAFETY: never shared.
            unsafe { handles[3].retire(lone, boxed()) };
            handles[3].flush();
            for (left, slot) in order.into_iter().enumerate() {
                assert_eq!(count(&drops), done, "{left} of {order:?} have left");
                assert_eq!(handles[3].collect(), 0, "{left} of {order:?} have left");
                guards[slot] = None;
            }
            assert_eq!(count(&drops), done + 1, "by the last of {order:?}");
        }
    }

    // Sections whose owners leave the work to others: one collect of any handle
    // reclaims for all.
    any_collect_reclaims_what_deferred_sections_held<4>(collector) {
        let drops = AtomicUsize::new(0);
        let readers: Vec<_> = (0..3).map(|_| collector.register_deferred().unwrap()).collect();
        let task = collector.register().unwrap();
        let lone = object(&task, &drops);
        let guards: Vec<_> = readers.iter().map(Handle::enter).collect();
        // SAFETY: never shared.
        unsafe { task.retire(lone, boxed()) };
        drop(guards);
        assert_eq!(count(&drops), 0, "not in their calls");
        assert_eq!(task.collect(), 1);
        assert_eq!(count(&drops), 1);
    }

    a_released_handle_leaves_nothing_behind<4>(collector) {
        let drops = AtomicUsize::new(0);
        let writer = collector.register().unwrap();
        let readers: Vec<_> = (0..3).map(|_| collector.register().unwrap()).collect();
        let old: Vec<_> = (0..10).map(|_| object(&writer, &drops)).collect();
        let guards: Vec<_> = readers.iter().map(Handle::enter).collect();
        for ptr in old {
            // SAFETY: never shared.
            unsafe { writer.retire(ptr, boxed()) };
        }
        drop(writer);
        assert_eq!(count(&drops), 0);
        drop(guards);
        drop(readers);
        assert_eq!(count(&drops), 10);
    }

    dropping_the_collector_reclaims_the_rest<2>(collector) {
        let drops = AtomicUsize::new(0);
        {
            let reader = collector.register().unwrap();
            let writer = collector.register().unwrap();
            let old: Vec<_> = (0..7).map(|_| object(&writer, &drops)).collect();
            std::mem::forget(reader.enter());
            for ptr in old {
                // SAFETY: never shared.
                unsafe { writer.retire(ptr, boxed()) };
            }
        }
        assert_eq!(count(&drops), 0, "the forgotten guard holds them");
        drop(collector);
        assert_eq!(count(&drops), 7);
    }

    a_forgotten_handle_keeps_its_slot_and_no_more<2>(collector) {
        let drops = AtomicUsize::new(0);
        std::mem::forget(collector.register().unwrap());
        let handle = collector.register().unwrap();
        assert_eq!(collector.register().unwrap_err().capacity(), 2);
        // SAFETY: never shared.
        unsafe { handle.retire(object(&handle, &drops), boxed()) };
        assert_eq!(count(&drops), 1);
    }

    the_last_slot_is_an_error_and_comes_back<8>(collector) {
        let mut handles: Vec<_> = (0..8).map(|_| collector.register().unwrap()).collect();
        assert!(handles.iter().enumerate().all(|(i, h)| h.slot() == i));
        let error: SlotsExhausted = collector.register().unwrap_err();
        assert!(error.to_string().contains("each slot of the collector (8)"), "{error}");
        drop(handles.remove(3));
        assert_eq!(collector.register().unwrap().slot(), 3);
    }

    values_are_dropped_once_under_threads<4>(collector) {
        let drops = AtomicUsize::new(0);
        let (threads, rounds) = (4, if cfg!(miri) { 12 } else { 2000 });
        let shared = AtomicPtr::new(ptr::null_mut::<Object<'_>>());
        let gate = Gate::new(threads);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let handle = collector.register().unwrap();
                    gate.wait();
                    for _ in 0..rounds {
                        let guard = handle.enter();
                        let new = object(&handle, &drops);
                        let old = guard.swap(&shared, new, Ordering::AcqRel);
                        if !old.is_null() {
                            // SAFETY: protected by the guard.
                            assert!(count(unsafe { &*old }.0) < threads * rounds);
                            // SAFETY: unlinked by the swap.
                            unsafe { guard.defer_retire(old, boxed()) };
                        }
                    }
                });
            }
        });
        assert_eq!(count(&drops), threads * rounds - 1, "all handles are released");
        // SAFETY: all threads are gone.
        drop(unsafe { Box::from_raw(shared.into_inner()) });
    }

    // It does not touch what was retired under a guard and is not published.
    a_retire_at_once_is_of_one_object<2>(collector) {
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let guard = handle.enter();
        // SAFETY: never shared.
        unsafe { guard.defer_retire(object(&handle, &drops), boxed()) };
        drop(guard);
        let before = count(&drops);
        assert!(before <= 1, "by the leave, if the batch was full");
        // SAFETY: never shared.
        unsafe { handle.retire(object(&handle, &drops), boxed()) };
        assert_eq!(count(&drops), before + 1);
        assert_eq!(handle.flush(), 1 - before);
        assert_eq!(count(&drops), 2);
    }

    each_form_of_a_handle_names_its_slot<5>(collector) {
        let _others = [(); 3].map(|()| collector.register().unwrap());
        let handle = collector.register().unwrap();
        assert_eq!((handle.slot(), handle.id().slot(), handle.enter().slot()), (3, 3, 3));
        assert_eq!(handle.enter_owned().slot(), 3);
        let cpu = collector.register_per_cpu().unwrap();
        assert_eq!((cpu.slot(), cpu.id().slot()), (3, 3));
    }

    an_exchange_protects_what_it_finds<1>(collector) {
        const ORDERS: [(Ordering, Ordering); 2] = [
            (Ordering::AcqRel, Ordering::Relaxed),
            (Ordering::SeqCst, Ordering::SeqCst),
        ];
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let [first, second] = [(); 2].map(|()| object(&handle, &drops));
        let shared = AtomicPtr::new(first);
        let guard = handle.enter();
        for (success, failure) in ORDERS {
            let weak = |current, new| {
                guard.compare_exchange_weak(&shared, current, new, success, failure)
            };
            let strong = |current, new| {
                guard.compare_exchange(&shared, current, new, success, failure)
            };
            assert_eq!(weak(second, ptr::null_mut()), Err(first));
            assert_eq!(strong(second, ptr::null_mut()), Err(first));
            // A weak exchange may fail spuriously.
            while weak(first, second) != Ok(first) {}
            assert_eq!(strong(second, first), Ok(second));
        }
        // SAFETY: no other reference to them exists.
        unsafe {
            guard.defer_retire(first, boxed());
            guard.defer_retire(second, boxed());
        }
    }

    // Also if it is younger than the section, and another handle retires it.
    a_swap_and_an_exchange_protect_what_they_bring<2>(collector) {
        let drops = AtomicUsize::new(0);
        let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
        for exchange in [false, true] {
            let guard = reader.enter();
            let others = AtomicUsize::new(0);
            for _ in 0..200 {
                // SAFETY: never shared.
                unsafe { writer.retire(object(&writer, &others), boxed()) };
            }
            let shared = AtomicPtr::new(object(&writer, &drops));
            let none = ptr::null_mut();
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let held = if exchange {
                let found = guard.compare_exchange(&shared, none, none, success, failure);
                found.unwrap_err()
            } else {
                guard.swap(&shared, none, Ordering::AcqRel)
            };
            let before = count(&drops);
            // SAFETY: no longer shared.
            unsafe { writer.retire(held, boxed()) };
            writer.flush();
            assert_eq!(count(&drops), before, "the guard protects it");
            drop(guard);
            writer.flush();
            assert_eq!(count(&drops), before + 1);
        }
    }

    recursive_retire<1>(collector) {
        // Each node, when reclaimed, retires its successor through the handle.
        struct Node<'h, S: Scheme> {
            next: Cell<*mut Linked<Node<'h, S>>>,
            handle: *const Handle<'h, S>,
            drops: *const AtomicUsize,
        }
        impl<S: Scheme> Drop for Node<'_, S> {
            fn drop(&mut self) {
                // SAFETY: both outlive all nodes.
                let (handle, drops) = unsafe { (&*self.handle, &*self.drops) };
                drops.fetch_add(1, Ordering::SeqCst);
                if !self.next.get().is_null() {
                    let guard = handle.enter();
                    // SAFETY: only this node led to it.
                    unsafe { guard.defer_retire(self.next.get(), reclaim::boxed::<Linked<Node<'_, S>>>) };
                }
            }
        }
        let drops = AtomicUsize::new(0);
        let handle = collector.register().unwrap();
        let mut head = ptr::null_mut();
        for _ in 0..10 {
            let node = Node { next: Cell::new(head), handle: &handle, drops: &drops };
            head = Box::into_raw(Box::new(handle.link(node)));
        }
        // SAFETY: never shared.
        unsafe { handle.retire(head, reclaim::boxed::<Linked<Node<'_, S>>>) };
        handle.flush();
        while handle.flush() > 0 {}
        assert_eq!(count(&drops), 10);
    }
}

/// An open guard of one collector does not affect another collector.
#[test]
fn two_schemes_in_one_program() {
    let drops = AtomicUsize::new(0);
    let basic = Collector::<2>::new();
    let robust = Collector::<2, Robust>::with_config(Config::new());
    let (b, r) = (basic.register().unwrap(), robust.register().unwrap());
    let _guard: Guard<'_> = b.enter();
    // SAFETY: never shared.
    unsafe { r.retire(object(&r, &drops), boxed()) };
    assert_eq!(count(&drops), 1);
}

/// A type with its own link and reclaimer.
#[test]
fn embedded_link() {
    #[repr(C)]
    struct Mine {
        link: Link,
        drops: *const AtomicUsize,
    }
    // SAFETY: `repr(C)`, and the link comes first.
    unsafe impl AsLink for Mine {}
    unsafe fn reclaim_mine(link: *mut Link) {
        let mine = Link::cast::<Mine>(link);
        // SAFETY: the test's object.
        unsafe { (*(*mine).drops).fetch_add(1, Ordering::SeqCst) };
    }
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2, Robust>::with_config(Config::new());
    let handle = collector.register().unwrap();
    let reader = collector.register().unwrap();
    let mut mine = Mine {
        link: Link::new(),
        drops: &drops,
    };
    let guard = reader.enter();
    // SAFETY: never shared; `mine` outlives the collector's use of it.
    unsafe { handle.retire(&raw mut mine, reclaim_mine) };
    handle.flush();
    assert_eq!(count(&drops), 0, "without a birth it waits for everyone");
    drop(guard);
    handle.flush();
    assert_eq!(count(&drops), 1);
}

/// The pool runs dry, gives the value back, and recovers.
#[test]
fn pool_runs_dry_and_recovers() {
    let drops = AtomicUsize::new(0);
    let pool = Pool::<Counted<'_>, 4>::new();
    let collector = Collector::<2>::new();
    let handle = collector.register().unwrap();
    let reader = collector.register().unwrap();
    let guard = reader.enter();
    for _ in 0..4 {
        let ptr = pool.alloc(&handle, Counted(&drops)).unwrap();
        // SAFETY: never shared; the pool outlives the collector.
        unsafe { handle.retire(ptr, reclaim::pooled::<Counted<'_>>) };
    }
    let back = pool.alloc(&handle, Counted(&drops)).unwrap_err();
    assert!(back.to_string().contains("no free block"), "{back}");
    let value = back.into_inner();
    assert_eq!(count(&drops), 0);
    drop(guard);
    let ptr = pool.alloc(&handle, value).unwrap();
    assert_eq!(count(&drops), 4);
    // SAFETY: never shared.
    unsafe { pool.free(ptr) };
    assert_eq!((count(&drops), pool.available()), (5, 4));
}
