//! Does everything at once for as long as you like, and keeps books.
//!
//! `cargo run --release --example torture` must find nothing; with `--broken`
//! it runs over a barrier that does nothing, and must find that. `objects` has
//! the canaries and the books, `worker` the threads.

#[path = "../common/args.rs"]
mod args;
mod objects;
mod options;
#[path = "../common/progress.rs"]
mod progress;
#[path = "../common/rng.rs"]
mod rng;
mod worker;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hyaline::{Barrier, Basic, Collector, Config, Robust, Scheme};

use crate::args::Command;
use crate::objects::{BOOKS, OBJECTS, POOL};
use crate::options::{Options, USAGE};
use crate::rng::Rng;
use crate::worker::{Arena, Worker};

/// Few, so that slots pass from thread to thread and sometimes run out.
pub const SLOTS: usize = 16;

/// A barrier that does nothing.
#[derive(Clone, Copy)]
struct Absent;

// SAFETY: none; the contract is broken on purpose, to see that the checks of
// this program notice. The objects are static, so that nothing worse happens.
unsafe impl Barrier for Absent {
    fn light() {}
    fn heavy() {}
}

fn main() -> ExitCode {
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => return print(USAGE, 0),
        Err(error) => {
            eprintln!("torture: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
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
    let arena = Arena {
        collector,
        cells: Default::default(),
        stop: AtomicBool::new(false),
    };
    // Relaxed, both: a flag, nothing is read through it.
    let stopped = || arena.stop.load(Ordering::Relaxed);
    let ops: u64 = thread::scope(|scope| {
        let spawn = |id| {
            let (arena, rng) = (&arena, Rng::new(options.seed, id as u64));
            scope.spawn(move || Worker::new(arena, rng).run())
        };
        let threads: Vec<_> = (0..options.threads).map(spawn).collect();
        progress::wait(options.time, "torture", stopped);
        arena.stop.store(true, Ordering::Relaxed);
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread panicked"))
            .sum()
    });
    Worker::new(&arena, Rng::new(options.seed, 0)).clear();
    check_the_end();

    let violations = BOOKS.violations();
    if violations > 0 {
        eprintln!(
            "torture: {violations} violations, the first: {}",
            BOOKS.first_violation()
        );
    }
    let text = if options.json { json(ops) } else { text(ops) };
    print(&text, u8::from(violations > 0))
}

/// All handles are released: nothing may be left anywhere.
fn check_the_end() {
    let (retired, reclaimed) = (BOOKS.retired(), BOOKS.reclaimed());
    if retired != reclaimed {
        BOOKS.violation(|| format!("{retired} objects were retired, {reclaimed} reclaimed"));
    }
    let available = POOL.available();
    if available != OBJECTS {
        BOOKS.violation(|| format!("{available} of {OBJECTS} objects are back in the pool"));
    }
}

fn print(text: &str, status: u8) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::from(status),
        Err(error) => {
            eprintln!("torture: cannot write the result: {error}");
            ExitCode::from(2)
        }
    }
}

fn counts(ops: u64) -> [(&'static str, u64); 6] {
    [
        ("ops", ops),
        ("violations", BOOKS.violations()),
        ("retired", BOOKS.retired()),
        ("reclaimed", BOOKS.reclaimed()),
        ("peak_pending", BOOKS.peak_pending()),
        ("available", POOL.available() as u64),
    ]
}

fn json(ops: u64) -> String {
    let fields = counts(ops).map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", fields.join(","))
}

fn text(ops: u64) -> String {
    let lines = counts(ops).map(|(name, value)| format!("{name:<12} {value:>12}"));
    lines.join("\n")
}
