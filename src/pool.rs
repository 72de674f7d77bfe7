//! Storage for linked objects without an allocator.
//!
//! Each block of a pool has a state word of its own: null while the block is
//! free. To allocate is to find a free block and claim it with one
//! compare-and-swap; to give a block back is one store. There is no free list,
//! so there is no list to be corrupted: a pop that is interrupted between
//! reading the head and its successor (the ABA problem) does not exist, and a
//! task that stalls inside `alloc` holds back nothing but the block it took.
//!
//! The search goes round the pool from where the last one ended. Handles that
//! allocate from a pool of 32 or more blocks keep a few of the blocks that
//! they reclaimed (on targets with caches), and use these first: no atomic
//! read-modify-write, and no line that others write to.
//!
//! # Rejected designs
//!
//! - *A free list whose pop is protected by the collector* needs a section in
//!   every `alloc`. In robust mode it is wrong unless the section covers all
//!   eras: a popper that stalls with head `A` in hand is older than the era in
//!   which `A` is born when somebody else pops it, so the publisher of `A`
//!   skips the popper, and `A` comes back to the list under its eyes.
//! - *A counter beside the head* wraps, and takes bits or a wider word.

use core::{cell::UnsafeCell, fmt, mem::MaybeUninit, ptr};

use crate::{
    Handle, Link, Linked, Role, Scheme,
    raw::magazine::{Magazine, State, give_back},
    sync::{AtomicPtr, AtomicUsize, Init, Ordering, const_fn},
};

/// Static storage for `K` objects of type [`Linked<T>`].
///
/// ```
/// use hyaline::{Collector, Pool, reclaim};
///
/// static C: Collector<2> = Collector::new();
/// static POOL: Pool<u32, 16> = Pool::new();
///
/// let handle = C.register()?;
/// let object = POOL.alloc(&handle, 7).expect("the pool has room");
/// // SAFETY: nobody else has it.
/// assert_eq!(unsafe { **object }, 7);
/// // SAFETY: it was never shared, and comes from a pool that outlives `C`.
/// unsafe { handle.retire(object, reclaim::pooled::<u32>) };
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
///
/// A pool that is dropped frees its memory, but does not drop the objects in
/// it.
pub struct Pool<T, const K: usize> {
    /// Where the next search begins. Its address tells pools apart.
    cursor: AtomicUsize,
    blocks: [Block<T>; K],
}

/// A place for one object. The object comes first, so that a pointer to it is
/// one to its block.
#[repr(C)]
struct Block<T> {
    object: UnsafeCell<MaybeUninit<Linked<T>>>,
    /// The pool's cursor while the block is taken; null while it is free.
    state: AtomicPtr<AtomicUsize>,
}

// SAFETY: a block is used by who claimed its state. Objects are made and
// dropped on any thread, so they must be `Send`; sharing them is up to those
// who dereference the pointers.
unsafe impl<T: Send, const K: usize> Sync for Pool<T, K> {}
// SAFETY: as above.
unsafe impl<T: Send, const K: usize> Send for Pool<T, K> {}

impl<T> Init for Block<T> {
    #[cfg(not(hyaline_loom))]
    #[allow(clippy::declare_interior_mutable_const)] // copied, never borrowed
    const INIT: Self = block();
    #[cfg(hyaline_loom)]
    fn init() -> Self {
        block()
    }
}

const_fn! {
    const fn block<T>() -> Block<T> {
        Block {
            object: UnsafeCell::new(MaybeUninit::uninit()),
            state: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

/// Flushes of an allocation, each of which reclaimed something that others took.
const FLUSHES: usize = 16;

impl<T, const K: usize> Pool<T, K> {
    const_fn! {
        /// An empty pool.
        ///
        /// ```
        /// static POOL: hyaline::Pool<u32, 16> = hyaline::Pool::new();
        /// # assert_eq!(POOL.available(), 16);
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            const { assert!(K > 0, "a pool has at least one block") };
            Self {
                cursor: AtomicUsize::new(0),
                #[cfg(not(hyaline_loom))]
                blocks: [const { <Block<T> as Init>::INIT }; K],
                #[cfg(hyaline_loom)]
                blocks: core::array::from_fn(|_| <Block<T> as Init>::init()),
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

    /// Stores a value, with its header and the birth era of now. The object is
    /// the caller's, until it is published.
    ///
    /// Wait-free if there is a free block: at most `K` loads; else lock-free. If
    /// there is none, an eager handle [flushes](Handle::flush), which may run reclaimers, and
    /// tries again. A deferred or per-CPU handle, and a reclaimer, must not run
    /// them: they send on what waits, and give back the blocks of objects that
    /// have no destructor, retired through the [safe layer](crate::safe). So
    /// does a handle whose [limit](Handle::limit_reclaims) was used up by other
    /// objects. A handle may keep `K / 32` free blocks, at most 64, which other
    /// handles do not find.
    ///
    /// # Errors
    ///
    /// [`PoolExhausted`], with the value, if there is still none.
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
        let local = handle.local();
        let mut block: *mut Linked<T> = self.kept(handle).cast();
        if block.is_null() {
            block = self.claim(handle);
            if block.is_null() {
                return Err(PoolExhausted { value });
            }
        }
        // SAFETY: the block is ours, with a header: its last use's, or
        // `claim`'s.
        unsafe {
            (&raw mut (*block).value).write(value);
            local.stamp::<R>(&(*block).link);
        }
        Ok(block)
    }

    /// A block that the handle did not keep, with a header; null if there is
    /// none, also after a flush.
    #[cold]
    #[inline(never)]
    fn claim<S: Scheme, R: Role>(&self, handle: &Handle<'_, S, R>) -> *mut Linked<T> {
        let mut block = self.find();
        if block.is_null() {
            let local = handle.local();
            // The limit may go to the objects of other pools.
            let limited = local.slot.limit.get() != 0;
            let reclaims = local.slot.reclaims::<R>() && !local.is_draining();
            // Again, if others took what was reclaimed: what they retired in
            // turn is not in use. Reclaimers that retire each time would keep
            // an endless loop going.
            for _ in 0..if reclaims { FLUSHES } else { 0 } {
                let reclaimed = handle.flush();
                // What was reclaimed may be kept by this handle.
                block = self.kept(handle);
                if block.is_null() {
                    block = self.find();
                }
                if !block.is_null() || reclaimed == 0 || limited {
                    break;
                }
            }
            let mut again = !reclaims || limited;
            while again && block.is_null() {
                again = false;
                local.scavenge(|| {
                    again = true;
                    block = self.find();
                    !block.is_null()
                });
            }
        }
        let object = block.cast::<Linked<T>>();
        if !object.is_null() {
            // SAFETY: the block is claimed, so its memory is ours; the object
            // is its first field, and the header the object's.
            unsafe { (&raw mut (*object).link).write(Link::new()) };
        }
        object
    }

    /// A block that the handle kept, or null.
    #[inline]
    fn kept<S: Scheme, R: Role>(&self, handle: &Handle<'_, S, R>) -> *mut Block<T> {
        let slot = handle.local().slot;
        if slot.is_nested::<R>() {
            return ptr::null_mut();
        }
        slot.magazine.take(&self.cursor, Magazine::size(K)).cast()
    }

    /// Claims a free block; null if it met none on a whole round.
    fn find(&self) -> *mut Block<T> {
        // Relaxed, and below: a hint for where to begin.
        let start = self.cursor.load(Ordering::Relaxed);
        let (before, from) = self.blocks.split_at(start % K);
        for (index, block) in from.iter().chain(before).enumerate() {
            // Relaxed: a look before the exchange.
            if !block.state.load(Ordering::Relaxed).is_null() {
                continue;
            }
            let taken = ptr::from_ref(&self.cursor).cast_mut();
            // Acquire: pairs with the Release in `give_back`; what was done
            // with the block happens before what we do. Relaxed on failure:
            // it is somebody else's.
            let claim = block.state.compare_exchange(
                ptr::null_mut(),
                taken,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            if claim.is_ok() {
                // Relaxed: a hint.
                self.cursor
                    .store((start + index + 1) % K, Ordering::Relaxed);
                return ptr::from_ref(block).cast_mut();
            }
        }
        ptr::null_mut()
    }

    /// Gives back an object that was never published, or that nobody else can
    /// reach any more. Drops the value. Wait-free: one store.
    ///
    /// # Safety
    ///
    /// `object` came from `alloc` of this pool, is the caller's alone, and is
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
        // SAFETY: the caller's; the block is not in use, and of this pool.
        unsafe {
            ptr::drop_in_place(&raw mut (*object).value);
            give_back(state_of(object));
        }
    }

    /// Free blocks, without those that handles keep. A moment's view; looks at
    /// each block.
    ///
    /// ```
    /// assert_eq!(hyaline::Pool::<u32, 5>::new().available(), 5);
    /// ```
    #[must_use]
    pub fn available(&self) -> usize {
        // Relaxed: a count of something that changes.
        let free = |block: &&Block<T>| block.state.load(Ordering::Relaxed).is_null();
        self.blocks.iter().filter(free).count()
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

/// The state word of the block that holds an object.
///
/// # Safety
///
/// The object is in a pool.
unsafe fn state_of<T>(object: *mut Linked<T>) -> *mut State {
    // SAFETY: the caller's: the object is the first field of its block, and
    // the pointer was made from one to the block.
    unsafe { &raw mut (*object.cast::<Block<T>>()).state }
}

/// The reclaimer of pooled objects: drops the value and gives the block back.
///
/// # Safety
///
/// The object came from [`Pool::alloc`] of a `Pool<T, K>` that is neither
/// moved nor dropped before the collector and all its handles are.
///
/// ```
/// use hyaline::{Collector, Pool, reclaim};
///
/// let pool = Pool::<String, 4>::new();
/// let collector = Collector::<1>::new();
/// let handle = collector.register()?;
/// let object = pool.alloc(&handle, String::from("seven")).unwrap();
/// // SAFETY: it was never shared, and `pool` is dropped last.
/// unsafe { handle.retire(object, reclaim::pooled::<String>) };
/// assert_eq!(pool.available(), 4);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub unsafe fn pooled<T>(link: *mut Link) {
    let object = link.cast::<Linked<T>>();
    // SAFETY: the object is in a pool that is still there, and ours (fn
    // contract). The collector put a magazine of this call's handle into
    // `next`; a live object has null there.
    unsafe {
        ptr::drop_in_place(&raw mut (*object).value);
        let state = state_of(object);
        if !Magazine::keep(link, state) {
            give_back(state);
        }
    }
}

/// The pool has no free block. The value that was to be stored comes back.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let handle = collector.register()?;
/// let pool = hyaline::Pool::<u32, 1>::new();
/// let first = pool.alloc(&handle, 1);
/// let error = pool.alloc(&handle, 2).unwrap_err();
/// assert!(error.to_string().starts_with("the pool has no free block"));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PoolExhausted<T> {
    value: T,
}

impl<T> PoolExhausted<T> {
    /// The value.
    ///
    /// ```
    /// # let collector = hyaline::Collector::<1>::new();
    /// # let handle = collector.register()?;
    /// # let pool = hyaline::Pool::<u32, 1>::new();
    /// # let first = pool.alloc(&handle, 1);
    /// assert_eq!(pool.alloc(&handle, 2).unwrap_err().into_inner(), 2);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for PoolExhausted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolExhausted").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PoolExhausted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the pool has no free block: each is in use, kept by another handle, held back by an open guard, or waits for an eager handle; drop guards, flush an eager handle, or make the pool larger",
        )
    }
}

impl<T> core::error::Error for PoolExhausted<T> {}
