//! What the tests of the safe layer share.
#![allow(dead_code)] // each file of tests uses a part

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts its drops.
#[derive(Debug)]
pub struct Counted(pub usize, pub &'static AtomicUsize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
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
