//! What lies in `.bss`: a static that is zero at the start costs no flash.

#![cfg(all(target_os = "linux", not(any(hyaline_loom, miri))))]

use std::ptr;

#[cfg(feature = "critical-section")]
use hyaline::safe::HandleCell;
use hyaline::{
    Collector, Config, Pool, Robust, domain,
    safe::{Atomic, BlockQueue, Map, Queue, RcuCell, Stack},
};

domain!(D: Collector<2> = Collector::new());

/// Whether a static lies between the linker's marks.
fn in_bss<T>(of: &'static T) -> bool {
    unsafe extern "C" {
        static __bss_start: u8;
        static _end: u8;
    }
    let (start, end) = (&raw const __bss_start, &raw const _end);
    (start.addr()..end.addr()).contains(&ptr::from_ref(of).addr())
}

#[test]
fn structures_lie_in_bss() {
    static STACK: Stack<u32, 64, D> = Stack::new();
    static MAP: Map<u32, u32, 16, 64, D> = Map::new();
    static POOL: Pool<u32, 64> = Pool::new();
    static ATOMIC: Atomic<u32, D> = Atomic::null();
    static MARKED: [u32; 2] = [1, 2];
    assert!(in_bss(&STACK) && in_bss(&MAP));
    assert!(in_bss(&POOL) && in_bss(&ATOMIC));
    assert!(!in_bss(&MARKED));
}

#[test]
fn collectors_lie_in_bss() {
    static BASIC: Collector<64> = Collector::new();
    static ROBUST: Collector<64, Robust> = Collector::new();
    static DEFAULTS: Collector<64> = Collector::with_config(Config::new());
    // The page of `Config` says so: its numbers are not zero.
    static OWN: Collector<64> = Collector::with_config(Config::new().batch::<8>());
    assert!(in_bss(&BASIC) && in_bss(&ROBUST) && in_bss(&DEFAULTS));
    assert!(!in_bss(&OWN));
}

#[test]
#[cfg(feature = "critical-section")]
fn handle_cells_lie_in_bss() {
    static CELL: HandleCell<D> = HandleCell::new();
    assert!(in_bss(&CELL));
}

#[test]
fn cells_and_queues_lie_in_bss() {
    static CELL: RcuCell<u32, 4, D> = RcuCell::new(0);
    static QUEUE: Queue<u32, 64, D> = Queue::new();
    static BLOCKS: BlockQueue<u32, 16, 8, D> = BlockQueue::new();
    assert!(in_bss(&CELL) && in_bss(&QUEUE) && in_bss(&BLOCKS));
}
