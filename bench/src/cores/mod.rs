//! The rows of `cargo xtask cores`: what each of any number of threads does,
//! over the contestants of the other rows. `bench/cores` runs them.

mod machine;
mod rows;
mod theory;

pub use machine::Memory;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What the threads of a run do.
pub struct Job {
    /// The class of each thread: what it counts for.
    classes: Vec<u8>,
    /// What the thread of this number does until it is not resumed any more.
    work: Box<dyn Fn(usize) + Sync>,
}

/// The classes.
const READER: u8 = 0;
const WRITER: u8 = 1;

/// A contestant in a row.
pub struct Entry {
    pub row: &'static str,
    pub name: &'static str,
    /// Prepares it for a number of threads; `None` if the row has none for it.
    pub make: fn(usize) -> Option<Job>,
}

/// Operations of a class before counting, and counted, for each thread.
#[derive(Clone, Copy)]
pub struct Effort {
    pub warm: u64,
    pub operations: u64,
    /// Accesses at most.
    pub budget: u64,
    pub seed: u64,
}

/// All contestants of all rows.
pub fn all() -> Vec<Entry> {
    let mut all = theory::all();
    all.extend(rows::all());
    all
}

/// Runs one, prints its counts and ends the process.
pub fn run(entry: &Entry, threads: usize, effort: Effort) -> Result<(), String> {
    static RAN: AtomicBool = AtomicBool::new(false);
    assert!(!RAN.swap(true, Relaxed), "one run in a process");
    match (entry.make)(threads) {
        Some(job) => machine::run(&job, effort),
        None => Err(format!("{} has no run of {threads} threads", entry.row)),
    }
}
