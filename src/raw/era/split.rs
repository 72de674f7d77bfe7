//! The clock in two words, where a word has 32 bits and would wrap within
//! days: no atomic is wider than a word, and eras still never wrap.
//!
//! An era is a number of 63 bits, `half * 2^31 + offset`. `low` counts eras
//! modulo 2^32, so its top bit is the parity of `half`; `high` is `half`, but
//! may lag behind it by one. Parity tells: if the top bit of `low` differs
//! from the lowest bit of `high`, the half is `high + 1` ([`join`]).
//!
//! 1. *Never more than one behind.* `tick` first brings `high` up to the half
//!    that it read, then moves `low`. A thread that stops in between for ever
//!    so long can move `low` once without `high` having been looked at, and
//!    there are 2^31 moves to a half.
//! 2. *A stamp is not later than now.* It reads `high` first and `low` second.
//!    If `low` is still in half `high` or the next, the result is exact. If it
//!    went further, the result lies in `high` or `high + 1`: in the past.
//! 3. *What a reader takes for current is.* It reads `low` first (Acquire),
//!    `high` second, after the pointer, and compares both with its mark. Say
//!    the mark is era `m`, and `low` was written when the clock came to era
//!    `t`: the low words agree, so `t = m + i * 2^32`. Whoever wrote it had
//!    seen `high` at the half of `t - 1` or later, so the reader sees that
//!    too: `t` is at most in half `high + 1`. As `high` agrees, `m` is in half
//!    `high` or `high + 1`. So `i <= 0`: the mark is not older than the clock
//!    was when the pointer had been loaded.
//! 4. *A torn mark is not too old.* The owner writes `high`, then `low`
//!    (Release); a publisher reads `low` (Acquire), then `high`: what it
//!    joins is an old `low` with a `high` of the same or a later mark, which
//!    is the old mark or a later era.
//!
//! Reading a mark or a stamp costs two loads; nothing on the read side is a
//! read-modify-write.
//!
//! `cfg(hyaline_narrow_era)` makes a half 4 eras long, on any target, so that
//! tests and models pass the wrap within a few steps.

use super::{O, Word};
use crate::sync::{Flag, impl_init};

/// Bits of the low word.
const BITS: u32 = if cfg!(hyaline_narrow_era) { 3 } else { 32 };
/// The bits of the low word that count.
const MASK: usize = ((1_u64 << BITS) - 1) as usize;
/// Eras in a half.
const HALF: u64 = 1 << (BITS - 1);
/// Tests on boards start here, two eras before `low` wraps.
const START: usize = if cfg!(any(hyaline_narrow_era, hyaline_late_era)) {
    MASK - 1
} else {
    1
};

/// The collector's era.
pub struct Clock {
    low: Word,
    high: Word,
}

/// A slot's era: written by its owner, read by publishers.
pub struct Mark {
    low: Flag,
    high: Flag,
}

// Era 0 is older than every clock: the birth of a link that was not stamped.
impl_init!(
    Clock = Clock {
        low: Word::new(START),
        high: Word::new(START >> (BITS - 1)),
    }
);
impl_init!(
    Mark = Mark {
        low: Flag::new(0),
        high: Flag::new(0),
    }
);

/// The parity of the half that `low` is in.
fn parity(low: usize) -> usize {
    low >> (BITS - 1) & 1
}

/// The era that two words mean.
fn join(low: usize, high: usize) -> u64 {
    let half = high as u64 + u64::from(parity(low) != high & 1);
    half * HALF + (low as u64 & (HALF - 1))
}

impl Clock {
    /// An era that is not later than now (2).
    pub(super) fn stamp(&self) -> u64 {
        // Acquire: `low` is read after `high`. Read before it, a `low` of long
        // ago would be joined with a `high` of now: an era to come.
        let high = self.high.load(O::Acquire);
        // Relaxed: a lower bound for readers, who got the object by Release
        // and Acquire.
        join(self.low.load(O::Relaxed), high)
    }

    /// The next era begins.
    pub(super) fn tick(&self) {
        // Acquire: `high` before `low`, as in `stamp`. Otherwise an old `low`
        // would make `high` run ahead.
        let high = self.high.load(O::Acquire);
        // Relaxed: the exchanges below check it.
        let low = self.low.load(O::Relaxed);
        if parity(low) != high & 1 {
            // Release, so that a `low` of the next half is not seen without
            // it (1). A failure means that somebody else did it.
            let _ = self
                .high
                .compare_exchange(high, high.wrapping_add(1), O::Release, O::Relaxed);
        }
        let next = low.wrapping_add(1) & MASK;
        // Release: whoever reads this `low` and then `high` sees the `high`
        // that we brought up or saw (1, 3). A failure means that the era went
        // on without us.
        let _ = self.low.compare_exchange(low, next, O::Release, O::Relaxed);
    }
}

impl Mark {
    /// Whether the slot's era is the collector's (3). For the owner.
    #[inline]
    pub(super) fn is_current(&self, clock: &Clock) -> bool {
        // Acquire: `low` is read before `high` (3). The marks are the owner's.
        let low = clock.low.load(O::Acquire);
        // Relaxed: the owner alone writes its marks; `high` comes last.
        self.low.load(O::Relaxed) == low
            && self.high.load(O::Relaxed) == clock.high.load(O::Relaxed)
    }

    /// Takes the collector's era over. For the owner.
    #[inline]
    pub(super) fn follow(&self, clock: &Clock) {
        // Acquire: `low` before `high`, so that the mark is not too old (3).
        let low = clock.low.load(O::Acquire);
        // Relaxed: see `low`, above and below.
        self.high.store(clock.high.load(O::Relaxed), O::Relaxed);
        // Release: a publisher that sees this `low` sees the `high` before (4).
        self.low.store(low, O::Release);
    }

    /// An era not older than any under which the owner holds pointers (4). For
    /// publishers, after HEAVY.
    #[inline]
    pub(super) fn read(&self) -> u64 {
        // Acquire: pairs with the Release in `follow` (4).
        let low = self.low.load(O::Acquire);
        // Relaxed: after `low`.
        join(low, self.high.load(O::Relaxed))
    }
}

#[cfg(all(test, hyaline_loom, hyaline_narrow_era))]
#[path = "models.rs"]
mod models;
