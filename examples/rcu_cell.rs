//! A configuration that many tasks read and an operator replaces. No reader
//! waits, and no reader sees half of a change.
//!
//! `cargo run --release --example rcu_cell`

#![forbid(unsafe_code)]

#[path = "common/args.rs"]
mod args;
#[path = "common/progress.rs"]
mod progress;

use std::{
    error::Error,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use hyaline::{
    Collector, domain,
    safe::{Domain, RcuCell},
};

const ABOUT: &str = "\
An operator replaces a configuration while two tasks read it. No reader waits,
and none sees half of a change.";

/// The configuration of the tasks. `checksum` covers the other fields.
#[derive(Clone, Copy)]
struct Settings {
    version: u32,
    gain: i32,
    offset: i32,
    checksum: i32,
}

impl Settings {
    const fn new(version: u32, gain: i32, offset: i32) -> Self {
        let checksum = gain ^ offset;
        Self {
            version,
            gain,
            offset,
            checksum,
        }
    }

    fn apply(&self, raw: i32) -> i32 {
        assert_eq!(self.checksum, self.gain ^ self.offset, "half of a change");
        raw * self.gain + self.offset
    }
}

const CHANGES: u32 = 100_000;

domain!(Tasks: Collector<4> = Collector::new());

/// Room for the current version and the versions that readers still hold.
static SETTINGS: RcuCell<Settings, 16, Tasks> = RcuCell::new(Settings::new(0, 1, 0));
/// All threads start together.
static START: Barrier = Barrier::new(3);
static DONE: AtomicBool = AtomicBool::new(false);

/// Reads until the operator is done; returns how often, and the last version.
fn reader() -> Result<(u64, Settings), hyaline::SlotsExhausted> {
    let handle = Tasks::register()?;
    let mut reads = 0;
    START.wait();
    // Acquire: pairs with the Release below, so that the last read is new.
    while !DONE.load(Ordering::Acquire) {
        let guard = handle.enter();
        let settings = SETTINGS.read(&guard);
        assert_eq!(settings.apply(2), 2 * settings.gain + settings.offset);
        reads += 1;
    }
    // A copy needs no guard.
    Ok((reads, SETTINGS.snapshot(&handle)))
}

fn main() -> Result<(), Box<dyn Error>> {
    args::none(ABOUT);
    let readers = [thread::spawn(reader), thread::spawn(reader)];

    let operator = Tasks::register()?;
    let mut full = 0_u32;
    START.wait();
    for change in progress::each(1..CHANGES + 1, "changes") {
        let next = |old: &Settings| Settings::new(old.version + 1, change as i32, -old.gain);
        // The cell is full while readers hold old versions.
        while SETTINGS.update(&operator, next).is_err() {
            full += 1;
            thread::yield_now();
        }
    }
    DONE.store(true, Ordering::Release);

    println!("{CHANGES} changes, {full} times no place was free");
    for reader in readers {
        let (reads, last) = reader.join().expect("no reader saw half of a change")?;
        println!("{reads} reads, the last one of version {}", last.version);
        assert_eq!(last.version, CHANGES);
    }
    Ok(())
}
