//! A slot's section word: the number of its section, and how deep it is
//! nested.
//!
//! The outermost enter stores the next number with depth 1; nested guards
//! change the depth alone. A section is over once the word shows depth 0 *or
//! another number*. Contexts that nest strictly may repeat a number: that
//! delays, and is never early. So does a number that wraps.
//!
//! | task | word | interrupt |
//! |---|---|---|
//! | enter: loads 4.0 | 4.0 | |
//! | | 5.1 | enter: loads 4.0, stores 5.1; reads |
//! | | 5.0 | leave |
//! | stores 5.1 | 5.1 | |
//! | *a look that saw the interrupt's 5.1 takes this one for the same section, and waits for it too* | | |
//! | | 5.2 | enter: loads 5.1, stores 5.2; reads |
//! | | 5.1 | leave |
//! | leave | 5.0 | |

use crate::{
    Barrier,
    sync::{Flag, Ordering, compiler_fence, impl_init},
};

/// Bits of the depth. The small ones keep the increment an immediate on
/// Thumb-1.
const DEPTH_BITS: u32 = if usize::BITS < 64 { 7 } else { 16 };
const DEPTH: usize = (1 << DEPTH_BITS) - 1;
/// The next number, at depth 1.
const BEGIN: usize = (1 << DEPTH_BITS) + 1;

/// The word, which only the slot's owner stores to.
pub(super) struct SectionWord(Flag);

impl_init!(SectionWord = SectionWord(Flag::new(0)));

/// A value that was seen in the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seen(usize);

impl Seen {
    /// How many guards are open.
    #[inline(always)]
    pub(super) fn depth(self) -> usize {
        self.0 & DEPTH
    }

    #[inline(always)]
    pub(super) fn is_open(self) -> bool {
        self.depth() != 0
    }

    /// The number of the section.
    pub(super) fn number(self) -> usize {
        self.0 >> DEPTH_BITS
    }

    /// Whether the section with this number is open.
    pub(super) fn is(self, number: usize) -> bool {
        self.is_open() && self.number() == number
    }
}

impl SectionWord {
    /// What the owner stored last.
    #[inline(always)]
    pub(super) fn own(&self) -> Seen {
        // Relaxed: only the owner writes it.
        Seen(self.0.load(Ordering::Relaxed))
    }

    /// What somebody else sees.
    #[inline]
    pub(super) fn look(&self) -> Seen {
        // Acquire: pairs with every Release below. If the word shows that a
        // section is over, by its depth or by another number, its accesses
        // happen before what the caller does next, which may be the reclaim
        // (raw, 2).
        Seen(self.0.load(Ordering::Acquire))
    }

    /// Begins the next section. The light barrier follows.
    ///
    /// With a barrier for a single core, contexts see each other's stores in
    /// program order, and a fence for the compiler is enough, here and below.
    #[inline(always)]
    pub(super) fn begin<B: Barrier>(&self, own: Seen) {
        // Release: pairs with `look`. A Relaxed store would end the release
        // sequence of the last leave: who sees only the new number would race
        // with the reads of the section before.
        store_release::<B>(&self.0, own.0.wrapping_add(BEGIN));
    }

    /// One more guard on the section that is open.
    ///
    /// # Panics
    ///
    /// If there are more than the depth can count.
    #[cold]
    pub(super) fn nest(&self, own: Seen) {
        let word = own.0.wrapping_add(1);
        if word & DEPTH == 0 {
            too_many_guards();
        }
        // Relaxed: the section is open before and after.
        self.0.store(word, Ordering::Relaxed);
    }

    /// Closes a guard.
    #[inline(always)]
    pub(super) fn leave<B: Barrier>(&self) {
        // Release: pairs with `look`. If it sees this store, our accesses
        // happen before its reclaim; if not, it sees the section open, and
        // what it has for us waits.
        let order = release::<B>();
        self.0.store(self.own().0.wrapping_sub(1), order);
    }

    /// Ends the section and begins the next, under the same guard. The light
    /// barrier follows.
    pub(super) fn renumber<B: Barrier>(&self, own: Seen) {
        // Release: as in `begin`; the old section's reads happen before the
        // reclaim of whoever sees the new number.
        store_release::<B>(&self.0, own.0.wrapping_add(BEGIN - 1));
    }

    /// The owner is gone: its section is over.
    pub(super) fn close(&self) {
        // Release: as in `leave`, for the sections of the dead, which happen
        // before this by the contract of `evict`.
        self.0.store(self.own().0 & !DEPTH, Ordering::Release);
    }
}

/// A Release store, for those who share the barrier.
#[inline(always)]
pub(super) fn store_release<B: Barrier>(word: &Flag, value: usize) {
    // Release: the callers say what for.
    let order = release::<B>();
    word.store(value, order);
}

/// What the next store takes to be a Release store.
#[inline(always)]
fn release<B: Barrier>() -> Ordering {
    if B::SINGLE_CORE {
        compiler_fence(Ordering::Release);
        // Relaxed: one core sees its stores in program order, across
        // interrupts and switches of tasks; the compiler is held by the fence.
        Ordering::Relaxed
    } else {
        Ordering::Release
    }
}

#[cold]
#[inline(never)]
fn too_many_guards() -> ! {
    panic!("more guards are open on one handle than it can count; drop guards, do not forget them")
}
