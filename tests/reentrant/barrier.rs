//! A barrier at which other contexts preempt the call.
//!
//! One thread runs them all, so the fences order nothing here; they are what a barrier
//! is.

use std::{
    cell::Cell,
    sync::atomic::{Ordering::SeqCst, fence},
    thread::panicking,
};

use hyaline::Barrier;

use super::{
    calls,
    run::{call, has_budget, random, side, without_panics},
    side::Side,
};

thread_local! {
    /// How deep contexts preempt each other.
    static NESTED: Cell<u32> = const { Cell::new(0) };
    static PREEMPTIONS: Cell<u64> = const { Cell::new(0) };
}

#[derive(Clone, Copy)]
pub struct Preempting<const IN_INTERRUPTS: bool>;

// SAFETY: fences on both sides, as in `Fences`. What runs between two of them is as if
// another context preempted the call there, and it does not unwind, unless the test has
// failed.
unsafe impl<const IN_INTERRUPTS: bool> Barrier for Preempting<IN_INTERRUPTS> {
    const HEAVY_IN_INTERRUPTS: bool = IN_INTERRUPTS;

    fn light() {
        fence(SeqCst);
        preempt();
        fence(SeqCst);
    }

    fn heavy() {
        Self::light();
    }
}

/// How often calls were preempted.
pub fn preemptions() -> u64 {
    PREEMPTIONS.get()
}

fn preempt() {
    if !has_budget() || panicking() || random(3) > 0 || NESTED.get() > 6 {
        return;
    }
    PREEMPTIONS.set(PREEMPTIONS.get() + 1);
    NESTED.set(NESTED.get() + 1);
    let sides = [side(0), side(1)];
    // A handle is used by one context at a time. A per-CPU one is also used by an
    // interrupt, which closes what it opens.
    let busy = sides.each_ref().map(|side| side.lock());
    without_panics(|| {
        for _ in 0..1 + random(3) {
            let number = random(2);
            if random(3) == 0 {
                calls::interrupt(sides[number], &busy[number]);
            } else {
                call(number);
            }
        }
    });
    busy.iter().for_each(|busy| Side::unlock(busy));
    NESTED.set(NESTED.get() - 1);
}
