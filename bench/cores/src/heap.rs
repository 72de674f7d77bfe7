//! The contestants' memory, at the same addresses in each run.
//!
//! The allocator is what a good one is: a list for each thread and size, the last
//! block freed is the first taken; lists exchange batches with a shared one. Its
//! accesses are charged like a contestant's: the thread's list, the block's first
//! word, which holds the link, and the shared list for each batch.

use std::{alloc::Layout, cell::UnsafeCell, collections::HashMap, ptr};

use crate::{
    caches::{CORES, Kind, LINE},
    machine,
    record::ALLOCATOR,
};

/// Where it begins, and how much there is. Only what is touched is real.
const START: usize = 0x2000_0000_0000;
const BYTES: usize = 1 << 36;
/// Blocks that move between a thread's list and the shared one.
const BATCH: usize = 32;

#[derive(Default)]
struct Size {
    own: Vec<Vec<usize>>,
    shared: Vec<Vec<usize>>,
    /// A line for each thread's list, and one for the shared list.
    heads: usize,
}

#[derive(Default)]
struct Heap {
    top: usize,
    sizes: HashMap<(usize, usize), Size>,
}

struct Only(UnsafeCell<Option<Heap>>);

// SAFETY: one thread of the process runs the program that allocates.
unsafe impl Sync for Only {}

static HEAP: Only = Only(UnsafeCell::new(None));

impl Heap {
    fn new() -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: `MAP_FIXED_NOREPLACE` maps there or nowhere.
        let start = unsafe {
            libc::mmap(
                START as *mut _,
                BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                flags | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        assert_eq!(start as usize, START, "the heap's addresses are free");
        Self {
            top: START,
            sizes: HashMap::new(),
        }
    }

    fn take(&mut self, bytes: usize, align: usize) -> usize {
        let start = self.top.next_multiple_of(align);
        self.top = start + bytes;
        assert!(self.top <= START + BYTES, "the heap is full");
        start
    }

    fn size(&mut self, size: usize, align: usize) -> &mut Size {
        if !self.sizes.contains_key(&(size, align)) {
            let heads = self.take((CORES + 2) * LINE as usize, LINE as usize);
            let new = Size {
                own: vec![Vec::new(); CORES + 1],
                shared: Vec::new(),
                heads,
            };
            self.sizes.insert((size, align), new);
        }
        self.sizes.get_mut(&(size, align)).expect("just inserted")
    }
}

fn charge(kind: Kind, address: usize) {
    machine::access(kind, address as u64, 8, ALLOCATOR);
}

/// The heap. Not held across a `charge`, which lets other threads run.
fn heap() -> &'static mut Heap {
    // SAFETY: one thread of the process runs the program that allocates; no
    // caller holds the reference across a switch.
    unsafe { (*HEAP.0.get()).get_or_insert_with(Heap::new) }
}

/// The size and alignment of the class.
fn class(layout: Layout) -> (usize, usize) {
    let align = layout.align().max(16);
    (layout.size().max(1).next_multiple_of(align), align)
}

pub fn alloc(layout: Layout) -> *mut u8 {
    let (size, align) = class(layout);
    // The main thread has a list, too.
    let me = machine::current().unwrap_or(CORES);
    let heads = heap().size(size, align).heads;
    let head = heads + me * LINE as usize;
    charge(Kind::Load, head);
    if heap().size(size, align).own[me].is_empty() {
        charge(Kind::Locked, heads + (CORES + 1) * LINE as usize);
        let batch = heap().size(size, align).shared.pop().unwrap_or_else(|| {
            // Blocks of more than a page are made one by one.
            let number = if size > 4096 { 1 } else { BATCH };
            let start = heap().take(size * number, align.max(LINE as usize));
            (0..number)
                .rev()
                .map(|block| start + block * size)
                .collect()
        });
        heap().size(size, align).own[me] = batch;
    }
    let block = heap().size(size, align).own[me]
        .pop()
        .expect("a batch has blocks");
    charge(Kind::Load, block);
    charge(Kind::Store, head);
    ptr::with_exposed_provenance_mut(block)
}

pub fn free(block: *mut u8, layout: Layout) {
    let (size, align) = class(layout);
    let block = block.expose_provenance();
    let me = machine::current().unwrap_or(CORES);
    let heads = heap().size(size, align).heads;
    let head = heads + me * LINE as usize;
    charge(Kind::Load, head);
    charge(Kind::Store, block);
    charge(Kind::Store, head);
    let own = &mut heap().size(size, align).own[me];
    own.push(block);
    if own.len() > 2 * BATCH {
        let batch: Vec<usize> = own.drain(..BATCH).collect();
        charge(Kind::Locked, heads + (CORES + 1) * LINE as usize);
        heap().size(size, align).shared.push(batch);
    }
}
