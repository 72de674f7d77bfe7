//! Rows about registration and quiescent points.

use core::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::*},
};
use std::time::Duration;

use hyaline::{AtomicPtr, Basic, Collector, Config, Robust};

use crate::{
    runner::{Run, timed},
    schemes::floor::empty,
};

fn each(mut work: impl FnMut() + 'static) -> Run {
    Box::new(move |n| -> Duration {
        timed(|| {
            for _ in 0..n {
                work();
            }
        })
    })
}

/// Registers and releases.
pub fn basic() -> Run {
    let collector: &Collector<16, Basic> = Box::leak(Box::default());
    each(|| drop(black_box(collector.register())))
}

/// Registers and releases.
pub fn robust() -> Run {
    let collector: &Collector<16, Robust> =
        Box::leak(Box::new(Collector::with_config(Config::new())));
    each(|| drop(black_box(collector.register())))
}

/// Registers and releases.
pub fn crossbeam() -> Run {
    let collector = crossbeam_epoch::Collector::new();
    each(move || drop(black_box(collector.register())))
}

/// A guard with its own slot, which seize has instead.
pub fn seize() -> Run {
    let collector = seize::Collector::new();
    each(move || drop(black_box(collector.enter_owned())))
}

/// A hazard pointer.
pub fn haphazard() -> Run {
    each(|| drop(black_box(haphazard::HazardPointer::new())))
}

/// A protected read and a quiescent point, under one long guard.
pub fn quiescent<S: hyaline::Scheme<Barrier = hyaline::Fences>>() -> Run {
    let collector: &Collector<16, S> = Box::leak(Box::new(Collector::with_config(Config::new())));
    let handle = Box::leak(Box::new(collector.register().expect("there is a slot")));
    let mut guard = handle.enter();
    let object = AtomicPtr::new(Box::into_raw(Box::new(7u64)));
    each(move || {
        // SAFETY: never retired.
        black_box(unsafe { *guard.protect(&object, Acquire) });
        guard.refresh();
    })
}

/// The load alone.
pub fn bare_load() -> Run {
    let object = AtomicPtr::new(Box::into_raw(Box::new(7u64)));
    each(move || {
        // SAFETY: never freed.
        black_box(unsafe { *object.load(Acquire) });
    })
}

/// The load, and a load of a thread-local word, as in a quiescent point that
/// checks whether a chain waits.
pub fn load_and_look() -> Run {
    let object = AtomicPtr::new(Box::into_raw(Box::new(7u64)));
    let inbox: &AtomicUsize = Box::leak(Box::default());
    each(move || {
        // SAFETY: never freed.
        black_box(unsafe { *object.load(Acquire) });
        if inbox.load(Relaxed) != 0 {
            empty(inbox);
        }
    })
}
