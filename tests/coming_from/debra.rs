//! DEBRA and DEBRA+ (Brown, PODC 2015), and nim-debra.

use std::{
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use hyaline::{AtomicPtr, Collector, Config, Robust};

use crate::objects::{boxed, count, guards, object, retire_one};

#[test]
fn leave_q_state() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let (process, other) = (collector.register().unwrap(), collector.register().unwrap());
    let operation = process.enter(); // leaveQstate
    // SAFETY: never shared.
    unsafe { other.retire(object(&other, &drops), boxed()) };
    other.flush();
    assert_eq!(count(&drops), 0);
    drop(operation); // enterQstate
    other.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn retire() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let process = collector.register().unwrap();
    let shared = AtomicPtr::new(object(&process, &drops));
    let operation = process.enter();
    let record = operation.protect(&shared, Ordering::Acquire);
    let unlinked = operation.compare_exchange(
        &shared,
        record,
        ptr::null_mut(),
        Ordering::AcqRel,
        Ordering::Acquire,
    );
    // SAFETY: unlinked by the exchange, once.
    unsafe { operation.defer_retire(unlinked.unwrap(), boxed()) };
    // SAFETY: the operation is still open.
    assert_eq!(count(unsafe { &*record }.0), 0);
    drop(operation);
    process.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn rotate_and_reclaim() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let (one, two) = (collector.register().unwrap(), collector.register().unwrap());
    retire_one(&one, &one.enter(), &drops);
    assert_eq!(count(&drops), 0, "in a batch of its own");
    let operation = two.enter();
    one.flush();
    drop(operation);
    // There a process rotates its own bags. Here the process that held back
    // what `one` retired may reclaim it.
    assert_eq!(count(&drops), 1);
}

#[test]
fn suspect_neutralized() {
    let drops = AtomicUsize::new(0);
    let config = Config::new().era_step::<1>().batch::<1>();
    let collector = Collector::<3, Robust>::with_config(config);
    let (slow, busy) = (collector.register().unwrap(), collector.register().unwrap());
    let mut operation = slow.enter();
    for _ in 0..10 {
        retire_one(&busy, &busy.enter(), &drops);
    }
    // Which slot to suspect, and to ask.
    let suspect = collector.oldest().unwrap();
    assert_eq!(suspect.slot, slow.slot());
    assert!(collector.request_restart(suspect.slot));
    // The reader polls, drops what it has and starts over.
    assert!(operation.restart_requested());
    drop(operation);
    operation = slow.enter();
    assert!(!operation.restart_requested(), "once for each request");
    assert_eq!(collector.oldest().unwrap().age, Some(0));
    drop(operation);
    // A dead one cannot be asked.
    let operation = slow.enter();
    std::mem::forget(operation);
    // SAFETY: its one guard is forgotten, and nothing was loaded.
    unsafe { collector.evict(slow.id()) }.unwrap();
    assert_eq!(collector.oldest(), None);
}

#[test]
fn init_debra_manager() {
    static MANAGER: Collector<4> = Collector::new(); // setGlobalManager: it is a static
    let handle = MANAGER.register().unwrap();
    assert_eq!((MANAGER.capacity(), handle.slot()), (4, 0));
}

#[test]
fn register_thread() {
    let manager = Collector::<1>::new();
    let handle = manager.register().unwrap();
    assert!(manager.register().is_err());
    drop(handle); // unregisterThread
    assert!(manager.register().is_ok());
}

#[test]
fn pin() {
    let manager = Collector::<1>::new();
    let handle = manager.register().unwrap();
    let pinned = handle.enter();
    let scope = handle.enter(); // pinScope nests
    assert_eq!(guards(&manager, 0), 2);
    drop(pinned); // unpin
    drop(scope);
    assert_eq!(guards(&manager, 0), 0);
}

#[test]
fn retire_batch() {
    let drops = AtomicUsize::new(0);
    let manager = Collector::<1>::with_config(Config::new().batch::<8>());
    let handle = manager.register().unwrap();
    let scope = handle.enter();
    for _ in 0..8 {
        retire_one(&handle, &scope, &drops);
    }
    assert_eq!((count(&drops), manager.stats().pending()), (0, 8));
    drop(scope);
    assert_eq!(count(&drops), 8);
}

#[test]
fn reclaim_now() {
    let drops = AtomicUsize::new(0);
    let manager = Collector::<2>::new();
    let (handle, other) = (manager.register().unwrap(), manager.register().unwrap());
    let pinned = other.enter();
    retire_one(&handle, &handle.enter(), &drops);
    // rReclaimBlocked
    assert_eq!(handle.flush(), 0);
    drop(pinned);
    retire_one(&handle, &handle.enter(), &drops);
    // rReclaimReady: tryReclaim
    handle.flush();
    assert_eq!(count(&drops), 2);
}

#[test]
fn advance() {
    let step = Config::new().era_step::<2>(); // advanceEvery
    let manager = Collector::<2, Robust>::with_config(step);
    let (reader, writer) = (manager.register().unwrap(), manager.register().unwrap());
    let pinned = reader.enter();
    for _ in 0..8 {
        let _ = writer.link(0);
    }
    assert_eq!(
        manager.oldest().unwrap().age,
        Some(4),
        "8 objects, a step of 2"
    );
    drop(pinned);
}

#[test]
fn neutralize_stalled() {
    let manager = Collector::<2, Robust>::with_config(Config::new().era_step::<1>());
    let (reader, writer) = (manager.register().unwrap(), manager.register().unwrap());
    let pinned = reader.enter();
    let _ = (writer.link(0), writer.link(0));
    let threshold = 2;
    let stalled = manager.slots().filter(|slot| slot.age >= Some(threshold));
    let asked = stalled
        .filter(|slot| manager.request_restart(slot.slot))
        .count();
    assert_eq!(asked, 1);
    // uNeutralized: acknowledge
    assert!(pinned.restart_requested());
    assert!(!pinned.restart_requested());
}
