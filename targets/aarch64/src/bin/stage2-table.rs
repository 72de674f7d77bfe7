//! A hypervisor's map of guest pages, like a stage-2 table: three cores walk it
//! as on a guest's exit while one remaps. It runs at EL2.
//!
//! A walk takes no lock and a remap does not wait: a replaced leaf returns to
//! the pool when the walks that may hold it are over.

#![no_std]
#![no_main]

use aarch64::{CORES, exception_level, start_others};
use aarch64_rt::entry;
use core::sync::atomic::{AtomicUsize, Ordering};
use hyaline::{AtomicPtr, Collector, Config, Handle, Linked, Pool, Robust, reclaim};
use semihosting::println;

/// Robust: a core that is stopped in a walk pins only the leaves that were made
/// before.
type Scheme = Robust;

const LEAVES: usize = 16;
const PAGES: usize = 8;
const REMAPS: usize = 400;
const WALKS: usize = 20_000;
/// Where the guest lies in the machine's memory; each remap moves a leaf.
const MEMORY: usize = 0x4000_0000;

/// Maps `PAGES` guest pages to pages of the machine.
struct Leaf {
    pages: [usize; PAGES],
}

impl Leaf {
    /// The leaf's pages are contiguous, so that a walk can detect a torn leaf.
    fn new(index: usize, generation: usize) -> Self {
        let base = MEMORY + (generation * LEAVES + index) * PAGES * 0x1000;
        Self {
            pages: core::array::from_fn(|page| base + page * 0x1000),
        }
    }
}

static MAPS: Collector<CORES, Scheme> = Collector::with_config(Config::new().era_step::<4>());
static POOL: Pool<Leaf, 256> = Pool::new();
static ROOT: [AtomicPtr<Linked<Leaf>>; LEAVES] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; LEAVES];
static MAPPED: AtomicUsize = AtomicUsize::new(0);
static DONE: AtomicUsize = AtomicUsize::new(0);
static WRONG: AtomicUsize = AtomicUsize::new(0);

fn map(handle: &Handle<'_, Scheme>, index: usize, generation: usize) {
    let mut leaf = Leaf::new(index, generation);
    let new = loop {
        match POOL.alloc(handle, leaf) {
            Ok(new) => break new,
            Err(full) => leaf = full.into_inner(),
        }
    };
    // AcqRel: walks that find the leaf see its pages; we see the previous one.
    let old = ROOT[index].swap(new, Ordering::AcqRel);
    if !old.is_null() {
        // Hardware that caches translations is invalidated here, before the
        // retire.
        // SAFETY: no walk finds it any more, and it was swapped out once.
        unsafe { handle.retire(old, reclaim::pooled::<Leaf>) };
    }
}

/// Translates a guest page, as the handler of a guest's fault does.
fn walk(handle: &Handle<'_, Scheme>, page: usize) {
    let (index, page) = (page / PAGES % LEAVES, page % PAGES);
    let guard = handle.enter();
    // SAFETY: protected by the guard, and never null once all are mapped.
    let leaf = unsafe { &*guard.protect(&ROOT[index], Ordering::Acquire) };
    let machine = leaf.pages[page];
    let right = machine - leaf.pages[0] == page * 0x1000
        && (machine - MEMORY) / 0x1000 / PAGES % LEAVES == index;
    if !right {
        // Relaxed: read after the rendezvous.
        WRONG.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until every core has counted itself.
fn meet(counter: &AtomicUsize) {
    // AcqRel and Acquire: what each core did before is visible to all after.
    counter.fetch_add(1, Ordering::AcqRel);
    while counter.load(Ordering::Acquire) < CORES {
        core::hint::spin_loop();
    }
}

fn walker(_: usize) {
    let handle = MAPS.register().expect("a slot for each core");
    meet(&MAPPED);
    (0..WALKS).for_each(|page| walk(&handle, page));
    drop(handle);
    meet(&DONE);
}

entry!(main);
fn main(_: u64, _: u64, _: u64, _: u64) -> ! {
    let handle = MAPS.register().expect("a slot for each core");
    (0..LEAVES).for_each(|index| map(&handle, index, 0));
    start_others(walker);
    meet(&MAPPED);
    (0..REMAPS).for_each(|remap| map(&handle, remap % LEAVES, 1 + remap / LEAVES));
    meet(&DONE);
    // Publishes what is left and gives back the blocks of the magazine.
    drop(handle);
    println!(
        "EL{}: {} cores, {REMAPS} remaps, {WALKS} walks each",
        exception_level(),
        CORES
    );
    // Relaxed: after the rendezvous.
    println!("wrong translations: {}", WRONG.load(Ordering::Relaxed));
    println!("leaves not free: {}", POOL.capacity() - POOL.available());
    semihosting::process::exit(0)
}
