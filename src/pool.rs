//! Storage for linked objects without an allocator.
//!
//! `raw::tree` says which blocks are free; here are the blocks. A block knows
//! its number, and so an object leads to its pool. To allocate is to find a
//! free block and claim it with one compare-and-swap; to give it back is one,
//! too.
//!
//! Handles that allocate from a pool of 32 or more blocks keep a few of the
//! blocks that they reclaimed (on targets with caches), and use these first.
//! Within a section that takes no read-modify-write, and no line that others
//! write to. A handle that finds no block in the pool takes those that others
//! keep: see `raw::magazine`. (An allocation that others may take a block from
//! at any time costs one read-modify-write or fence at least: Attiya et al.,
//! *Laws of order*, POPL 2011. Here it is that of `enter`.)
//!
//! # Rejected designs
//!
//! - *A free list whose pop is protected by the collector* needs a section in
//!   every `alloc`. In robust mode it is wrong unless the section covers all
//!   eras: a popper that stalls with head `A` loaded is older than the era in
//!   which `A` is born when another thread pops it, so the publisher of `A`
//!   skips the popper, and `A` comes back to the list meanwhile.
//! - *A counter beside the head of a free list* wraps: after 43 s at 10 ns a
//!   pop, with 32 bits; a task of low priority is preempted for longer.
//! - *A free list that is taken whole*: until it is put back, a context that
//!   preempts the taker finds no block at all.
//! - *The tree alone*, without magazines: 10 ns more for each allocation with
//!   its free, of 19, and lines that move between cores.
//! - *A state word in each block*, null while it is free: a free is a
//!   store, but an allocation that finds no block has checked each one.

mod block;
mod error;
mod in_place;
mod retire;

use core::{fmt, ptr};

pub use block::pooled;
use block::{Block, MOST, tree_of};
pub(crate) use block::{Vacant, destroy};
pub use error::PoolExhausted;

use crate::{
    Handle, Link, Linked, Role, Scheme,
    raw::{Local, magazine::Magazine},
    sync::{const_fn, init_array},
};

/// Static storage for `K` objects of type [`Linked<T>`].
///
/// ```
/// use hyaline::{Collector, Pool};
///
/// static C: Collector<2> = Collector::new();
/// static POOL: Pool<u32, 16> = Pool::new();
///
/// let handle = C.register()?;
/// let object = POOL.alloc(&handle, 7).expect("the pool has room");
/// // SAFETY: nobody else has it.
/// assert_eq!(unsafe { **object }, 7);
/// // SAFETY: it was never shared, and comes from a pool that is a static.
/// unsafe { POOL.retire(&handle, object) };
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
///
/// Handles of several collectors may use one pool. An allocation that finds no free block
/// publishes and reclaims in the collector of its handle only, so objects that wait in
/// another one may let it fail.
///
/// A pool that is dropped frees its memory, but does not drop the objects in
/// it. A block is an object with its header and one word. There are at most
/// 2^25 of them, 65,535 where a word has less than 64 bits.
#[repr(transparent)] // see `in_place`
pub struct Pool<T, const K: usize> {
    blocks: [Block<T>; K],
}

// SAFETY: only the call that took a block uses it. Objects are made and
// dropped on any thread, so they must be `Send`; sharing them is up to the
// code that dereferences the pointers.
unsafe impl<T: Send, const K: usize> Sync for Pool<T, K> {}
// SAFETY: as for `Sync`: the objects in it are `Send`.
unsafe impl<T: Send, const K: usize> Send for Pool<T, K> {}

/// Flushes of an allocation, each of which reclaimed something that others took.
const FLUSHES: usize = 16;

impl<T, const K: usize> Pool<T, K> {
    const CHECK: () = {
        assert!(K > 0, "a pool has at least one block");
        assert!(K <= MOST, "a pool of so many blocks has to be split");
    };

    const_fn! {
        /// An empty pool.
        ///
        /// ```
        /// static POOL: hyaline::Pool<u32, 16> = hyaline::Pool::new();
        /// # assert_eq!(POOL.available(), 16);
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            const { Self::CHECK }
            Self {
                blocks: init_array!(Block<T>; K),
            }
        }
    }

    /// The number of blocks, `K`.
    ///
    /// ```
    /// assert_eq!(hyaline::Pool::<u32, 16>::new().capacity(), 16);
    /// ```
    #[must_use]
    pub const fn capacity(&self) -> usize {
        K
    }

    /// Stores a value, with its header and the birth era of now. The caller
    /// owns the object until it publishes it. The pointer is valid until the pool is moved,
    /// dropped or borrowed exclusively (`&mut`).
    ///
    /// Lock-free, and O(log `K`) also if no block is free. Then an eager handle
    /// [flushes](Handle::flush), which may run reclaimers, and
    /// tries again. A deferred or per-CPU handle, and a reclaimer, must not run
    /// them: they send on what waits, and give back the blocks of objects that
    /// have no destructor, retired through a pool or the
    /// [safe layer](crate::safe). So
    /// does a handle whose [limit](Handle::limit_reclaims) was used up by other
    /// objects. On 64-bit targets a handle keeps up to `K / 32` blocks, at most
    /// 64. The call takes them from handles without an open section, unless
    /// another call uses them at that moment: the owner's, which reclaims, or one
    /// that takes them, too. Handles of other collectors keep theirs. A deferred or per-CPU handle takes them only if the
    /// barrier is [`HEAVY_IN_INTERRUPTS`](crate::Barrier::HEAVY_IN_INTERRUPTS).
    ///
    /// # Errors
    ///
    /// [`PoolExhausted`], with the value, if there is still none. While others free and take
    /// the last blocks, a call that they overtake several times may miss them.
    ///
    /// ```
    /// use hyaline::{Collector, Pool};
    ///
    /// let collector = Collector::<1>::new();
    /// let pool = Pool::<&str, 1>::new();
    /// let handle = collector.register()?;
    /// let first = pool.alloc(&handle, "first");
    /// assert!(first.is_ok());
    /// let second = pool.alloc(&handle, "second");
    /// assert_eq!(second.unwrap_err().into_inner(), "second");
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn alloc<S: Scheme, R: Role>(
        &self,
        handle: &Handle<'_, S, R>,
        value: T,
    ) -> Result<*mut Linked<T>, PoolExhausted<T>> {
        let Some(block) = self.claim(handle) else {
            return Err(PoolExhausted { value });
        };
        // SAFETY: the block is ours.
        unsafe { (&raw mut (*block).value).write(value) };
        Ok(block)
    }

    /// As `alloc`, without the value.
    #[inline]
    pub(crate) fn claim<S: Scheme, R: Role>(
        &self,
        handle: &Handle<'_, S, R>,
    ) -> Option<*mut Linked<T>> {
        let local = handle.local();
        let mut block = self.take::<S, R>(local);
        if block.is_null() {
            block = self.take_reclaimed(handle);
        }
        Self::stamped::<S, R>(local, block)
    }

    /// As `claim`, and reclaims nothing.
    #[inline]
    pub(crate) fn try_claim<S: Scheme, R: Role>(
        &self,
        handle: &Handle<'_, S, R>,
    ) -> Option<*mut Linked<T>> {
        let local = handle.local();
        Self::stamped::<S, R>(local, self.take::<S, R>(local))
    }

    /// A block that was taken, unless it is null.
    #[inline]
    fn stamped<S: Scheme, R: Role>(
        local: &Local<'_, S>,
        block: *mut Linked<T>,
    ) -> Option<*mut Linked<T>> {
        if block.is_null() {
            return None;
        }
        // SAFETY: the block is ours, with a header.
        local.stamp::<R>(unsafe { &(*block).link });
        Some(block)
    }

    /// Takes a free block, with a header; null if there is none.
    #[inline]
    fn take<S: Scheme, R: Role>(&self, local: &Local<'_, S>) -> *mut Linked<T> {
        let magazine = local.magazine::<R>();
        if let (Some(magazine), true) = (magazine, Magazine::size(K) > 0) {
            // SAFETY: `K` blocks that are used as one tree.
            let tree = unsafe { tree_of(self.first()) };
            let (own, open) = (local.slot.name(), local.is_open());
            let kept = magazine.take(own, open, tree);
            if !kept.is_null() {
                return kept.cast();
            }
        }
        self.take_free(magazine)
    }

    /// Takes a block that no handle keeps.
    #[cfg_attr(target_pointer_width = "64", inline(never))]
    fn take_free(&self, magazine: Option<&Magazine>) -> *mut Linked<T> {
        let first = self.first();
        let near = magazine.map_or(0, Magazine::near);
        // SAFETY: `K` blocks that are used as one tree.
        let Some(number) = unsafe { tree_of(first) }.take(K, near) else {
            return ptr::null_mut();
        };
        if let Some(magazine) = magazine {
            magazine.set_near(number);
        }
        // SAFETY: there is such a block, and it is ours, so its memory is; the
        // object is its first field, and the header the object's. The number
        // fits, as `K` does.
        unsafe {
            let block = first.add(number);
            (*block).set_place(number, K);
            let object = block.cast::<Linked<T>>();
            (&raw mut (*object).link).write(Link::new());
            object
        }
    }

    /// The first block, by a pointer that may be used for all.
    #[inline]
    fn first(&self) -> *mut Block<T> {
        self.blocks.as_ptr().cast_mut()
    }

    /// A block, when there was none: after a flush, or what a handle may do
    /// that must not flush. Null if there is still none.
    #[cold]
    #[inline(never)]
    fn take_reclaimed<S: Scheme, R: Role>(&self, handle: &Handle<'_, S, R>) -> *mut Linked<T> {
        let local = handle.local();
        let find = || {
            let block = self.take::<S, R>(local);
            if !block.is_null() || Magazine::size(K) == 0 || !local.may_heavy::<R>() {
                return block;
            }
            // SAFETY: `K` blocks that are used as one tree.
            local.gather_blocks(unsafe { tree_of(self.first()) });
            // Also if nothing was gathered: another call may have moved a block from a
            // magazine into the pool since the first look.
            self.take::<S, R>(local)
        };
        let mut block = find();
        // The limit may go to the objects of other pools.
        let limited = local.slot.limit.get().is_some();
        let reclaims = local.reclaims::<R>() && !local.is_draining();
        // Again, if others took what was reclaimed: what they retired in turn
        // is not in use. Reclaimers that retire each time would keep an endless
        // loop going.
        for _ in 0..FLUSHES {
            if !reclaims || !block.is_null() {
                break;
            }
            let reclaimed = handle.flush();
            block = find();
            if reclaimed == 0 || limited {
                break;
            }
        }
        let mut again = !reclaims || limited;
        while again && block.is_null() {
            again = local.scavenge(local.may_heavy::<R>(), || {
                block = find();
                !block.is_null()
            });
        }
        block
    }

    /// Gives back an object that was never published, or that nobody else can
    /// reach any more. Drops the value; the block is free also if that panics.
    /// Lock-free: one exchange as a rule, O(log `K`).
    ///
    /// # Safety
    ///
    /// `object` came from `alloc` of this pool, which was neither moved nor
    /// borrowed exclusively (`&mut`) since then; it is exclusively owned, and is
    /// not used again.
    ///
    /// ```
    /// # use hyaline::{Collector, Pool};
    /// # let collector = Collector::<1>::new();
    /// # let handle = collector.register()?;
    /// let pool = Pool::<u32, 1>::new();
    /// let object = pool.alloc(&handle, 7).unwrap();
    /// // SAFETY: it is from this pool and was not shared.
    /// unsafe { pool.free(object) };
    /// assert_eq!(pool.available(), 1);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub unsafe fn free(&self, object: *mut Linked<T>) {
        self.assert_contains(object);
        // SAFETY: "is exclusively owned" and "came from `alloc` of this pool"
        // (# Safety). No magazine.
        unsafe { destroy(object, ptr::null_mut()) };
    }

    /// Checks in debug builds that an object is from this pool.
    #[inline]
    #[track_caller]
    fn assert_contains(&self, object: *mut Linked<T>) {
        let offset = object.addr().wrapping_sub(self.first().addr());
        let block = size_of::<Block<T>>();
        debug_assert!(
            offset < K * block && offset % block == 0,
            "the object is not from this pool; pass it to the pool that allocated it"
        );
    }

    /// The number of free blocks, without those that handles keep, when it was
    /// counted. Loads a word for every 32 blocks, for every 16 on targets of
    /// less than 64 bits.
    ///
    /// ```
    /// assert_eq!(hyaline::Pool::<u32, 5>::new().available(), 5);
    /// ```
    #[must_use]
    pub fn available(&self) -> usize {
        // SAFETY: `K` blocks that are used as one tree.
        unsafe { tree_of(self.first()) }.free(K)
    }
}

impl<T, const K: usize> Default for Pool<T, K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const K: usize> fmt::Debug for Pool<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("capacity", &K)
            .field("available", &self.available())
            .finish()
    }
}
