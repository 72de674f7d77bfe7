//! The allocator of this program: it is not interrupted, as one that interrupts
//! may call. So a context may allocate wherever it interrupts. What is freed is
//! overwritten, so that a context that still reads it notices.

use std::alloc::{GlobalAlloc, Layout, System};

use super::trap::unstepped;

struct Uninterrupted;

#[global_allocator]
static ALLOCATOR: Uninterrupted = Uninterrupted;

// SAFETY: the system's allocator does it.
unsafe impl GlobalAlloc for Uninterrupted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the contract of `GlobalAlloc::alloc`, which the system's allocator
        // asks for, too.
        unstepped(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the contract of `GlobalAlloc::dealloc`: the block has this layout,
        // and is not used any more.
        unstepped(|| unsafe {
            ptr.write_bytes(0xDD, layout.size());
            System.dealloc(ptr, layout);
        });
    }
}
