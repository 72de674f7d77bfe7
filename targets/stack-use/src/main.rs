//! The stack that each call needs, in a state in which it has much to do: other
//! sections are open, inboxes are full, retired objects wait to be published,
//! others can be reclaimed.
//!
//! What a call inlines into its caller counts as its own, because it adds to
//! the caller's stack. Reclaimers count with their own needs: here almost
//! nothing, a store that returns a block to its pool. Optimised for speed, as
//! `cargo build --release` does it.

#![no_std]
#![no_main]

mod raw;
mod safe;
mod stack;

use hyaline::{Basic, Collector, Config, Robust, SingleCore, domain};
use semihosting::println;
use stack::Rows;

// SAFETY: the board has one core.
const ONE_CORE: SingleCore = unsafe { SingleCore::new() };
/// A batch that is full soon, and an era that advances with each object.
const CONFIG: Config<SingleCore> = Config::new()
    .barrier(ONE_CORE)
    .batch::<{ raw::BATCH }>()
    .era_step::<1>();

domain!(InBasic: Collector<8, Basic<SingleCore>> = Collector::with_config(CONFIG));
domain!(InRobust: Collector<8, Robust<SingleCore>> = Collector::with_config(CONFIG));

#[cortex_m_rt::entry]
fn main() -> ! {
    cortex_m::interrupt::disable();
    static BASIC: safe::Structures<InBasic> = safe::Structures::new();
    static ROBUST: safe::Structures<InRobust> = safe::Structures::new();
    static RAW_BASIC: raw::World<Basic<SingleCore>> = raw::World::new(CONFIG);
    static RAW_ROBUST: raw::World<Robust<SingleCore>> = raw::World::new(CONFIG);
    let mut basic = Rows::new();
    raw::measure(&RAW_BASIC, &mut basic);
    safe::measure(&BASIC, &mut basic);
    let mut robust = Rows::new();
    raw::measure(&RAW_ROBUST, &mut robust);
    safe::measure(&ROBUST, &mut robust);
    println!("| bytes of stack | basic | robust |");
    println!("|---|--:|--:|");
    for ((name, basic), (_, robust)) in basic.iter().zip(robust.iter()) {
        println!("| {name} | {basic} | {robust} |");
    }
    semihosting::process::exit(0)
}

/// The default handler loops forever, which looks like a hang from outside.
#[cortex_m_rt::exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(3)
}
