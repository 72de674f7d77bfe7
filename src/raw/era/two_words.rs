//! The clock in two words, on 32-bit targets, where one word would wrap within
//! days. No atomic is wider than a word, and still eras never wrap.
//!
//! An era is a number, `half * HALF + offset`. `low` counts eras modulo
//! `2 * HALF`, so its top bit is the parity of `half`; `high` is `half`, but
//! may lag behind by one. The parity tells: if the top bit of `low` differs from
//! the lowest bit of `high`, the half is `high + 1` ([`join`]).
//!
//! 1. *Never more than one behind.* `tick` first raises `high` to the half that
//!    it read, then advances `low`. A thread that stops in between, however
//!    long, can advance `low` once without having checked `high`, and a half
//!    takes 2^30 such steps.
//! 2. *`at_most` is not later than the current era.* It reads `high` first and
//!    `low` second. If `low` is still in half `high` or the next, the result is
//!    exact. If it has advanced further, the result lies in `high` or
//!    `high + 1`: in the past.
//! 3. *An access era is current* if the slot's words equal the clock's, `low`
//!    read first (Acquire), `high` second. Let the access era be `m`, and let
//!    `low` have been written when the clock advanced to era `t`. The low words
//!    are equal, so `t = m + i * 2 * HALF`. The thread that wrote `low` had seen
//!    `high` at the half of `t - 1` or later, so the reader sees that too: `t` is
//!    at most in half `high + 1`. As the high words are equal, `m` is in half
//!    `high` or `high + 1`. So `i <= 0`.
//! 4. *`now` is an era within the call.* `high` is the same before and after
//!    `low` is read, so `low` is in half `high` or the next (1). The loop repeats
//!    once in 2^30 eras.
//! 5. *The era in which a section began is never too late.* The owner stores
//!    `low`, then `high`; a check reads `high`, then `low`. So any mix of the
//!    stores of an owner, and of interrupts in the middle of its enter, is a
//!    `low` with a `high` of the same time or earlier: in the past, as in 2.
//! 6. *An access era that is being raised is not too old.* The owner stores
//!    `high`, if it changes, then `low`; a check reads `low`, then `high`. An old
//!    `low` with a new `high` is a later era. An interrupt may raise the era in
//!    between. The owner then sets `high` back, and a check joins the interrupt's
//!    `low` with the owner's `high`. But the owner stores `high` only if the
//!    clock's is later than that of the era from which it started. So the result
//!    lies in that half or a later one. The owner's last era does not, unless it
//!    is the first of the half: `low` advances from there when `high` has been
//!    raised (1), unless a thread slept in `tick` for a whole round. In the end the owner checks whether `high` still belongs to its
//!    `low`, and otherwise raises its era again: the result could be an era in
//!    the future.
//!
//! The read side executes no read-modify-write.
//!
//! `cfg(hyaline_narrow_era)` makes a half 4 eras long on any target, so that
//! tests and models reach the wrap within a few steps.

use super::reach::Reach;
use crate::{
    Barrier,
    raw::section::store_release,
    sync::{AtomicUsize, LoadStoreUsize, Ordering, compiler_fence, impl_init},
};

/// Bits of the low word that are used.
const BITS: u32 = if cfg!(hyaline_narrow_era) {
    3
} else {
    usize::BITS - 1
};
const MASK: usize = (1 << BITS) - 1;
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

/// The parity of the half of `low`.
fn parity(low: usize) -> usize {
    low >> (BITS - 1) & 1
}

/// The era that two words represent.
fn join(low: usize, high: usize) -> u64 {
    let half = high as u64 + u64::from(parity(low) != high & 1);
    half * HALF + (low as u64 & (HALF - 1))
}

impl Clock {
    /// An era not later than the current one (2).
    pub(super) fn at_most(&self) -> u64 {
        // Acquire: `low` is read after `high`. Otherwise an old `low` could be
        // joined with a current `high`: an era in the future.
        let high = self.high.load(Ordering::Acquire);
        // Relaxed: a lower bound for readers, which load the object's pointer
        // with Acquire from a Release store.
        join(self.low.load(Ordering::Relaxed), high)
    }

    /// The current era (4).
    pub(super) fn now(&self) -> (usize, usize) {
        loop {
            // Acquire, both: `low` is read between the two loads of `high`.
            // Otherwise the result could be off by half the range of `low`.
            let high = self.high.load(Ordering::Acquire);
            let low = self.low.load(Ordering::Acquire);
            // Relaxed: nothing is read after it.
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

    /// Begins the next era.
    pub(super) fn tick(&self) {
        // Acquire: `high` before `low`, as in `at_most`. Otherwise an old
        // `low` would make `high` run ahead.
        let high = self.high.load(Ordering::Acquire);
        // Relaxed: the exchanges below check it.
        let low = self.low.load(Ordering::Relaxed);
        if parity(low) != high & 1 {
            // Release: a `low` of the next half is not seen without it (1). A
            // failure means that another thread raised it.
            let _ = self.high.compare_exchange(
                high,
                high.wrapping_add(1),
                Ordering::Release,
                Ordering::Relaxed,
            );
        }
        let next = low.wrapping_add(1) & MASK;
        // Release: a thread that reads this `low` and then `high` sees the
        // `high` that we raised or saw (1, 3). A failure means that another
        // thread advanced the era.
        let _ = self
            .low
            .compare_exchange(low, next, Ordering::Release, Ordering::Relaxed);
    }
}

/// An era of a slot.
#[derive(Clone, Copy)]
pub struct Access {
    low: usize,
    high: usize,
}

impl Access {
    fn era(self) -> u64 {
        join(self.low, self.high)
    }

    /// Whether it is the collector's era (3).
    #[inline(always)]
    pub(super) fn is_current(self, clock: &Clock) -> bool {
        // Acquire: `low` is read before `high`; the other way round the era
        // could be too old (3). Relaxed: `high` comes last.
        let low = clock.low.load(Ordering::Acquire);
        let high = clock.high.load(Ordering::Relaxed);
        self.low == low && self.high == high
    }

    /// Whether the section holds an object of its own that was born then.
    pub(super) fn reaches(self, birth: u64) -> bool {
        birth <= self.era()
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

    /// The same as another thread sees it: that era or an earlier one (5).
    fn began(&self) -> u64 {
        // Acquire, both: pair with the Releases in `begin`. `high` comes first:
        // an old `low` with a new `high` would be an era in the future.
        let high = self.high.load(Ordering::Acquire);
        join(self.low.load(Ordering::Acquire), high)
    }

    /// Stores what `era` returns (6).
    #[inline(always)]
    fn set<B: Barrier>(&self, era: impl Fn() -> (usize, usize)) {
        loop {
            // Before the clock, so that it is not the `high` of an interrupt that
            // saw the clock later.
            let last = self.own().high;
            let (low, high) = era();
            // Release, both: pair with `look` (era, 5).
            if high != last {
                store_release::<B>(&self.high, high);
            }
            store_release::<B>(&self.low, low);
            if self.own().high == high {
                return;
            }
        }
    }

    /// The owner's last stores.
    #[inline(always)]
    fn own(&self) -> Access {
        // Relaxed: only the owner writes them. `high` comes first: an old `low`
        // with the `high` of an interrupt in between could equal the clock's.
        let high = self.high.load(Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        let low = self.low.load(Ordering::Relaxed);
        Access { low, high }
    }

    /// The same as another thread sees it: an era not earlier than the last one
    /// that was stored before the caller's heavy barrier.
    fn look(&self) -> u64 {
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
    /// Notes the start of a section.
    #[inline]
    pub(super) fn enter<B: Barrier>(&self, clock: &Clock) {
        let now = clock.now();
        self.began.begin::<B>(now);
        self.access.set::<B>(|| now);
    }

    /// The access era, for the owner.
    #[inline(always)]
    pub(super) fn access(&self) -> Access {
        self.access.own()
    }

    /// Raises the access era to the collector's. The light barrier follows.
    pub(super) fn raise<B: Barrier>(&self, clock: &Clock) {
        self.access.set::<B>(|| clock.now());
    }

    /// Both eras, for publishers, after the heavy barrier.
    pub(super) fn look(&self) -> Reach {
        Reach {
            began: self.began.began(),
            access: self.access.look(),
        }
    }
}
