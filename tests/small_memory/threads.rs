//! The same structures between threads, for two seconds each, or for
//! `HYALINE_SMALL_MEMORY_SECONDS`.

use std::{
    sync::{
        Barrier, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hyaline::{
    Collector, Robust, Role, domain,
    safe::{Domain, Handle, Queue, RcuCell, Stack},
};

domain!(BasicThreads: Collector<8> = Collector::new());
domain!(RobustThreads: Collector<8, Robust> = Collector::with_config(hyaline::Config::new()));

/// Threads that write the same cell, pass events through a queue of four and
/// one buffer through a stack. A refusal must resolve when the others are idle.
fn threads<D: Domain>(small: &'static Small<D>) {
    const WAITS: Duration = Duration::from_secs(5);
    let seconds = std::env::var("HYALINE_SMALL_MEMORY_SECONDS");
    let seconds = seconds.map_or(2, |seconds| seconds.parse().expect("a number of seconds"));
    let seconds = if cfg!(miri) { 0 } else { seconds };
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let (meet, over) = (Barrier::new(3), AtomicBool::new(false));
    // A thread that panics would leave the others at the barrier.
    let wrong = Mutex::new(None);
    let round = |turn: usize, calls: &dyn Fn() -> bool, pops: &dyn Fn()| {
        let mut refused = 0_u64;
        loop {
            for _ in 0..if cfg!(miri) { 5 } else { 300 } {
                let start = Instant::now();
                while !calls() {
                    refused += 1;
                    pops();
                    thread::yield_now();
                    if start.elapsed() > WAITS {
                        wrong
                            .lock()
                            .unwrap()
                            .replace(format!("refused for {WAITS:?}"));
                        break;
                    }
                }
                pops();
            }
            // The others are idle, one after the other.
            for at in 0..3 {
                meet.wait();
                if at == turn {
                    pops();
                    for n in 0..6 {
                        if !calls() {
                            let refused = format!("refused at call {n}, while the others are idle");
                            wrong.lock().unwrap().replace(refused);
                        }
                        pops();
                    }
                }
            }
            if turn == 0 {
                let done = Instant::now() > deadline || wrong.lock().unwrap().is_some();
                over.store(done, Ordering::Relaxed);
            }
            meet.wait();
            if over.load(Ordering::Relaxed) {
                return refused;
            }
            meet.wait();
        }
    };
    let eager = || {
        let handle = D::register().unwrap();
        let calls = || small.write(&handle);
        round(0, &calls, &|| small.pop(&handle))
    };
    let deferred = || {
        let handle = D::register_deferred().unwrap();
        let calls = || small.write(&handle);
        round(1, &calls, &|| small.pop(&handle))
    };
    let per_cpu = || {
        let cpu = D::register_per_cpu().unwrap();
        // SAFETY: one thread, without interrupts.
        let handle = unsafe { cpu.get() };
        let calls = || small.write(handle);
        round(2, &calls, &|| small.pop(handle))
    };
    let refused = thread::scope(|scope| {
        let all = [
            scope.spawn(eager),
            scope.spawn(deferred),
            scope.spawn(per_cpu),
        ];
        all.map(|thread| thread.join().unwrap())
    });
    println!("refused while others were inside: {refused:?}");
    assert_eq!(wrong.into_inner().unwrap(), None);
}

struct Small<D: Domain> {
    cell: RcuCell<u64, 2, D>,
    queue: Queue<u64, 4, D>,
    stack: Stack<u64, 1, D>,
}

impl<D: Domain> Small<D> {
    const fn new() -> Self {
        Self {
            cell: RcuCell::new(0),
            queue: Queue::new(),
            stack: Stack::new(),
        }
    }

    /// One call of each kind; returns whether all had room.
    fn write<R: Role>(&'static self, handle: &Handle<D, R>) -> bool {
        self.cell.replace(handle, 1).is_ok()
            && self.queue.push(handle, 1).is_ok()
            && self.stack.push(handle, 1).is_ok()
    }

    fn pop<R: Role>(&'static self, handle: &Handle<D, R>) {
        while self.queue.pop(handle).is_some() {}
        while self.stack.pop(handle).is_some() {}
    }
}

#[test]
fn threads_basic() {
    static SMALL: Small<BasicThreads> = Small::new();
    threads(&SMALL);
}

#[test]
fn threads_robust() {
    static SMALL: Small<RobustThreads> = Small::new();
    threads(&SMALL);
}
