//! A flag that one context leaves for another. It orders nothing.

use crate::sync::{LoadStoreBool, Ordering, impl_init};

pub(super) struct Hint(LoadStoreBool);

impl_init!(Hint = Hint(LoadStoreBool::new(false)));

impl Hint {
    #[inline(always)]
    pub(super) fn is_set(&self) -> bool {
        // Relaxed, as all here: a hint. What depends on it is delayed if a call misses
        // it, and checks what matters by itself.
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set(&self) {
        // Relaxed: see `is_set`.
        self.0.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn clear(&self) {
        // Relaxed: see `is_set`.
        self.0.store(false, Ordering::Relaxed);
    }
}
