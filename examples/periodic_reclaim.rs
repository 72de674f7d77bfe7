//! Periodic reclamation: a task that works, and frees what it retired every so
//! many operations, no more than a few objects at a time.
//!
//! It is what a control loop does, or a tick of a timer: between two of them
//! no destructor runs, and none takes longer than its budget. In the middle a
//! reader stays in its section for a while. What is retired meanwhile has to
//! wait, and is freed in the periods after that, within the same budget.
//!
//! `cargo run --release --example periodic_reclaim`

#![forbid(unsafe_code)]

use std::{error::Error, num::NonZeroU16};

use hyaline::{
    Collector, domain,
    safe::{Domain, RcuCell},
};

const OPERATIONS: u32 = 100;
/// Operations between two calls that reclaim.
const PERIOD: u32 = 10;
/// The most objects that one call reclaims.
const BUDGET: u16 = 16;

domain!(Loop: Collector<2> = Collector::new());

static SETPOINT: RcuCell<u32, 64, Loop> = RcuCell::new(0);

fn main() -> Result<(), Box<dyn Error>> {
    let task = Loop::register()?;
    // It reclaims nothing when it leaves: that is the task's.
    let reader = Loop::register_deferred()?;
    task.limit_reclaims(NonZeroU16::new(BUDGET));

    let mut section = None;
    for operation in 1..=OPERATIONS {
        match operation {
            21 => section = Some(reader.enter()),
            51 => section = None,
            _ => {}
        }
        // Retires the version of before.
        SETPOINT.replace(&task, operation)?;

        if operation % PERIOD == 0 {
            let reclaimed = task.flush();
            let waiting = Loop::COLLECTOR.stats().pending();
            let reading = if section.is_some() { ", a reader" } else { "" };
            println!("operation {operation}: {reclaimed} reclaimed, {waiting} wait{reading}");
        }
    }
    let stats = Loop::COLLECTOR.stats();
    println!("{} retired, {} reclaimed", stats.retired, stats.reclaimed);
    Ok(())
}
