//! The calls into `bench/cores`.

use std::{
    alloc::{GlobalAlloc, Layout},
    ffi::c_void,
};

use super::job::{Effort, Job};

/// As `hyaline_cores::machine::Plan`.
#[repr(C)]
struct Plan {
    threads: u32,
    classes: *const u8,
    warm: u64,
    operations: u64,
    budget: u64,
    seed: u64,
    entry: extern "C" fn(*const c_void, u32),
    data: *const c_void,
}

#[link(name = "hyaline_cores")]
unsafe extern "C" {
    safe fn cores_roomy(work: extern "C" fn());
    fn cores_run(plan: &Plan) -> !;
    safe fn cores_next();
    safe fn cores_pass(picoseconds: u64);
    fn cores_alloc(size: usize, align: usize) -> *mut u8;
    fn cores_free(block: *mut u8, size: usize, align: usize);
}

extern "C" fn entry(job: *const c_void, index: u32) {
    // SAFETY: `run` passes its job, which it keeps.
    let job = unsafe { &*job.cast::<Job>() };
    (job.work)(index as usize);
}

/// Runs it on a stack with room for pools. A thread would not do: the one that waits for
/// it makes accesses, too, and the machine would take them for those of a contestant.
pub fn roomy(work: extern "C" fn()) {
    cores_roomy(work);
}

pub fn run(job: &Job, effort: Effort) -> ! {
    let plan = Plan {
        threads: job.classes.len() as u32,
        classes: job.classes.as_ptr(),
        warm: effort.warm,
        operations: effort.operations,
        budget: effort.budget,
        seed: effort.seed,
        entry,
        data: (&raw const *job).cast(),
    };
    // SAFETY: a class for each thread; all stay alive; `cores::run` calls once.
    unsafe { cores_run(&plan) }
}

/// The thread begins an operation. Does not return once all are counted.
#[inline(always)]
pub fn next() {
    cores_next();
}

/// Nanoseconds without an access.
pub fn pause(nanoseconds: u64) {
    cores_pass(nanoseconds * 1000);
}

/// The allocator of the model.
pub struct Memory;

// SAFETY: the library has an allocator's blocks: of this size and alignment,
// and no two at a place.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: of a layout.
        unsafe { cores_alloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: from `alloc`, with the same layout (`# Safety`).
        unsafe { cores_free(block, layout.size(), layout.align()) };
    }
}
