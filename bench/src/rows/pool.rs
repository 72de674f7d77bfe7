//! Rows about a nearly full pool.

use std::hint::black_box;

use hyaline::{Basic, Collector, Linked, Pool};

use crate::{
    random::Random,
    runner::{Contestant, Run, timed},
};

/// Frees any block of a pool in which `FREE` are free, and takes one.
fn churn<const K: usize, const FREE: usize>() -> Run {
    let collector: &Collector<1, Basic> = Box::leak(Box::default());
    let pool: &Pool<u64, K> = Box::leak(Box::default());
    let handle = collector.register().expect("a slot");
    let mut all: Vec<*mut Linked<u64>> = (0..K)
        .map(|_| pool.alloc(&handle, 7).expect("a block"))
        .collect();
    let mut random = Random::new(7);
    for _ in 0..FREE - 1 {
        let object = all.swap_remove((random.next() % all.len() as u64) as usize);
        // SAFETY: never shared.
        unsafe { pool.free(object) };
    }
    Box::new(move |n| {
        timed(|| {
            for value in 0..n {
                let at = (random.next() % all.len() as u64) as usize;
                // SAFETY: never shared.
                unsafe { pool.free(all[at]) };
                all[at] = pool.alloc(&handle, value).expect("a block");
            }
        })
    })
}

/// Frees the last block of a pool that is otherwise full, and takes it, with a
/// handle whose search starts at the first block.
fn farthest<const K: usize>() -> Run {
    let collector: &Collector<1, Basic> = Box::leak(Box::default());
    let pool: &Pool<u64, K> = Box::leak(Box::default());
    let cpu = Box::leak(Box::new(collector.register_per_cpu().expect("a slot")));
    // SAFETY: one thread, and nothing preempts it.
    let handle = unsafe { cpu.get() };
    let mut last = None;
    for _ in 0..K {
        last = Some(pool.alloc(handle, 7).expect("a block"));
    }
    let last = last.expect("K is not 0");
    Box::new(move |n| {
        timed(|| {
            for value in 0..n {
                // SAFETY: never shared; the same block each time.
                unsafe { pool.free(last) };
                black_box(pool.alloc(handle, value).expect("a block"));
            }
        })
    })
}

/// Requests a block from a full pool, which flushes in vain.
fn refused<const K: usize>() -> Run {
    let collector: &Collector<1, Basic> = Box::leak(Box::default());
    let pool: &Pool<u64, K> = Box::leak(Box::default());
    let handle = collector.register().expect("a slot");
    for _ in 0..K {
        let _ = pool.alloc(&handle, 7).expect("a block");
    }
    Box::new(move |n| {
        timed(|| {
            for value in 0..n {
                assert!(black_box(pool.alloc(&handle, value)).is_err());
            }
        })
    })
}

/// Sizes, and how full they are.
pub fn contestants() -> Vec<Contestant> {
    macro_rules! all {
        ($($k:literal $name:literal: [$($percent:literal $free:expr;)*])*) => { vec![$(
            $(Contestant {
                name: concat!($name, " blocks, ", $percent, " % full"),
                make: churn::<$k, { $free }>,
            },)*
            Contestant {
                name: concat!($name, " blocks, the last one free"),
                make: farthest::<$k>,
            },
            Contestant {
                name: concat!($name, " blocks, refused"),
                make: refused::<$k>,
            },
        )*] };
    }
    all! {
        256 "256": ["50" 128; "90" 26; "99" 3; "99.9" 1;]
        65_536 "65,536": ["50" 32_768; "90" 6_554; "99" 656; "99.9" 66;]
        1_048_576 "1,048,576": ["50" 524_288; "90" 104_858; "99" 10_486; "99.9" 1_049;]
    }
}
