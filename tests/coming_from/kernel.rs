//! The kernel's RCU.

use std::{
    ptr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use hyaline::{AtomicPtr, Callback, Collector, Config, Pool, Robust, WouldDeadlock, reclaim};

use crate::objects::{Object, boxed, count, guards, object, retire_one};

#[test]
fn rcu_read_lock() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let outer = reader.enter();
    let inner = reader.enter();
    // SAFETY: never shared.
    unsafe { writer.retire(object(&writer, &drops), boxed()) };
    drop(outer); // in any order
    writer.flush();
    assert_eq!(count(&drops), 0, "the section is still open");
    drop(inner);
    writer.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn rcu_dereference() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let gp = AtomicPtr::new(object(&writer, &drops));
    let guard = reader.enter();
    let p = guard.protect(&gp, Ordering::Relaxed); // made Acquire
    let old = gp.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: unlinked by the swap.
    unsafe { writer.retire(old, boxed()) };
    writer.flush();
    // SAFETY: protected until the guard is dropped.
    assert_eq!(count(unsafe { &*p }.0), 0, "it is alive");
    drop(guard);
    writer.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn rcu_access_pointer() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let writer = collector.register().unwrap();
    let gp = AtomicPtr::<Object<'_>>::new(ptr::null_mut());
    assert!(gp.load(Ordering::Relaxed).is_null());
    gp.store(object(&writer, &drops), Ordering::Release);
    // The value is not dereferenced.
    assert!(!gp.load(Ordering::Relaxed).is_null());
    // SAFETY: never shared.
    unsafe { writer.retire(gp.into_inner(), boxed()) };
    assert_eq!(count(&drops), 1);
}

#[test]
fn rcu_assign_pointer() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let gp = AtomicPtr::new(ptr::null_mut());
    let new = object(&handle, &drops);
    gp.store(new, Ordering::Release);
    let guard = handle.enter();
    assert_eq!(guard.protect(&gp, Ordering::Acquire), new);
    // rcu_replace_pointer: the old one is protected.
    let newer = object(&handle, &drops);
    let old = guard.swap(&gp, newer, Ordering::AcqRel);
    assert_eq!(old, new);
    // SAFETY: unlinked by the swap.
    unsafe { guard.defer_retire(old, boxed()) };
    // SAFETY: the guard is open.
    assert_eq!(count(unsafe { &*old }.0), 0);
    drop(guard);
    // SAFETY: no other reference to it exists.
    unsafe { handle.retire(newer, boxed()) };
    handle.flush();
    assert_eq!(count(&drops), 2);
}

#[test]
fn synchronize_rcu() {
    let collector = Collector::<2>::new();
    let (ended, entered) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let reader = collector.register().unwrap();
            let _guard = reader.enter();
            entered.store(true, Ordering::Release);
            for _ in 0..100 {
                thread::yield_now();
            }
            ended.store(true, Ordering::Relaxed);
        });
        let writer = collector.register().unwrap();
        while !entered.load(Ordering::Acquire) {
            thread::yield_now();
        }
        writer.synchronize(thread::yield_now).unwrap();
        assert!(ended.load(Ordering::Relaxed));
    });
}

#[test]
fn synchronize_rcu_in_a_reader() {
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let guard = handle.enter();
    assert_eq!(handle.synchronize(thread::yield_now), Err(WouldDeadlock));
    drop(guard);
    assert_eq!(handle.synchronize(thread::yield_now), Ok(()));
}

#[test]
fn call_rcu() {
    // An object with its own reclaimer.
    static RECLAIMED: AtomicUsize = AtomicUsize::new(0);
    unsafe fn reclaim_mine(link: *mut hyaline::Link) {
        RECLAIMED.fetch_add(1, Ordering::SeqCst);
        // SAFETY: only objects of this test have this reclaimer.
        unsafe { reclaim::boxed::<hyaline::Linked<u32>>(link) };
    }
    let collector = Collector::<2>::new();
    let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let section = reader.enter();
    let guard = writer.enter();
    let object = Box::into_raw(Box::new(writer.link(7)));
    // SAFETY: never shared, and from a `Box`.
    unsafe { guard.defer_retire(object, reclaim_mine) };
    drop(guard);
    writer.flush();
    assert_eq!(count(&RECLAIMED), 0);
    drop(section);
    writer.flush();
    assert_eq!(count(&RECLAIMED), 1);
}

#[test]
fn call_rcu_for_no_object() {
    static C: Collector<2> = Collector::new();
    static CHANNEL: Callback = Callback::new();
    static FREED: AtomicUsize = AtomicUsize::new(0);
    let (reader, writer) = (C.register().unwrap(), C.register().unwrap());
    let section = reader.enter();
    let free = |channel| FREED.store(channel, Ordering::SeqCst);
    CHANNEL.call_later(&writer, free, 3).unwrap();
    assert!(
        CHANNEL.call_later(&writer, free, 4).is_err(),
        "one at a time"
    );
    writer.flush();
    assert_eq!(count(&FREED), 0);
    drop(section);
    writer.flush();
    assert_eq!(count(&FREED), 3);
    assert!(CHANNEL.call_later(&writer, free, 5).is_ok());
    writer.flush();
}

#[test]
fn kfree_rcu() {
    let drops = AtomicUsize::new(0);
    let pool = Pool::<u32, 4>::new();
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let guard = handle.enter();
    retire_one(&handle, &guard, &drops); // from a `Box`
    let block = pool.alloc(&handle, 7).unwrap();
    // SAFETY: never shared, and the pool outlives the collector.
    unsafe { guard.defer_retire(block, reclaim::pooled::<u32>) };
    handle.flush();
    assert_eq!((count(&drops), pool.available()), (0, 3));
    drop(guard);
    handle.flush();
    assert_eq!((count(&drops), pool.available()), (1, 4));
}

#[test]
fn rcu_barrier() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let (one, two) = (collector.register().unwrap(), collector.register().unwrap());
    for handle in [&one, &two] {
        retire_one(handle, &handle.enter(), &drops);
    }
    assert_eq!(collector.stats().pending(), 2);
    // One call reclaims for all handles; it does not wait.
    let section = two.enter();
    assert_eq!(one.collect(), 0, "a section is open");
    drop(section);
    assert_eq!(count(&drops), 2, "by the end of the section");
    for handle in [&one, &two] {
        retire_one(handle, &handle.enter(), &drops);
    }
    assert_eq!(one.collect(), 2);
    assert_eq!(collector.stats().pending(), 0);
    // The last barrier: everything runs before the collector is gone.
    retire_one(&one, &one.enter(), &drops);
    std::mem::forget(two.enter());
    drop((one, two));
    drop(collector);
    assert_eq!(count(&drops), 5);
}

#[test]
fn start_poll_synchronize_rcu() {
    static C: Collector<3> = Collector::new();
    let (reader, late) = (C.register().unwrap(), C.register().unwrap());
    let writer = C.register().unwrap();
    let section = reader.enter();
    let mut cookie = writer.start_grace_period();
    assert!(!cookie.poll(&writer));
    drop(section);
    assert!(cookie.poll(&writer));
    let _begun_later = late.enter();
    assert!(cookie.poll(&writer), "it stays over");
}

#[test]
fn cond_synchronize_rcu() {
    static C: Collector<2> = Collector::new();
    static ENDED: AtomicBool = AtomicBool::new(false);
    let (reader, writer) = (C.register().unwrap(), C.register().unwrap());
    let mut section = Some(reader.enter());
    let mut cookie = writer.start_grace_period();
    let mut waits = 0;
    let relax = || {
        waits += 1; // the reader leaves
        ENDED.store(true, Ordering::Relaxed);
        drop(section.take());
    };
    cookie.wait(&writer, relax).unwrap();
    assert!(ENDED.load(Ordering::Relaxed));
    assert_eq!(waits, 1);
}

#[test]
fn rcu_read_lock_held() {
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    assert_eq!(guards(&collector, handle.slot()), 0);
    let _guards = (handle.enter(), handle.enter());
    assert_eq!(guards(&collector, handle.slot()), 2);
}

#[test]
fn rcu_nocbs() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let cpu = collector.register_deferred().unwrap();
    let offload = collector.register().unwrap();
    let shared = AtomicPtr::new(object(&cpu, &drops));
    let guard = cpu.enter();
    let old: *mut Object<'_> = guard.swap(&shared, ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: unlinked by the swap.
    unsafe { guard.defer_retire(old, boxed()) };
    drop(guard);
    cpu.flush();
    assert_eq!(count(&drops), 0, "not on this CPU");
    assert_eq!(offload.collect(), 1);
}

#[test]
fn rcu_cpu_stall_warning() {
    let config = Config::new().era_step::<1>();
    let collector = Collector::<2, Robust>::with_config(config);
    let (stalled, busy) = (collector.register().unwrap(), collector.register().unwrap());
    let section = stalled.enter();
    for _ in 0..10 {
        let _ = busy.link(0); // eras advance
    }
    let oldest = collector.oldest().unwrap();
    assert_eq!((oldest.slot, oldest.age), (stalled.slot(), Some(10)));
    drop(section);
    assert_eq!(collector.oldest(), None);
}
