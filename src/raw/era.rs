//! Eras: which objects a reader can hold at all (robust mode).
//!
//! The collector counts eras; an object is stamped with its *birth era*, and a
//! slot publishes the era that its reader last saw. A reader cannot hold an
//! object born after its era, so a batch of younger objects need not wait for
//! it. The source is Hyaline-1S (Nikolaev & Ravindran, PLDI 2021).
//!
//! 1. A birth is never later than the collector's era at the time.
//! 2. `protect` returns a pointer only when, after loading it, the slot's era
//!    is not older than the collector's ([`Mode::covers`]); so every object a
//!    reader holds has `birth <= era of its slot`.
//! 3. A slot's era only grows while a section lasts.
//! 4. A publisher that reads a slot's era *after* HEAVY reads one that is not
//!    older than those under which the reader got the pointers it holds, or
//!    the reader's LIGHT comes later and it loads the pointer again, past the
//!    unlink.
//!
//! | reader (slot era 5) | era | retirer |
//! |---|---|---|
//! | loads `p` | 6 | |
//! | sees 6, stores slot era 6 | 6 | unlinks `p`, HEAVY |
//! | *without LIGHT: store still in its buffer* | 6 | reads slot era 5 < birth 6: skips, frees `p` |
//! | *loads `p` again from a stale view, uses it after free* | | |
//! | with LIGHT: either the retirer reads 6, or this load sees the unlink | | |
//!
//! The clock itself is in [`word`]: one word on 64-bit targets, two on others,
//! where the text says why it never wraps.

use crate::{
    Barrier,
    config::Settings,
    sync::{AtomicUsize, Cell, Init, Ordering, impl_init, init},
};

#[cfg(any(not(target_pointer_width = "64"), hyaline_narrow_era))]
#[path = "era/split.rs"]
mod word;
#[cfg(not(any(not(target_pointer_width = "64"), hyaline_narrow_era)))]
#[path = "era/whole.rs"]
mod word;

pub(crate) use word::{Clock, Mark};

/// What a scheme does about eras. All of it is nothing in basic mode.
pub trait Mode: 'static {
    /// The collector's era.
    type Clock: Init + Send + Sync;
    /// A slot's era, read by publishers.
    type Mark: Init;
    /// What the slot's owner keeps for itself.
    type Log: Init;

    /// At the start of a section, before LIGHT.
    fn enter(clock: &Self::Clock, mark: &Self::Mark);
    /// Called after a pointer was loaded (Acquire): whether the slot's era
    /// covers it. If not, the slot follows, and the pointer must be loaded
    /// again.
    fn covers<B: Barrier>(clock: &Self::Clock, mark: &Self::Mark) -> bool;
    /// Makes the slot's era cover all that its owner retired, which its open
    /// guards may still use, also what they never loaded.
    fn cover(clock: &Self::Clock, mark: &Self::Mark);
    /// Whether the slot's reader can hold an object born at `oldest`. Called
    /// after HEAVY.
    fn holds(mark: &Self::Mark, oldest: u64) -> bool;
    /// The birth era of an object made now; every `era_step` calls the clock
    /// goes on.
    fn birth(clock: &Self::Clock, log: &Self::Log, settings: &Settings) -> u64;
    /// The birth era of an object, without the owner's notes: the clock goes
    /// on each time.
    fn birth_at_once(clock: &Self::Clock) -> u64;
    /// Eras since the slot's section last looked at the clock.
    fn age(clock: &Self::Clock, mark: &Self::Mark) -> Option<u64>;
    /// Notes the birth of an object that joins the local batch.
    fn note(log: &Self::Log, birth: u64);
    /// The oldest birth in the local batch.
    fn oldest(log: &Self::Log) -> u64;
    /// The local batch is empty.
    fn clear(log: &Self::Log);
}

/// Basic mode: a reader can hold anything.
#[derive(Debug)]
pub struct NoEras;

impl Mode for NoEras {
    type Clock = ();
    type Mark = ();
    type Log = ();

    #[inline(always)]
    fn enter((): &(), (): &()) {}

    #[inline(always)]
    fn covers<B: Barrier>((): &(), (): &()) -> bool {
        true
    }

    #[inline(always)]
    fn cover((): &(), (): &()) {}

    #[inline(always)]
    fn holds((): &(), _: u64) -> bool {
        true
    }

    #[inline(always)]
    fn birth((): &(), (): &(), _: &Settings) -> u64 {
        0
    }

    #[inline(always)]
    fn birth_at_once((): &()) -> u64 {
        0
    }

    #[inline(always)]
    fn age((): &(), (): &()) -> Option<u64> {
        None
    }

    #[inline(always)]
    fn note((): &(), _: u64) {}

    #[inline(always)]
    fn oldest((): &()) -> u64 {
        0
    }

    #[inline(always)]
    fn clear((): &()) {}
}

/// Robust mode.
#[derive(Debug)]
pub struct Eras;

/// The owner's notes in robust mode.
pub struct Log {
    /// The oldest birth in the local batch.
    oldest: Oldest,
    /// Objects to make before the clock goes on.
    countdown: Cell<usize>,
}

/// An era in a cell of the owner's.
#[cfg(target_pointer_width = "64")]
type Oldest = Cell<u64>;
#[cfg(target_pointer_width = "64")]
impl_init!(Oldest = Cell::new(u64::MAX));

/// The same in two words, which need no alignment of eight.
#[cfg(not(target_pointer_width = "64"))]
struct Oldest([Cell<u32>; 2]);
#[cfg(not(target_pointer_width = "64"))]
impl_init!(Oldest = Oldest([Cell::new(u32::MAX), Cell::new(u32::MAX)]));
#[cfg(not(target_pointer_width = "64"))]
impl Oldest {
    fn get(&self) -> u64 {
        u64::from(self.0[0].get()) | u64::from(self.0[1].get()) << 32
    }

    fn set(&self, era: u64) {
        self.0[0].set(era as u32);
        self.0[1].set((era >> 32) as u32);
    }
}

impl_init!(
    Log = Log {
        oldest: init!(Oldest),
        countdown: Cell::new(1),
    }
);

impl Mode for Eras {
    type Clock = Clock;
    type Mark = Mark;
    type Log = Log;

    #[inline(always)]
    fn enter(clock: &Clock, mark: &Mark) {
        // LIGHT follows in `enter`, so that this era counts like one that
        // `protect` publishes.
        mark.follow(clock);
    }

    #[inline(always)]
    fn covers<B: Barrier>(clock: &Clock, mark: &Mark) -> bool {
        // The load was an Acquire, so the clock is read after it, and not
        // earlier than the maker of the object read it (fact 1).
        mark.is_current(clock) || follow_late::<B>(clock, mark)
    }

    fn cover(clock: &Clock, mark: &Mark) {
        // No LIGHT: whoever publishes the objects is this thread, or gets
        // them from it by way of limbo. Of no matter if no section is open.
        mark.follow(clock);
    }

    #[inline]
    fn holds(mark: &Mark, oldest: u64) -> bool {
        mark.read() >= oldest
    }

    #[inline(always)]
    fn birth(clock: &Clock, log: &Log, settings: &Settings) -> u64 {
        // Never 0 here, so it compiles to one decrement in place.
        let left = log.countdown.get().wrapping_sub(1);
        log.countdown.set(left);
        if left == 0 {
            next_era(clock, log, settings);
        }
        clock.stamp()
    }

    fn birth_at_once(clock: &Clock) -> u64 {
        clock.tick();
        clock.stamp()
    }

    fn age(clock: &Clock, mark: &Mark) -> Option<u64> {
        Some(clock.stamp().saturating_sub(mark.read()))
    }

    #[inline]
    fn note(log: &Log, birth: u64) {
        if birth < log.oldest.get() {
            log.oldest.set(birth);
        }
    }

    #[inline]
    fn oldest(log: &Log) -> u64 {
        log.oldest.get()
    }

    #[inline]
    fn clear(log: &Log) {
        log.oldest.set(u64::MAX);
    }
}

/// The next era begins, and lasts for `era_step` objects of this slot.
#[cold]
#[inline(never)]
fn next_era(clock: &Clock, log: &Log, settings: &Settings) {
    clock.tick();
    log.countdown.set(settings.era_step);
}

/// Publishes the collector's era in the middle of a section. Returns false:
/// the pointer is not covered yet.
#[cold]
#[inline(never)]
fn follow_late<B: Barrier>(clock: &Clock, mark: &Mark) -> bool {
    mark.follow(clock);
    // LIGHT pairs with the publisher's HEAVY. If ours comes first the
    // publisher reads the new era; if HEAVY comes first, the load that follows
    // sees what it unlinked.
    B::light();
    false
}

/// An atomic word of an era.
type Word = AtomicUsize;
/// Orderings, by the short name the clock's two versions share.
use Ordering as O;
