//! The eras of a section whose enter is interrupted while the clock passes a
//! half, with two words: what the section finds is held to its end.

use std::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use hyaline::{AtomicPtr, Collector, Config, Link, Linked, Robust};

use super::trap;

static FREED: AtomicBool = AtomicBool::new(false);

/// Notes that it was called; the object is its maker's.
unsafe fn freed(_: *mut Link) {
    FREED.store(true, Ordering::SeqCst);
}

/// An enter that is interrupted after `at` instructions: the interrupt makes so
/// many objects, and reads. Returns whether the enter was that long.
fn interrupted(before: usize, made: usize, at: u64) -> bool {
    FREED.store(false, Ordering::SeqCst);
    let collector = Collector::<2, Robust>::with_config(Config::new().era_step::<1>());
    let writer = collector.register().unwrap();
    let cpu = collector.register_per_cpu().unwrap();
    (0..before).for_each(|_| {
        let _ = writer.stamp();
    });
    let mut object = writer.link(7_u32);
    let shared = AtomicPtr::new(&raw mut object);
    let struck = Cell::new(false);
    // SAFETY: one thread, whose contexts nest strictly.
    let handle = unsafe { cpu.get() };
    let interrupt = || {
        struck.set(true);
        (0..made).for_each(|_| {
            let _ = handle.stamp();
        });
        let guard = handle.enter();
        let _ = guard.protect(&shared, Ordering::Acquire);
        None
    };
    let found: Cell<*mut Linked<u32>> = Cell::new(ptr::null_mut());
    trap::stepped(at, &interrupt, &|| {
        let guard = handle.enter();
        found.set(guard.protect(&shared, Ordering::Acquire));
        // Open until the eviction.
        std::mem::forget(guard);
    });
    let old = shared.swap(ptr::null_mut(), Ordering::AcqRel);
    assert_eq!(found.get(), old);
    // SAFETY: the swap unlinked it, and it outlives the collector's use of it.
    unsafe { writer.retire(old, freed) };
    let early = FREED.load(Ordering::SeqCst);
    assert!(
        !early,
        "reclaimed under an open section: {before} {made} {at}"
    );
    // SAFETY: the task does nothing more with its section.
    unsafe { collector.evict(cpu.id()) }.unwrap();
    writer.collect();
    assert!(FREED.load(Ordering::SeqCst));
    struck.get()
}

#[test]
fn an_enter_while_the_clock_passes_a_half() {
    for before in [1, 2, 4, 5, 6] {
        for made in 1..=5 {
            let length = (1..).find(|at| !interrupted(before, made, *at));
            assert!(length > Some(10), "the enter was never interrupted");
        }
    }
}
