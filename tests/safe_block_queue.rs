//! The queue of blocks, one promise a test, in both schemes. Runs on a host and
//! under Miri.

#![cfg(not(hyaline_loom))]

#[macro_use]
#[path = "common/safe.rs"]
mod common;

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};

use common::Counted;
use hyaline::{
    Collector, Config, Pool, Robust, Role, domain,
    safe::{BlockQueue, Domain, Full, Handle, Segment, SharedPool, Storage},
};

/// Values that each thread of a torture test sends.
const VALUES: usize = if cfg!(miri) { 40 } else { 30_000 };

/// A queue that is dropped at the end of a test.
fn leak<T>(queue: T) -> (&'static T, impl FnOnce()) {
    let leaked = Box::into_raw(Box::new(queue));
    // SAFETY: a test frees it last, when all handles are dropped, so that none
    // of its segments waits to be reclaimed.
    unsafe { (&*leaked, move || drop(Box::from_raw(leaked))) }
}

/// Pushes values until one is refused; how many there was room for.
fn fill<const B: usize, const K: usize, D: Domain, R: Role>(
    queue: &'static BlockQueue<usize, B, K, D>,
    handle: &Handle<D, R>,
) -> usize {
    (0..).take_while(|&n| queue.push(handle, n).is_ok()).count()
}

fn empty<const B: usize, const K: usize, D: Domain, R: Role>(
    queue: &'static BlockQueue<usize, B, K, D>,
    handle: &Handle<D, R>,
) -> usize {
    std::iter::from_fn(|| queue.pop(handle)).count()
}

schemes! {
    <6, 4>
    it_is_first_in_first_out {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (queue, free) = leak(BlockQueue::<Counted, 3, 4, D>::new());
        let handle = D::register().unwrap();
        assert!(queue.pop(&handle).is_none() && queue.is_empty(&handle));
        let mut model = VecDeque::new();
        for n in 0..60 {
            // Up to 7 values, in three segments.
            for n in 0..n % 8 {
                queue.push(&handle, Counted(n, &DROPS)).unwrap();
                model.push_back(n);
                assert!(!queue.is_empty(&handle));
            }
            assert_eq!(queue.len(&handle), model.len());
            while model.len() > n % 3 {
                assert_eq!(queue.pop(&handle).map(|value| value.0), model.pop_front());
                assert_eq!(queue.len(&handle), model.len());
                assert_eq!(queue.is_empty(&handle), model.is_empty());
            }
        }
        queue.push(&handle, Counted(7, &DROPS)).unwrap();
        drop(handle);
        let popped = DROPS.load(SeqCst);
        free();
        assert_eq!(DROPS.load(SeqCst), popped + model.len() + 1, "those that were left");
    }

    a_queue_of_no_segment_is_dropped {
        let (_, free) = leak(BlockQueue::<String, 3, 4, D>::new());
        free();
    }

    values_of_any_size_and_alignment {
        #[derive(Debug, PartialEq)]
        #[repr(align(256))]
        struct Wide(u8);
        static WIDE: BlockQueue<Wide, 2, 3, D> = BlockQueue::new();
        static NONE: BlockQueue<(), 5, 3, D> = BlockQueue::new();
        static LARGE: BlockQueue<[u8; 1000], 3, 3, D> = BlockQueue::new();
        let handle = D::register().unwrap();
        for round in 0..20 {
            for n in 0..4 {
                WIDE.push(&handle, Wide(n)).unwrap();
                NONE.push(&handle, ()).unwrap();
                LARGE.push(&handle, [n; 1000]).unwrap();
            }
            assert_eq!(NONE.len(&handle), 4, "{round}");
            for n in 0..4 {
                assert_eq!(WIDE.pop(&handle), Some(Wide(n)));
                assert_eq!(NONE.pop(&handle), Some(()));
                assert_eq!(LARGE.pop(&handle), Some([n; 1000]));
            }
            assert_eq!((WIDE.pop(&handle), NONE.pop(&handle)), (None, None));
        }
    }

    each_value_arrives_once_and_in_order {
        static FEW: BlockQueue<usize, 2, 8, D> = BlockQueue::new();
        static MANY: BlockQueue<usize, 32, 6, D> = BlockQueue::new();
        let few = send::<D>(|handle, n| FEW.push(handle, n).is_ok(), |handle| FEW.pop(handle));
        let many = send::<D>(|handle, n| MANY.push(handle, n).is_ok(), |handle| MANY.pop(handle));
        for seen in [few, many] {
            for receiver in &seen {
                for sender in 0..2 {
                    let of_one = receiver.iter().filter(|value| *value % 2 == sender);
                    assert!(of_one.is_sorted(), "out of order");
                }
            }
            let mut all = seen.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..2 * VALUES));
        }
    }
}

/// Sends `VALUES` values from each of two threads to two others. `push` may refuse.
/// Returns the values in order of arrival.
fn send<D: Domain>(
    push: impl Fn(&Handle<D>, usize) -> bool + Sync,
    pop: impl Fn(&Handle<D>) -> Option<usize> + Sync,
) -> [Vec<usize>; 2] {
    let left = AtomicUsize::new(2 * VALUES);
    thread::scope(|scope| {
        for sender in 0..2 {
            let push = &push;
            scope.spawn(move || {
                let handle = D::register().unwrap();
                for value in 0..VALUES {
                    while !push(&handle, 2 * value + sender) {
                        thread::yield_now();
                    }
                }
            });
        }
        let receivers = [(), ()].map(|()| {
            scope.spawn(|| {
                let handle = D::register().unwrap();
                let mut seen = Vec::new();
                while left.load(SeqCst) > 0 {
                    match pop(&handle) {
                        Some(value) => {
                            left.fetch_sub(1, SeqCst);
                            seen.push(value);
                        }
                        None => thread::yield_now(),
                    }
                }
                seen
            })
        });
        receivers.map(|receiver| receiver.join().unwrap())
    })
}
