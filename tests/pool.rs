//! What a pool promises about its blocks: each one is found while it is free,
//! and has one owner at a time.

#![cfg(not(hyaline_loom))]

#[path = "pool/deaths.rs"]
mod deaths;
#[path = "pool/looks.rs"]
mod looks;
#[path = "pool/panics.rs"]
mod panics;
#[path = "common/random.rs"]
mod random;
#[path = "pool/same_address.rs"]
mod same_address;

use std::{
    array,
    collections::BTreeMap,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use hyaline::{
    Collector, Config, Handle, Linked, Pool, Robust, Scheme, domain, reclaim,
    safe::{Domain, Owned},
};
use random::Random;

/// Without magazines handles keep nothing.
const KEEPS: bool = cfg!(target_pointer_width = "64");

/// Allocates a block and retires it; no section is open, so it is reclaimed.
fn use_one<const K: usize>(pool: &Pool<u32, K>, handle: &Handle<'_>) -> *mut Linked<u32> {
    let object = pool.alloc(handle, 7).unwrap();
    // SAFETY: never shared, and the pool outlives the collector.
    unsafe { handle.retire(object, reclaim::pooled::<u32>) };
    object
}

/// Blocks are taken and freed in random order, near an empty pool, a full one
/// and in between: an allocation is refused if and only if all are in use, and
/// no block has two owners.
fn random<const K: usize>() {
    let pool = Box::<Pool<usize, K>>::default();
    assert_eq!(pool.capacity(), K);
    let collector = Collector::<3>::new();
    let handles: [Handle<'_>; 2] = array::from_fn(|_| collector.register().unwrap());
    let deferred = collector.register_deferred().unwrap();
    let mut random = Random(K as u64);
    let mut used = BTreeMap::new();
    let mut order = Vec::new();
    let turns = if cfg!(miri) {
        3 * K + 50
    } else {
        20 * K + 5_000
    };
    // The target occupancy, in 16ths.
    let mut level = 16;
    for turn in 0..turns {
        if random.below(K + 20) == 0 {
            level = random.below(17);
        }
        let more = used.len() * 16 <= K * level;
        if more || used.is_empty() {
            let object = match random.below(3) {
                2 => pool.alloc(&deferred, turn),
                handle => pool.alloc(&handles[handle], turn),
            };
            assert_eq!(object.is_ok(), used.len() < K, "{} in use", used.len());
            if let Ok(object) = object {
                assert_eq!(object.addr() % align_of::<Linked<usize>>(), 0);
                assert!(used.insert(object.addr(), turn).is_none(), "two owners");
                order.push(object);
            }
        } else {
            let object = order.swap_remove(random.below(order.len()));
            // SAFETY: in use, and exclusively ours.
            assert_eq!(Some(unsafe { **object }), used.remove(&object.addr()));
            // SAFETY: in use, and exclusively ours; from this pool.
            unsafe { pool.free(object) };
        }
        if turn % (K / 8 + 1) == 0 {
            assert_eq!(pool.available(), K - used.len());
        }
    }
    for object in order {
        // SAFETY: in use, and exclusively ours; from this pool.
        unsafe { pool.free(object) };
    }
    assert_eq!(pool.available(), K);
}

#[test]
fn blocks_are_found_and_have_one_owner() {
    random::<1>();
    random::<2>();
    random::<15>();
    random::<16>();
    random::<17>();
    random::<31>();
    random::<32>();
    random::<33>();
    random::<65>();
    if cfg!(miri) {
        return;
    }
    // Around the sizes at which the tree gets another level: 32 * 16, 32 * 256;
    // with 16 bits 16 * 16, 16 * 256.
    random::<256>();
    random::<257>();
    random::<511>();
    random::<512>();
    random::<513>();
    random::<4097>();
    random::<8192>();
    random::<8193>();
    random::<8225>();
    random::<20_000>();
}

/// Threads use nearly all of a pool at a time. None is refused if fewer than
/// all blocks can be in use, and no block has two owners.
#[test]
fn threads_share_a_nearly_full_pool() {
    const K: usize = if cfg!(miri) { 70 } else { 1100 };
    const THREADS: usize = 4;
    const EACH: usize = K / THREADS;
    static POOL: Pool<usize, K> = Pool::new();
    static IN_USE: [AtomicBool; K] = [const { AtomicBool::new(false) }; K];
    static REFUSED: AtomicUsize = AtomicUsize::new(0);
    let rounds = if cfg!(miri) { 20 } else { 4_000 };
    let collector = Collector::<THREADS>::new();
    let number = |object: *mut Linked<usize>| {
        let start = ptr::from_ref(&POOL).addr();
        (object.addr() - start) / (size_of::<Pool<usize, K>>() / K)
    };
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let collector = &collector;
            scope.spawn(move || {
                let handle = collector.register().unwrap();
                let mut random = Random(seed as u64);
                let mut own = Vec::new();
                for _ in 0..rounds {
                    while own.len() < EACH {
                        let Ok(object) = POOL.alloc(&handle, seed) else {
                            // Relaxed, and below: a count, and a check by the
                            // owner of the block, which the pool orders.
                            REFUSED.fetch_add(1, Ordering::Relaxed);
                            continue;
                        };
                        let before = IN_USE[number(object)].swap(true, Ordering::Relaxed);
                        assert!(!before, "two owners");
                        own.push(object);
                    }
                    for _ in 0..=random.below(5) {
                        let object: *mut Linked<usize> = own.swap_remove(random.below(own.len()));
                        IN_USE[number(object)].store(false, Ordering::Relaxed);
                        // SAFETY: exclusively ours, and never shared.
                        unsafe {
                            if random.below(2) == 0 {
                                POOL.free(object);
                            } else {
                                handle.retire(object, reclaim::pooled::<usize>);
                            }
                        }
                    }
                }
                for object in own {
                    IN_USE[number(object)].store(false, Ordering::Relaxed);
                    // SAFETY: exclusively ours, and never shared.
                    unsafe { POOL.free(object) };
                }
            });
        }
    });
    assert_eq!(POOL.available(), K);
    // Each block was in use when it was checked, but not all at one time.
    println!("refused {} times", REFUSED.load(Ordering::Relaxed));
}

/// A handle without a section keeps no block from the others, whatever its role
/// and theirs. One with an open section keeps its own.
fn sleepers<S: Scheme>(collector: Collector<6, S>) {
    const K: usize = 320;
    let pool = Box::<Pool<u32, K>>::default();
    let kept = if KEEPS { K / 32 } else { 0 };
    let fill = |handle: &Handle<'_, S>| {
        let guard = handle.enter();
        for _ in 0..2 * kept {
            let object = pool.alloc(handle, 7).unwrap();
            // SAFETY: never shared, and the pool outlives the collector.
            unsafe { guard.defer_retire(object, reclaim::pooled::<u32>) };
        }
        drop(guard);
        handle.flush();
    };
    let sleeper = collector.register().unwrap();
    let second = collector.register().unwrap();
    for round in 0..3 {
        fill(&sleeper);
        fill(&second);
        assert_eq!(pool.available(), K - 2 * kept, "what they keep");
        let guard = (round == 1).then(|| second.enter());
        let missing = if guard.is_some() { kept } else { 0 };
        let mut all = Vec::new();
        macro_rules! take_all {
            ($handle:expr) => {{
                let handle = $handle;
                for _ in 0..K - missing {
                    all.push(pool.alloc(&handle, 7).expect("refused"));
                }
                assert!(pool.alloc(&handle, 7).is_err());
                drop(handle);
            }};
        }
        match round {
            0 => take_all!(collector.register().unwrap()),
            1 => take_all!(collector.register().unwrap()),
            _ => take_all!(collector.register_deferred().unwrap()),
        }
        drop(guard);
        for object in all {
            // SAFETY: never shared.
            unsafe { pool.free(object) };
        }
    }
    drop((sleeper, second));
    assert_eq!(pool.available(), K);
}

#[test]
fn a_sleeper_keeps_no_block_from_others() {
    sleepers(Collector::<6>::with_config(Config::new().batch::<2>()));
    let config = Config::new().batch::<2>().era_step::<1>();
    sleepers(Collector::<6, Robust>::with_config(config));
}

/// A handle keeps a 32nd of a pool's blocks, uses these first, and gives them
/// back when it is released.
#[test]
fn a_handle_keeps_blocks() {
    const K: usize = 96;
    let pool = Pool::<u32, K>::new();
    let collector = Collector::<2>::new();
    let handle = collector.register().unwrap();
    // It leaves all reclaiming to the other handle.
    let reader = collector.register_deferred().unwrap();
    if KEEPS {
        let first = use_one(&pool, &handle);
        assert_eq!(pool.available(), K - 1);
        for _ in 0..10 {
            let guard = handle.enter();
            let object = pool.alloc(&handle, 7).unwrap();
            drop(guard);
            assert_eq!(object, first);
            // SAFETY: never shared, and the pool outlives the collector.
            unsafe { handle.retire(object, reclaim::pooled::<u32>) };
            assert_eq!(pool.available(), K - 1, "each time");
            assert_eq!(use_one(&pool, &handle), first, "nor without a section");
            assert_eq!(pool.available(), K - 1, "each time");
        }
    }
    // More come back than it may keep.
    let guard = reader.enter();
    for _ in 0..10 {
        use_one(&pool, &handle);
    }
    drop(guard);
    handle.flush();
    assert_eq!(K - pool.available(), if KEEPS { 3 } else { 0 });
    drop(handle);
    assert_eq!(pool.available(), K);
}

/// At most 64 blocks, and of one pool at a time.
#[test]
fn a_handle_keeps_so_much_and_no_more() {
    static LARGE: Pool<u32, 2240> = Pool::new();
    static OTHER: Pool<u32, 64> = Pool::new();
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let guard = handle.enter();
    for _ in 0..80 {
        let object = LARGE.alloc(&handle, 7).unwrap();
        // SAFETY: never shared, and the pool is a static.
        unsafe { guard.defer_retire(object, reclaim::pooled::<u32>) };
    }
    drop(guard);
    handle.flush();
    let kept = if KEEPS { 64 } else { 0 };
    assert_eq!(LARGE.available(), LARGE.capacity() - kept);
    use_one(&OTHER, &handle);
    assert_eq!(LARGE.available(), LARGE.capacity(), "given back");
    drop(handle);
    assert_eq!(OTHER.available(), OTHER.capacity());
}

/// Handles take their blocks from different places, and each continues where it
/// was: so they do not share lines.
#[test]
fn handles_allocate_apart() {
    static POOL: Pool<u32, 1024> = Pool::new();
    const GROUP: usize = 32;
    let collector = Collector::<4>::new();
    let handles: [Handle<'_>; 3] = array::from_fn(|_| collector.register().unwrap());
    let group = |object: *mut Linked<u32>| {
        let block = size_of::<Pool<u32, 1024>>() / 1024;
        (object.addr() - ptr::from_ref(&POOL).addr()) / block / GROUP
    };
    let alloc = |handle| POOL.alloc(handle, 7).unwrap();
    let firsts = handles.each_ref().map(alloc);
    let groups = firsts.map(group);
    if KEEPS {
        assert!(groups[0] != groups[1] && groups[1] != groups[2] && groups[2] != groups[0]);
        let more: Vec<_> = (0..GROUP).map(|_| alloc(&handles[0])).collect();
        // SAFETY: never shared.
        unsafe { POOL.free(firsts[0]) };
        let next = alloc(&handles[0]);
        assert_eq!(group(next), group(more[GROUP - 1]), "not back to the first");
        // Contexts that share a slot must not use what is its owner's: they
        // begin with the first group.
        let cpu = collector.register_per_cpu().unwrap();
        // SAFETY: one thread, no interrupts.
        let block = POOL.alloc(unsafe { cpu.get() }, 7).unwrap();
        assert_eq!(group(block), 0);
    }
}

/// What a handle's own flush frees, and the handle keeps, serves the allocation
/// that flushed.
#[test]
fn an_allocation_finds_what_its_own_flush_kept() {
    static C: Collector<1> = Collector::new();
    static LARGE: Pool<u32, 32> = Pool::new();
    let handle = C.register().unwrap();
    let mut objects: Vec<_> = (0..32)
        .map(|value| LARGE.alloc(&handle, value).unwrap())
        .collect();
    let last = objects.pop().unwrap();
    // SAFETY: never shared, and of the pool.
    unsafe { handle.enter().defer_retire(last, reclaim::pooled::<u32>) };
    assert!(LARGE.alloc(&handle, 99).is_ok());
}

/// A deferred handle finds blocks among more objects that others have left than
/// it reclaims at a time. It takes one, and none is lost.
#[test]
fn one_block_of_many_handfuls() {
    domain!(Small: Collector<2> = Collector::with_config(Config::new().batch::<1>()));
    const K: usize = 12;
    static BLOCKS: Pool<u32, K> = Pool::new();
    let handle = Small::register_deferred().unwrap();
    let new = || Owned::<u32, Small>::new(&BLOCKS, &handle, 7);
    for _ in 0..3 {
        let all = [(); K].map(|()| new().expect("a block is lost"));
        assert!(new().is_err());
        let guard = handle.enter();
        for object in all {
            let shared = object.into_shared(&guard);
            // SAFETY: never published.
            unsafe { guard.retire(shared) };
        }
    }
    let all = [(); K].map(|()| new().expect("a block is lost"));
    drop(all);
    assert_eq!(BLOCKS.available(), K);
}

/// A reclaimer allocates while the only free block is of an object that the same
/// call is about to reclaim.
#[test]
fn a_reclaimer_finds_what_its_own_call_reclaims() {
    static C: Collector<1> = Collector::new();
    static POOL: Pool<u32, 1> = Pool::new();
    static FOUND: AtomicBool = AtomicBool::new(false);
    struct Allocates<'h>(&'h Handle<'static>);
    impl Drop for Allocates<'_> {
        fn drop(&mut self) {
            let object = POOL.alloc(self.0, 2);
            FOUND.store(object.is_ok(), Ordering::SeqCst);
        }
    }
    let handle = C.register().unwrap();
    let guard = handle.enter();
    let mut memory = MaybeUninit::uninit();
    let first: *mut Linked<_> = memory.write(handle.link(Allocates(&handle)));
    let second = POOL.alloc(&handle, 1).unwrap();
    // SAFETY: neither was shared, both come from where the reclaimers expect them,
    // and the handle outlives the collect below, which reclaims both.
    unsafe {
        POOL.defer_retire(&guard, second);
        guard.defer_retire(first, reclaim::in_place::<Linked<Allocates<'_>>>);
    }
    drop(guard);
    // The one that was retired last comes first.
    handle.collect();
    assert!(FOUND.load(Ordering::SeqCst));
}
