//! Pools of blocks whose size and number are known at run time.
//!
//! A block is a preface and an object. Which blocks are free is the same tree as
//! in the Rust library's pools, whose text says why. The preface has a node of the
//! tree, and leads from the object to the first node.

use core::{
    ffi::{c_int, c_void},
    mem::{MaybeUninit, offset_of},
    ptr::{self, NonNull},
    sync::atomic::{AtomicUsize, Ordering},
};

use hyaline::{Link, Scheme};

use crate::{
    common::{BAD_ARGUMENT, BAD_MEMORY, OK},
    sync::{AtomicHalf, Half},
    tree::{MOST, Tree},
    types::Handle,
};

/// The alignment of objects and of the memory, and the room for a preface.
const ALIGN: usize = 16;

/// What comes before an object.
#[repr(C)]
struct Preface {
    /// The distance from one block to the next. Never changes.
    stride: usize,
    /// The block's number. Never changes.
    number: Half,
    /// A node of the tree; not this block's own.
    node: AtomicHalf,
}
const _: () = assert!(size_of::<Preface>() <= ALIGN);

/// `struct hyaline_pool`.
#[repr(C)]
pub struct Pool {
    /// The block that was taken last: there may be free ones near it.
    near: AtomicUsize,
    memory: *mut u8,
    /// The distance from one block to the next.
    stride: usize,
    blocks: usize,
}

/// Bytes from one block to the next; `None` if that is too large.
fn stride(block: usize) -> Option<usize> {
    block.checked_add(ALIGN)?.checked_next_multiple_of(ALIGN)
}

/// The tree of a pool.
///
/// # Safety
///
/// `memory` is that of a pool that has been made, with this distance between its
/// blocks, and stays while the result is used.
unsafe fn tree_of(memory: *mut u8, stride: usize) -> Tree {
    // SAFETY: each block of a pool begins with a preface (# Safety), and so with
    // a node at this place; an address in memory is not null.
    unsafe {
        let node = memory.add(offset_of!(Preface, node)).cast();
        Tree::new(NonNull::new_unchecked(node), stride)
    }
}

impl Pool {
    fn tree(&self) -> Tree {
        // SAFETY: only `hyaline_pool_init` makes a pool, of its memory.
        unsafe { tree_of(self.memory, self.stride) }
    }

    /// Takes a free block, and returns its object; null if there was none.
    fn take(&self) -> *mut u8 {
        // Relaxed, and below: a hint.
        let near = self.near.load(Ordering::Relaxed);
        let Some(number) = self.tree().take(self.blocks, near) else {
            return ptr::null_mut();
        };
        self.near.store(number, Ordering::Relaxed);
        // SAFETY: there is such a block, and its object follows the preface.
        unsafe { self.memory.add(number * self.stride + ALIGN) }
    }

    /// A block with a header; null if none is free even after a flush.
    pub(crate) fn alloc<S: Scheme>(&self, handle: &Handle<S>) -> *mut c_void {
        let mut object = self.take();
        if object.is_null() {
            // Whatever it reclaims: another call may have meanwhile.
            handle.0.flush();
            object = self.take();
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
    size.filter(|size| *size <= isize::MAX as usize && blocks <= MOST)
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
    // Null: what an allocator returns when it has none.
    if memory.is_null() || bytes < size || memory.addr() & (ALIGN - 1) != 0 {
        return BAD_MEMORY;
    }
    let memory = memory.cast::<u8>();
    for number in 0..blocks {
        let preface = Preface {
            stride,
            number: number as Half,
            node: AtomicHalf::new(0),
        };
        // SAFETY: inside the memory, which has at least `size` bytes, is aligned
        // and exclusively ours (the header's contract).
        unsafe { memory.add(number * stride).cast::<Preface>().write(preface) };
    }
    let made = Pool {
        near: AtomicUsize::new(0),
        memory,
        stride,
        blocks,
    };
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
    // SAFETY: an object of a pool that is not used any more (the header's
    // contract): its preface is before it, that of the first block as many blocks
    // before as its number says, and its block was taken.
    unsafe {
        let block = object.cast::<u8>().sub(ALIGN);
        let Preface { stride, number, .. } = &*block.cast::<Preface>();
        let number = *number as usize;
        tree_of(block.sub(number * stride), *stride).put(number);
    }
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
    pool.tree().free(pool.blocks)
}
