//! Pools of blocks whose size and number are known at run time.
//!
//! A block is a state word, directly before the object, so the object alone
//! leads to it. An allocation claims a free block's state with a
//! compare-and-swap, and a free is one store.

use core::{
    ffi::{c_int, c_void},
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use hyaline::{Link, Scheme};

use crate::{
    common::{BAD_ARGUMENT, BAD_MEMORY, OK},
    types::{Handle, State, taken},
};

/// The alignment of objects, and of the memory.
const ALIGN: usize = 16;

/// `struct hyaline_pool`.
#[repr(C)]
pub struct Pool {
    /// Where the next search begins.
    cursor: AtomicUsize,
    memory: *mut u8,
    /// The distance from one block to the next.
    stride: usize,
    blocks: usize,
}

/// Bytes from one block to the next; `None` if that is too large.
fn stride(block: usize) -> Option<usize> {
    block.checked_add(ALIGN)?.checked_next_multiple_of(ALIGN)
}

/// The state of the block of an object.
///
/// # Safety
///
/// The object is in a pool, and so is its block while the result is used.
unsafe fn state_of(object: *mut u8) -> &'static State {
    // SAFETY: a block is a state word and an object (fn contract).
    unsafe { &*object.sub(size_of::<State>()).cast() }
}

impl Pool {
    /// The objects, one after another, starting at `start` and wrapping around.
    fn objects(&self, first: usize) -> impl Iterator<Item = *mut u8> {
        let order = (first..self.blocks).chain(0..first);
        order.map(|index| self.memory.wrapping_add(index * self.stride + ALIGN))
    }

    /// Claims a free block; null if a whole round found none.
    fn find(&self) -> *mut u8 {
        // Relaxed, and below: a hint for where to begin.
        let start = self.cursor.load(Ordering::Relaxed) % self.blocks.max(1);
        for (index, object) in self.objects(start).enumerate() {
            // SAFETY: an object of this pool.
            let state = unsafe { state_of(object) };
            // Relaxed: a check before the exchange.
            if !state.load(Ordering::Relaxed).is_null() {
                continue;
            }
            // Acquire: pairs with the Release in `hyaline_pool_free`; the
            // block's previous use happens before ours. Relaxed on failure:
            // another thread has claimed it.
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            let claim = state.compare_exchange(ptr::null_mut(), taken(), success, failure);
            if claim.is_ok() {
                // Relaxed: a hint.
                self.cursor.store(start + index + 1, Ordering::Relaxed);
                return object;
            }
        }
        ptr::null_mut()
    }

    /// A block with a header; null if none is free even after a flush.
    pub(crate) fn alloc<S: Scheme>(&self, handle: &Handle<S>) -> *mut c_void {
        let mut object = self.find();
        if object.is_null() && handle.0.flush() > 0 {
            object = self.find();
        }
        if !object.is_null() {
            // SAFETY: the block is exclusively ours, and an object begins with
            // its link.
            unsafe { object.cast::<Link>().write(handle.0.stamp()) };
        }
        object.cast()
    }
}

/// Bytes for a pool; 0 if that is too large.
#[unsafe(no_mangle)]
pub extern "C" fn hyaline_pool_size(block: usize, blocks: usize) -> usize {
    let size = stride(block).and_then(|stride| stride.checked_mul(blocks));
    size.filter(|size| *size <= isize::MAX as usize)
        .unwrap_or(0)
}

/// Makes a pool.
///
/// # Safety
///
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hyaline_pool_init(
    pool: *mut MaybeUninit<Pool>,
    memory: *mut c_void,
    bytes: usize,
    block: usize,
    blocks: usize,
) -> c_int {
    let (Some(stride), size) = (stride(block), hyaline_pool_size(block, blocks)) else {
        return BAD_ARGUMENT;
    };
    if block < size_of::<Link>() || size == 0 {
        return BAD_ARGUMENT;
    }
    if bytes < size || memory.addr() & (ALIGN - 1) != 0 {
        return BAD_MEMORY;
    }
    let made = Pool {
        cursor: AtomicUsize::new(0),
        memory: memory.cast(),
        stride,
        blocks,
    };
    for object in made.objects(0) {
        // SAFETY: inside the memory, which has at least `size` bytes and is
        // exclusively ours (the header's contract); the state word lies before
        // the object.
        unsafe {
            let state = object.sub(size_of::<State>()).cast::<State>();
            state.write(State::new(ptr::null_mut()));
        }
    }
    // SAFETY: valid for writes (the header's contract).
    unsafe { (*pool).write(made) };
    OK
}

/// Frees a block.
///
/// # Safety
///
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hyaline_pool_free(object: *mut c_void) {
    // SAFETY: an object of a pool (the header's contract).
    // Release: pairs with the Acquire in `find`.
    unsafe { state_of(object.cast()).store(ptr::null_mut(), Ordering::Release) };
}

/// The reclaimer of objects from pools.
///
/// # Safety
///
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hyaline_pool_reclaim(link: *mut Link) {
    // SAFETY: an object of a pool that no section can hold (the header's
    // contract).
    unsafe { hyaline_pool_free(link.cast()) };
}

/// The number of free blocks.
///
/// # Safety
///
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hyaline_pool_available(pool: *const Pool) -> usize {
    // SAFETY: valid (the header's contract).
    let pool = unsafe { &*pool };
    let free = |object: &*mut u8| {
        // SAFETY: an object of the pool.
        let state = unsafe { state_of(*object) };
        // Relaxed: a count that may change at any time.
        state.load(Ordering::Relaxed).is_null()
    };
    pool.objects(0).filter(free).count()
}
