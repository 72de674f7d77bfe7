//! How many objects are retired and not reclaimed, with a reader that stalls
//! and with one that goes on.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
    thread,
};

use hyaline::{Basic, Robust};

use crate::{
    scheme::Scheme,
    schemes::{
        crossbeam::Crossbeam, haphazard::Haphazard, hyaline::Hyaline, kovan::Kovan, sdd::Sdd,
        seize::Seize,
    },
};

/// Objects that were made and not dropped.
static ALIVE: AtomicI64 = AtomicI64::new(0);

/// An object that is counted.
struct Counted(#[allow(dead_code)] u64);

impl Counted {
    fn new(value: u64) -> Self {
        ALIVE.fetch_add(1, Relaxed);
        Self(value)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Relaxed);
    }
}

/// Unreclaimed objects over the course of a run.
#[derive(Clone, Debug)]
pub struct Course {
    pub name: String,
    /// After so many replacements, so many are unreclaimed.
    pub points: Vec<(u64, i64)>,
    pub peak: i64,
}

/// A contestant.
pub struct Contestant {
    pub name: &'static str,
    /// Replaces an object so many times, beside a reader that is stalled or
    /// not.
    pub run: fn(u64, bool) -> Course,
}

/// Those who retire objects. They are counted by the process, so each runs in
/// a process of its own.
pub fn contestants() -> Vec<Contestant> {
    macro_rules! all {
        ($($s:ty,)*) => { vec![$(Contestant { name: <$s>::NAME, run: course::<$s> },)*] };
    }
    all![
        Hyaline<Basic, false>,
        Hyaline<Robust, false>,
        Sdd,
        Kovan<true>,
        Kovan<false>,
        Crossbeam<true>,
        Crossbeam<false>,
        Seize,
        Haphazard<true>,
    ]
}

/// How many points a course has.
const POINTS: u64 = 200;

fn course<S: Scheme>(replacements: u64, stalled: bool) -> Course {
    let domain = S::domain::<Counted>();
    let cell = {
        let local = S::local(&domain, 1);
        let guard = S::enter_write(&local);
        S::cell(S::alloc(&guard, Counted::new(0)).expect("there is room"))
    };
    let (ready, done) = (Barrier::new(2), AtomicBool::new(false));
    let mut course = Course {
        name: S::NAME.to_owned(),
        points: Vec::new(),
        peak: 0,
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let local = S::local(&domain, 1);
            {
                let guard = S::enter(&local);
                S::protect(&guard, 0, &cell);
                ready.wait();
                while stalled && !done.load(Relaxed) {
                    thread::park_timeout(std::time::Duration::from_millis(1));
                }
            }
            while !done.load(Relaxed) {
                let guard = S::enter(&local);
                S::protect(&guard, 0, &cell);
            }
        });
        let local = S::local(&domain, 1);
        ready.wait();
        for count in 1..=replacements {
            {
                let guard = S::enter_write(&local);
                let new = S::alloc(&guard, Counted::new(count)).expect("there is room");
                let old = S::swap(&guard, &cell, new);
                // SAFETY: the swap unlinked it.
                unsafe { S::retire(&guard, old) };
            }
            // One is linked.
            let waiting = ALIVE.load(Relaxed) - 1;
            course.peak = course.peak.max(waiting);
            if count % (replacements / POINTS).max(1) == 0 {
                course.points.push((count, waiting));
            }
        }
        done.store(true, Relaxed);
    });
    course
}
