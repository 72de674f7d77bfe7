//! What a pool promises of its blocks: which one comes next, and which ones
//! handles keep.

#![cfg(not(hyaline_loom))]

use std::collections::BTreeSet;

use hyaline::{Collector, Handle, Linked, Pool, reclaim};

/// Where there are no caches, handles keep nothing.
const KEEPS: bool = cfg!(target_pointer_width = "64");

/// Allocates a block and retires it; nobody is active, so it is reclaimed.
fn use_one<const K: usize>(pool: &Pool<u32, K>, handle: &Handle<'_>) -> *mut Linked<u32> {
    let object = pool.alloc(handle, 7).unwrap();
    // SAFETY: never shared, and the pool outlives the collector.
    unsafe { handle.retire(object, reclaim::pooled::<u32>) };
    object
}

/// The search goes on from where the last one ended, round the pool.
#[test]
fn blocks_are_used_in_turn() {
    const K: usize = 5;
    let pool = Pool::<u32, K>::new();
    assert_eq!(pool.capacity(), K);
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let round = || -> Vec<_> {
        let alloc = || {
            let object = pool.alloc(&handle, 7).unwrap();
            // SAFETY: never shared.
            unsafe { pool.free(object) };
            object.addr()
        };
        (0..K).map(|_| alloc()).collect()
    };
    let first = round();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), K);
    assert_eq!(round(), first);
    // The one that is in use is passed over.
    let taken = pool.alloc(&handle, 7).unwrap();
    assert_eq!(taken.addr(), first[0]);
    let next = pool.alloc(&handle, 7).unwrap();
    assert_eq!(next.addr(), first[1]);
    // SAFETY: never shared.
    unsafe { pool.free(next) };
    let others = round();
    assert!(!others.contains(&taken.addr()));
    assert_eq!(others.iter().collect::<BTreeSet<_>>().len(), K - 1);
}

/// A handle keeps a 32nd of a pool's blocks, uses these first, and gives them
/// back when it is released.
#[test]
fn a_handle_keeps_blocks() {
    const K: usize = 96;
    let pool = Pool::<u32, K>::new();
    let collector = Collector::<2>::new();
    let handle = collector.register().unwrap();
    // It leaves all reclaiming to the other.
    let reader = collector.register_deferred().unwrap();
    if KEEPS {
        let first = use_one(&pool, &handle);
        assert_eq!(pool.available(), K - 1);
        for _ in 0..10 {
            assert_eq!(use_one(&pool, &handle), first);
        }
        assert_eq!(pool.available(), K - 1);
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
