//! What the benchmark's program calls.

use std::{alloc::Layout, fmt::Write as _, io::Write as _, process::exit};

use corosensei::{on_stack, stack::DefaultStack};

use crate::{
    heap, lent,
    machine::{End, Plan, run},
    record::Sources,
};

/// Bytes of stack for pools.
const ROOM: usize = 256 << 20;

/// Calls it on a stack with room, on the same thread.
#[unsafe(no_mangle)]
extern "C" fn cores_roomy(work: extern "C" fn()) {
    on_stack(DefaultStack::new(ROOM).expect("memory for a stack"), || {
        work()
    });
}

/// Runs the plan, prints the counts, and ends the process. The process has one thread:
/// an access of another one would be taken for one of the coroutine that runs, and switch
/// it on the wrong stack.
///
/// # Safety
///
/// The plan's pointers are valid, and it is the only call.
#[unsafe(no_mangle)]
unsafe extern "C" fn cores_run(plan: &Plan) -> ! {
    if !lent::possible() {
        eprintln!("neither this kernel nor this processor may be older than FSGSBASE (Linux 5.9)");
        exit(2);
    }
    if !lent::alone() {
        eprintln!("the program has more than one thread; the model runs only one");
        exit(2);
    }
    // SAFETY: "the plan's pointers are valid, and it is the only call" (# Safety);
    // `lent::possible` was checked.
    let (end, classes, moves) = unsafe { run(plan) };
    let sources = Sources::new();
    let mut text = String::new();
    for (class, one) in classes.iter().enumerate() {
        let _ = writeln!(
            text,
            "class\t{class}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            one.operations,
            one.accesses,
            one.transfers,
            one.upgrades,
            one.invalidations,
            one.fetches,
            one.time,
        );
    }
    for (class, one) in moves.iter().enumerate() {
        text += &one.text(class, &sources);
    }
    let _ = match end {
        End::Done => writeln!(text, "done"),
        End::Stuck(thread, site) => writeln!(text, "stuck\t{thread}\t{}", sources.name(site)),
        End::Returned => writeln!(text, "returned"),
    };
    // If nobody reads it, there is nobody to tell.
    let _ = std::io::stdout().write_all(text.as_bytes());
    exit(0)
}

/// # Safety
///
/// As for `GlobalAlloc::alloc`.
#[unsafe(no_mangle)]
unsafe extern "C" fn cores_alloc(size: usize, align: usize) -> *mut u8 {
    // SAFETY: of a `Layout` (# Safety).
    heap::alloc(unsafe { Layout::from_size_align_unchecked(size, align) })
}

/// # Safety
///
/// As for `GlobalAlloc::dealloc`.
#[unsafe(no_mangle)]
unsafe extern "C" fn cores_free(block: *mut u8, size: usize, align: usize) {
    // SAFETY: of a `Layout` (# Safety).
    heap::free(block, unsafe {
        Layout::from_size_align_unchecked(size, align)
    });
}
