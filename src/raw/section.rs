//! A slot's section word: the nesting depth of its section, and a number.
//!
//! A section is over once the word shows depth 0 *or another number*. The owner
//! changes the number between two sections if another thread *wants* to see
//! that a section is over. A thread that waits sets a flag at each check that
//! finds the section open, and the leave that sees the flag increments the
//! number. (So does an eviction, and in robust mode a quiescent point in a new era.)
//! So sections that no thread waits for cost nothing. A thread waits
//! for the section that was open when the call that set the flag returned, and
//! for at most one that began later: the leave of that one sees the flag
//! (`models/`).
//!
//! A repeated number delays a thread that waits, and never ends its wait early.
//! Numbers repeat in two ways.
//!
//! *They wrap:* after 2^8 on 64-bit targets, 2^16 on 32 bits, 2^8 on 16. Each
//! stands for a section that a thread saw open. A waiter is delayed if it finds
//! the section open with the same number at each of its checks.
//!
//! *They are set back:* where contexts nest, an interrupt in the middle of an
//! enter of its task may increment a number that the task then sets back:
//!
//! | task | word | interrupt |
//! |---|---|---|
//! | enter: loads 4, depth 0 | 4.0 | |
//! | | 4.1 | enter: loads 4.0, stores 4.1; reads |
//! | | 4.0, 5.0 | leave, and a thread waits: increments |
//! | stores 4.1 | 4.1 | |
//! | *a chain that waits for the interrupt's 4 waits for this section, too* | | |
//! | | 4.2 | enter: loads 4.1, stores 4.2; reads |
//! | | 4.1 | leave |
//! | leave, and a thread waits: increments | 4.0, 5.0 | |

use crate::{
    Barrier,
    sync::{ADDS_IN_MEMORY, LoadStoreUsize, Ordering, compiler_fence, impl_init},
};

/// Bits of the depth. With 56 bits it is not checked: one guard a nanosecond
/// takes two years to overflow it.
const DEPTH_BITS: u32 = if usize::BITS < 64 {
    usize::BITS / 2
} else {
    56
};
const DEPTH: usize = (1 << DEPTH_BITS) - 1;
/// The next number.
const NEXT: usize = 1 << DEPTH_BITS;

/// The word. Only the slot's owner stores to it.
pub(super) struct SectionWord(LoadStoreUsize);

impl_init!(SectionWord = SectionWord(LoadStoreUsize::new(0)));

/// A value that was seen in the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seen(usize);

impl Seen {
    /// No section, of any number.
    pub(super) const NONE: Self = Self(0);

    /// The number of open guards.
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
    /// The owner's last store.
    #[inline(always)]
    pub(super) fn own(&self) -> Seen {
        // Relaxed: only the owner writes it.
        Seen(self.0.load(Ordering::Relaxed))
    }

    /// The word as another thread sees it.
    #[inline]
    pub(super) fn look(&self) -> Seen {
        // Acquire: pairs with every Release below. If the word shows that a
        // section is over, by its depth or by another number, the section's
        // accesses happen before what the caller does next, which may be the
        // reclaim (raw, 2). Without it they would race.
        Seen(self.0.load(Ordering::Acquire))
    }

    /// Opens a guard, the first or another one. The light barrier follows.
    ///
    /// # Panics
    ///
    /// If the depth overflows; not checked with 56 bits.
    #[inline(always)]
    pub(super) fn enter<B: Barrier>(&self, own: Seen) {
        // Release: pairs with `look`. After a Relaxed store, a thread that sees
        // only a new number would not synchronise with the last leave: its
        // reclaim would race with the reads of the section before.
        let order = release::<B>();
        // Where it is not incremented in memory, the caller has loaded it already.
        let own = if ADDS_IN_MEMORY { self.own() } else { own };
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
        // happen before its reclaim. If not, it sees the section open, and its
        // objects wait in our inbox.
        let order = release::<B>();
        self.0.store(self.own().0.wrapping_sub(1), order);
    }

    /// Increments the number: the sections so far are over. The light barrier
    /// follows if a guard is open.
    pub(super) fn renumber<B: Barrier>(&self, own: Seen) {
        // Release: as in `leave`, for a thread that sees the new number.
        store_release::<B>(&self.0, own.0.wrapping_add(NEXT));
    }

    /// Ends the section of an owner that is gone. The next owner's has another number,
    /// as others may wait for this one.
    pub(super) fn close(&self) {
        let word = (self.own().0 & !DEPTH).wrapping_add(NEXT);
        // Release: as in `leave`, for the dead owner's sections, which "happen
        // before this call" (`CollectorView::evict`, # Safety).
        self.0.store(word, Ordering::Release);
    }
}

/// A Release store to a word that only the users of barrier `B` read.
#[inline(always)]
pub(super) fn store_release<B: Barrier>(word: &LoadStoreUsize, value: usize) {
    // Release: the callers say what it pairs with.
    let order = release::<B>();
    word.store(value, order);
}

/// The ordering that makes the next store a Release store.
#[inline(always)]
fn release<B: Barrier>() -> Ordering {
    if B::SINGLE_CORE {
        compiler_fence(Ordering::Release);
        // Relaxed: one core sees its stores in program order, across interrupts
        // and context switches; the fence orders the compiler.
        Ordering::Relaxed
    } else {
        Ordering::Release
    }
}

#[cold]
#[inline(never)]
fn too_many_guards() -> ! {
    panic!("too many guards are open on one handle; drop guards, do not forget them")
}
