//! A block, and how it goes back.

use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use crate::{
    Link, Linked,
    raw::{
        magazine::Magazine,
        tree::{self, Tree},
    },
    sync::{AtomicHalf, Cell, Half, const_fn, impl_init},
};

/// A place for one object. The object comes first, so that a pointer to it is
/// one to its block.
#[repr(C)]
pub(super) struct Block<T> {
    object: UnsafeCell<MaybeUninit<Linked<T>>>,
    /// The block's number and, above it, how many blocks of the pool a magazine
    /// may hold; written when the block is taken, read by its owner.
    place: Cell<Half>,
    /// A node of the tree; not this block's own.
    node: AtomicHalf,
}

impl_init!(Block<T> = block(); T);

const_fn! {
    const fn block<T>() -> Block<T> {
        Block {
            object: UnsafeCell::new(MaybeUninit::uninit()),
            place: Cell::new(0),
            node: AtomicHalf::new(0),
        }
    }
}

/// Bits of a block's number.
const NUMBER_BITS: u32 = Half::BITS - Magazine::SIZE_BITS;

/// The most blocks of a pool.
pub(super) const MOST: usize = if NUMBER_BITS < Half::BITS {
    1 << NUMBER_BITS
} else {
    tree::MOST
};
const _: () = assert!(((MOST - 1) as u64) >> NUMBER_BITS == 0, "each number fits");

impl<T> Block<T> {
    /// Notes the number of a block that was taken from a pool of `len` blocks.
    #[inline]
    pub(super) fn set_place(&self, number: usize, len: usize) {
        let place = number as u64 | (Magazine::size(len) as u64) << NUMBER_BITS;
        self.place.set(place as Half);
    }

    /// The number, and how many blocks of the pool a magazine may hold.
    #[inline]
    fn place(&self) -> (usize, usize) {
        let place = self.place.get() as u64;
        let number = place & ((1 << NUMBER_BITS) - 1);
        (number as usize, (place >> NUMBER_BITS) as usize)
    }

    /// Makes a free block in place, without one on the stack.
    ///
    /// # Safety
    ///
    /// The memory is valid for writes, and nothing else accesses it.
    pub(super) unsafe fn init(this: *mut Self) {
        // SAFETY: valid for writes (# Safety). The object is uninitialised in a
        // free block.
        unsafe {
            (&raw mut (*this).place).write(Cell::new(0));
            (&raw mut (*this).node).write(AtomicHalf::new(0));
        }
    }
}

/// The tree that the nodes of a pool's blocks are.
///
/// # Safety
///
/// `first` is the first block of a pool, by a pointer that may be used for all
/// of them while the result is used.
#[inline]
pub(super) unsafe fn tree_of<T>(first: *mut Block<T>) -> Tree {
    // SAFETY: `first` may be used (# Safety); a field's address is not null.
    unsafe {
        let node = NonNull::new_unchecked(&raw mut (*first).node);
        Tree::new(node, size_of::<Block<T>>())
    }
}

/// A block without a value. Dropped, it goes back: to the pool, or to the
/// handle that keeps blocks.
pub(crate) struct Vacant<T> {
    object: *mut Linked<T>,
    magazine: *mut Link,
}

impl<T> Vacant<T> {
    /// # Safety
    ///
    /// `object` came from a pool. When the result is dropped the pool still
    /// exists, and the block is exclusively owned and has no value that is to
    /// be dropped. `magazine` is null or as [`Magazine::keep`] wants it.
    #[inline]
    pub(crate) unsafe fn new(object: *mut Linked<T>, magazine: *mut Link) -> Self {
        Self { object, magazine }
    }
}

impl<T> Drop for Vacant<T> {
    #[inline]
    fn drop(&mut self) {
        let (link, block) = (self.object.cast::<Link>(), self.object.cast::<Block<T>>());
        // SAFETY: the contract of `new`. The object is the first field of its
        // block; the pointer was made from one to all blocks.
        unsafe {
            let (number, most) = (*block).place();
            let tree = tree_of(block.sub(number));
            (*link).set_next(self.magazine);
            if !Magazine::keep(link, tree, number, most) {
                tree.put(number);
            }
        }
    }
}

/// Drops the value of an object and gives the block back, also if the value's
/// drop panics.
///
/// # Safety
///
/// As for [`Vacant::new`], but the object has a value.
#[inline]
pub(crate) unsafe fn destroy<T>(object: *mut Linked<T>, magazine: *mut Link) {
    // SAFETY: the object has a value (# Safety), which is dropped before the
    // block goes back.
    unsafe {
        let _block = Vacant::new(object, magazine);
        ptr::drop_in_place(&raw mut (*object).value);
    }
}

/// The reclaimer of pooled objects: drops the value and gives the block back,
/// also if the drop panics. [`Pool::retire`](crate::Pool::retire) and
/// [`Pool::defer_retire`](crate::Pool::defer_retire) pass it with the right type.
///
/// # Safety
///
/// The object came from [`Pool::alloc`](crate::Pool::alloc) of a `Pool<T, K>`
/// that is neither moved, dropped nor borrowed exclusively (`&mut`) before the collector
/// and all its handles are dropped. The collector calls this function, or a reclaimer does that the
/// collector called for this object, before it returns and on its thread. A
/// reclaimer that passes the object to another context lets that context call
/// [`Pool::free`](crate::Pool::free).
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
    // SAFETY: the object is in a pool that is still there, and ours (# Safety).
    // The collector put the magazine of this call's handle into `next`, if it
    // is claimed, and this is within that call; a live object has null there.
    unsafe { destroy(link.cast::<Linked<T>>(), (*link).next()) };
}
