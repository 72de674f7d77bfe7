//! The eras of a section whose enter is interrupted while the clock passes half
//! of its range, with two words: what the section finds is held to its end.

use std::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use hyaline::{AtomicPtr, Collector, Config, Link, Linked, Robust};

use super::trap;

static FREED: AtomicBool = AtomicBool::new(false);

/// Records that it was called; the object belongs to its maker.
unsafe fn freed(_: *mut Link) {
    FREED.store(true, Ordering::SeqCst);
}

/// An enter that is interrupted after `at` instructions: the interrupt makes
/// `made` objects, and reads. Returns whether the enter was that long.
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
    // SAFETY: the task does not use its section any more.
    unsafe { collector.evict(cpu.id()) }.unwrap();
    writer.collect();
    assert!(FREED.load(Ordering::SeqCst));
    struck.get()
}

/// Quadratic in the length of an enter.
#[test]
#[cfg_attr(not(hyaline_narrow_era), ignore = "eras of one word have no halves")]
fn an_enter_while_the_clock_passes_a_half() {
    for before in [1, 2, 4, 5, 6] {
        for made in 1..=5 {
            let length = (1..).find(|at| !interrupted(before, made, *at));
            assert!(length > Some(10), "the enter was never interrupted");
        }
    }
}

/// Does nothing: the object is its maker's.
unsafe fn ignored(_: *mut Link) {}

/// A `protect` that is preempted after `at` instructions by another task, which
/// makes and retires objects, one at a time. Returns the pending ones, if it was
/// that long.
fn preempted(at: u64) -> Option<usize> {
    let collector = Collector::<2, Robust>::with_config(CONFIG);
    let writer = collector.register().unwrap();
    let reader = collector.register().unwrap();
    let mut objects: Vec<Linked<u32>> = Vec::with_capacity(300);
    let first = objects.as_mut_ptr();
    let pending = Cell::new(None);
    let interrupt = || {
        for index in 0..objects.capacity() {
            // SAFETY: the memory is there until the collector is gone, and this
            // object was never shared.
            unsafe {
                let object = first.add(index);
                object.write(writer.link(7));
                writer.enter().defer_retire(object, ignored);
            }
        }
        pending.set(Some(collector.stats().pending()));
        None
    };
    let shared = AtomicPtr::<Linked<u32>>::new(ptr::null_mut());
    let guard = reader.enter();
    // The next era: `protect` raises that of the section.
    let _ = writer.stamp();
    trap::stepped(at, &interrupt, &|| {
        let _ = guard.protect(&shared, Ordering::Acquire);
    });
    drop(guard);
    writer.collect();
    assert_eq!(collector.stats().pending(), 0);
    pending.get()
}

const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();

#[test]
fn a_preempted_protect_keeps_the_bound() {
    let all: Vec<usize> = (1..).map_while(preempted).collect();
    assert!(all.len() > 10, "the protect was never preempted");
    // Two objects in use; the section and the call are two stalls.
    let bound = CONFIG.most_pending(2, 2, 2);
    assert!(all.iter().all(|pending| *pending <= bound), "{all:?}");
}
