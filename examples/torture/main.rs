//! Does everything at once for as long as requested, and keeps records.
//!
//! `cargo run --release --example torture` must find nothing. With `--broken`
//! it runs with a barrier that does nothing, and must detect that.
//!
//! `objects` has the canaries and the records, `sections` the reference for
//! grace periods, `worker` the threads, `hands` their operations on any kind of
//! handle, `arena` what they share and which of them are dead, `panics` the
//! reclaimers that panic, `rest` the moments at which one collect leaves
//! nothing.

mod arena;
#[path = "../common/args.rs"]
mod args;
mod hands;
mod held;
mod objects;
mod options;
mod panics;
#[path = "../common/progress.rs"]
mod progress;
mod rest;
#[path = "../common/rng.rs"]
mod rng;
mod sections;
mod worker;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use hyaline::{Barrier, Basic, Collector, Config, Robust, Scheme};

use crate::arena::{Arena, Counts};
use crate::objects::{BOOKS, OBJECTS, POOL};
use crate::options::{Options, USAGE};
use crate::rng::Rng;
use crate::worker::Worker;

/// Few, so that slots pass from thread to thread and sometimes run out.
pub const SLOTS: usize = 16;

/// A barrier that does nothing.
#[derive(Clone, Copy)]
struct Absent;

// SAFETY: none; the contract is broken on purpose, to test that this program
// detects it. The objects are static, so that nothing worse happens.
unsafe impl Barrier for Absent {
    fn light() {}
    fn heavy() {}
}

fn main() -> ExitCode {
    let options = args::read(USAGE, Options::parse);
    // Small batches and era steps: more happens.
    match (options.broken, options.robust) {
        (false, false) => {
            static C: Collector<SLOTS, Basic> = Collector::with_config(Config::new().batch::<4>());
            session(&C, &options)
        }
        (false, true) => {
            static C: Collector<SLOTS, Robust> =
                Collector::with_config(Config::new().batch::<4>().era_step::<4>());
            session(&C, &options)
        }
        (true, false) => {
            static C: Collector<SLOTS, Basic<Absent>> =
                Collector::with_config(Config::new().batch::<4>().barrier(Absent));
            session(&C, &options)
        }
        (true, true) => {
            static C: Collector<SLOTS, Robust<Absent>> =
                Collector::with_config(Config::new().batch::<4>().era_step::<4>().barrier(Absent));
            session(&C, &options)
        }
    }
}

fn session<S: Scheme + 'static>(
    collector: &'static Collector<SLOTS, S>,
    options: &Options,
) -> ExitCode
where
    Collector<SLOTS, S>: Sync,
{
    let arena = Arena::new(collector, options.threads);
    // Relaxed, both: a flag, which publishes nothing.
    let stopped = || arena.stop.load(Ordering::Relaxed);
    let ops: u64 = thread::scope(|scope| {
        let spawn = |id| {
            let (arena, rng) = (&arena, Rng::new(options.seed, id as u64));
            scope.spawn(move || Worker::new(arena, rng, id).run())
        };
        let threads: Vec<_> = (0..options.threads).map(spawn).collect();
        progress::wait(options.time, "torture", stopped);
        arena.stop.store(true, Ordering::Relaxed);
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread panicked"))
            .sum()
    });
    Worker::new(&arena, Rng::new(options.seed, 0), 0).clear();
    check_the_end(collector);

    let violations = BOOKS.violations();
    if violations > 0 {
        eprintln!(
            "torture: {violations} violations, the first: {}",
            BOOKS.first_violation()
        );
    }
    let counts = counts(ops, &arena.counts);
    let text = if options.json {
        json(&counts)
    } else {
        text(&counts)
    };
    args::print(&text, u8::from(violations > 0))
}

/// All handles are released: nothing may be left anywhere.
fn check_the_end<S: Scheme>(collector: &Collector<SLOTS, S>) {
    let check = |what: &str, is: u64, should: u64| {
        if is != should {
            BOOKS.violation(|| format!("{what}: {is}, and not {should}"));
        }
    };
    check("reclaimed", BOOKS.reclaimed(), BOOKS.retired());
    check("back in the pool", POOL.available() as u64, OBJECTS as u64);
    // Relaxed: all threads have ended.
    let called = sections::CALLED.load(Ordering::Relaxed);
    check("called", called, sections::ASKED.load(Ordering::Relaxed));
    check("pending", collector.stats().pending() as u64, 0);
    let claimed = collector.slots().filter(|slot| slot.owner.is_some());
    check("slots claimed", claimed.count() as u64, 0);
}

fn counts(ops: u64, other: &Counts) -> [(&'static str, u64); 15] {
    // Relaxed: all threads have ended.
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    [
        ("ops", ops),
        ("violations", BOOKS.violations()),
        ("retired", BOOKS.retired()),
        ("reclaimed", BOOKS.reclaimed()),
        ("peak_pending", BOOKS.peak_pending()),
        ("pool_empty", BOOKS.refused()),
        ("available", POOL.available() as u64),
        ("evicted", read(&other.evicted)),
        ("panicked", read(&panics::PANICKED)),
        ("restart_requests", read(&other.restarted)),
        ("grace_periods", read(&other.periods)),
        ("callbacks", read(&sections::CALLED)),
        ("synchronized", read(&other.synchronized)),
        ("travelled", read(&other.travelled)),
        ("rests", read(&other.rests)),
    ]
}

fn json(counts: &[(&str, u64)]) -> String {
    let fields = counts
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn text(counts: &[(&str, u64)]) -> String {
    let lines = counts
        .iter()
        .map(|(name, value)| format!("{name:<16} {value:>12}"));
    lines.collect::<Vec<_>>().join("\n")
}
