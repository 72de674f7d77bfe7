//! Who has a slot: a word that counts its owners.
//!
//! The upper bits count the owners, the lower two say what kind of owner there
//! is. So a value that an owner remembers tells it from all that come after it
//! (until the word has gone round, after a quarter of a word's range of
//! owners), and costs no space.

use crate::sync::{AtomicUsize, Ordering, impl_init};

/// The bits for the kind of owner.
const KIND: usize = 3;
/// The next owner.
const NEXT: usize = KIND + 1;
/// The slot is free. Zero: that is how it starts.
const FREE: usize = 0;
/// The owner drops what waited for its sections, and publishes what it
/// retired.
const EAGER: usize = 1;
/// The owner leaves both to others.
const PASSIVE: usize = 2;
/// The slot is being taken from a dead owner.
const EVICTING: usize = 3;

/// The word.
pub(super) struct OwnerWord(AtomicUsize);

impl_init!(OwnerWord = OwnerWord(AtomicUsize::new(FREE)));

impl OwnerWord {
    /// Claims a slot that is free.
    pub(super) fn claim(&self, eager: bool) -> bool {
        // Relaxed: a look before the exchange.
        let owner = self.0.load(Ordering::Relaxed);
        let kind = if eager { EAGER } else { PASSIVE };
        let next = owner.wrapping_add(NEXT) | kind;
        // Acquire: pairs with the Release in `release`; the owner-only fields
        // are as the last owner left them. Relaxed on failure: another slot is
        // tried.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        owner & KIND == FREE
            && (self.0)
                .compare_exchange(owner, next, success, failure)
                .is_ok()
    }

    /// The owner, if there is one.
    #[inline]
    pub(super) fn get(&self) -> usize {
        // Relaxed: an owner reads what it wrote; to others it is a snapshot.
        self.0.load(Ordering::Relaxed)
    }

    /// Whether an owner has the slot.
    pub(super) fn is_claimed(owner: usize) -> bool {
        matches!(owner & KIND, EAGER | PASSIVE)
    }

    /// Whether the owner itself drops what waits for its section, and
    /// publishes what it retired.
    #[inline]
    pub(super) fn is_eager(&self) -> bool {
        self.get() & KIND == EAGER
    }

    /// Takes the slot from an owner that is dead. False if it has another one
    /// by now, or none.
    pub(super) fn evict(&self, owner: usize) -> bool {
        // Relaxed: of two that evict one owner, one does it. What the owner
        // did happens before this by the promise of `Collector::evict`.
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        Self::is_claimed(owner)
            && (self.0)
                .compare_exchange(owner, owner | EVICTING, success, failure)
                .is_ok()
    }

    /// Gives the slot up.
    pub(super) fn release(&self) {
        // Release: see `claim`.
        self.0.store(self.get() & !KIND, Ordering::Release);
    }
}
