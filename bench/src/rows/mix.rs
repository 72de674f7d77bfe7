//! Rows over structures: a percentage of reads, the rest half inserts and half
//! removals.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    random::Random,
    runner::{Run, beside, timed, together},
    scheme::Scheme,
    structures::Structure,
};

/// A structure with its collector, from any crate.
pub trait Mixed: Sync + Sized + 'static {
    /// Keys are below.
    const KEYS: u64;
    /// The number of elements when the time starts.
    const PREFILL: u64;
    /// A thread's handle.
    type Local;

    fn new() -> Self;
    fn local(&'static self) -> Self::Local;
    fn insert(&'static self, local: &Self::Local, key: u64) -> bool;
    fn remove(&'static self, local: &Self::Local, key: u64) -> bool;
    fn contains(&'static self, local: &Self::Local, key: u64) -> bool;
}

/// A structure of this crate under a scheme.
pub struct Under<S: Scheme, D: Structure<S>> {
    domain: Box<S::Domain<D::Node>>,
    structure: D,
}

/// Objects that a structure protects at a time.
const POINTERS: usize = 3;

impl<S: Scheme, D: Structure<S>> Mixed for Under<S, D> {
    const KEYS: u64 = D::KEYS;
    const PREFILL: u64 = D::PREFILL;
    type Local = S::Local<'static, D::Node>;

    fn new() -> Self {
        let domain = S::domain();
        let structure = D::new(&S::local(&domain, POINTERS));
        Self { domain, structure }
    }

    fn local(&'static self) -> Self::Local {
        S::local(&self.domain, POINTERS)
    }

    #[inline(always)]
    fn insert(&'static self, local: &Self::Local, key: u64) -> bool {
        self.structure.insert(local, key)
    }

    #[inline(always)]
    fn remove(&'static self, local: &Self::Local, key: u64) -> bool {
        self.structure.remove(local, key)
    }

    #[inline(always)]
    fn contains(&'static self, local: &Self::Local, key: u64) -> bool {
        self.structure.contains(local, key)
    }
}

/// A structure in which each key is there.
pub struct Whole<M>(M);

impl<M: Mixed> Mixed for Whole<M> {
    const KEYS: u64 = M::PREFILL;
    const PREFILL: u64 = M::PREFILL;
    type Local = M::Local;

    fn new() -> Self {
        Self(M::new())
    }

    fn local(&'static self) -> M::Local {
        self.0.local()
    }

    #[inline(always)]
    fn insert(&'static self, local: &M::Local, key: u64) -> bool {
        self.0.insert(local, key)
    }

    #[inline(always)]
    fn remove(&'static self, local: &M::Local, key: u64) -> bool {
        self.0.remove(local, key)
    }

    #[inline(always)]
    fn contains(&'static self, local: &M::Local, key: u64) -> bool {
        self.0.contains(local, key)
    }
}

/// A thread's handle and state.
pub struct Worker<M: Mixed> {
    local: M::Local,
    state: RefCell<State>,
}

struct State {
    random: Random,
    /// Inserts and removals alternate, so that the size does not change.
    insert: bool,
}

impl<M: Mixed> Worker<M> {
    fn new(mixed: &'static M, seed: u64) -> Self {
        Self {
            local: mixed.local(),
            state: RefCell::new(State {
                random: Random::new(seed),
                insert: true,
            }),
        }
    }

    /// `n` operations.
    #[inline(never)]
    pub fn work<const READS: u64>(&self, mixed: &'static M, n: u64) {
        let state = &mut *self.state.borrow_mut();
        for _ in 0..n {
            let word = state.random.next();
            let key = (word >> 8) % M::KEYS;
            if word % 100 < READS {
                mixed.contains(&self.local, key);
            } else if state.insert {
                mixed.insert(&self.local, key);
                state.insert = false;
            } else {
                mixed.remove(&self.local, key);
                state.insert = true;
            }
        }
    }
}

/// A structure that is filled and lives until the process ends, and the
/// constructor of its workers.
pub fn start<M: Mixed>() -> (&'static M, impl Fn() -> Worker<M> + Sync) {
    let mixed: &'static M = Box::leak(Box::new(M::new()));
    let local = mixed.local();
    let mut random = Random::new(1);
    let mut left = M::PREFILL;
    while left > 0 {
        left -= u64::from(mixed.insert(&local, random.next() % M::KEYS));
    }
    let seed = AtomicU64::new(2);
    (mixed, move || {
        Worker::new(mixed, seed.fetch_add(1, Relaxed))
    })
}

/// The mix, on one or two threads.
pub fn mix<M: Mixed, const THREADS: usize, const READS: u64>() -> Run {
    let (mixed, worker) = start::<M>();
    if THREADS == 1 {
        let worker = worker();
        return Box::new(move |n| timed(|| worker.work::<READS>(mixed, n)));
    }
    Box::new(move |n| together(n, &worker, |_, worker, n| worker.work::<READS>(mixed, n)))
}

/// One mix, timed, beside a thread that works on another structure.
pub fn besides<M: Mixed, const READS: u64, const OTHERS: u64>() -> Run {
    let (mixed, worker) = start::<M>();
    Box::new(move |n| {
        beside(
            n,
            &worker,
            |worker, n| worker.work::<READS>(mixed, n),
            |worker, n| worker.work::<OTHERS>(mixed, n),
        )
    })
}
