//! The smallest sizes with the default configuration: a cell of two versions, a
//! queue of four, a stack of one, used by eager, deferred and per-CPU handles
//! that sleep, are dropped, forgotten and limited. A call may report that it is
//! full only if what is in use and what open sections hold explains it.

#![cfg(not(hyaline_loom))]

#[path = "small_memory/blocks.rs"]
mod blocks;
#[path = "small_memory/game.rs"]
mod game;
#[path = "common/random.rs"]
mod random;
#[path = "small_memory/threads.rs"]
mod threads;

use hyaline::{
    Collector, domain,
    safe::{Domain, Map, RcuCell},
};

domain!(App: Collector<8> = Collector::new());

/// The cell of the README with two writers, one of which goes to sleep.
#[test]
fn an_idle_writer_starves_no_other() {
    static CELL: RcuCell<[u16; 2], 4, App> = RcuCell::new([1, 0]);
    static SMALL: RcuCell<[u16; 2], 2, App> = RcuCell::new([1, 0]);
    let (setup, control) = (App::register().unwrap(), App::register().unwrap());
    let deferred = App::register_deferred().unwrap();
    for n in 0..4 {
        CELL.replace(&setup, [n, n]).unwrap();
        SMALL.replace(&setup, [n, n]).unwrap();
    }
    // `setup` sleeps from here on, without a guard.
    for n in 0..1000 {
        CELL.replace(&control, [n, n]).unwrap();
        SMALL.replace(&control, [n, n]).unwrap();
        if n % 3 == 0 {
            CELL.replace(&deferred, [n, n]).unwrap();
            SMALL.replace(&deferred, [n, n]).unwrap();
        }
    }
}

/// Of a map's blocks fewer than a quarter wait to be published, whichever call took
/// them out.
#[test]
fn a_map_publishes_a_quarter() {
    domain!(App: Collector<2> = Collector::new());
    static MAP: Map<u32, u32, 4, 64, App> = Map::new();
    let handle = App::register().unwrap();
    let fill = || (0..60).for_each(|key| MAP.insert(&handle, key, key).unwrap());
    let waiting = || App::COLLECTOR.stats().pending();
    fill();
    for key in 0..60 {
        assert!(MAP.remove(&handle.enter(), &key).is_some());
        assert!(waiting() < 16, "{} after remove", waiting());
    }
    fill();
    MAP.clear(&handle);
    assert!(waiting() < 16, "{} after clear", waiting());
    fill();
    MAP.retain(&handle, |key, _| key % 2 == 0);
    assert!(waiting() < 16, "{} after retain", waiting());
    for key in (0..60).step_by(2) {
        MAP.upsert(&handle, key, 0).unwrap();
        assert!(waiting() < 16, "{} after upsert", waiting());
    }
}
