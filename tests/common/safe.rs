//! What the tests of the safe layer share.
#![allow(dead_code)] // each file of tests uses a part

use std::{
    sync::atomic::{
        AtomicUsize,
        Ordering::{self, SeqCst},
    },
    thread,
};

use hyaline::safe::{Domain, Handle};

/// Counts its drops.
#[derive(Debug)]
pub struct Counted(pub usize, pub &'static AtomicUsize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Values that each thread of a torture test sends.
pub const VALUES: usize = if cfg!(miri) { 40 } else { 30_000 };

/// A structure that is dropped at the end of a test.
pub fn leak<T>(structure: T) -> (&'static T, impl FnOnce()) {
    let leaked = Box::into_raw(Box::new(structure));
    // SAFETY: a test frees it last, when all handles are dropped, so that none
    // of its objects waits to be reclaimed.
    unsafe { (&*leaked, move || drop(Box::from_raw(leaked))) }
}

/// Sends `VALUES` values from each of two threads to two others; each value
/// arrives once. `push` may refuse. Returns the values in order of arrival.
pub fn send<D: Domain>(
    push: impl Fn(&Handle<D>, usize) -> bool + Sync,
    pop: impl Fn(&Handle<D>) -> Option<usize> + Sync,
) -> [Vec<usize>; 2] {
    let left = AtomicUsize::new(2 * VALUES);
    thread::scope(|scope| {
        for sender in 0..2 {
            let push = &push;
            scope.spawn(move || {
                let handle = D::register().unwrap();
                for value in 0..VALUES {
                    while !push(&handle, 2 * value + sender) {
                        thread::yield_now();
                    }
                }
            });
        }
        let receivers = [(), ()].map(|()| {
            scope.spawn(|| {
                let handle = D::register().unwrap();
                let mut seen = Vec::new();
                while left.load(SeqCst) > 0 {
                    match pop(&handle) {
                        Some(value) => {
                            left.fetch_sub(1, SeqCst);
                            seen.push(value);
                        }
                        None => thread::yield_now(),
                    }
                }
                seen
            })
        });
        receivers.map(|receiver| receiver.join().unwrap())
    })
}

/// Each of the values arrived once.
#[track_caller]
pub fn assert_complete(seen: &[Vec<usize>; 2]) {
    let mut all = seen.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..2 * VALUES));
}

/// Runs each test in both schemes, with `N` slots and, in robust mode, batches of
/// `B`: `schemes! { <N, B> name { body } }`. Each has its own domain `D`.
macro_rules! schemes {
    (<$slots:literal, $batch:literal> $($name:ident $body:block)*) => {
        mod basic {
            use super::*;
            $(#[test] fn $name() {
                domain!(D: Collector<$slots> = Collector::new());
                $body
            })*
        }
        mod robust {
            use super::*;
            $(#[test] fn $name() {
                domain!(D: Collector<$slots, Robust> =
                    Collector::with_config(Config::new().batch::<$batch>().era_step::<1>()));
                $body
            })*
        }
    };
}
