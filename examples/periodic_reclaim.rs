//! Periodic reclamation: a task works, and at regular intervals frees a few of
//! the objects that it retired.
//!
//! A control loop or a timer tick does this. Between two ticks no destructor
//! runs, because the handle that works is a deferred one. No tick exceeds its
//! budget, because that is the limit of the handle that reclaims. (If the handle
//! that works had the limit, each retire would reclaim within it while anything
//! is left over.) In the middle a reader stays in its section for a while. What
//! is retired meanwhile has to wait, and is freed in the following periods,
//! within the same budget.
//!
//! `cargo run --release --example periodic_reclaim`

#![forbid(unsafe_code)]

#[path = "common/args.rs"]
mod args;

use std::{error::Error, num::NonZeroU16};

use hyaline::{
    Collector, domain,
    safe::{Domain, RcuCell},
};

const ABOUT: &str = "\
A control loop that frees a bounded number of retired objects in each tick,
while a reader stays in its section for a part of the time.";

const OPERATIONS: u32 = 100;
/// Operations between two calls that reclaim.
const PERIOD: u32 = 10;
/// The most objects that one call reclaims.
const BUDGET: u16 = 16;

domain!(Loop: Collector<3> = Collector::new());

static SETPOINT: RcuCell<u32, 64, Loop> = RcuCell::new(0);

fn main() -> Result<(), Box<dyn Error>> {
    args::none(ABOUT);
    // Neither a retire nor the end of a section reclaims on these handles.
    let (task, reader) = (Loop::register_deferred()?, Loop::register_deferred()?);
    let tick = Loop::register()?;
    tick.limit_reclaims(NonZeroU16::new(BUDGET));

    let mut section = None;
    for operation in 1..=OPERATIONS {
        match operation {
            21 => section = Some(reader.enter()),
            51 => section = None,
            _ => {}
        }
        // Retires the previous version.
        SETPOINT.replace(&task, operation)?;

        if operation % PERIOD == 0 {
            let reclaimed = tick.flush();
            let waiting = Loop::COLLECTOR.stats().pending();
            let reading = if section.is_some() { ", a reader" } else { "" };
            println!("operation {operation}: {reclaimed} reclaimed, {waiting} wait{reading}");
        }
    }
    let stats = Loop::COLLECTOR.stats();
    println!("{} retired, {} reclaimed", stats.retired, stats.reclaimed);
    Ok(())
}
