//! Disturbances, at random but the same for a seed. Without them the threads fall into
//! step, or queue up for one line for the rest of the run, and the order of two fields
//! decides whether they do.

use crate::cost::{self, Time};

/// Random numbers: xorshift.
pub struct Random(u64);

impl Random {
    /// The sequence of this number.
    pub fn new(seed: u64, number: u64) -> Self {
        let mixed = (seed + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(number)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self(mixed | 1)
    }

    /// At least 0, and less than `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) % end
    }
}

/// How long requests take; exactly the mean without noise.
pub struct Latencies(Option<Random>);

impl Latencies {
    pub fn new(seed: u64) -> Self {
        // No thread has this number.
        Self((seed != 0).then(|| Random::new(seed, u64::from(u32::MAX))))
    }

    /// One with this mean.
    pub fn one(&mut self, mean: Time) -> Time {
        let spread = mean / cost::SPREAD;
        match &mut self.0 {
            Some(random) => mean - spread + random.below(2 * spread + 1),
            None => mean,
        }
    }
}

/// How long a thread rests before an operation, mostly not at all: `mean` is the time of
/// one of its operations.
pub fn rest(random: &mut Random, mean: Time) -> Time {
    match random.below(cost::RESTS) {
        0 => random.below(cost::REST * mean + 1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_near_their_mean_and_exact_without_a_seed() {
        assert_eq!(Latencies::new(0).one(1001), 1001);
        let mut latencies = Latencies::new(1);
        let all: Vec<Time> = (0..10_000).map(|_| latencies.one(1000)).collect();
        assert_eq!(all.iter().min(), Some(&750));
        assert_eq!(all.iter().max(), Some(&1250));
        assert!((995..1005).contains(&(all.iter().sum::<Time>() / 10_000)));
        assert_eq!(latencies.one(0), 0);
    }

    #[test]
    fn a_thread_rests_as_often_as_it_says() {
        const MEAN: Time = 1000;
        const OPERATIONS: u64 = 10_000_000;
        let mut random = Random::new(1, 0);
        let all: Vec<Time> = (0..OPERATIONS).map(|_| rest(&mut random, MEAN)).collect();
        let rests = all.iter().filter(|rest| **rest > 0).count() as u64;
        assert!(rests.abs_diff(OPERATIONS / cost::RESTS) < rests / 50);
        assert!(all.iter().all(|rest| *rest <= cost::REST * MEAN));
        let mean = all.iter().sum::<Time>() / rests;
        assert!(mean.abs_diff(cost::REST * MEAN / 2) < mean / 50);
    }
}
