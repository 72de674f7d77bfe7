//! Free blocks that a slot keeps, where there are caches.
//!
//! The name is Bonwick's and Adams's (USENIX 2001), for a stock of free
//! objects that one processor draws on without asking the others.

use core::ptr;

#[cfg(target_pointer_width = "64")]
pub(crate) use kept::Magazine;
#[cfg(not(target_pointer_width = "64"))]
pub(crate) use none::Magazine;

use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// A block's state word: the pool's cursor while the block is taken; null while
/// it is free.
pub(crate) type State = AtomicPtr<AtomicUsize>;

/// Frees a block.
///
/// # Safety
///
/// `state` is that of a taken block, which the caller owns and does not use
/// again.
pub(crate) unsafe fn give_back(state: *mut State) {
    // SAFETY: the caller's: the pool is still there.
    // Release: pairs with the Acquire in `Pool::find`.
    unsafe { (*state).store(ptr::null_mut(), Ordering::Release) };
}

#[cfg(target_pointer_width = "64")]
mod kept {
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
    pub(crate) struct Magazine {
        /// Which pool: its cursor.
        pool: Cell<*const AtomicUsize>,
        /// The blocks, linked by `next`; the notes lead to the state.
        first: Cell<*mut Link>,
        /// How many more may be kept.
        room: Cell<usize>,
    }

    impl_init!(
        Magazine = Magazine {
            pool: Cell::new(ptr::null()),
            first: Cell::new(ptr::null_mut()),
            room: Cell::new(0),
        }
    );

    impl Magazine {
        /// Blocks that a magazine may hold, of a pool of this size.
        pub(crate) const fn size(pool: usize) -> usize {
            if pool / 32 < 64 { pool / 32 } else { 64 }
        }

        /// What a reclaimer of pooled objects finds in the header.
        pub(crate) fn as_link(&self) -> *mut Link {
            ptr::from_ref(self).cast_mut().cast()
        }

        /// A block of the pool, or null. From now on blocks of this pool are
        /// kept.
        #[inline]
        pub(crate) fn take(&self, pool: &AtomicUsize, size: usize) -> *mut Link {
            if !ptr::eq(self.pool.get(), pool) {
                self.switch_pool(pool, size);
            }
            let link = self.first.get();
            if !link.is_null() {
                // SAFETY: kept blocks are ours, and still linked headers.
                self.first
                    .set(unsafe { (*link).next.replace(ptr::null_mut()) });
                self.room.set(self.room.get() + 1);
            }
            link
        }

        /// From now on, blocks of another pool are kept.
        #[cold]
        #[inline(never)]
        fn switch_pool(&self, pool: &AtomicUsize, size: usize) {
            self.give_back();
            self.pool.set(pool);
            self.room.set(size);
        }

        /// Keeps a block whose object was dropped, if it is of the pool and
        /// there is room, in the magazine that the header leads to, if it
        /// leads to one.
        ///
        /// # Safety
        ///
        /// The block is the caller's, with this link and this state. The
        /// header's `next` is null or a magazine of the caller's.
        #[inline]
        pub(crate) unsafe fn keep(link: *mut Link, state: *mut State) -> bool {
            // SAFETY: the header is valid and ours; `next` leads to nothing or
            // to a magazine that only we use (fn contract).
            let Some(magazine) = (unsafe { (*link).next.get().cast::<Self>().as_ref() }) else {
                return false;
            };
            // SAFETY: valid (fn contract). Relaxed: nobody else writes the
            // state of a block that is taken.
            let pool = unsafe { (*state).load(Ordering::Relaxed) };
            if !ptr::eq(magazine.pool.get(), pool) || magazine.room.get() == 0 {
                return false;
            }
            // SAFETY: valid and ours; a header is plain data and still there.
            unsafe {
                (*link).notes.set_pointer(state.cast());
                (*link).next.set(magazine.first.get());
            }
            magazine.first.set(link);
            magazine.room.set(magazine.room.get() - 1);
            true
        }

        /// Gives all blocks back to their pool.
        pub(crate) fn give_back(&self) {
            let mut link = self.first.replace(ptr::null_mut());
            while !link.is_null() {
                // SAFETY: kept blocks are ours; the notes lead to the state.
                unsafe {
                    let following = (*link).next.get();
                    give_back((*link).notes.pointer().cast());
                    link = following;
                }
            }
            self.pool.set(ptr::null());
        }
    }
}

#[cfg(not(target_pointer_width = "64"))]
mod none {
    use core::ptr;

    use super::State;
    use crate::{
        Link,
        sync::{AtomicUsize, impl_init},
    };

    /// No blocks: where there are no caches, a block's state is as near as a
    /// magazine.
    pub(crate) struct Magazine;

    impl_init!(Magazine = Magazine);

    impl Magazine {
        pub(crate) const fn size(_: usize) -> usize {
            0
        }

        pub(crate) fn as_link(&self) -> *mut Link {
            ptr::null_mut()
        }

        #[inline(always)]
        pub(crate) fn take(&self, _: &AtomicUsize, _: usize) -> *mut Link {
            ptr::null_mut()
        }

        #[inline(always)]
        pub(crate) unsafe fn keep(_: *mut Link, _: *mut State) -> bool {
            false
        }

        pub(crate) fn give_back(&self) {}
    }
}
