//! Events from two interrupts to two tasks, through two queues: urgent events
//! come first. Both queues take their nodes from one pool, so either may use
//! most of them. The interrupts are threads here. Their handles are deferred, as
//! on a board: no reclaimer with user code runs in their context.
//!
//! `cargo run --release --example queue`

#![forbid(unsafe_code)]

#[path = "common/args.rs"]
mod args;
#[path = "common/progress.rs"]
mod progress;

use std::{
    error::Error,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use indicatif::ProgressBar;

use hyaline::{
    Collector, Pool, SlotsExhausted, domain,
    safe::{Domain, Node, Queue, SharedPool},
};

const ABOUT: &str = "\
Two interrupts report events, and two tasks take them: urgent ones first, from
two queues with one pool.";

const EVENTS: u32 = 50_000;
/// One event in this many is urgent.
const URGENT_EACH: u32 = 16;
/// Room for waiting events of both kinds, and for nodes that are pending.
const ROOM: usize = 256;

/// What an interrupt reports.
#[derive(Clone, Copy)]
struct Event {
    source: usize,
    number: u32,
}

impl Event {
    fn is_urgent(self) -> bool {
        self.number % URGENT_EACH == 0
    }
}

domain!(App: Collector<4> = Collector::new());

static NODES: Pool<Node<Event>, ROOM> = Pool::new();
static URGENT: Queue<Event, ROOM, App, SharedPool> = Queue::in_pool(&NODES);
static OTHERS: Queue<Event, ROOM, App, SharedPool> = Queue::in_pool(&NODES);
/// Interrupts that are still running.
static RUNNING: AtomicUsize = AtomicUsize::new(2);

/// Reports its events; returns how often there was no room.
fn interrupt(source: usize, bar: &ProgressBar) -> Result<u32, SlotsExhausted> {
    let handle = App::register_deferred()?;
    let mut full = 0;
    for number in 0..EVENTS {
        let event = Event { source, number };
        let queue = if event.is_urgent() { &URGENT } else { &OTHERS };
        while queue.push(&handle, event).is_err() {
            full += 1;
            thread::yield_now();
        }
        bar.inc(1);
    }
    // Release: pairs with the Acquire in `task`; no event comes after it.
    RUNNING.fetch_sub(1, Ordering::Release);
    Ok(full)
}

/// Takes events; returns how many. Events of one source and kind arrive in
/// order.
fn task() -> Result<u32, SlotsExhausted> {
    let handle = App::register()?;
    let mut events = 0;
    let mut last = [[None; 2]; 2];
    loop {
        // Acquire: pairs with the Release in `interrupt`. If it reads 0, the
        // loop below finds all events that are left.
        let running = RUNNING.load(Ordering::Acquire) > 0;
        match URGENT.pop(&handle).or_else(|| OTHERS.pop(&handle)) {
            Some(event) => {
                let last = &mut last[event.source][usize::from(event.is_urgent())];
                assert!(*last < Some(event.number), "out of order");
                *last = Some(event.number);
                events += 1;
            }
            None if running => thread::yield_now(),
            None => return Ok(events),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    args::none(ABOUT);
    let bar = progress::bar(2 * u64::from(EVENTS), "events");
    let interrupts = [0, 1].map(|source| {
        let bar = bar.clone();
        thread::spawn(move || interrupt(source, &bar))
    });
    drop(bar);
    let tasks = [thread::spawn(task), thread::spawn(task)];
    for interrupt in interrupts {
        let full = interrupt.join().expect("it does not panic")?;
        println!("interrupt: {EVENTS} events, {full} times there was no room");
    }
    let mut total = 0;
    for task in tasks {
        let events = task.join().expect("events come in order")?;
        println!("task: {events} events");
        total += events;
    }
    assert_eq!(total, 2 * EVENTS);
    Ok(())
}
