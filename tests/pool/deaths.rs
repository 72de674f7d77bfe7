//! Tasks that die in the middle of an allocation.

use std::{
    cell::Cell,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use hyaline::{Barrier, Basic, Collector, Config, Fences, Pool, reclaim};

use super::KEEPS;

thread_local!(static DIES: Cell<bool> = const { Cell::new(false) });
static DEAD: AtomicBool = AtomicBool::new(false);

/// A heavy barrier in which a task can die.
#[derive(Clone, Copy)]
struct Deadly;

// SAFETY: those of `Fences`; what comes after one that does not return is not
// executed.
unsafe impl Barrier for Deadly {
    fn light() {
        Fences::light();
    }
    fn heavy() {
        Fences::heavy();
        while DIES.get() {
            DEAD.store(true, Ordering::SeqCst);
            thread::park();
        }
    }
}

/// A task dies while it takes what another handle keeps. Its eviction gives that
/// back.
#[test]
#[cfg_attr(miri, ignore = "leaves a thread behind")]
fn a_thief_that_dies_loses_no_block() {
    const K: usize = 64;
    static POOL: Pool<u32, K> = Pool::new();
    static C: Collector<3, Basic<Deadly>> = Collector::with_config(Config::new().barrier(Deadly));
    let kept = if KEEPS { 2 } else { 0 };
    let sleeper = C.register().unwrap();
    for block in [(); 2].map(|()| POOL.alloc(&sleeper, 1).unwrap()) {
        // SAFETY: never shared, and the pool is a static.
        unsafe { sleeper.retire(block, reclaim::pooled::<u32>) };
    }
    let used: Vec<_> = (0..K - kept)
        .map(|_| {
            let deferred = C.register_deferred().unwrap();
            POOL.alloc(&deferred, 1).unwrap()
        })
        .collect();
    assert_eq!(POOL.available(), 0);
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let thief = C.register().unwrap();
        send.send(thief.id()).unwrap();
        DIES.set(true);
        let _ = POOL.alloc(&thief, 1);
    });
    let id = receive.recv().unwrap();
    while !DEAD.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    // SAFETY: the thread does nothing any more.
    unsafe { C.evict(id) }.unwrap();
    let task = C.register().unwrap();
    for _ in 0..kept {
        let block = POOL.alloc(&task, 1).expect("the dead task's claim is over");
        // SAFETY: never shared.
        unsafe { POOL.free(block) };
    }
    for block in used {
        // SAFETY: never shared.
        unsafe { POOL.free(block) };
    }
    drop((task, sleeper));
    assert_eq!(POOL.available(), K);
}
