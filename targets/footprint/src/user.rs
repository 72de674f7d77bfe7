//! A user of the core: register, enter, protect, retire, flush.

use core::{hint::black_box, sync::atomic::Ordering};
use hyaline::{AtomicPtr, Collector, Config, Guard, Handle, Link, Linked, SingleCore, reclaim};

#[cfg(not(feature = "robust"))]
type Scheme = hyaline::Basic<SingleCore>;
#[cfg(feature = "robust")]
type Scheme = hyaline::Robust<SingleCore>;

// SAFETY: never run.
const SINGLE: SingleCore = unsafe { SingleCore::new() };

const fn collector<const N: usize>() -> Collector<N, Scheme> {
    Collector::with_config(Config::new().barrier(SINGLE))
}

static COLLECTOR: Collector<4, Scheme> = collector();
static CELL: AtomicPtr<Linked<u32>> = AtomicPtr::new(core::ptr::null_mut());

/// Sizes to read from the image: RAM of a slot, of a collector without its
/// slots, of the header.
#[unsafe(no_mangle)]
static FOOTPRINT: [usize; 3] = [
    size_of::<Collector<9, Scheme>>() - size_of::<Collector<8, Scheme>>(),
    9 * size_of::<Collector<8, Scheme>>() - 8 * size_of::<Collector<9, Scheme>>(),
    size_of::<Link>(),
];

#[unsafe(no_mangle)]
#[inline(never)]
fn probe_enter(handle: &'static Handle<'static, Scheme>) -> Guard<'static, Scheme> {
    handle.enter()
}

#[unsafe(no_mangle)]
#[inline(never)]
fn probe_leave(guard: Guard<'static, Scheme>) {
    drop(guard);
}

#[inline(never)]
pub fn work() {
    black_box(&FOOTPRINT);
    let Ok(handle) = COLLECTOR.register() else {
        return;
    };
    // SAFETY: never run; the handle is not used after this function ends.
    let lasting = unsafe { &*(&raw const handle) };
    let guard = probe_enter(lasting);
    // Acquire: as every reader.
    let node = guard.protect(&CELL, Ordering::Acquire);
    probe_leave(guard);
    if !node.is_null() {
        // SAFETY: never run.
        unsafe { handle.retire(black_box(node), reclaim::in_place::<Linked<u32>>) };
    }
    black_box(handle.flush());
}
