//! The rows of `cargo xtask cores`: what each of any number of threads does,
//! over the contestants of the other rows. `bench/cores` runs them.

mod job;
mod machine;
mod rows;
mod theory;

pub use job::{Effort, Entry};
pub use machine::{Memory, roomy};

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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
