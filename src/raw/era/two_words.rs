//! The clock in two words, where a word has 32 bits and would wrap within
//! days: no atomic is wider than a word, and eras still never wrap.
//!
//! An era is a number, `half * HALF + offset`. `low` counts eras modulo
//! `2 * HALF`, so its top bit is the parity of `half`; `high` is `half`, but
//! may lag behind it by one. Parity tells: if the top bit of `low` differs
//! from the lowest bit of `high`, the half is `high + 1` ([`join`]).
//!
//! 1. *Never more than one behind.* `tick` first brings `high` up to the half
//!    that it read, then moves `low`. A thread that stops in between, for
//!    however long, can move `low` once without `high` having been looked at,
//!    and there are 2^30 moves to a half.
//! 2. *`at_most` is not later than now.* It reads `high` first and `low`
//!    second. If `low` is still in half `high` or the next, the result is
//!    exact. If it went further, the result lies in `high` or `high + 1`: in
//!    the past.
//! 3. *A pointer's era is current* if the slot's words are the clock's, `low`
//!    read first (Acquire), `high` second. Say the access era is `m`, and `low` was written when the
//!    clock came to era `t`: the low words agree, so `t = m + i * 2 * HALF`.
//!    Whoever wrote it had seen `high` at the half of `t - 1` or later, so the
//!    reader sees that too: `t` is at most in half `high + 1`. As `high`
//!    agrees, `m` is in half `high` or `high + 1`. So `i <= 0`.
//! 4. *`now` is an era of that moment.* `high` is the same before and after
//!    `low` is read, so `low` is in half `high` or the next (1). The loop goes
//!    round again once in 2^30 eras.
//! 5. *Where a section began is never too late.* The owner stores `low`, then
//!    `high`; a look reads `high`, then `low`. So any mix of what an owner, and
//!    interrupts in the middle of its enter, have stored is the `low` of then
//!    or later with an earlier `high`: in the past, as in 2.
//! 6. *An access era that is being moved is no era.* The owner first stores
//!    [`MOVING`] as `low`, then reads the clock, then stores `high` and `low`.
//!    Who sees `MOVING` takes it for the era that holds most. So does an
//!    interrupt that comes in between under an open section: it finds all it
//!    loads protected and moves nothing. An interrupt between two sections of
//!    its task does move the era. The task stores its own over it, and does so
//!    again if it finds the interrupt's `high` beside its own `low`. Nobody is
//!    inside then, and a look that finds one of these words comes after the
//!    interrupt's section (era, 5).
//!
//! Nothing on the read side is a
//! read-modify-write.
//!
//! `cfg(hyaline_narrow_era)` makes a half 4 eras long, on any target, so that
//! tests and models pass the wrap within a few steps.

use super::reach::Reach;
use crate::{
    Barrier,
    raw::section::store_release,
    sync::{AtomicUsize, LoadStoreUsize, Ordering, compiler_fence, impl_init},
};

/// Bits of the low word that count.
const BITS: u32 = if cfg!(hyaline_narrow_era) {
    3
} else {
    usize::BITS - 1
};
const MASK: usize = (1 << BITS) - 1;
/// A low word while a slot's era is being moved.
const MOVING: usize = MASK + 1;
/// Eras in a half.
const HALF: u64 = 1 << (BITS - 1);
/// Tests start two eras before `low` wraps.
const START: usize = if cfg!(any(hyaline_narrow_era, hyaline_late_era)) {
    MASK - 1
} else {
    0
};

/// The collector's era.
pub struct Clock {
    low: AtomicUsize,
    high: AtomicUsize,
}

impl_init!(
    Clock = Clock {
        low: AtomicUsize::new(START),
        high: AtomicUsize::new(START >> (BITS - 1)),
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
    pub(super) fn at_most(&self) -> u64 {
        // Acquire: `low` is read after `high`. Read before it, a `low` of long
        // ago would be joined with a `high` of now: an era to come.
        let high = self.high.load(Ordering::Acquire);
        // Relaxed: a lower bound for readers, who got the object by Release
        // and Acquire.
        join(self.low.load(Ordering::Relaxed), high)
    }

    /// The era of this moment (4).
    pub(super) fn now(&self) -> (usize, usize) {
        loop {
            // Acquire, both: `low` is read between the two loads of `high`.
            // Read before, or after, it could be half a clock off.
            let high = self.high.load(Ordering::Acquire);
            let low = self.low.load(Ordering::Acquire);
            // Relaxed: the last one.
            if self.high.load(Ordering::Relaxed) == high {
                return (low, high);
            }
        }
    }

    /// The same as a number.
    pub(super) fn at_least(&self) -> u64 {
        let (low, high) = self.now();
        join(low, high)
    }

    /// The next era begins.
    pub(super) fn tick(&self) {
        // Acquire: `high` before `low`, as in `at_most`. Otherwise an old
        // `low` would make `high` run ahead.
        let high = self.high.load(Ordering::Acquire);
        // Relaxed: the exchanges below check it.
        let low = self.low.load(Ordering::Relaxed);
        if parity(low) != high & 1 {
            // Release, so that a `low` of the next half is not seen without
            // it (1). A failure means that somebody else did it.
            let _ = self.high.compare_exchange(
                high,
                high.wrapping_add(1),
                Ordering::Release,
                Ordering::Relaxed,
            );
        }
        let next = low.wrapping_add(1) & MASK;
        // Release: whoever reads this `low` and then `high` sees the `high`
        // that we brought up or saw (1, 3). A failure means that the era went
        // on without us.
        let _ = self
            .low
            .compare_exchange(low, next, Ordering::Release, Ordering::Relaxed);
    }
}

/// An era of a slot, or `MOVING` and anything.
#[derive(Clone, Copy)]
pub struct Access {
    low: usize,
    high: usize,
}

impl Access {
    /// The era; none while it is being moved.
    fn era(self) -> Option<u64> {
        (self.low & MOVING == 0).then(|| join(self.low, self.high))
    }

    /// Whether it is the collector's era (3), or protects anything (6).
    #[inline(always)]
    pub(super) fn is_current(self, clock: &Clock) -> bool {
        // Acquire: `low` is read before `high`; the other way round the era
        // could be too old (3). Relaxed: `high` comes last.
        let low = clock.low.load(Ordering::Acquire);
        let high = clock.high.load(Ordering::Relaxed);
        self.low == low && self.high == high || self.low == MOVING
    }

    /// Whether the section holds an object of its own that was born then.
    pub(super) fn reaches(self, birth: u64) -> bool {
        self.era().is_none_or(|era| birth <= era)
    }
}

/// An era in two words, written by one owner and the contexts that preempt it.
struct TwoWords {
    low: LoadStoreUsize,
    high: LoadStoreUsize,
}

impl_init!(
    TwoWords = TwoWords {
        low: LoadStoreUsize::new(0),
        high: LoadStoreUsize::new(0),
    }
);

impl TwoWords {
    /// Stores the era in which a section begins (5).
    #[inline(always)]
    fn begin<B: Barrier>(&self, (low, high): (usize, usize)) {
        // Release, both: pair with `began` (era, 5).
        store_release::<B>(&self.low, low);
        store_release::<B>(&self.high, high);
    }

    /// What somebody else sees of it: an era not later than that.
    fn began(&self) -> u64 {
        // Acquire, both: pair with the Releases in `begin`. `high` comes first:
        // with a new `high` an old `low` would be an era to come.
        let high = self.high.load(Ordering::Acquire);
        join(self.low.load(Ordering::Acquire), high)
    }

    /// Stores what `era` returns (6).
    #[inline(always)]
    fn set<B: Barrier>(&self, era: impl Fn() -> (usize, usize)) {
        loop {
            // Release, all: pair with `look` (era, 5).
            store_release::<B>(&self.low, MOVING);
            // The compiler must not move the look at the clock before the
            // store: an interrupt in between would be set back.
            compiler_fence(Ordering::SeqCst);
            let (low, high) = era();
            store_release::<B>(&self.high, high);
            store_release::<B>(&self.low, low);
            // Otherwise `high` is of an interrupt in between the two stores.
            if self.own().high == high {
                return;
            }
        }
    }

    /// What the owner stored.
    #[inline(always)]
    fn own(&self) -> Access {
        // Relaxed: only the owner writes them.
        Access {
            low: self.low.load(Ordering::Relaxed),
            high: self.high.load(Ordering::Relaxed),
        }
    }

    /// What somebody else sees: an era not older than the last one that was
    /// stored before the caller's heavy barrier.
    fn look(&self) -> Option<u64> {
        // Acquire, both: pair with the Releases in `set`. `low` comes first: a
        // new `low` with an old `high` would be too old.
        let low = self.low.load(Ordering::Acquire);
        let high = self.high.load(Ordering::Acquire);
        Access { low, high }.era()
    }
}

/// The eras of a slot's section: written by its owner, read by publishers.
pub struct SlotEras {
    began: TwoWords,
    access: TwoWords,
}

impl_init!(
    SlotEras = SlotEras {
        began: crate::sync::init!(TwoWords),
        access: crate::sync::init!(TwoWords),
    }
);

impl SlotEras {
    /// A section begins.
    #[inline]
    pub(super) fn enter<B: Barrier>(&self, clock: &Clock) {
        let now = clock.now();
        self.began.begin::<B>(now);
        self.access.set::<B>(|| now);
    }

    /// For the owner.
    #[inline(always)]
    pub(super) fn access(&self) -> Access {
        self.access.own()
    }

    /// Takes the collector's era over. The light barrier follows.
    pub(super) fn raise<B: Barrier>(&self, clock: &Clock) {
        self.access.set::<B>(|| clock.now());
    }

    /// For publishers, after the heavy barrier.
    pub(super) fn look(&self) -> Reach {
        Reach {
            began: self.began.began(),
            access: self.access.look().unwrap_or(u64::MAX),
        }
    }
}
