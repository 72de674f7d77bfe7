//! Promises of both schemes.

use std::{cell::Cell, mem, num::NonZeroU16, sync::atomic::Ordering};

use hyaline::{
    AtomicPtr, Callback, Collector, Config, Handle, Linked, NotTheOwner, Pool, Robust, Role,
    Scheme, WouldDeadlock, reclaim,
};

use crate::{RECLAIMED, counted, leak, object, quiet, retire_one, runs};

/// Runs a test in both schemes, with batches of four.
macro_rules! schemes {
    ($($name:ident<$n:literal>($collector:ident) $body:block)*) => {$(
        mod $name {
            use super::*;
            fn run<S: Scheme>($collector: &'static Collector<$n, S>) $body
            #[test]
            fn basic() {
                static C: Collector<$n> = Collector::with_config(Config::new().batch::<4>());
                run(&C);
            }
            #[test]
            fn robust() {
                const CONFIG: Config = Config::new().batch::<4>().era_step::<1>();
                static C: Collector<$n, Robust> = Collector::with_config(CONFIG);
                run(&C);
            }
        }
    )*};
}

/// Every call of a handle that does not reclaim, while batches arrive that wait
/// only for its section.
fn everything<S: Scheme, R: Role>(handle: &Handle<'_, S, R>, task: &Handle<'_, S>) {
    let pool = Pool::<u32, 1>::new();
    let shared = AtomicPtr::new(quiet(|| object(handle)));
    for _ in 0..20 {
        let mut guard = quiet(|| handle.enter());
        for _ in 0..4 {
            retire_one(task);
        }
        task.flush();
        let old = quiet(|| guard.swap(&shared, object(handle), Ordering::AcqRel));
        // SAFETY: unlinked by the swap.
        quiet(|| unsafe { guard.defer_retire(old, counted) });
        // SAFETY: never shared.
        quiet(|| unsafe { handle.retire(object(handle), counted) });
        quiet(|| guard.refresh());
        let block = quiet(|| pool.alloc(handle, 1).unwrap());
        assert!(quiet(|| pool.alloc(handle, 2).is_err()), "it flushes");
        // SAFETY: never shared.
        unsafe { pool.free(block) };
        quiet(|| drop(guard));
        assert_eq!(quiet(|| handle.flush()), 0);
    }
    // SAFETY: no other reference to it exists.
    quiet(|| unsafe { handle.retire(shared.into_inner(), counted) });
}

schemes! {
    no_reclaimer_in_a_deferred_call<3>(collector) {
        let task = collector.register().unwrap();
        let deferred = collector.register_deferred().unwrap();
        let cpu = collector.register_per_cpu().unwrap();
        let (reclaimers, ()) = runs(|| {
            everything(&deferred, &task);
            // SAFETY: one thread, no interrupts.
            everything(unsafe { cpu.get() }, &task);
            quiet(|| drop((deferred, cpu)));
            task.flush();
        });
        // In each round 4 of the task's and 2 of its own; and the last round.
        assert_eq!(reclaimers, 2 * (20 * 6 + 1), "the task ran them all");
    }

    // 100 objects wait; each kind of call runs no more than its limit.
    each_call_keeps_its_budget<2>(collector) {
        static CALLBACK: Callback = Callback::new();
        let task = collector.register().unwrap();
        let reader = collector.register().unwrap();
        let pool = Pool::<u32, 1>::new();
        let block = pool.alloc(&task, 1).unwrap();
        let section = reader.enter();
        for _ in 0..100 {
            retire_one(&reader);
        }
        reader.flush();
        reader.limit_reclaims(NonZeroU16::new(2));
        let of_the_leave = runs(|| drop(section)).0;
        // The rest is left over for any handle.
        task.limit_reclaims(NonZeroU16::new(2));
        let mut guard = task.enter();
        let mut token = task.start_grace_period();
        // SAFETY: never shared.
        let retire = || unsafe { task.retire(object(&task), counted) };
        let each = [
            of_the_leave,
            runs(|| task.flush()).0,
            runs(|| task.collect()).0,
            runs(|| task.collect_at_most(1)).0,
            runs(retire).0,
            // Something is left over: each retire publishes, and takes some.
            runs(|| retire_one(&task)).0,
            // What was retired waits for this section.
            runs(|| guard.refresh()).0,
            runs(|| assert!(pool.alloc(&task, 2).is_err())).0,
            runs(|| token = task.start_grace_period()).0,
            runs(|| assert!(!token.poll(&task))).0,
            runs(|| CALLBACK.call_later(&task, |_| (), 0).unwrap()).0,
            runs(|| drop(guard)).0,
        ];
        // The last one runs the callback, too.
        assert_eq!(each, [2, 2, 2, 1, 2, 2, 2, 2, 0, 0, 2, 1]);
        // SAFETY: never shared.
        unsafe { pool.free(block) };
        task.limit_reclaims(None);
        assert_eq!(task.flush(), 102 - each.iter().sum::<usize>());
        assert!(token.poll(&task));
        assert_eq!(RECLAIMED.get(), 102, "none is lost");
        assert_eq!(collector.stats().pending(), 0);
    }

    calls_inside_a_reclaimer<4>(collector) {
        struct Inside<S: Scheme>(*const Handle<'static, S>, &'static Collector<4, S>, u32);
        impl<S: Scheme> Drop for Inside<S> {
            fn drop(&mut self) {
                // SAFETY: the handle outlives its objects.
                let (handle, collector) = (unsafe { &*self.0 }, self.1);
                assert_eq!((handle.flush(), handle.collect(), handle.collect_at_most(9)), (0, 0, 0));
                assert_eq!(handle.synchronize(|| ()), Err(WouldDeadlock));
                if self.2 > 0 {
                    let next = Inside(handle, collector, self.2 - 1);
                    let next = Box::into_raw(Box::new(handle.link(next)));
                    let before = RECLAIMED.get();
                    // SAFETY: never shared. Queued, not nested.
                    unsafe { handle.retire(next, reclaim::boxed::<Linked<Inside<S>>>) };
                    assert_eq!(RECLAIMED.get(), before);
                }
                quiet(|| retire_one(handle));
                let pool = Pool::<u32, 1>::new();
                let block = pool.alloc(handle, 1).unwrap();
                // SAFETY: never shared.
                unsafe { pool.free(block) };
                let mut guard = handle.enter();
                guard.refresh();
                assert!(collector.request_restart(guard.slot()) && guard.restart_requested());
                drop(guard);
                assert!(collector.slots().any(|slot| slot.owner == Some(handle.id())));
                // The release of another handle takes what was retired above,
                // and runs it inside: one level for each slot.
                if let Ok(dead) = collector.register_deferred() {
                    // SAFETY: it never did anything.
                    unsafe { collector.evict(dead.id()) }.unwrap();
                    let other = collector.register().unwrap();
                    drop(other.enter());
                    drop(other);
                }
                RECLAIMED.set(RECLAIMED.get() + 1);
            }
        }
        let handle = collector.register().unwrap();
        let first = Inside(&raw const handle, collector, 10);
        let first = Box::into_raw(Box::new(handle.link(first)));
        // SAFETY: never shared.
        unsafe { handle.retire(first, reclaim::boxed::<Linked<Inside<S>>>) };
        while handle.flush() > 0 {}
        assert_eq!(RECLAIMED.get(), 22, "11 objects, and one that each of them retired");
    }

    // Guards that nest are one section, which begins with the first of them: an
    // object that it loaded stays, whatever comes and goes in between.
    nested_guards_are_one_section<5>(collector) {
        fn nest<S: Scheme, R: Role>(
            collector: &Collector<5, S>,
            handle: &Handle<'_, S, R>,
            task: &Handle<'_, S>,
        ) {
            let shared = AtomicPtr::new(object(task));
            let first = handle.enter();
            let seen = first.protect(&shared, Ordering::Acquire);
            // SAFETY: nobody else unlinks it.
            quiet(|| unsafe { task.retire(shared.into_inner(), counted) });
            let age = || collector.slots().nth(handle.slot()).unwrap().age;
            for _ in 0..3 {
                let before = age();
                assert!(before.is_some());
                let inner = handle.enter();
                retire_one(task);
                task.flush();
                drop(inner);
                task.flush();
                assert!(age() > before, "the age of the section");
            }
            // SAFETY: protected.
            assert_eq!(**unsafe { &*seen }, 7);
            drop(first);
            task.flush();
            assert_eq!(collector.stats().pending(), 0);
        }
        let task = collector.register().unwrap();
        nest(collector, &collector.register().unwrap(), &task);
        nest(collector, &collector.register().unwrap().erase(), &task);
        nest(collector, &collector.register_deferred().unwrap(), &task);
        nest(collector, &collector.register_deferred().unwrap().erase(), &task);
        let cpu = collector.register_per_cpu().unwrap();
        // SAFETY: one thread, no interrupts.
        nest(collector, unsafe { cpu.get() }, &task);
    }

    // A reclaimer takes its time: what becomes free meanwhile, by calls of the
    // same handle, is there for the others.
    a_slow_reclaimer_keeps_nothing_from_others<2>(collector) {
        struct Slow<S: Scheme>(*const [Handle<'static, S>; 2]);
        impl<S: Scheme> Drop for Slow<S> {
            fn drop(&mut self) {
                // SAFETY: the handles outlive their objects.
                let [handle, other] = unsafe { &*self.0 };
                // SAFETY: never shared.
                quiet(|| unsafe { handle.retire(object(handle), counted) });
                assert_eq!(runs(|| other.flush()), (1, 1));
            }
        }
        let handles = [collector.register().unwrap(), collector.register().unwrap()];
        let slow = Box::into_raw(Box::new(handles[0].link(Slow(&raw const handles))));
        // SAFETY: never shared.
        unsafe { handles[0].retire(slow, reclaim::boxed::<Linked<Slow<S>>>) };
        assert_eq!(RECLAIMED.get(), 1);
    }

    // Owners that die before their batch is full leave no more and more objects:
    // the next owner's first one takes all of them along.
    what_dead_owners_left_is_reclaimed_with_the_next_object<2>(collector) {
        // On the stack of the slot; left over by a limit; both.
        for (stack, left_over) in [(1, 0), (0, 1), (1, 1)] {
            let dying = collector.register().unwrap();
            let reader = collector.register().unwrap();
            let held = [(); 2].map(|()| object(&dying));
            if left_over > 0 {
                let section = reader.enter();
                for object in held {
                    // SAFETY: never shared.
                    unsafe { dying.retire(object, counted) };
                }
                reader.limit_reclaims(NonZeroU16::new(1));
                assert_eq!(runs(|| drop(section)).0, 2 - left_over);
            } else {
                // SAFETY: never shared, and boxed.
                held.into_iter().for_each(|object| drop(unsafe { Box::from_raw(object) }));
            }
            for _ in 0..stack {
                quiet(|| retire_one(&dying));
            }
            for handle in [reader, dying] {
                // SAFETY: it is forgotten.
                unsafe { collector.evict(handle.id()) }.unwrap();
                mem::forget(handle);
            }
            let pending = collector.stats().pending();
            assert_eq!(pending, stack + left_over);
            let next = collector.register().unwrap();
            assert_eq!(runs(|| retire_one(&next)).0, pending + 1);
        }
    }

    // A task dies in a nested section, with everything that a slot can contain.
    evict_takes_everything<3>(collector) {
        // Not a plain static, which both schemes would share.
        thread_local!(static CALLED: Cell<usize> = const { Cell::new(0) });
        let callback = leak(Callback::new());
        let pool = leak(Pool::<u32, 64>::new());
        let task = collector.register().unwrap();
        let dying = collector.register().unwrap();
        for _ in 0..8 {
            let block = pool.alloc(&dying, 1).unwrap();
            // SAFETY: never shared; the pool is leaked.
            unsafe { dying.retire(block, reclaim::pooled::<u32>) }; // some are kept
        }
        // A section ends, one reclaimer of eight may run, and the rest is left
        // over.
        dying.limit_reclaims(NonZeroU16::new(1));
        let held = [(); 8].map(|()| object(&task));
        let section = dying.enter();
        for object in held {
            // SAFETY: never shared.
            unsafe { task.retire(object, counted) };
        }
        task.flush();
        assert_eq!(runs(|| drop(section)).0, 1);
        let nested = (dying.enter(), dying.enter());
        for _ in 0..10 {
            retire_one(&task); // its inbox
            retire_one(&dying); // its inbox and its stack
        }
        // SAFETY: never shared.
        unsafe { dying.retire(object(&dying), counted) };
        callback.call_later(&dying, |n| CALLED.set(CALLED.get() + n), 1).unwrap();
        let mut token = task.start_grace_period();
        assert!(!token.poll(&task));
        assert!(collector.request_restart(dying.slot()));
        mem::forget(nested);
        let id = dying.id();
        // SAFETY: its guards are forgotten, and what it loaded is not used.
        quiet(|| unsafe { collector.evict(id) }).unwrap();
        assert!(quiet(|| dying.is_evicted()));
        quiet(|| drop(dying));
        // SAFETY: evicted already.
        assert_eq!(unsafe { collector.evict(id) }, Err(NotTheOwner));
        task.flush();
        assert!(token.poll(&task));
        assert_eq!(CALLED.get(), 1);
        assert_eq!(RECLAIMED.get(), 29);
        assert_eq!(pool.available(), 64);
        let next = collector.register().unwrap();
        assert!(next.slot() == id.slot() && !next.enter().restart_requested());
    }

    // No call waits: with a section that never ends, on one thread, each call
    // returns. So it may be made with interrupts masked.
    no_call_waits<3>(collector) {
        let callback = leak(Callback::new());
        let stalled = collector.register().unwrap();
        mem::forget(stalled.enter());
        let task = collector.register().unwrap();
        let deferred = collector.register_deferred().unwrap();
        for _ in 0..100 {
            retire_one(&task);
            retire_one(&deferred);
            task.flush();
            deferred.flush();
            task.collect();
        }
        let mut token = task.start_grace_period();
        assert!((0..10).all(|_| !token.poll(&task)));
        callback.call_later(&task, |_| (), 0).unwrap();
        assert!(collector.register().is_err());
        drop((task, deferred));
        assert_eq!(collector.slots().filter(|slot| slot.owner.is_some()).count(), 1);
        // SAFETY: its guard is forgotten.
        unsafe { collector.evict(stalled.id()) }.unwrap();
        collector.register().unwrap().flush();
        assert_eq!(collector.stats().pending(), 0);
    }

    // A token is plain data. It waits for section numbers, which advance; one
    // that recurs after a wrap delays it.
    an_old_token_stays_right<3>(collector) {
        const SECTIONS: usize = if cfg!(miri) { 100 } else { 1_000_000 };
        let (long, busy) = (collector.register().unwrap(), collector.register().unwrap());
        let task = collector.register().unwrap();
        let section = long.enter();
        let mut token = task.start_grace_period();
        let mut copy = token;
        for turn in 0..SECTIONS {
            let _guard = busy.enter();
            if turn % (SECTIONS / 50) == 0 {
                assert!(!token.poll(&task), "{turn}");
                task.collect();
            }
        }
        assert!(!token.poll(&task));
        drop(section);
        assert!(token.poll(&task) && token.poll(&task) && copy.poll(&busy));
        // And a token that was not polled for as long.
        let section = long.enter();
        let mut token = task.start_grace_period();
        drop(section);
        for turn in 0..SECTIONS {
            drop(busy.enter());
            if turn % 10 == 0 {
                let mut between = task.start_grace_period();
                assert!(between.poll(&task));
            }
        }
        assert!(token.poll(&task));
        // At a slot that always has an open section, and always another one, a
        // poll waits for the section that it finds, and no longer.
        let mut token = task.start_grace_period();
        let mut open = long.enter();
        assert!(!token.poll(&task));
        open.refresh();
        assert!(token.poll(&task));
    }
}
