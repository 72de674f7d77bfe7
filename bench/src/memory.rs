//! How many objects are retired and not reclaimed, with a reader that stalls
//! and with one that makes progress.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use hyaline::{Basic, Robust};

use crate::{
    random::Random,
    scheme::Scheme,
    schemes::{
        boxed_schemes,
        counting::{Counting, pending, restart},
        crossbeam::Crossbeam,
        haphazard::Haphazard,
        hyaline::Hyaline,
        kovan::Kovan,
        sdd::Sdd,
        seize::Seize,
    },
    structures::{
        Structure, list::List, map::Map, place::Place, queue::Queue, stack::Stack, trie::Trie,
    },
};

/// The work: the rows in which objects are retired.
pub const WORKS: [&str; 6] = ["swap", "stack", "queue", "list", "map", "fib"];

/// Unreclaimed objects over the course of a run.
#[derive(Clone, Debug)]
pub struct Course {
    pub name: String,
    /// The number of changes, and of unreclaimed objects after them.
    pub points: Vec<(u64, i64)>,
    pub peak: i64,
}

/// A contestant.
pub struct Contestant {
    pub name: &'static str,
    /// Makes this many changes to one of `WORKS`, beside a reader that is
    /// stalled or not.
    pub run: fn(&str, u64, bool) -> Course,
}

/// The contestants that retire objects. These are counted per process, so each
/// runs in its own process. Objects are in `Box`: a pool would limit what is
/// measured here.
pub fn contestants() -> Vec<Contestant> {
    macro_rules! all {
        ($($s:ty,)*) => { vec![$(Contestant { name: <$s>::NAME, run: run::<Counting<$s>> },)*] };
    }
    boxed_schemes!(all!())
}

fn run<S: Scheme>(work: &str, changes: u64, stalled: bool) -> Course {
    match work {
        "swap" => course::<S, Place<S>>(changes, stalled),
        "stack" => course::<S, Stack<S>>(changes, stalled),
        "queue" => course::<S, Queue<S>>(changes, stalled),
        "list" => course::<S, List<S>>(changes, stalled),
        "map" => course::<S, Map<S>>(changes, stalled),
        "fib" => course::<S, Trie<S>>(changes, stalled),
        _ => panic!("no such work: {work}"),
    }
}

/// The number of points of a course.
const POINTS: u64 = 200;
/// Objects that a structure protects at a time.
const POINTERS: usize = 3;

/// One thread inserts and removes in turn, another one reads.
fn course<S: Scheme, D: Structure<S>>(changes: u64, stalled: bool) -> Course {
    let domain = S::domain::<D::Node>();
    let mut random = Random::new(1);
    let structure = {
        let local = S::local(&domain, POINTERS);
        let structure = D::new(&local);
        let mut left = D::PREFILL;
        while left > 0 {
            left -= u64::from(structure.insert(&local, random.next() % D::KEYS));
        }
        S::flush(&local);
        structure
    };
    let (ready, done) = (Barrier::new(2), AtomicBool::new(false));
    // What the filling needed does not count.
    restart();
    let mut points = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let local = S::local(&domain, POINTERS);
            {
                let _guard = structure.hold(&local);
                ready.wait();
                while stalled && !done.load(Relaxed) {
                    thread::park_timeout(Duration::from_millis(1));
                }
            }
            let mut random = Random::new(2);
            while !done.load(Relaxed) {
                structure.contains(&local, random.next() % D::KEYS);
            }
        });
        let local = S::local(&domain, POINTERS);
        ready.wait();
        for count in 1..=changes {
            let key = (random.next() >> 8) % D::KEYS;
            if count % 2 == 0 {
                structure.insert(&local, key);
            } else {
                structure.remove(&local, key);
            }
            if count % (changes / POINTS).max(1) == 0 {
                points.push((count, pending().0));
            }
        }
        done.store(true, Relaxed);
    });
    Course {
        name: S::NAME.to_owned(),
        points,
        peak: pending().1,
    }
}
