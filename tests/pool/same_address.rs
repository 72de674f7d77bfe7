//! Pools that follow each other at one address: a handle that has used one knows
//! nothing of the next.

use std::mem::MaybeUninit;

use hyaline::{Collector, Config, Handle, Pool, reclaim};

use super::random::Random;

#[repr(align(64))]
#[derive(Clone, Copy)]
#[allow(dead_code)] // only memory
struct Page([MaybeUninit<u8>; 64]);

/// Objects of different strides.
#[derive(Default)]
#[allow(dead_code)] // only its size counts
struct Large([u64; 5]);

/// A pool in the page. `ends`: it is used, and nothing of it is retired.
/// Otherwise all its blocks are retired and are free again in the end.
fn one<T: Default, const K: usize>(
    page: *mut Page,
    pages: usize,
    handles: &[Handle<'_>],
    ends: bool,
    random: &mut Random,
) {
    assert!(size_of::<Pool<T, K>>() <= pages * size_of::<Page>());
    // SAFETY: aligned, of that size, and nobody uses what was there before.
    let memory = unsafe { &mut *page.cast::<MaybeUninit<Pool<T, K>>>() };
    let pool: &Pool<T, K> = Pool::in_place(memory);
    for _ in 0..4 {
        let number = 1 + random.below(K);
        let objects: Vec<_> = (0..number)
            .map(|_| {
                let handle = &handles[random.below(handles.len())];
                let object = pool.alloc(handle, T::default());
                object.unwrap_or_else(|error| panic!("{K}, {number}: {error}"))
            })
            .collect();
        for object in objects {
            let handle = &handles[random.below(handles.len())];
            // SAFETY: of this pool and not shared. What is retired is reclaimed
            // at once, as no section is open; the last pool outlives the handles.
            unsafe {
                if ends {
                    pool.free(object);
                } else {
                    handle.retire(object, reclaim::pooled::<T>);
                }
            }
        }
    }
    if ends {
        assert_eq!(pool.available(), K);
        return;
    }
    // A starved handle finds what the others keep.
    let all: Vec<_> = (0..K)
        .map(|_| pool.alloc(&handles[0], T::default()).unwrap())
        .collect();
    for object in all {
        // SAFETY: of this pool, and not shared.
        unsafe { pool.free(object) };
    }
    assert_eq!(pool.available(), K);
}

#[test]
fn a_pool_where_another_was() {
    type Use = fn(*mut Page, usize, &[Handle<'_>], bool, &mut Random);
    const POOLS: [Use; 8] = [
        one::<u64, 1>,
        one::<u64, 31>,
        one::<u64, 32>,
        one::<u64, 100>,
        one::<Large, 1>,
        one::<Large, 33>,
        one::<Large, 96>,
        one::<Box<u32>, 64>,
    ];
    let mut random = Random(5);
    let mut pages = vec![Page([MaybeUninit::uninit(); 64]); 200];
    for _ in 0..if cfg!(miri) { 6 } else { 500 } {
        let config = Config::new().batch::<1>();
        let collector = Collector::<2>::with_config(config);
        let handles = [(); 2].map(|()| collector.register().unwrap());
        for _ in 0..random.below(4) {
            POOLS[random.below(POOLS.len())](
                pages.as_mut_ptr(),
                pages.len(),
                &handles,
                true,
                &mut random,
            );
        }
        POOLS[random.below(POOLS.len())](
            pages.as_mut_ptr(),
            pages.len(),
            &handles,
            false,
            &mut random,
        );
    }
}
