//! Periodic reclamation: a task that works, and frees what it retired every so
//! many operations, no more than a few objects at a time.
//!
//! It is what a control loop does, or a tick of a timer: between two of them
//! no destructor runs, as the handle that works is a deferred one, and none
//! takes longer than its budget, as that is the limit of the one that reclaims.
//! (A handle with a limit that works as well reclaims within that limit whenever
//! it retires, for as long as something is left over.) In the middle a
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

domain!(Loop: Collector<3> = Collector::new());

static SETPOINT: RcuCell<u32, 64, Loop> = RcuCell::new(0);

fn main() -> Result<(), Box<dyn Error>> {
    // They reclaim nothing, neither when they retire nor when they leave.
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
        // Retires the version of before.
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
