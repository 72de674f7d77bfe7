//! DPDK's rte_rcu_qsbr.

use std::{
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use hyaline::{AtomicPtr, Collector, Config, Pool, reclaim};

use crate::objects::{boxed, count, guards, object, retire_one};

#[test]
fn rte_rcu_qsbr_init() {
    static V: Collector<32> = Collector::new();
    assert_eq!(V.capacity(), 32);
    // rte_rcu_qsbr_get_memsize
    assert!(size_of::<Collector<32>>() < 2 * size_of::<Collector<16>>());
}

#[test]
fn rte_rcu_qsbr_thread_register() {
    let v = Collector::<2>::new();
    let threads = (v.register().unwrap(), v.register().unwrap());
    assert_eq!((threads.0.slot(), threads.1.slot()), (0, 1));
    assert!(v.register().is_err());
    drop(threads.0); // rte_rcu_qsbr_thread_unregister
    assert_eq!(v.register().unwrap().slot(), 0);
}

#[test]
fn rte_rcu_qsbr_thread_online() {
    static V: Collector<2> = Collector::new();
    let (lcore, writer) = (V.register().unwrap(), V.register().unwrap());
    let online = lcore.enter();
    let mut token = writer.start_grace_period();
    assert!(!token.poll(&writer));
    drop(online); // rte_rcu_qsbr_thread_offline, before a call that blocks
    assert!(token.poll(&writer));
}

#[test]
fn rte_rcu_qsbr_quiescent() {
    let drops = AtomicUsize::new(0);
    let v = Collector::<2>::new();
    let (lcore, writer) = (v.register().unwrap(), v.register().unwrap());
    let mut online = lcore.enter();
    // SAFETY: never shared.
    unsafe { writer.retire(object(&writer, &drops), boxed()) };
    writer.flush();
    assert_eq!(count(&drops), 0);
    online.refresh();
    assert_eq!(count(&drops), 1);
}

/// There a debug build detects a quiescent point between lock and unlock. Here
/// it does nothing.
#[test]
fn rte_rcu_qsbr_lock() {
    let drops = AtomicUsize::new(0);
    let v = Collector::<2>::new();
    let (lcore, writer) = (v.register().unwrap(), v.register().unwrap());
    let mut online = lcore.enter();
    let shared = AtomicPtr::new(object(&writer, &drops));
    let lock = lcore.enter();
    let seen = lock.protect(&shared, Ordering::Acquire);
    // SAFETY: unlinked by the swap.
    unsafe { writer.retire(shared.swap(ptr::null_mut(), Ordering::AcqRel), boxed()) };
    writer.flush();
    online.refresh();
    // SAFETY: the inner guard is open.
    assert_eq!(count(unsafe { &*seen }.0), 0);
    drop(lock); // rte_rcu_qsbr_unlock
    online.refresh();
    assert_eq!(count(&drops), 1);
}

#[test]
fn rte_rcu_qsbr_start() {
    static V: Collector<3> = Collector::new();
    let (one, two) = (V.register().unwrap(), V.register().unwrap());
    let writer = V.register().unwrap();
    let (mut first, mut second) = (one.enter(), two.enter());
    let mut token = writer.start_grace_period();
    // rte_rcu_qsbr_check, wait: false
    assert!(!token.poll(&writer));
    first.refresh();
    assert!(!token.poll(&writer), "the second has not reported");
    second.refresh();
    assert!(token.poll(&writer));
}

#[test]
fn rte_rcu_qsbr_check() {
    static V: Collector<2> = Collector::new();
    let (lcore, writer) = (V.register().unwrap(), V.register().unwrap());
    let mut online = lcore.enter();
    let mut token = writer.start_grace_period();
    let mut turns = 0;
    // wait: true
    while !token.poll(&writer) {
        turns += 1;
        online.refresh();
    }
    assert_eq!(turns, 1);
}

#[test]
fn rte_rcu_qsbr_synchronize() {
    let v = Collector::<2>::new();
    let (lcore, writer) = (v.register().unwrap(), v.register().unwrap());
    let mut online = lcore.enter();
    let own = writer.enter();
    // There the call reports for the caller; here that is an error.
    assert!(writer.synchronize(|| ()).is_err());
    drop(own);
    assert!(writer.synchronize(|| online.refresh()).is_ok());
}

#[test]
fn rte_rcu_qsbr_dq_enqueue() {
    let drops = AtomicUsize::new(0);
    // trigger_reclaim_limit
    let v = Collector::<1>::with_config(Config::new().batch::<4>());
    let handle = v.register().unwrap();
    for enqueued in 1..=4 {
        assert_eq!(count(&drops), 0, "{enqueued}");
        let guard = handle.enter();
        retire_one(&handle, &guard, &drops);
    }
    assert_eq!(count(&drops), 4, "the fourth one triggers it");
}

#[test]
fn rte_rcu_qsbr_dq_reclaim() {
    let (v, pool) = (Collector::<1>::new(), Pool::<u32, 8>::new());
    let handle = v.register().unwrap();
    let guard = handle.enter();
    for n in 0..5 {
        let entry = pool.alloc(&handle, n).unwrap();
        // SAFETY: never shared; the pool outlives the collector.
        unsafe { guard.defer_retire(entry, reclaim::pooled::<u32>) };
    }
    handle.flush(); // publishes
    handle.limit_reclaims(core::num::NonZeroU16::new(1)); // max_reclaim_size
    drop(guard);
    let freed = 1 + handle.collect_at_most(3);
    assert_eq!(freed, 4);
    let (pending, available) = (v.stats().pending(), pool.available());
    assert_eq!((pending, available), (1, 7));
}

#[test]
fn rte_rcu_qsbr_dq_delete() {
    let drops = AtomicUsize::new(0);
    let v = Collector::<1>::new();
    let handle = v.register().unwrap();
    let guard = handle.enter();
    retire_one(&handle, &guard, &drops);
    std::mem::forget(guard);
    drop(handle);
    assert_eq!(count(&drops), 0);
    drop(v); // no EAGAIN: without handles there are no readers
    assert_eq!(count(&drops), 1);
}

#[test]
fn rte_rcu_qsbr_dump() {
    let v = Collector::<2>::new();
    let lcore = v.register().unwrap();
    let online = lcore.enter();
    let dump: Vec<_> = v.slots().map(|slot| slot.to_string()).collect();
    assert!(dump[0].starts_with("slot 0: active"), "{dump:?}");
    assert_eq!(dump[1], "slot 1: free");
    assert_eq!(guards(&v, online.slot()), 1);
}
