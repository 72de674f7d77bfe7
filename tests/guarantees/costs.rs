//! Barriers and eras that a call does without.

use hyaline::{Basic, Collector, Config, Pool, Robust, reclaim};

use crate::{BARRIERS, Counting, counted, object, quiet, runs};

/// Where the heavy barrier waits for other cores, an allocation takes the blocks
/// that another handle keeps if it may wait, and leaves them there if not.
#[test]
fn only_calls_that_may_wait_take_blocks_that_others_keep() {
    const K: usize = 64;
    // Where there are no caches, handles keep nothing.
    const KEPT: usize = if cfg!(target_pointer_width = "64") {
        2
    } else {
        0
    };
    let config = Config::new().barrier(Counting);
    let collector = Collector::<3, Basic<Counting>>::with_config(config);
    let pool = Pool::<u32, K>::new();
    let (task, sleeper) = (collector.register().unwrap(), collector.register().unwrap());
    let deferred = collector.register_deferred().unwrap();
    let blocks = [(); 2].map(|()| pool.alloc(&sleeper, 1).unwrap());
    for block in blocks {
        // SAFETY: never shared, and the pool is dropped last.
        unsafe { sleeper.retire(block, reclaim::pooled::<u32>) };
    }
    let mut used: Vec<_> = (0..K - KEPT)
        .map(|_| pool.alloc(&task, 1).unwrap())
        .collect();
    assert_eq!(pool.available(), 0);
    BARRIERS.set((0, 0));
    assert!(pool.alloc(&deferred, 1).is_err());
    assert_eq!(BARRIERS.get().1, 0);
    used.extend((0..KEPT).map(|_| pool.alloc(&task, 1).unwrap()));
    for block in used {
        // SAFETY: never shared.
        unsafe { pool.free(block) };
    }
    drop((task, sleeper, deferred));
}

/// Objects that move from one section to the next advance no era: those that
/// begin later begin in a later one already.
#[test]
fn what_waits_longer_advances_no_era() {
    let collector = Collector::<3, Robust>::with_config(Config::new());
    let [first, second, task] = [(); 3].map(|()| collector.register().unwrap());
    let old = object(&task);
    let (leaves, stays) = (first.enter(), second.enter());
    // SAFETY: never shared.
    quiet(|| unsafe { task.retire(old, counted) });
    let age = || collector.slots().nth(second.slot()).unwrap().age;
    assert_eq!(age(), Some(1), "the sections to come");
    quiet(|| drop(leaves));
    assert_eq!(age(), Some(1), "it waits for the second now");
    assert_eq!(runs(|| drop(stays)).0, 1);
}
