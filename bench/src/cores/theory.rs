//! Programs whose transfers are known: what the machine is checked with. They
//! use the same instructions as the contestants.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::*},
};

use super::{
    job::{Entry, Job, READER, WRITER},
    machine::{next, pause},
};
use crate::structures::Wide;

/// Two threads hand a word to each other.
fn ping_pong(threads: usize) -> Option<Job> {
    let ball = (threads == 2).then(|| Arc::new(Wide(AtomicU64::new(0))))?;
    let work = move |index| {
        for round in 0.. {
            while ball.0.load(Acquire) != 2 * round + index as u64 {}
            next();
            ball.0.store(2 * round + index as u64 + 1, Release);
        }
    };
    Some(Job {
        classes: vec![WRITER; 2],
        work: Box::new(work),
    })
}

/// All add to a word.
fn counter(threads: usize) -> Option<Job> {
    let word = Arc::new(Wide(AtomicU64::new(0)));
    let work = move |_| {
        loop {
            next();
            word.0.fetch_add(1, Relaxed);
        }
    };
    Some(Job {
        classes: vec![WRITER; threads],
        work: Box::new(work),
    })
}

/// All count in a word under a lock, each in its turn: a ticket and the number
/// that is served, in lines of their own.
fn ticket_lock(threads: usize) -> Option<Job> {
    let lock = Arc::new([0, 0, 0].map(|zero| Wide(AtomicU64::new(zero))));
    let work = move |_| {
        let [next_ticket, served, word] = &*lock;
        loop {
            next();
            let ticket = next_ticket.0.fetch_add(1, Relaxed);
            while served.0.load(Acquire) != ticket {
                std::hint::spin_loop();
            }
            word.0.store(word.0.load(Relaxed) + 1, Relaxed);
            served.0.store(ticket + 1, Release);
        }
    };
    Some(Job {
        classes: vec![WRITER; threads],
        work: Box::new(work),
    })
}

/// The same under a lock that is tested before it is taken. Each thread then
/// waits so long that the lock is free when it comes again.
fn free_lock(threads: usize) -> Option<Job> {
    let lock = Arc::new((Wide(AtomicBool::new(false)), Wide(AtomicU64::new(0))));
    let work = move |index| {
        let (lock, word) = &*lock;
        // One after the other.
        pause(index as u64 * 1000);
        loop {
            next();
            while lock.0.load(Relaxed) || lock.0.swap(true, Acquire) {
                std::hint::spin_loop();
            }
            word.0.store(word.0.load(Relaxed) + 1, Relaxed);
            lock.0.store(false, Release);
            pause(threads as u64 * 1000);
        }
    };
    Some(Job {
        classes: vec![WRITER; threads],
        work: Box::new(work),
    })
}

/// One thread stores to a word now and then; the others read it.
fn quiet_writer(threads: usize) -> Option<Job> {
    let word = (threads > 1).then(|| Arc::new(Wide(AtomicU64::new(0))))?;
    let mut classes = vec![READER; threads];
    classes[0] = WRITER;
    let work = move |index| {
        for value in 0.. {
            next();
            if index == 0 {
                word.0.store(value, Release);
                pause(10_000);
            } else {
                word.0.load(Acquire);
            }
        }
    };
    Some(Job {
        classes,
        work: Box::new(work),
    })
}

/// A lock that nobody gives back: the run must end, and say so.
fn deadlock(threads: usize) -> Option<Job> {
    let lock = Arc::new(Wide(AtomicBool::new(true)));
    let work = move |_| {
        next();
        while lock.0.swap(true, Acquire) {
            std::thread::yield_now();
        }
    };
    Some(Job {
        classes: vec![WRITER; threads],
        work: Box::new(work),
    })
}

pub fn all() -> Vec<Entry> {
    let entry = |name, make| Entry {
        row: "theory",
        name,
        make,
    };
    vec![
        entry("ping-pong", ping_pong),
        entry("counter", counter),
        entry("ticket lock", ticket_lock),
        entry("free lock", free_lock),
        entry("quiet writer", quiet_writer),
        entry("deadlock", deadlock),
    ]
}
