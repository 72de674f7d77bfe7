//! Each structure works under each scheme, alone and with two threads.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use hyaline::{Basic, Robust};

use super::{Structure, list::List, map::Map, queue::Queue, stack::Stack};
use crate::{
    random::Random,
    scheme::Scheme,
    schemes::{
        crossbeam::Crossbeam, haphazard::Haphazard, hyaline::Hyaline, kovan::Kovan, lock::Lock,
        sdd::Sdd, seize::Seize,
    },
};

/// What was inserted and not removed is still present.
fn balance<S: Scheme, D: Structure<S>>() {
    let run = || {
        let domain = S::domain::<D::Node>();
        let structure = {
            let local = S::local(&domain, 3);
            D::new(&local)
        };
        let inside = AtomicI64::new(0);
        std::thread::scope(|scope| {
            for seed in 0..2 {
                let (domain, structure, inside) = (&domain, &structure, &inside);
                scope.spawn(move || {
                    let local = S::local(domain, 3);
                    let mut random = Random::new(seed);
                    for _ in 0..20_000 {
                        let word = random.next();
                        let key = (word >> 8) % D::KEYS.min(64);
                        let change = match word % 4 {
                            0 | 1 => i64::from(structure.insert(&local, key)),
                            2 => -i64::from(structure.remove(&local, key)),
                            _ => {
                                structure.contains(&local, key);
                                -i64::from(structure.remove(&local, key))
                            }
                        };
                        inside.fetch_add(change, Relaxed);
                    }
                });
            }
        });
        let local = S::local(&domain, 3);
        let mut left = 0;
        for key in 0..D::KEYS.min(64) {
            assert!(
                D::KEYS >= 1 << 20
                    || structure.contains(&local, key) == {
                        let there = structure.remove(&local, key);
                        left += i64::from(there);
                        there
                    }
            );
        }
        while D::KEYS >= 1 << 20 && structure.remove(&local, 0) {
            left += 1;
        }
        assert_eq!(left, inside.load(Relaxed), "{}", S::NAME);
        // The structures have no destructor: global state remains.
        drop(local);
    };
    let big = std::thread::Builder::new().stack_size(64 << 20);
    big.spawn_scoped_or_run(run);
}

/// Runs on a thread whose stack has room for a pool.
trait Roomy {
    fn spawn_scoped_or_run(self, run: impl FnOnce() + Send);
}

impl Roomy for std::thread::Builder {
    fn spawn_scoped_or_run(self, run: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            let thread = self.spawn_scoped(scope, run).expect("a thread");
            thread.join().expect("no panic");
        });
    }
}

macro_rules! for_all {
    ($($name:ident: $scheme:ty,)*) => { $(
        #[test]
        fn $name() {
            balance::<$scheme, Stack<$scheme>>();
            balance::<$scheme, Queue<$scheme>>();
            balance::<$scheme, List<$scheme>>();
            balance::<$scheme, Map<$scheme>>();
        }
    )* };
}

for_all! {
    hyaline_basic: Hyaline<Basic, true>,
    hyaline_robust: Hyaline<Robust, true>,
    hyaline_basic_boxed: Hyaline<Basic, false>,
    hyaline_robust_boxed: Hyaline<Robust, false>,
    sdd: Sdd,
    kovan: Kovan<false>,
    kovan_recycle: Kovan<true>,
    crossbeam: Crossbeam<true>,
    crossbeam_global: Crossbeam<false>,
    seize: Seize,
    haphazard: Haphazard<true>,
    haphazard_new: Haphazard<false>,
    lock: Lock,
}
