//! Async tasks that keep what they read across an `await`, without `unsafe`, on
//! a runtime that moves them between threads.

#![cfg(not(any(hyaline_loom, miri)))] // Miri has no epoll
#![forbid(unsafe_code)]

use std::{
    future::pending,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
};

use hyaline::{
    Collector, Config, Robust, domain,
    safe::{Domain, Map, RcuCell},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
};

/// A value that its drop wipes.
struct Canary(u32);

impl Drop for Canary {
    fn drop(&mut self) {
        self.0 = 0xdead;
    }
}

struct Stage<D: Domain> {
    cell: RcuCell<Canary, 512, D>,
    map: Map<u32, Canary, 2, 64, D>,
    moved: AtomicUsize,
    over: AtomicBool,
}

impl<D: Domain> Stage<D> {
    const fn new() -> Self {
        Self {
            cell: RcuCell::new(Canary(7)),
            map: Map::new(),
            moved: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }
}

async fn read<D: Domain>(stage: &'static Stage<D>) {
    let mut section = D::register().unwrap().enter_owned();
    while !stage.over.load(Relaxed) {
        let (cell, map) = (stage.cell.read(&section), stage.map.get(&section, &1));
        let before = thread::current().id();
        yield_now().await;
        if thread::current().id() != before {
            stage.moved.fetch_add(1, Relaxed);
        }
        assert_eq!(cell.0, 7, "dropped in a section");
        assert!(map.is_none_or(|value| value.0 == 7), "dropped in a section");
        // As `refresh`, and returns the handle in between.
        if stage.moved.load(Relaxed) % 2 == 0 {
            section = section.leave().enter_owned();
        } else {
            section.refresh();
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(3)
        .build()
        .unwrap()
}

fn run<D: Domain>(stage: &'static Stage<D>) {
    let writer = D::register().unwrap();
    let runtime = runtime();
    let tasks: Vec<_> = (0..6).map(|_| runtime.spawn(read(stage))).collect();
    let mut replaced = 0;
    while replaced < 20_000 || stage.moved.load(Relaxed) < 100 {
        let map = stage.map.upsert(&writer, 1, Canary(7)).is_ok();
        if stage.cell.replace(&writer, Canary(7)).is_ok() || map {
            replaced += 1;
        } else {
            thread::yield_now();
        }
    }
    stage.over.store(true, Relaxed);
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    writer.flush();
    drop(writer); // with the blocks that it keeps
    assert_eq!(stage.cell.available(), 511);
    // A handle for each slot: all slots were released.
    let all: Vec<_> = (0..10).map(|_| D::register()).collect();
    assert!(all.iter().all(Result::is_ok), "a task kept its slot");
}

#[test]
fn what_is_read_is_kept_across_an_await() {
    domain!(D: Collector<10> = Collector::new());
    static STAGE: Stage<D> = Stage::new();
    run(&STAGE);
}

#[test]
fn what_is_read_is_kept_across_an_await_in_robust_mode() {
    domain!(D: Collector<10, Robust> = Collector::with_config(Config::new().era_step::<1>()));
    static STAGE: Stage<D> = Stage::new();
    run(&STAGE);
}

#[test]
fn a_cancelled_task_gives_its_slot_back() {
    domain!(D: Collector<2> = Collector::new());
    static CELL: RcuCell<Canary, 4, D> = RcuCell::new(Canary(7));
    let runtime = runtime();
    for _ in 0..100 {
        let task = runtime.spawn(async {
            let section = D::register().unwrap().enter_owned();
            let seen = CELL.read(&section);
            pending::<()>().await;
            assert_eq!(seen.0, 7);
        });
        let _ = runtime.block_on(async {
            yield_now().await;
            task.abort();
            task.await
        });
    }
    let both = (D::register(), D::register());
    assert!(both.0.is_ok() && both.1.is_ok(), "a task kept its slot");
}
