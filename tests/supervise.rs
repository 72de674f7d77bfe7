//! Control: eviction, restart requests, per-CPU handles, quiescent points of
//! handles that do not reclaim, and what a supervisor sees. In both schemes.

#![cfg(not(hyaline_loom))]

#[path = "common/counted.rs"]
mod counted;
#[macro_use]
#[path = "common/schemes.rs"]
mod schemes;
#[path = "supervise/peak.rs"]
mod peak;

use std::{
    mem, ptr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use counted::{Object, boxed, count, object};
use hyaline::{
    AtomicPtr, Basic, Collector, Config, Handle, Linked, NotTheOwner, Pool, Robust, Role, Scheme,
    reclaim,
};

/// Reads an object.
///
/// # Safety
///
/// The object is protected.
unsafe fn look(object: *mut Object<'_>) {
    // SAFETY: the object is protected (`# Safety`).
    count(unsafe { &*object }.0);
}

/// Retires a new object under a guard of the handle, and leaves.
fn retire_one<S: Scheme, R: Role>(handle: &Handle<'_, S, R>, drops: &AtomicUsize) {
    let guard = handle.enter();
    // SAFETY: never shared.
    unsafe { guard.defer_retire(object(handle, drops), boxed()) };
}

/// Retires a new object, without a guard of this handle.
fn retire_at_once<S: Scheme, T>(handle: &Handle<'_, S>, value: T) {
    let object = Box::into_raw(Box::new(handle.link(value)));
    // SAFETY: never shared, and boxed.
    unsafe { handle.retire(object, reclaim::boxed::<Linked<T>>) };
}

schemes! {
    [
        basic: Basic = Config::new();
        basic_small: Basic = Config::new().batch::<1>();
        robust: Robust = Config::new();
        robust_small: Robust = Config::new().batch::<1>().era_step::<1>();
    ]

    // A task dies in its section, with retired objects of its own and others
    // that wait for it. The next flush reclaims all of them.
    an_evicted_slot_gives_everything_up<2>(collector) {
        let drops = AtomicUsize::new(0);
        let id = thread::scope(|scope| {
            scope.spawn(|| {
                let dying = collector.register().unwrap();
                let guard = dying.enter();
                for _ in 0..3 {
                    // SAFETY: never shared.
                    unsafe { guard.defer_retire(object(&dying, &drops), boxed()) };
                }
                let id = dying.id();
                mem::forget(guard);
                mem::forget(dying);
                id
            }).join().unwrap()
        });
        let handle = collector.register().unwrap();
        retire_one(&handle, &drops);
        handle.flush();
        // Robust: the section is older than the last object, which is
        // reclaimed.
        assert!(count(&drops) <= 1, "a section holds them back");
        // SAFETY: the thread has ended, its guard and handle are forgotten.
        unsafe { collector.evict(id) }.unwrap();
        handle.flush();
        assert_eq!(count(&drops), 4);
        assert!(collector.register().is_ok(), "the slot is free");
        // SAFETY: the same dead owner, whose guards and handle are forgotten.
        assert_eq!(unsafe { collector.evict(id) }, Err(NotTheOwner), "once");
    }

    a_stale_handle_is_inert<2>(collector) {
        let drops = AtomicUsize::new(0);
        let stale = collector.register().unwrap();
        mem::forget(stale.enter());
        // SAFETY: the guard is forgotten, and nothing was loaded.
        unsafe { collector.evict(stale.id()) }.unwrap();
        assert!(stale.is_evicted());
        let next = collector.register().unwrap();
        assert_eq!(next.slot(), stale.slot());
        assert!(!next.is_evicted());

        let guard = next.enter();
        let held = object(&next, &drops);
        // SAFETY: never shared.
        unsafe { guard.defer_retire(held, boxed()) };
        // Nothing that the stale handle does reaches the slot's batch.
        stale.limit_reclaims(core::num::NonZeroU16::new(1));
        assert_eq!((stale.flush(), stale.collect(), stale.collect_at_most(9)), (0, 0, 0));
        // SAFETY: never shared.
        unsafe { stale.retire(object(&next, &drops), boxed()) };
        assert_eq!(stale.id().slot(), 0);
        drop(stale);
        assert_eq!(count(&drops), 0);
        // SAFETY: the guard is open.
        unsafe { look(held) };
        assert!(!next.is_evicted(), "the drop did not release the slot");
        assert_eq!(collector.slots().filter(|slot| slot.owner.is_some()).count(), 1);
        drop(guard);
        next.flush();
        assert_eq!(count(&drops), 2, "also what the stale handle retired");
    }

    a_stale_section_is_inert<1>(collector) {
        let stale = collector.register().unwrap().enter_owned();
        // SAFETY: the section is not used again, and nothing was loaded.
        unsafe { collector.evict(collector.slots().next().unwrap().owner.unwrap()) }.unwrap();
        let next = collector.register().unwrap();
        let guard = next.enter();
        drop(stale);
        assert_eq!(collector.slots().next().unwrap().guards, 1);
        drop(guard);
    }

    a_section_is_quiescent_and_sees_requests<2>(collector) {
        let drops = AtomicUsize::new(0);
        let task = collector.register().unwrap();
        let mut section = collector.register().unwrap().enter_owned();
        let shared = AtomicPtr::new(object(&task, &drops));
        section.protect(&shared, Ordering::Acquire);
        // SAFETY: unlinked by the swap.
        unsafe { task.retire(shared.swap(ptr::null_mut(), Ordering::AcqRel), boxed()) };
        task.flush();
        assert_eq!(count(&drops), 0, "the section holds it");
        section.refresh();
        assert_eq!(count(&drops), 1);
        assert!(!section.restart_requested());
        assert!(collector.request_restart(section.slot()));
        assert!(section.restart_requested());
        assert!(!section.restart_requested(), "once");
    }

    // Released, claimed by another: an old id has no effect.
    an_id_is_of_one_owner<1>(collector) {
        let old = collector.register().unwrap().id();
        let handle = collector.register().unwrap();
        assert_ne!(old, handle.id());
        // SAFETY: the handle is gone.
        assert_eq!(unsafe { collector.evict(old) }, Err(NotTheOwner));
        assert!(!handle.is_evicted());
        assert!(collector.register().is_err());
    }

    // A task dies in a reclaimer: the reclaimer's object is lost, and no other.
    death_in_a_reclaimer_loses_one_object<2>(collector) {
        unsafe fn dies(_: *mut hyaline::Link) {
            panic!("the task is killed here");
        }
        let drops = AtomicUsize::new(0);
        let dying = collector.register().unwrap();
        let id = dying.id();
        let guard = dying.enter();
        let lost = Box::leak(Box::new(dying.link(0_u32)));
        // SAFETY: never shared.
        unsafe {
            guard.defer_retire(object(&dying, &drops), boxed());
            guard.defer_retire(lost, dies);
            guard.defer_retire(object(&dying, &drops), boxed());
        }
        let last_steps = || {
            drop(guard);
            dying.flush();
        };
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(last_steps));
        assert!(killed.is_err());
        mem::forget(dying);
        // SAFETY: it is not used again.
        unsafe { collector.evict(id) }.unwrap();
        collector.register().unwrap().flush();
        assert_eq!(count(&drops), 2);
        // SAFETY: its reclaimer did not free it, and no other reference to it
        // exists.
        drop(unsafe { Box::from_raw(ptr::from_mut(lost)) });
    }

    restart_is_seen_once<2>(collector) {
        let reader = collector.register().unwrap();
        assert!(!collector.request_restart(reader.slot()), "not active");
        assert!(!collector.request_restart(99), "not there");
        let guard = reader.enter();
        assert!(!guard.restart_requested());
        assert!(collector.request_restart(reader.slot()));
        assert!(guard.restart_requested());
        assert!(!guard.restart_requested(), "once");
        // A request that was not polled does not reach the next owner.
        assert!(collector.request_restart(reader.slot()));
        drop(guard);
        drop(reader);
        let next = collector.register().unwrap();
        assert!(!next.enter().restart_requested());
    }

    // A long-lived guard of a deferred handle: what its quiescent points
    // release is reclaimed by the others, nothing in its own context.
    a_deferred_quiescent_point_releases<2>(collector) {
        let drops = AtomicUsize::new(0);
        let deferred = collector.register_deferred().unwrap();
        let task = collector.register().unwrap();
        let mut online = deferred.enter();
        let shared = AtomicPtr::new(object(&task, &drops));
        online.protect(&shared, Ordering::Acquire);
        // SAFETY: unlinked by the swap.
        unsafe { task.retire(shared.swap(ptr::null_mut(), Ordering::AcqRel), boxed()) };
        task.flush();
        assert_eq!(count(&drops), 0, "the guard holds it");
        let inner = deferred.enter();
        online.refresh();
        task.flush();
        assert_eq!(count(&drops), 0, "another guard holds it");
        drop(inner);
        online.refresh();
        assert_eq!(count(&drops), 0, "not in this context");
        task.flush();
        assert_eq!(count(&drops), 1, "though the guard is still open");
        drop(online);
    }

    // Here interrupts are calls in the middle of the task's section; the boards
    // fire real ones at each instruction.
    per_cpu_handles_nest<2>(collector) {
        let drops = AtomicUsize::new(0);
        let pool = Pool::<u32, 8>::new();
        let cpu = collector.register_per_cpu().unwrap();
        let idle = collector.register().unwrap();
        // SAFETY: one thread, and the `interrupt` nests strictly.
        let task = unsafe { cpu.get() };
        let shared = AtomicPtr::new(object(task, &drops));
        let interrupt = || {
            // SAFETY: one thread, and the `interrupt` nests strictly.
            let handle = unsafe { cpu.get() };
            let guard = handle.enter();
            let old = guard.swap(&shared, object(handle, &drops), Ordering::AcqRel);
            // SAFETY: unlinked by the swap.
            unsafe { guard.defer_retire(old, boxed()) };
            let block = pool.alloc(handle, 1).unwrap();
            // SAFETY: never shared.
            unsafe { pool.free(block) };
        };
        interrupt();
        idle.flush();
        let mut guard = task.enter();
        let seen = guard.protect(&shared, Ordering::Acquire);
        assert_eq!(count(&drops), 1, "from before the section");
        interrupt();
        interrupt();
        idle.flush();
        // SAFETY: the guard is open.
        unsafe { look(seen) };
        assert!(count(&drops) <= 2, "the task's section is still open");
        guard.refresh();
        idle.flush();
        drop(guard);
        assert_eq!(task.flush(), 0, "nothing is reclaimed here");
        idle.flush();
        assert_eq!(count(&drops), 3);
        drop(cpu);
        // SAFETY: no other reference to it exists.
        unsafe { idle.retire(shared.into_inner(), boxed()) };
        assert_eq!(count(&drops), 4);
        assert_eq!(pool.available(), 8);
    }

    a_watcher_sees_the_slots<3>(collector) {
        let reader = collector.register().unwrap();
        let _idle = collector.register().unwrap();
        let guards = (reader.enter(), reader.enter());
        let states: Vec<_> = collector.slots().collect();
        let seen: Vec<_> = states.iter().map(|s| (s.slot, s.owner.is_some(), s.guards)).collect();
        assert_eq!(seen, [(0, true, 2), (1, true, 0), (2, false, 0)]);
        assert_eq!(states[0].owner, Some(reader.id()));
        assert!(states[0].to_string().starts_with("slot 0: active, age 0"));
        assert_eq!(states[1].to_string(), "slot 1: idle");
        assert_eq!(states[2].to_string(), "slot 2: free");
        drop(guards);
        assert_eq!(collector.oldest(), None);
    }

    the_oldest_section_is_found<3>(collector) {
        let drops = AtomicUsize::new(0);
        let (old, young) = (collector.register().unwrap(), collector.register().unwrap());
        let writer = collector.register().unwrap();
        let first = young.enter();
        let stalled = old.enter();
        drop(first);
        for _ in 0..200 {
            retire_one(&writer, &drops);
            writer.flush();
        }
        let second = young.enter();
        // Reading on makes a section no younger.
        let shared = AtomicPtr::<Object<'_>>::new(ptr::null_mut());
        assert!(stalled.protect(&shared, Ordering::Acquire).is_null());
        let oldest = collector.oldest().unwrap();
        assert_eq!(oldest.slot, old.slot());
        assert!(oldest.age > Some(1), "{oldest}");
        drop(stalled);
        assert_eq!(collector.oldest().unwrap().slot, young.slot());
        drop(second);
        // What has no section has no age, whatever the slot remembers of the last one.
        assert!(collector.slots().all(|slot| slot.age.or(slot.since_read).is_none()));
    }

    // Readers that die in their sections, one after the other: what waited for the
    // first does not wait for its successors.
    the_successor_of_the_dead_is_another<2>(collector) {
        let drops = AtomicUsize::new(0);
        let (task, mut reader) = (collector.register().unwrap(), collector.register().unwrap());
        mem::forget(reader.enter());
        retire_one(&task, &drops);
        task.flush();
        let mut token = task.start_grace_period();
        for dead in 0..3 {
            // SAFETY: it is not used any more.
            unsafe { collector.evict(reader.id()) }.unwrap();
            reader = collector.register().unwrap();
            mem::forget(reader.enter());
            task.collect();
            assert_eq!(count(&drops), 1, "{dead}");
            // The first poll finds the second reader's section.
            assert_eq!(token.poll(&task), dead > 0);
        }
    }

    the_age_counts_what_is_retired_at_once<2>(collector) {
        let (task, reader) = (collector.register().unwrap(), collector.register().unwrap());
        let guard = reader.enter();
        (0..5).for_each(|number| retire_at_once(&task, number));
        let age = collector.slots().nth(reader.slot()).unwrap().age;
        // Robust mode counts eras, of which they begin one at least.
        assert!(age >= Some(1), "{age:?}");
        drop(guard);
    }

    a_refresh_begins_a_section<2>(collector) {
        let drops = AtomicUsize::new(0);
        let (task, reader) = (collector.register().unwrap(), collector.register().unwrap());
        let mut guard = reader.enter();
        let age = || collector.slots().nth(reader.slot()).unwrap().age;
        for _ in 0..5 {
            retire_one(&task, &drops);
            task.flush();
        }
        // A section that is waited for ends: in robust mode, this one holds nothing.
        let waited = collector.slots().nth(reader.slot()).unwrap().waiting;
        guard.refresh();
        assert!(!waited || age() <= Some(1), "{:?}", age());
        drop(guard);
    }

    counts_are_exact<3>(collector) {
        let drops = AtomicUsize::new(0);
        let (task, other) = (collector.register().unwrap(), collector.register().unwrap());
        let cpu = collector.register_per_cpu().unwrap();
        let holding = other.enter();
        for _ in 0..10 {
            retire_one(&task, &drops);
            // SAFETY: never shared.
            unsafe { task.retire(object(&task, &drops), boxed()) };
            // SAFETY: one thread, no interrupts.
            retire_one(unsafe { cpu.get() }, &drops);
        }
        task.flush();
        let stats = collector.stats();
        assert_eq!((stats.retired, stats.reclaimed), (30, count(&drops)));
        assert_eq!(stats.pending(), 30 - count(&drops));
        drop(holding);
        task.flush();
        let stats = collector.stats();
        assert_eq!((stats.retired, stats.reclaimed, stats.pending()), (30, 30, 0));
        // At least what one handle had, at most everything.
        assert!((1..=30).contains(&stats.peak), "{stats:?}");
    }
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "the slot of this handle was evicted")]
fn an_enter_of_a_stale_handle_is_caught() {
    let collector = Collector::<1>::new();
    let stale = collector.register().unwrap();
    // SAFETY: no guard is open. What follows is the misuse.
    unsafe { collector.evict(stale.id()) }.unwrap();
    drop(stale.enter());
}

/// In robust mode a stalled section holds back what existed before it, and
/// nothing that was made later, no matter which handle made and retired it.
#[test]
fn a_stalled_section_holds_back_no_younger_object() {
    let collector = Collector::<4, Robust>::with_config(Config::new().batch::<1>().era_step::<1>());
    let drops = AtomicUsize::new(0);
    let (stalled, task) = (collector.register().unwrap(), collector.register().unwrap());
    let deferred = collector.register_deferred().unwrap();
    let cpu = collector.register_per_cpu().unwrap();
    let old = object(&task, &drops);
    let guard = stalled.enter();
    // SAFETY: never shared.
    unsafe { task.retire(old, boxed()) };
    task.flush();
    assert_eq!(count(&drops), 0);
    retire_one(&task, &drops);
    task.flush();
    assert_eq!(count(&drops), 1);
    retire_one(&deferred, &drops);
    deferred.flush();
    task.flush();
    assert_eq!(count(&drops), 2);
    // SAFETY: one thread, no interrupts.
    retire_one(unsafe { cpu.get() }, &drops);
    task.flush();
    assert_eq!(count(&drops), 3);
    drop(guard);
    task.flush();
    assert_eq!(count(&drops), 4);
}

/// A task is stopped in a reclaimer permanently, and evicted. What it was about
/// to reclaim is not lost, and the slot's next owner can reclaim.
#[test]
#[cfg_attr(miri, ignore = "leaves a thread behind")]
fn death_in_the_middle_of_a_reclaimer() {
    static C: Collector<1> = Collector::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    static STOPPED: AtomicUsize = AtomicUsize::new(0);
    unsafe fn stops(_: *mut hyaline::Link) {
        STOPPED.store(1, Ordering::SeqCst);
        loop {
            thread::park();
        }
    }
    let (send, receive) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let dying = C.register().unwrap();
        send.send(dying.id()).unwrap();
        let guard = dying.enter();
        let lost = Box::leak(Box::new(dying.link(0_u32)));
        // SAFETY: never shared.
        unsafe {
            (0..3).for_each(|_| guard.defer_retire(object(&dying, &DROPS), boxed()));
            guard.defer_retire(lost, stops);
            (0..3).for_each(|_| guard.defer_retire(object(&dying, &DROPS), boxed()));
        }
        drop(guard);
        dying.flush();
    });
    let id = receive.recv().unwrap();
    while STOPPED.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    assert!(count(&DROPS) < 6, "it was stopped half-way");
    // SAFETY: the thread never runs again.
    unsafe { C.evict(id) }.unwrap();
    let next = C.register().unwrap();
    assert_eq!(C.stats().pending(), 6 - count(&DROPS));
    next.flush();
    assert_eq!((count(&DROPS), C.stats().pending()), (6, 0));
}

/// The peak equals the exact number of pending objects when one thread does
/// everything.
#[test]
fn the_peak_is_the_peak() {
    let collector = Collector::<2>::new();
    let drops = AtomicUsize::new(0);
    let (task, reader) = (collector.register().unwrap(), collector.register().unwrap());
    let guard = reader.enter();
    for _ in 0..100 {
        retire_one(&task, &drops);
    }
    drop(guard);
    task.flush();
    assert_eq!(collector.stats().peak, 100);
    retire_one(&task, &drops);
    task.flush();
    assert_eq!(collector.stats().peak, 100);
}

/// A task dies while it waits in `synchronize`: only its token was held there.
#[test]
#[cfg(not(miri))] // the thread never ends
fn death_in_the_relax_of_synchronize() {
    static C: Collector<3> = Collector::new();
    let (reader, other) = (C.register_deferred().unwrap(), C.register().unwrap());
    let guard = reader.enter();
    let (stopped, seen) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let task = C.register().unwrap();
        let id = task.id();
        let _ = task.synchronize(|| {
            stopped.send(id).unwrap();
            loop {
                thread::park();
            }
        });
    });
    let id = seen.recv().unwrap();
    // SAFETY: the task was stopped in `relax`, and never runs again.
    unsafe { C.evict(id) }.unwrap();
    let next = C.register().unwrap();
    assert_eq!(next.slot(), id.slot());
    assert!(!next.start_grace_period().poll(&other));
    drop(guard);
    assert!(next.start_grace_period().poll(&other));
    drop(next);
    other.collect();
}

/// What is retired through an unprotected guard counts at the end of the call,
/// though others may reclaim it before.
#[test]
fn the_number_of_pending_objects_does_not_wrap() {
    let collector = Collector::<2>::new();
    let drops = AtomicUsize::new(0);
    let (task, reader) = (collector.register().unwrap(), collector.register().unwrap());
    let guard = reader.enter();
    // SAFETY: nobody else uses the object.
    unsafe {
        collector.with_unprotected(|own| {
            own.handle().retire(object(&task, &drops), boxed());
            drop(guard);
            task.flush();
            assert_eq!((count(&drops), collector.stats().pending()), (1, 0));
        });
    }
    let stats = collector.stats();
    assert_eq!((stats.retired, stats.reclaimed, stats.pending()), (1, 1, 0));
}

/// Threads that die in their sections, and a supervisor that evicts them, while
/// readers and writers are running.
#[test]
fn deaths_under_load() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 500 };
    let collector = Collector::<4, Robust>::with_config(Config::new().batch::<4>().era_step::<2>());
    let drops = AtomicUsize::new(0);
    let made = AtomicUsize::new(0);
    let shared = AtomicPtr::new(ptr::null_mut());
    let replace = |handle: &Handle<'_, Robust>, guard: &hyaline::Guard<'_, Robust>| {
        made.fetch_add(1, Ordering::SeqCst);
        let old = guard.swap(&shared, object(handle, &drops), Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: protected, and then unlinked by the swap.
            unsafe {
                look(old);
                guard.defer_retire(old, boxed());
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let handle = collector.register().unwrap();
                for _ in 0..ROUNDS * 4 {
                    replace(&handle, &handle.enter());
                }
            });
        }
        for _ in 0..ROUNDS {
            let id = thread::scope(|inner| {
                let dying = inner.spawn(|| {
                    let handle = collector.register().unwrap();
                    let id = handle.id();
                    let guard = handle.enter();
                    replace(&handle, &guard);
                    mem::forget(guard);
                    mem::forget(handle);
                    id
                });
                dying.join().unwrap()
            });
            // SAFETY: the thread was joined, its guard and handle forgotten.
            unsafe { collector.evict(id) }.unwrap();
        }
    });
    let handle = collector.register().unwrap();
    // SAFETY: all other threads have ended.
    unsafe { handle.retire(shared.into_inner(), boxed()) };
    handle.flush();
    assert_eq!(count(&drops), count(&made));
    assert_eq!(collector.stats().pending(), 0);
}
