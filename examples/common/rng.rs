//! A small seeded random generator, so that a run can be repeated.

/// SplitMix64: one addition and three multiply-shift steps a number, any seed.
pub struct Rng(u64);

impl Rng {
    /// The generator of one thread: the same seed and stream give the same
    /// numbers.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        // Neighbouring seeds are far apart after one step.
        Self(rng.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        // The high half of a 32 x 32 bit product: no division.
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }
}
