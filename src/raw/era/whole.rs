//! The clock in one word, where a word has 64 bits: an era every nanosecond
//! lasts for 584 years.

use super::{O, Word};
use crate::sync::{Flag, impl_init};

/// The collector's era.
pub struct Clock(Word);

/// A slot's era: written by its owner, read by publishers.
pub struct Mark(Flag);

// Era 0 is older than every clock: the birth of a link that was not stamped.
impl_init!(Clock = Clock(Word::new(1)));
impl_init!(Mark = Mark(Flag::new(0)));

impl Clock {
    /// An era that is not later than now.
    #[inline]
    pub(super) fn stamp(&self) -> u64 {
        // Relaxed: the object is published by a Release store, which makes
        // this value a lower bound of what its readers load.
        self.0.load(O::Relaxed) as u64
    }

    /// The next era begins.
    pub(super) fn tick(&self) {
        // Relaxed: nothing but the number itself is passed on.
        self.0.fetch_add(1, O::Relaxed);
    }
}

impl Mark {
    /// Whether the slot's era is the collector's. For the owner.
    #[inline(always)]
    pub(super) fn is_current(&self, clock: &Clock) -> bool {
        // Relaxed, the mark: only the owner writes it. Relaxed, the clock: it
        // follows an Acquire load of the pointer, see `Clock::stamp`.
        self.0.load(O::Relaxed) == clock.0.load(O::Relaxed)
    }

    /// Takes the collector's era over. For the owner.
    #[inline(always)]
    pub(super) fn follow(&self, clock: &Clock) {
        // Relaxed: LIGHT follows where it matters.
        self.0.store(clock.0.load(O::Relaxed), O::Relaxed);
    }

    /// An era not older than any under which the owner holds pointers. For
    /// publishers, after HEAVY.
    #[inline]
    pub(super) fn read(&self) -> u64 {
        // Relaxed: ordered by HEAVY, paired with the owner's LIGHT.
        self.0.load(O::Relaxed) as u64
    }
}
