//! A slot's section word: how deep its section is nested, and a number.
//!
//! The section is over once the word shows depth 0 *or another number*. The
//! number is the owner's to change, between two sections, and it does so when
//! somebody *wants* to see that a section is over: whoever waits sets a flag
//! at each look that finds the section open, and the leave that sees the flag
//! counts the number up. So sections that nobody waits for cost nothing.
//! Whoever waits does so for the section that was open when the call that set
//! the flag returned, and for one that began later, at most: its leave sees
//! the flag (`models/`).
//!
//! A number that comes again delays whoever waits for it, and never ends the
//! wait early. It comes again when the numbers wrap: 256 on 64 bits, 2^16 on
//! 32, 2^8 on 16, where each stands for a section that somebody saw open. And
//! where contexts nest, an interrupt in the middle of an enter of its task may
//! count up what the task then sets back:
//!
//! | task | word | interrupt |
//! |---|---|---|
//! | enter: loads 4, depth 0 | 4.0 | |
//! | | 4.1 | enter: loads 4.0, stores 4.1; reads |
//! | | 4.0, 5.0 | leave, and somebody waits: counts up |
//! | stores 4.1 | 4.1 | |
//! | *a chain that waits for the interrupt's 4 waits for this section, too* | | |
//! | | 4.2 | enter: loads 4.1, stores 4.2; reads |
//! | | 4.1 | leave |
//! | leave, and somebody waits: counts up | 4.0, 5.0 | |

use crate::{
    Barrier,
    sync::{LoadStoreUsize, Ordering, compiler_fence, impl_init},
};

/// Bits of the depth. In 56 bits it takes two years to count as many guards,
/// one a nanosecond, so it is not checked there.
const DEPTH_BITS: u32 = if usize::BITS < 64 {
    usize::BITS / 2
} else {
    56
};
const DEPTH: usize = (1 << DEPTH_BITS) - 1;
/// The next number.
const NEXT: usize = 1 << DEPTH_BITS;

/// The word, which only the slot's owner stores to.
pub(super) struct SectionWord(LoadStoreUsize);

impl_init!(SectionWord = SectionWord(LoadStoreUsize::new(0)));

/// A value that was seen in the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seen(usize);

impl Seen {
    /// No section, of any number.
    pub(super) const NONE: Self = Self(0);

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

    /// One more guard, the first or not. The light barrier follows.
    ///
    /// # Panics
    ///
    /// If there are more than the depth can count.
    #[inline(always)]
    pub(super) fn enter<B: Barrier>(&self, own: Seen) {
        // Release: pairs with `look`. A Relaxed store would end the release
        // sequence of the last leave: who sees only a new number would race
        // with the reads of the section before.
        let order = release::<B>();
        // x86-64 adds to memory in one instruction; elsewhere the value is at
        // hand.
        let own = if cfg!(target_arch = "x86_64") {
            self.own()
        } else {
            own
        };
        let word = own.0.wrapping_add(1);
        if usize::BITS < 64 && word & DEPTH == 0 {
            too_many_guards();
        }
        self.0.store(word, order);
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

    /// Counts the number up: the sections so far are over. The light barrier
    /// follows if a guard is open.
    pub(super) fn renumber<B: Barrier>(&self, own: Seen) {
        // Release: as in `leave`, for who sees the new number.
        store_release::<B>(&self.0, own.0.wrapping_add(NEXT));
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
pub(super) fn store_release<B: Barrier>(word: &LoadStoreUsize, value: usize) {
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
