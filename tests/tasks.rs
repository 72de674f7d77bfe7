//! Async tasks that hold a section across an `await`, on a runtime that moves
//! them between threads.

#![cfg(not(any(hyaline_loom, miri)))] // Miri has no epoll

use std::{
    ptr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use hyaline::{
    AtomicPtr, Basic, Collector, Config, Linked, OwnedGuard, Pool, Robust, Scheme, reclaim,
};

/// A value that its reclaim wipes.
struct Canary(u32);

impl Drop for Canary {
    fn drop(&mut self) {
        self.0 = 0xdead;
    }
}

struct Stage<S: Scheme> {
    collector: Collector<10, S>,
    pool: Pool<Canary, 512>,
    shared: AtomicPtr<Linked<Canary>>,
    moved: AtomicUsize,
    over: AtomicBool,
}

/// A pointer that a section protects moves with the section.
struct Seen(*mut Linked<Canary>);
// SAFETY: it is read in the section, which moves with it.
unsafe impl Send for Seen {}

async fn read<S: Scheme>(stage: &'static Stage<S>) {
    let mut section: OwnedGuard<'_, S> = stage.collector.register().unwrap().enter_owned();
    while !stage.over.load(Ordering::Relaxed) {
        let seen = Seen(section.protect(&stage.shared, Ordering::Acquire));
        let before = thread::current().id();
        tokio::task::yield_now().await;
        if thread::current().id() != before {
            stage.moved.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: never null, and protected by the section.
        let canary: &Canary = unsafe { &*seen.0 };
        assert_eq!(canary.0, 7, "reclaimed in a section");
        section.refresh();
    }
}

fn run<S: Scheme>(config: Config<S::Barrier>) {
    let stage: &'static Stage<S> = Box::leak(Box::new(Stage {
        collector: Collector::with_config(config),
        pool: Pool::new(),
        shared: AtomicPtr::new(ptr::null_mut()),
        moved: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    }));
    let writer = stage.collector.register().unwrap();
    let new = || stage.pool.alloc(&writer, Canary(7)).ok();
    stage.shared.store(new().unwrap(), Ordering::Release);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..6).map(|_| runtime.spawn(read(stage))).collect();
    let mut replaced = 0;
    while replaced < 20_000 || stage.moved.load(Ordering::Relaxed) < 100 {
        let Some(object) = new() else {
            thread::yield_now();
            continue;
        };
        let old = stage.shared.swap(object, Ordering::AcqRel);
        // SAFETY: unlinked by the swap, and from a pool that stays.
        unsafe { writer.retire(old, reclaim::pooled::<Canary>) };
        replaced += 1;
    }
    stage.over.store(true, Ordering::Relaxed);
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    let last = stage.shared.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: unlinked by the swap, and from a pool that stays.
    unsafe { writer.retire(last, reclaim::pooled::<Canary>) };
    writer.flush();
    assert_eq!(stage.collector.stats().pending(), 0);
}

#[test]
fn a_section_is_held_across_an_await_basic() {
    run::<Basic>(Config::new());
}

#[test]
fn a_section_is_held_across_an_await_robust() {
    run::<Robust>(Config::new().era_step::<1>());
}
