//! Events from two interrupts to two tasks, through one queue. The interrupts
//! are threads here; their handles are deferred, as they would be on a board:
//! nothing is reclaimed in their context.
//!
//! `cargo run --release --example queue`

#![forbid(unsafe_code)]

use std::{
    error::Error,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use hyaline::{
    Collector, SlotsExhausted, domain,
    safe::{Domain, Queue},
};

const EVENTS: u32 = 50_000;

/// What an interrupt has to say.
#[derive(Clone, Copy)]
struct Event {
    source: usize,
    number: u32,
}

domain!(App: Collector<4> = Collector::new());

static QUEUE: Queue<Event, 256, App> = Queue::new();
/// Interrupts that still run.
static RUNNING: AtomicUsize = AtomicUsize::new(2);

/// Reports its events; returns how often the queue was full.
fn interrupt(source: usize) -> Result<u32, SlotsExhausted> {
    let handle = App::register_deferred()?;
    let mut full = 0;
    for number in 0..EVENTS {
        while QUEUE.push(&handle, Event { source, number }).is_err() {
            full += 1;
            thread::yield_now();
        }
    }
    // Release: pairs with the Acquire in `task`; no event comes after it.
    RUNNING.fetch_sub(1, Ordering::Release);
    Ok(full)
}

/// Takes events; returns how many. Those of one source come in order.
fn task() -> Result<u32, SlotsExhausted> {
    let handle = App::register()?;
    let mut events = 0;
    let mut last = [None; 2];
    loop {
        // Acquire: looked at before the queue, see `interrupt`.
        let running = RUNNING.load(Ordering::Acquire) > 0;
        match QUEUE.pop(&handle) {
            Some(event) => {
                assert!(last[event.source] < Some(event.number), "out of order");
                last[event.source] = Some(event.number);
                events += 1;
            }
            None if running => thread::yield_now(),
            None => return Ok(events),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let interrupts = [0, 1].map(|source| thread::spawn(move || interrupt(source)));
    let tasks = [thread::spawn(task), thread::spawn(task)];
    for interrupt in interrupts {
        let full = interrupt.join().expect("it does not panic")?;
        println!("interrupt: {EVENTS} events, {full} times the queue was full");
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
