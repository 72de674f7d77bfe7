//! A `SeqCst` that the caller asks for is one: it is in the total order of the
//! caller's other accesses.
//!
//! Loom treats a `SeqCst` access as `AcqRel`, so this test is for Miri, which
//! does not; `cargo xtask orderings` runs it there. A machine that orders each
//! exchange with everything after it shows no difference.

#![cfg(not(hyaline_loom))]

use std::{array, ptr, sync::atomic::Ordering::SeqCst, thread};

use hyaline::{AtomicPtr, Basic, Collector, Config, Robust, Scheme};

const PAIRS: usize = 64;

/// Store buffering, of each pair: a thread stores to one location and loads the
/// other, while the other thread does the reverse. They cannot both find null.
/// A guard executes one fence, when it is made.
fn store_buffering<S: Scheme>(collector: &Collector<2, S>) {
    let cells: [[AtomicPtr<u8>; 2]; PAIRS] = array::from_fn(|_| Default::default());
    let store_and_load = |mine: usize| {
        let handle = collector.register().unwrap();
        let guard = handle.enter();
        let look = |pair: &[AtomicPtr<u8>; 2]| {
            let old = guard.swap(&pair[mine], ptr::dangling_mut(), SeqCst);
            assert!(old.is_null());
            guard.protect(&pair[1 - mine], SeqCst).is_null()
        };
        cells.each_ref().map(look)
    };
    let nulls = thread::scope(|scope| {
        let other = scope.spawn(|| store_and_load(1));
        let one = store_and_load(0);
        [one, other.join().unwrap()]
    });
    for (pair, (one, other)) in nulls[0].iter().zip(&nulls[1]).enumerate() {
        assert!(!(one & other), "pair {pair}: each missed the other's swap");
    }
}

#[test]
fn basic() {
    store_buffering::<Basic>(&Collector::with_config(Config::new()));
}

#[test]
fn robust() {
    store_buffering::<Robust>(&Collector::with_config(Config::new()));
}
