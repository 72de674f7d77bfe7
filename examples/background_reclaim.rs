//! Background reclamation: tasks that must not free retire what they replace,
//! and one thread frees it for all of them.
//!
//! The tasks have deferred handles: no reclaimer, and so no destructor, runs in
//! their calls. What they retire stays on the stacks of their slots. A thread of
//! low priority (an idle task, a kernel thread) collects it, a bounded number of
//! objects at a time.
//!
//! In DEBRA+ the same thread would advance the epoch, and each worker would free
//! what it retired itself. Here there is no epoch, and any eager handle can
//! reclaim what any other retired.
//!
//! `cargo run --release --example background_reclaim`

#![forbid(unsafe_code)]

#[path = "common/args.rs"]
mod args;
#[path = "common/progress.rs"]
mod progress;

use std::{
    cell::Cell,
    error::Error,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use indicatif::ProgressBar;

use hyaline::{
    Collector, Config, domain,
    safe::{Domain, RcuCell},
};

const ABOUT: &str = "\
Two tasks that must not free replace a route, and a thread in the background
frees the old ones for both, a bounded number at a time.";

const WRITERS: usize = 2;
const CHANGES: usize = 3000;
/// The most objects that one call of the background thread reclaims.
const BUDGET: usize = 16;

/// Routes that were dropped by a writer or the reader.
static DROPPED_IN_TASKS: AtomicUsize = AtomicUsize::new(0);
static DROPPED_IN_BACKGROUND: AtomicUsize = AtomicUsize::new(0);

thread_local!(static IN_BACKGROUND: Cell<bool> = const { Cell::new(false) });

/// A route that is replaced as a whole. Its drop records the thread.
struct Route {
    gateway: usize,
    /// Twice the gateway, until the route is dropped.
    check: usize,
}

impl Route {
    const fn new(gateway: usize) -> Self {
        Self {
            gateway,
            check: 2 * gateway,
        }
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.check = usize::MAX;
        let dropped = if IN_BACKGROUND.get() {
            &DROPPED_IN_BACKGROUND
        } else {
            &DROPPED_IN_TASKS
        };
        // Relaxed: a count that is read after all threads have ended.
        dropped.fetch_add(1, Ordering::Relaxed);
    }
}

domain!(Net: Collector<4> = Collector::with_config(Config::new().batch::<8>()));

static ROUTE: RcuCell<Route, 64, Net> = RcuCell::new(Route::new(0));
static STOP_READING: AtomicBool = AtomicBool::new(false);
static STOP_COLLECTING: AtomicBool = AtomicBool::new(false);

fn writer(bar: &ProgressBar) -> Result<(), hyaline::SlotsExhausted> {
    let handle = Net::register_deferred()?;
    for change in 0..CHANGES {
        let mut route = Route::new(change);
        // The cell is full: the background thread has to catch up.
        while let Err(full) = ROUTE.replace(&handle, route) {
            route = full.into_inner();
            thread::yield_now();
        }
        bar.inc(1);
    }
    Ok(()) // the drop of the handle leaves the rest to the background thread
}

fn reader() -> Result<(), hyaline::SlotsExhausted> {
    let handle = Net::register_deferred()?;
    // Relaxed: only a flag, it publishes nothing.
    while !STOP_READING.load(Ordering::Relaxed) {
        let guard = handle.enter();
        let route = ROUTE.read(&guard);
        assert_eq!(route.check, 2 * route.gateway, "dropped while it was read");
    }
    Ok(())
}

/// Returns the most objects that one call reclaimed.
fn background() -> Result<usize, hyaline::SlotsExhausted> {
    IN_BACKGROUND.set(true);
    let handle = Net::register()?;
    let mut most = 0;
    loop {
        // Acquire: pairs with the Release in `main`. If it reads true, all
        // handles of the tasks are gone, so a call that finds nothing leaves
        // nothing.
        let last = STOP_COLLECTING.load(Ordering::Acquire);
        let reclaimed = handle.collect_at_most(BUDGET);
        most = most.max(reclaimed);
        match (reclaimed, last) {
            (0, true) => return Ok(most),
            (0, false) => thread::yield_now(),
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    args::none(ABOUT);
    let bar = progress::bar((WRITERS * CHANGES) as u64, "changes");
    let background = thread::spawn(background);
    let reader = thread::spawn(reader);
    let writers = [(); WRITERS].map(|()| {
        let bar = bar.clone();
        thread::spawn(move || writer(&bar))
    });
    for writer in writers {
        writer.join().expect("a writer ends")?;
    }
    STOP_READING.store(true, Ordering::Relaxed);
    reader.join().expect("the reader saw whole routes")?;
    STOP_COLLECTING.store(true, Ordering::Release);
    let most = background.join().expect("the background thread ends")?;

    drop(bar);
    println!("{WRITERS} writers made {CHANGES} changes each");
    let dropped = DROPPED_IN_TASKS.load(Ordering::Relaxed);
    println!("dropped in the tasks: {dropped}");
    let dropped = DROPPED_IN_BACKGROUND.load(Ordering::Relaxed);
    println!("dropped in the background: {dropped}");
    let bounded = if most <= BUDGET { "kept" } else { "exceeded" };
    println!("at most {BUDGET} in a call: {bounded}");
    Ok(())
}
