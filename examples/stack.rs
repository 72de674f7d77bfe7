//! A pool of buffers: tasks take the number of a free buffer, fill the buffer,
//! and put the number back. The free list is a stack, without a lock and without
//! an allocator.
//!
//! `cargo run --release --example stack`

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
    Collector, domain,
    safe::{Domain, Full, Stack},
};

const ABOUT: &str = "\
Three tasks share four buffers; the numbers of the free ones are on a stack.";

const BUFFERS: usize = 4;
const TASKS: usize = 3;
const ROUNDS: usize = 100_000;

domain!(Tasks: Collector<4> = Collector::new());

/// Numbers of free buffers. It has more nodes than there are buffers, because a
/// node comes back when its batch is reclaimed, not when its number is taken.
static FREE: Stack<usize, { 64 * BUFFERS }, Tasks> = Stack::new();

/// The task that has each buffer; 0 for none.
static OWNER: [AtomicUsize; BUFFERS] = [const { AtomicUsize::new(0) }; BUFFERS];

/// Takes buffers and puts them back; returns how often none was free.
fn task(number: usize, bar: &ProgressBar) -> Result<usize, Box<dyn Error + Send + Sync>> {
    let handle = Tasks::register()?;
    let mut none = 0;
    for _ in 0..ROUNDS {
        bar.inc(1);
        let Some(buffer) = FREE.pop(&handle) else {
            none += 1;
            thread::yield_now();
            continue;
        };
        // Relaxed: the stack orders the owners of a buffer one after another.
        let before = OWNER[buffer].swap(number, Ordering::Relaxed);
        let after = OWNER[buffer].swap(0, Ordering::Relaxed);
        assert_eq!((before, after), (0, number), "a buffer had two owners");
        let mut back = buffer;
        while let Err(full) = FREE.push(&handle, back) {
            // The number comes back with the error: it is never lost.
            back = Full::into_inner(full);
            thread::yield_now();
        }
    }
    Ok(none)
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    args::none(ABOUT);
    let bar = progress::bar((TASKS * ROUNDS) as u64, "rounds");
    let handle = Tasks::register()?;
    for buffer in 0..BUFFERS {
        FREE.push(&handle, buffer)?;
    }
    let tasks: Vec<_> = (1..=TASKS)
        .map(|n| {
            let bar = bar.clone();
            thread::spawn(move || task(n, &bar))
        })
        .collect();
    drop(bar);
    for (number, task) in tasks.into_iter().enumerate() {
        let none = task.join().expect("no buffer had two owners")?;
        println!("task {number}: {ROUNDS} rounds, {none} times no buffer was free");
    }
    let mut left: Vec<_> = std::iter::from_fn(|| FREE.pop(&handle)).collect();
    left.sort_unstable();
    println!("buffers at the end: {left:?}");
    assert!(left.into_iter().eq(0..BUFFERS));
    Ok(())
}
