//! The kernel's sleepable RCU.

use std::{
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use hyaline::{AtomicPtr, Collector, Robust};

use crate::objects::{boxed, count, guards, object, retire_one};

#[test]
fn init_srcu_struct() {
    let drops = AtomicUsize::new(0);
    let (here, there) = (Collector::<2>::new(), Collector::<1>::new());
    let (reader, elsewhere) = (here.register().unwrap(), there.register().unwrap());
    let _holds_back_nothing_here = elsewhere.enter();
    let section = reader.enter();
    let writer = here.register().unwrap();
    // SAFETY: never shared.
    unsafe { writer.retire(object(&writer, &drops), boxed()) };
    writer.flush();
    assert_eq!(count(&drops), 0);
    drop(section);
    writer.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn srcu_read_lock() {
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let index = handle.enter();
    thread::yield_now(); // it may sleep
    assert_eq!(guards(&collector, index.slot()), 1);
    drop(index);
    assert_eq!(guards(&collector, handle.slot()), 0);
}

#[test]
fn srcu_read_lock_nmisafe() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let cpu = collector.register_per_cpu().unwrap();
    let writer = collector.register().unwrap();
    let shared = AtomicPtr::new(object(&writer, &drops));
    // SAFETY: one thread, and the calls nest.
    let task = unsafe { cpu.get() };
    let nmi = || {
        // SAFETY: one thread, and the calls nest.
        let guard = unsafe { cpu.get() }.enter();
        !guard.protect(&shared, Ordering::Acquire).is_null()
    };
    let section = task.enter();
    let seen = section.protect(&shared, Ordering::Acquire);
    assert!(nmi(), "in the middle of the task's section");
    // SAFETY: unlinked by the swap.
    unsafe { writer.retire(shared.swap(ptr::null_mut(), Ordering::AcqRel), boxed()) };
    writer.flush();
    // SAFETY: the task's section is still open after the NMI's.
    assert_eq!(count(unsafe { &*seen }.0), 0);
    drop(section);
    writer.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn srcu_down_read() {
    let collector = Collector::<1>::new();
    let section = collector.register().unwrap().enter_owned();
    let slot = section.slot();
    let up = |section: hyaline::OwnedGuard<'_>| {
        assert_eq!(guards(&collector, slot), 1);
        drop(section.leave());
    };
    thread::scope(|scope| scope.spawn(|| up(section)).join().unwrap());
    assert!(collector.register().is_ok(), "ended elsewhere");
}

#[test]
fn cleanup_srcu_struct() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1, Robust>::with_config(hyaline::Config::new());
    let handle = collector.register().unwrap();
    retire_one(&handle, &handle.enter(), &drops);
    std::mem::forget(handle); // even so
    assert_eq!(count(&drops), 0);
    drop(collector);
    assert_eq!(count(&drops), 1);
}
