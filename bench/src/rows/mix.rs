//! Rows over structures: so many reads in a hundred, the rest half inserts
//! and half removals.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    random::Random,
    runner::{Run, timed, together},
    scheme::Scheme,
    structures::Structure,
};

/// What a thread has.
struct Worker<S: Scheme, D: Structure<S>> {
    local: S::Local<'static, D::Node>,
    state: RefCell<State>,
}

struct State {
    random: Random,
    /// Inserts and removals take turns, so that the size stays what it is.
    insert: bool,
}

impl<S: Scheme, D: Structure<S>> Worker<S, D> {
    fn new(domain: &'static S::Domain<D::Node>, seed: u64) -> Self {
        Self {
            local: S::local(domain, 3),
            state: RefCell::new(State {
                random: Random::new(seed),
                insert: true,
            }),
        }
    }

    #[inline(never)]
    fn work<const READS: u64>(&self, structure: &D, n: u64) {
        let state = &mut *self.state.borrow_mut();
        for _ in 0..n {
            let word = state.random.next();
            let key = (word >> 8) % D::KEYS;
            if word % 100 < READS {
                structure.contains(&self.local, key);
            } else if state.insert {
                structure.insert(&self.local, key);
                state.insert = false;
            } else {
                structure.remove(&self.local, key);
                state.insert = true;
            }
        }
    }
}

/// The mix, on one or two threads.
pub fn mix<S: Scheme, D: Structure<S>, const THREADS: usize, const READS: u64>() -> Run {
    let domain: &'static S::Domain<D::Node> = Box::leak(S::domain());
    let structure: &'static D = {
        let local = S::local(domain, 3);
        let structure = D::new(&local);
        let mut random = Random::new(1);
        let mut left = D::PREFILL;
        while left > 0 {
            left -= u64::from(structure.insert(&local, random.next() % D::KEYS));
        }
        Box::leak(Box::new(structure))
    };
    let seed = AtomicU64::new(2);
    let worker = move || Worker::<S, D>::new(domain, seed.fetch_add(1, Relaxed));
    if THREADS == 1 {
        let worker = worker();
        return Box::new(move |n| timed(|| worker.work::<READS>(structure, n)));
    }
    Box::new(move |n| {
        together(n, &worker, |_, worker, n| {
            worker.work::<READS>(structure, n)
        })
    })
}
