//! Free blocks that a slot keeps, on targets with caches.

use core::ptr;

use super::{State, give_back};
use crate::{
    Link,
    sync::{AtomicUsize, Cell, Ordering, impl_init},
};

/// Free blocks of one pool that a slot keeps for its next allocations.
///
/// They were reclaimed by this slot and their state still says taken, so
/// nobody else finds them. Owner-only, like the rest of the slot.
pub(crate) struct Cache {
    /// Which pool: its cursor.
    pool: Cell<*const AtomicUsize>,
    /// The blocks, linked by `chain`; `next` leads to the state.
    first: Cell<*mut Link>,
    /// How many more may be kept.
    room: Cell<usize>,
}

impl_init!(
    Cache = Cache {
        pool: Cell::new(ptr::null()),
        first: Cell::new(ptr::null_mut()),
        room: Cell::new(0),
    }
);

impl Cache {
    /// A kept block of the pool, or null. From now on `kept` blocks of it are
    /// kept.
    #[inline]
    pub(super) fn take(&self, pool: &AtomicUsize, kept: usize) -> *mut Link {
        if !ptr::eq(self.pool.get(), pool) {
            self.turn_to(pool, kept);
        }
        let link = self.first.get();
        if !link.is_null() {
            // SAFETY: kept blocks are ours, and still linked headers.
            self.first.set(unsafe { (*link).chain.get() });
            self.room.set(self.room.get() + 1);
        }
        link
    }

    /// From now on, `kept` blocks of another pool are kept.
    #[cold]
    #[inline(never)]
    fn turn_to(&self, pool: &AtomicUsize, kept: usize) {
        self.give_back();
        self.pool.set(pool);
        self.room.set(kept);
    }

    /// Keeps a block whose object was dropped, if it is of the pool and there
    /// is room.
    ///
    /// # Safety
    ///
    /// The block is the caller's, with this link and this state.
    #[inline]
    pub(super) unsafe fn keep(&self, link: *mut Link, state: *mut State) -> bool {
        // SAFETY: the caller's. Relaxed: nobody else writes the state of a
        // block that is taken.
        let pool = unsafe { (*state).load(Ordering::Relaxed) };
        if !ptr::eq(self.pool.get(), pool) || self.room.get() == 0 {
            return false;
        }
        // SAFETY: the caller's; a header is plain data and still there.
        unsafe {
            (*link).next.set(state.cast());
            (*link).chain.set(self.first.get());
        }
        self.first.set(link);
        self.room.set(self.room.get() - 1);
        true
    }

    /// Gives all kept blocks back to their pool.
    pub(crate) fn give_back(&self) {
        let mut link = self.first.replace(ptr::null_mut());
        while !link.is_null() {
            // SAFETY: kept blocks are ours; `next` leads to the state.
            unsafe {
                let following = (*link).chain.get();
                give_back((*link).next.get().cast());
                link = following;
            }
        }
        self.pool.set(ptr::null());
    }
}
