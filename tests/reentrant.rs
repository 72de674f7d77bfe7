//! Calls inside calls: random calls of all roles on two collectors, of which reclaimers,
//! callbacks and barriers make more. A barrier stands for a preemption there: the other
//! handles make calls, and the interrupts of a CPU that is in the middle of one.
//!
//! Nothing is reclaimed while it is held, or twice. No call runs more
//! reclaimers than its limit, nor nests deeper than `frames` says. In the end one collect leaves
//! nothing, and all blocks of the pools can be had. What a reclaimer's panic does is
//! covered, but not a second one during unwinding: it aborts.
//!
//! `HYALINE_REENTRANT_SECONDS=N` searches for so long, each test.
//! `HYALINE_REENTRANT_SEED=N` repeats a run; a failure prints its number.

#![cfg(not(hyaline_loom))]

#[path = "reentrant/barrier.rs"]
mod barrier;
#[path = "reentrant/calls.rs"]
mod calls;
#[path = "reentrant/frames.rs"]
mod frames;
#[path = "common/random.rs"]
mod random;
#[path = "reentrant/run.rs"]
mod run;
#[path = "reentrant/seat.rs"]
mod seat;
#[path = "reentrant/side.rs"]
mod side;
#[path = "reentrant/task.rs"]
mod task;
#[path = "reentrant/users.rs"]
mod users;

use std::{
    cell::Cell,
    env,
    num::{NonZeroU16, NonZeroUsize},
    panic::{self, AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Once,
    thread,
    time::{Duration, Instant},
};

use hyaline::{Basic, Config, Robust};

use barrier::Preempting;
use run::{OnPurpose, random};
use side::Side;

const RUNS: u64 = if cfg!(miri) { 4 } else { 1500 };
const STEPS: u32 = if cfg!(miri) { 25 } else { 120 };

/// A run. The number says all about it; half of them panic.
fn run<const IN_INTERRUPTS: bool>(number: u64) {
    run::begin(number);
    let panics = number % 2 == 1;
    let batch = 1 + random(4);
    let config = Config::new()
        .with_batch(NonZeroU16::new(batch as u16).expect("not 0"))
        .with_era_step(NonZeroUsize::new(1 + random(3)).expect("not 0"))
        .barrier(Preempting::<IN_INTERRUPTS>);
    let slots = || 1 + random(4);
    let sides = [
        Side::new::<Basic<Preempting<IN_INTERRUPTS>>>(0, slots(), config),
        Side::new::<Robust<Preempting<IN_INTERRUPTS>>>(1, slots(), config),
    ];
    run::share(sides);
    for _ in 0..STEPS {
        run::start(
            1 + random(60) as u32,
            random(4) == 0,
            panics && random(4) == 0,
        );
        let step = catch_unwind(AssertUnwindSafe(|| run::call(random(2))));
        if let Err(panic) = step {
            if !panic.is::<OnPurpose>() {
                resume_unwind(panic);
            }
        }
    }
    run::end();
}

thread_local!(static NUMBER: Cell<Option<u64>> = const { Cell::new(None) });

/// Prints how to repeat a run that fails, at once: a failure during unwinding aborts.
fn say_the_number() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Some(number) = NUMBER.get() {
                let thread = thread::current();
                let test = thread.name().unwrap_or_default();
                eprintln!(
                    "repeat with HYALINE_REENTRANT_SEED={number} cargo test --test reentrant {test}"
                );
            }
            usual(info);
        }));
    });
}

fn search<const IN_INTERRUPTS: bool>() {
    let number = |name| {
        let value = env::var(name).ok()?;
        Some(
            value
                .parse()
                .unwrap_or_else(|_| panic!("{name} is a number")),
        )
    };
    if let Some(only) = number("HYALINE_REENTRANT_SEED") {
        return run::<IN_INTERRUPTS>(only);
    }
    say_the_number();
    let time = number("HYALINE_REENTRANT_SECONDS").map(Duration::from_secs);
    let start = Instant::now();
    let more = |number: &u64| time.map_or(*number < RUNS, |time| start.elapsed() < time);
    let mut runs = 0;
    for number in (0..).take_while(more) {
        NUMBER.set(Some(number));
        run::<IN_INTERRUPTS>(number);
        runs += 1;
    }
    let (preemptions, deepest) = (barrier::preemptions(), frames::deepest());
    println!(
        "{runs} runs, {preemptions} preemptions, reclaimers {deepest} deep, {:?}",
        start.elapsed()
    );
    assert!(
        cfg!(miri) || deepest > 4,
        "reclaimers hardly ran inside others"
    );
    assert!(preemptions > 0, "no call was preempted");
}

#[test]
fn heavy_in_interrupts() {
    search::<true>();
}

#[test]
fn heavy_not_in_interrupts() {
    search::<false>();
}
