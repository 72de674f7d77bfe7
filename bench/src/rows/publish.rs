//! Rows about the cost of a publish when there are many slots.

use std::hint::black_box;

use hyaline::{Basic, Collector, Config, Handle, Pool, Robust, reclaim};

use crate::runner::{Contestant, Run, timed};

/// Retires an object, which fills a batch, so that it is published: with `N`
/// slots, some of them claimed, and no open section except the retirer's own.
fn publish<S, const N: usize, const CLAIMED: usize>() -> Run
where
    S: hyaline::Scheme<Barrier = hyaline::Fences>,
{
    let collector: &Collector<N, S> =
        Box::leak(Box::new(Collector::with_config(Config::new().batch::<1>())));
    let pool: &Pool<u64, 1024> = Box::leak(Box::default());
    let mut handles: Vec<Handle<'_, S>> = (0..CLAIMED)
        .map(|_| collector.register().expect("there are N slots"))
        .collect();
    let handle = handles.pop().expect("one is claimed");
    Box::new(move |n| {
        let _claimed = &handles;
        timed(|| {
            for value in 0..n {
                let guard = handle.enter();
                let object = pool.alloc(&handle, value).expect("there is room");
                // SAFETY: never shared; the pool is never dropped.
                unsafe { guard.defer_retire(black_box(object), reclaim::pooled::<u64>) };
            }
        })
    })
}

/// Numbers of slots, with a name for each.
pub fn contestants() -> Vec<Contestant> {
    macro_rules! all {
        ($($name:literal $s:ty, $n:literal, $claimed:literal;)*) => { vec![$(Contestant {
            name: $name,
            make: publish::<$s, $n, $claimed>,
        },)*] };
    }
    all! {
        "hyaline, N = 1" Basic, 1, 1;
        "hyaline, N = 8" Basic, 8, 8;
        "hyaline, N = 64" Basic, 64, 64;
        "hyaline, N = 512" Basic, 512, 512;
        "hyaline, 64 of N = 1024" Basic, 1024, 64;
        "hyaline robust, N = 1" Robust, 1, 1;
        "hyaline robust, N = 8" Robust, 8, 8;
        "hyaline robust, N = 64" Robust, 64, 64;
        "hyaline robust, N = 512" Robust, 512, 512;
        "hyaline robust, 64 of N = 1024" Robust, 1024, 64;
    }
}
