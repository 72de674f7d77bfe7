//! A neighbour table that maps addresses to ports. Packets are looked up while
//! neighbours appear, move to another port, and disappear. In robust mode a
//! lookup that is preempted holds back a bounded number of entries.
//!
//! `cargo run --release --example map`

#![forbid(unsafe_code)]

#[path = "common/args.rs"]
mod args;
#[path = "common/progress.rs"]
mod progress;

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use hyaline::{
    Collector, Config, Robust, SlotsExhausted, domain,
    safe::{Domain, Map, Refused},
};

const ABOUT: &str = "\
A neighbour table: two threads look up addresses while neighbours appear, move
and disappear.";

type Address = [u8; 4];

/// A port, and the number of the change that set it.
struct Port {
    name: &'static str,
    change: u32,
}

const SLOTS: usize = 3;
const NEIGHBOURS: usize = 32;
const CONFIG: Config = Config::new().batch::<4>().era_step::<1>();
/// Never full with all neighbours, two entries that are being made, and two
/// sections that stall.
const CAP: usize = CONFIG.pool_size(SLOTS, 2, NEIGHBOURS + 2);
const CHANGES: u32 = 100_000;

domain!(Router: Collector<SLOTS, Robust> = Collector::with_config(CONFIG));

static TABLE: Map<Address, Port, 32, CAP, Router> = Map::new();
static DONE: AtomicBool = AtomicBool::new(false);

fn address(number: u32) -> Address {
    [10, 0, 0, number as u8]
}

/// Looks up addresses until the changes are done; returns hits and misses.
fn forward() -> Result<(u64, u64), SlotsExhausted> {
    let handle = Router::register()?;
    let (mut hits, mut misses, mut packet) = (0, 0, 0);
    // Relaxed: only a flag, it publishes nothing.
    while !DONE.load(Ordering::Relaxed) {
        packet += 1;
        let guard = handle.enter();
        match TABLE.get(&guard, &address(packet % NEIGHBOURS as u32)) {
            Some(port) => {
                assert!(port.name.starts_with("eth") && port.change <= CHANGES);
                hits += 1;
            }
            // Neighbours with even numbers move, and never disappear.
            None => {
                assert!(packet % 2 == 1, "a neighbour was missing while it moved");
                misses += 1;
            }
        }
    }
    Ok((hits, misses))
}

fn main() -> Result<(), Box<dyn Error>> {
    args::none(ABOUT);
    let handle = Router::register()?;
    for number in 0..NEIGHBOURS as u32 {
        let port = Port {
            name: "eth0",
            change: 0,
        };
        TABLE.insert(&handle, address(number), port)?;
    }
    let lookups = [thread::spawn(forward), thread::spawn(forward)];
    for change in progress::each(1..CHANGES + 1, "changes") {
        let neighbour = address(change % NEIGHBOURS as u32);
        let name = ["eth0", "eth1", "eth2"][change as usize % 3];
        let port = Port { name, change };
        if change % 2 == 0 {
            TABLE.replace(&handle, neighbour, port)?;
        } else if let Err(Refused::Mismatch(_)) = TABLE.insert(&handle, neighbour, port) {
            TABLE.remove(&handle.enter(), &neighbour);
        }
    }
    DONE.store(true, Ordering::Relaxed);
    println!("{CHANGES} changes, in {CAP} blocks");
    for lookup in lookups {
        let (hits, misses) = lookup.join().expect("no neighbour was missing")?;
        println!("{} lookups, {misses} found no neighbour", hits + misses);
    }
    let guard = handle.enter();
    let moved = TABLE.iter(&guard).filter(|(_, port)| port.change > 0);
    println!("{} neighbours have moved", moved.count());
    Ok(())
}
