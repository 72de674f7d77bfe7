//! Pseudo-random numbers: Knuth's MMIX generator.
#![allow(dead_code)] // each file of tests uses a part

use std::cell::Cell;

#[derive(Clone, Copy)]
pub struct Random(pub u64);

impl Random {
    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

thread_local! {
    static RANDOM: Cell<Random> = const { Cell::new(Random(1)) };
}

/// A number below `limit`, which is not zero, from this thread's generator: for user
/// code, which the tests pass nothing to.
pub fn random(limit: usize) -> usize {
    let mut random = RANDOM.get();
    let number = random.below(limit);
    RANDOM.set(random);
    number
}

/// Begins this thread's numbers anew.
pub fn seed(seed: u64) {
    RANDOM.set(Random(seed));
}
