//! The bucket of a key: FxHash of one word, which needs one multiplication for
//! each word of the key, and no table.

use core::hash::{Hash, Hasher};

/// Golden ratio, odd for words of 16, 32 and 64 bits.
const FACTOR: usize = (0x9e37_79b9_7f4a_7c15_u64 >> (u64::BITS - usize::BITS)) as usize;

struct Fx(usize);

impl Fx {
    #[inline]
    fn add(&mut self, word: usize) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
}

impl Hasher for Fx {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(size_of::<usize>()) {
            let mut word = [0; size_of::<usize>()];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(usize::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.add(number.into());
    }

    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.add(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.add(number as usize);
        if usize::BITS < 32 {
            self.add((number >> 16) as usize);
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        if usize::BITS < 64 {
            self.write_u32(number as u32);
            self.write_u32((number >> 32) as u32);
        } else {
            self.add(number as usize);
        }
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.add(number);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0 as u64
    }
}

/// The number of a key's bucket, below `buckets`.
#[inline]
pub(super) fn bucket<K: Hash + ?Sized>(key: &K, buckets: usize) -> usize {
    let mut hasher = Fx(0);
    key.hash(&mut hasher);
    // The upper bits are mixed best, so the hash is scaled, not divided.
    let hash = hasher.finish() << (u64::BITS - usize::BITS);
    (((hash >> 32) * buckets as u64) >> 32) as usize
}

#[cfg(all(test, not(hyaline_loom)))]
mod tests {
    use super::bucket;

    /// Numbers, addresses and text spread: no bucket has four times its share.
    #[test]
    fn keys_spread() {
        let mut counts = [[0; 16]; 9];
        for n in 0..1600_u32 {
            counts[0][bucket(&n, 16)] += 1;
            counts[1][bucket(&(n << 8), 16)] += 1;
            counts[2][bucket(&[10_u8, 0, (n >> 8) as u8, n as u8], 16)] += 1;
            counts[3][bucket(&std::format!("device {n}"), 16)] += 1;
            counts[4][bucket(&(n as u8), 16)] += 1;
            counts[5][bucket(&(n as u16), 16)] += 1;
            counts[6][bucket(&u64::from(n), 16)] += 1;
            counts[7][bucket(&(u64::from(n) << 40), 16)] += 1;
            counts[8][bucket(&(n as usize), 16)] += 1;
        }
        for count in counts.as_flattened() {
            assert!((25..400).contains(count), "{counts:?}");
        }
        assert_eq!(bucket(&7, 1), 0);
    }
}
