//! The owner word of a slot: counts its owners.
//!
//! The upper bits count the owners; the lower two say what kind of owner there
//! is. So a value identifies an owner among all later ones until the count
//! wraps, after a quarter of a word's range of owners.

use crate::sync::{AtomicUsize, Ordering, impl_init};

/// The bits of the kind of owner.
const KIND: usize = 3;
/// The next owner.
const NEXT: usize = KIND + 1;
/// The slot is free. Zero, as it starts free.
const FREE: usize = 0;
/// The owner forwards what waited for its sections, and publishes what it
/// retired.
const EAGER: usize = 1;
/// Other handles do both.
const PASSIVE: usize = 2;
/// The slot is being taken from a dead owner.
const EVICTING: usize = 3;

/// The word.
pub(super) struct OwnerWord(AtomicUsize);

impl_init!(OwnerWord = OwnerWord(AtomicUsize::new(FREE)));

impl OwnerWord {
    /// Claims a free slot. False if it has an owner.
    pub(super) fn claim(&self, eager: bool) -> bool {
        // Relaxed: the exchange checks the value.
        let owner = self.0.load(Ordering::Relaxed);
        let kind = if eager { EAGER } else { PASSIVE };
        let next = owner.wrapping_add(NEXT) | kind;
        // Acquire: pairs with the Release in `release`. The owner-only fields
        // are then as the last owner left them; without it our accesses would
        // race with its last ones. Relaxed on failure: the next slot is tried.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        owner & KIND == FREE
            && (self.0)
                .compare_exchange(owner, next, success, failure)
                .is_ok()
    }

    /// The word, which identifies the owner, if there is one.
    #[inline]
    pub(super) fn get(&self) -> usize {
        // Relaxed: an owner reads what it wrote; for others it is a snapshot.
        self.0.load(Ordering::Relaxed)
    }

    /// Whether an owner has the slot.
    pub(super) fn is_claimed(owner: usize) -> bool {
        matches!(owner & KIND, EAGER | PASSIVE)
    }

    /// Whether the owner itself forwards what waits for its section, and
    /// publishes what it retired.
    #[inline]
    pub(super) fn is_eager(&self) -> bool {
        self.get() & KIND == EAGER
    }

    /// Takes the slot from a dead owner. False if it has another one now, or
    /// none.
    pub(super) fn evict(&self, owner: usize) -> bool {
        // Relaxed: of two evictions of one owner, one succeeds. What the owner
        // did happens before this (`CollectorView::evict`, # Safety).
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        Self::is_claimed(owner)
            && (self.0)
                .compare_exchange(owner, owner | EVICTING, success, failure)
                .is_ok()
    }

    /// Releases the slot.
    pub(super) fn release(&self) {
        // Release: pairs with the Acquire in `claim`, see there.
        self.0.store(self.get() & !KIND, Ordering::Release);
    }
}
