//! The queue of blocks, one promise a test, in both schemes. Runs on a host and
//! under Miri.

#![cfg(not(hyaline_loom))]

#[macro_use]
#[path = "common/safe.rs"]
mod common;
#[path = "common/random.rs"]
mod random;

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};

use common::{Counted, assert_complete, leak, send};
use hyaline::{
    Collector, Config, Pool, Robust, Role, domain,
    safe::{BlockQueue, Domain, Handle, Node, RcuCell, Segment, SharedPool, Storage},
};

/// How many values find room at least, wherever in a segment they begin.
fn least_room<D: Domain, R: Role, const B: usize, const K: usize, P>(
    queue: &'static BlockQueue<usize, B, K, D, P>,
    handle: &Handle<D, R>,
) -> usize
where
    P: Storage<Segment<usize, B>, K>,
{
    let room = (0..2 * B).map(|offset| {
        for _ in 0..offset {
            queue.push(handle, 0).unwrap();
            queue.pop(handle).unwrap();
        }
        let room = (0..).take_while(|&n| queue.push(handle, n).is_ok()).count();
        assert_eq!(queue.len(handle), room);
        assert!((0..room).eq(std::iter::from_fn(|| queue.pop(handle))));
        room
    });
    room.min().unwrap()
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

    all_segments_but_one_find_room {
        static ONE: BlockQueue<usize, 1, 4, D> = BlockQueue::new();
        static TWO: BlockQueue<usize, 5, 2, D> = BlockQueue::new();
        static MANY: BlockQueue<usize, 3, 6, D> = BlockQueue::new();
        let (eager, deferred) = (D::register().unwrap(), D::register_deferred().unwrap());
        assert_eq!([least_room(&ONE, &eager), least_room(&ONE, &deferred)], [3, 3]);
        assert_eq!([least_room(&TWO, &eager), least_room(&TWO, &deferred)], [5, 5]);
        assert_eq!([least_room(&MANY, &eager), least_room(&MANY, &deferred)], [15, 15]);
    }

    a_queue_keeps_a_segment_and_a_push_under_way_another {
        static SEGMENTS: Pool<Segment<usize, 3>, 6> = Pool::new();
        static QUEUE: BlockQueue<usize, 3, 6, D, SharedPool> = BlockQueue::in_pool(&SEGMENTS);
        static OTHER: BlockQueue<usize, 3, 6, D, SharedPool> = BlockQueue::in_pool(&SEGMENTS);
        let handle = D::register().unwrap();
        assert_eq!((SEGMENTS.available(), QUEUE.is_empty(&handle)), (6, true));
        OTHER.push(&handle, 7).unwrap();
        assert_eq!(OTHER.pop(&handle), Some(7));
        // As a push under way would, which has taken a block.
        assert_eq!(SEGMENTS.available(), 5);
        let values = 12;
        assert_eq!(values / 3 + 2, 6, "the segments in use, of two pushes");
        assert_eq!(least_room(&QUEUE, &handle), values);
        handle.collect();
        assert_eq!(SEGMENTS.available(), 4);
    }

    a_push_is_refused_only_if_the_last_segment_is_full {
        // Random calls, where values of a cell push when they are dropped: within
        // another push, when that has no block and reclaims.
        static QUEUE: BlockQueue<usize, 3, 3, D> = BlockQueue::new();
        static CELL: RcuCell<Pushes, 6, D> = RcuCell::new(Pushes(0));
        static PUSHED: AtomicUsize = AtomicUsize::new(0);
        static REFUSED: AtomicUsize = AtomicUsize::new(0);
        struct Pushes(usize);
        impl Drop for Pushes {
            fn drop(&mut self) {
                if let Ok(handle) = D::register() {
                    (0..self.0).for_each(|_| push(&handle));
                }
            }
        }
        fn push(handle: &Handle<D>) {
            if QUEUE.push(handle, 0).is_ok() {
                PUSHED.fetch_add(1, SeqCst);
            } else {
                assert_eq!(PUSHED.load(SeqCst) % 3, 0, "the last segment has room");
                REFUSED.fetch_add(1, SeqCst);
            }
        }
        let (handle, deferred) = (D::register().unwrap(), D::register_deferred().unwrap());
        let mut guard = None;
        random::seed(7);
        for _ in 0..if cfg!(miri) { 300 } else { 30_000 } {
            match random::random(8) {
                0..3 => push(&handle),
                3..5 => drop(QUEUE.pop(&handle)),
                5 | 6 => drop(CELL.replace(&handle, Pushes(random::random(4)))),
                _ => guard = guard.xor(Some(deferred.enter())),
            }
            // In robust mode: objects of this era, too.
            guard.as_ref().map(|guard| CELL.read(guard).0);
        }
        assert!(REFUSED.load(SeqCst) > 0);
    }

    refused_pushes_change_nothing {
        static QUEUE: BlockQueue<usize, 2, 2, D> = BlockQueue::new();
        let handle = D::register().unwrap();
        let room = (0..).take_while(|&n| QUEUE.push(&handle, n).is_ok()).count();
        // More than a segment counts.
        for _ in 0..if cfg!(miri) { 1200 } else { 5000 } {
            assert_eq!(QUEUE.push(&handle, 9).unwrap_err().into_inner(), 9);
        }
        assert_eq!(QUEUE.len(&handle), room);
        assert!((0..room).eq(std::iter::from_fn(|| QUEUE.pop(&handle))));
        QUEUE.push(&handle, 5).unwrap();
        assert_eq!(QUEUE.pop(&handle), Some(5));
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
            assert_complete(&seen);
        }
    }
}

/// Segments of 64 KiB, on 32 KiB of stack, also without optimization.
#[test]
fn a_small_stack_is_enough() {
    const B: usize = 4096;
    domain!(D: Collector<4> = Collector::new());
    static SEGMENTS: Pool<Segment<u64, B>, 2> = Pool::new();
    static OWN: BlockQueue<u64, B, 2, D> = BlockQueue::new();
    static SHARED: BlockQueue<u64, B, 2, D, SharedPool> = BlockQueue::in_pool(&SEGMENTS);
    let small = thread::Builder::new().stack_size(32 << 10);
    let work = small.spawn(|| {
        let handle = D::register().unwrap();
        OWN.push(&handle, 1).unwrap();
        SHARED.push(&handle, 2).unwrap();
        #[cfg(feature = "alloc")]
        {
            static HEAP: BlockQueue<u64, B, 0, D, hyaline::safe::Heap> = BlockQueue::in_heap();
            HEAP.push(&handle, 3).unwrap();
            assert_eq!(HEAP.pop(&handle), Some(3));
        }
        [OWN.pop(&handle), SHARED.pop(&handle)]
    });
    assert_eq!(work.unwrap().join().unwrap(), [Some(1), Some(2)]);
}

/// The size that the page of the queue names, with a section that stalls for long: in
/// basic mode it would hold back each segment.
#[test]
fn no_push_is_refused_in_a_queue_of_the_documented_size() {
    const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();
    const VALUES: usize = 10;
    // Three values a segment, and one push at a time.
    const LIVE: usize = VALUES.div_ceil(3) + 1;
    domain!(D: Collector<3, Robust> = Collector::with_config(CONFIG));
    static QUEUE: BlockQueue<usize, 3, { CONFIG.pool_size(3, 1, LIVE) }, D> = BlockQueue::new();
    let (reader, handle) = (D::register().unwrap(), D::register().unwrap());
    QUEUE.push(&handle, 0).unwrap();
    let stalls = reader.enter();
    assert!(!QUEUE.is_empty(&reader));
    let (mut pushed, mut popped) = (1, 0);
    for round in 0..if cfg!(miri) { 40 } else { 400 } {
        while pushed - popped < VALUES {
            assert!(QUEUE.push(&handle, pushed).is_ok(), "round {round}");
            pushed += 1;
        }
        for _ in 0..=round % VALUES {
            assert_eq!(QUEUE.pop(&handle), Some(popped));
            popped += 1;
        }
    }
    drop(stalls);
}

/// What the page says of the memory: with 32 values a segment less than a queue's
/// nodes, and on x86-64 five lines beside the values, so that few values need more.
#[test]
fn a_value_needs_less_memory_with_large_segments() {
    const fn segment<T, const B: usize>() -> usize {
        size_of::<Pool<Segment<T, B>, 1>>()
    }
    assert!(segment::<u8, 32>() < 32 * size_of::<Pool<Node<u8>, 1>>());
    assert!(segment::<u64, 32>() < 32 * size_of::<Pool<Node<u64>, 1>>());
    assert!(segment::<[u64; 8], 32>() < 32 * size_of::<Pool<Node<[u64; 8]>, 1>>());
    if cfg!(target_arch = "x86_64") {
        // A cell of a word is two words.
        assert_eq!(segment::<u64, 32>() - 32 * 16, 640);
        assert!(segment::<u64, 8>() > 8 * size_of::<Pool<Node<u64>, 1>>());
    }
}
