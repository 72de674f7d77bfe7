//! Magazines, on 64-bit targets.

use core::ptr;

use super::super::tree::Tree;
use crate::{
    Link,
    sync::{AtomicPtr, AtomicUsize, Cell, IN_MODEL, Ordering, impl_init},
};

/// Not claimed.
const FREE: usize = 0;
/// Claimed by no slot: an address that none has.
const NOBODY: usize = 1;

/// Free blocks of one pool that a slot keeps for its next allocations.
///
/// They were reclaimed by this slot; the pool's tree still says taken.
pub(crate) struct Magazine {
    /// The slot that uses it, by its address.
    claimed: AtomicUsize,
    /// The blocks, linked by `next`; the notes have the number. Belongs to
    /// the claim, as the next does; others may see if it is null.
    first: AtomicPtr<Link>,
    /// The pool of the blocks. If there are none, the pool from which the
    /// owner allocated last: it may be gone, and another one in its place.
    /// So the blocks themselves lead to their pool.
    pool: Cell<Option<Tree>>,
    /// No more blocks than this are in it. The owner's, as all that
    /// follows.
    kept: Cell<usize>,
    /// The block that the owner took from a pool last.
    near: Cell<usize>,
}

impl_init!(
    Magazine = Magazine {
        claimed: AtomicUsize::new(FREE),
        first: AtomicPtr::new(ptr::null_mut()),
        pool: Cell::new(None),
        kept: Cell::new(0),
        near: Cell::new(0),
    }
);

impl Magazine {
    /// Bits of such a number.
    pub(crate) const SIZE_BITS: u32 = 7;

    /// Blocks that a magazine may hold, of a pool of this size.
    pub(crate) const fn size(pool: usize) -> usize {
        let size = pool / if IN_MODEL { 8 } else { 32 };
        if size < 64 { size } else { 64 }
    }

    /// What a new owner begins with: slots look for blocks some groups
    /// apart.
    pub(crate) fn start(&self, slot: usize) {
        self.near.set(slot.wrapping_mul(128));
    }

    /// Keeps no blocks, in a slot that no thief looks at: it is claimed, by no slot.
    pub(crate) fn shut(&self) {
        self.claim(NOBODY);
    }

    /// Near which block the owner looks for one.
    #[inline]
    pub(crate) fn near(&self) -> usize {
        self.near.get()
    }

    #[inline]
    pub(crate) fn set_near(&self, block: usize) {
        self.near.set(block);
    }

    /// What a reclaimer of pooled objects finds in the header, if the
    /// reclaiming slot has claimed the magazine.
    pub(crate) fn as_link(&self) -> *mut Link {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// Claims it for a slot. False if it is claimed.
    #[inline]
    pub(crate) fn claim(&self, by: usize) -> bool {
        // Acquire: pairs with the Release in `unclaim`. Without it we could
        // take a block that the last claim took. Relaxed on failure:
        // nothing is used.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        (self.claimed)
            .compare_exchange(FREE, by, success, failure)
            .is_ok()
    }

    /// Claims it for the owner, which is about to reclaim, if the owner keeps
    /// blocks of a pool.
    #[inline]
    pub(crate) fn claim_to_keep(&self, own: usize) -> bool {
        self.pool.get().is_some() && self.claim(own)
    }

    /// Ends a claim.
    #[inline]
    pub(crate) fn unclaim(&self) {
        // Release: pairs with the Acquire in `claim` and `take`, see there.
        self.claimed.store(FREE, Ordering::Release);
    }

    /// Ends the claim of a slot whose owner is dead.
    pub(crate) fn unclaim_of(&self, by: usize) {
        // Relaxed: what the owner did happens before this by the promise
        // to `evict`, so the load sees its claim. No other slot claims by
        // this name.
        if self.claimed.load(Ordering::Relaxed) == by {
            self.unclaim();
        }
    }

    #[inline(always)]
    fn is_of(&self, pool: Tree) -> bool {
        self.pool.get().is_some_and(|kept| kept.is(pool))
    }

    /// A block of the pool, or null; for the owner. From now on blocks of
    /// this pool are kept.
    #[inline]
    pub(crate) fn take(&self, own: usize, in_section: bool, pool: Tree) -> *mut Link {
        if !self.is_of(pool) {
            self.switch_pool(own, pool);
            return ptr::null_mut();
        }
        // Acquire: as in `claim`, for a thief that has finished. The thief
        // of a claim that the load misses sees our section.
        let claimed = self.claimed.load(Ordering::Acquire);
        if claimed == FREE && in_section {
            return self.pop();
        }
        self.claim_and_pop(own)
    }

    #[inline(never)]
    fn claim_and_pop(&self, own: usize) -> *mut Link {
        // Relaxed: only the owner stores `own`, and finds what it stored.
        if self.claimed.load(Ordering::Relaxed) == own {
            return self.pop();
        }
        if self.kept.get() == 0 || !self.claim(own) {
            return ptr::null_mut();
        }
        let link = self.pop();
        self.unclaim();
        link
    }

    #[inline(always)]
    fn pop(&self) -> *mut Link {
        // Relaxed, as all of `first`: the claim orders it.
        let link = self.first.load(Ordering::Relaxed);
        if link.is_null() {
            // A thief was here.
            self.kept.set(0);
        } else {
            // SAFETY: kept blocks are the claim's, and still linked
            // headers.
            let following = unsafe { (*link).take_next() };
            self.first.store(following, Ordering::Relaxed);
            self.kept.set(self.kept.get() - 1);
        }
        link
    }

    /// From now on, blocks of another pool are kept. Not yet, if it is
    /// claimed: by a thief, or while the owner reclaims.
    #[cold]
    #[inline(never)]
    fn switch_pool(&self, own: usize, pool: Tree) {
        if !self.claim(own) {
            return;
        }
        self.give_back();
        self.pool.set(Some(pool));
        self.kept.set(0);
        self.unclaim();
    }

    /// Keeps a block whose object was dropped, if it is of the pool and
    /// there are less than `most`, in the magazine that the header leads to,
    /// if it leads to one.
    ///
    /// # Safety
    ///
    /// The block is exclusively owned, with this link and this number in this
    /// pool. The header's `next` is null or a magazine that this call has
    /// claimed.
    #[inline]
    pub(crate) unsafe fn keep(link: *mut Link, pool: Tree, number: usize, most: usize) -> bool {
        // SAFETY: the header is valid and ours; `next` leads to nothing or
        // to a magazine that this call has claimed (# Safety).
        let Some(magazine) = (unsafe { (*link).next().cast::<Self>().as_ref() }) else {
            return false;
        };
        let kept = magazine.kept.get();
        if !magazine.is_of(pool) || kept >= most {
            return false;
        }
        // SAFETY: valid and ours; a header is plain data and still there.
        unsafe {
            (*link).notes.set_block(number, pool.first().cast());
            (*link).set_next(magazine.first.load(Ordering::Relaxed));
        }
        magazine.first.store(link, Ordering::Relaxed);
        magazine.kept.set(kept + 1);
        true
    }

    /// Whether there was nothing in it a moment ago.
    pub(crate) fn seems_empty(&self) -> bool {
        // Relaxed: a hint. It sees a block whose reclaim happens before
        // this call, unless it is gone.
        self.first.load(Ordering::Relaxed).is_null()
    }

    /// Gives all blocks back to their pool. The magazine is claimed, or owned
    /// exclusively. The blocks leave it one by one, so that a task that dies
    /// meanwhile loses at most one.
    pub(crate) fn give_back(&self) {
        let Some(pool) = self.pool.get() else { return };
        loop {
            let link = self.first.load(Ordering::Relaxed);
            if link.is_null() {
                return;
            }
            // SAFETY: kept blocks are the claim's, and were put here with
            // their numbers in this pool, which is still there by the
            // promise to `pooled`.
            unsafe {
                self.first.store((*link).next(), Ordering::Relaxed);
                let (number, first) = (*link).notes.block();
                pool.with_first(first.cast()).put(number);
            }
        }
    }

    /// `give_back`, if they are of this pool.
    pub(crate) fn give_back_to(&self, pool: Tree) {
        if self.is_of(pool) {
            self.give_back();
        }
    }

    /// As `give_back`, no matter who has claimed it.
    pub(crate) fn reset(&self) {
        self.give_back();
        self.pool.set(None);
        self.unclaim();
    }
}
