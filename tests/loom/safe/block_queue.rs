//! The queue of segments: its ends, and segments that come back. What happens
//! within a segment has models beside it.
//!
//! Most have segments of one value: then each push meets a border.

use hyaline::safe::{BlockQueue, Heap, Segment, Storage};

use super::{reuse::Inside, *};

fn numbers<D: Domain, const B: usize, const K: usize, P: Storage<Segment<Tracked, B>, K>>(
    queue: &'static BlockQueue<Tracked, B, K, D, P>,
    handle: &Handle<D>,
) -> Vec<u32> {
    std::iter::from_fn(|| queue.pop(handle).map(|value| value.get())).collect()
}

/// A queue of `K` segments of one value.
type OfOne<D, const K: usize, P> = BlockQueue<Tracked, 1, K, D, P>;

/// A call stalls, while others use up the segment that it has loaded, and bring the block
/// into use again, if it comes back too early. The call says what it pushed or popped.
#[allow(clippy::type_complexity)] // an alias would say less
fn against_reuse<D: Domain, const K: usize, P: Storage<Segment<Tracked, 1>, K>>(
    queue: OfOne<D, K, P>,
    enter: fn(Handle<D>) -> Inside<D>,
    call: fn(&'static OfOne<D, K, P>, &Handle<D>, &Arc<()>) -> [Option<u32>; 2],
) {
    let (life, queue, one, two) = start(queue);
    let shared = queue.0;
    let two = enter(two);
    assert!(shared.push(&one, Tracked::new(1, &life)).is_ok());
    let copy = life.clone();
    let stalling = thread::spawn(move || {
        let moved = call(shared, two.handle, &copy);
        drop(copy);
        (two.leave(), moved)
    });
    let mut all = vec![1];
    all.extend(
        shared
            .push(&one, Tracked::new(2, &life))
            .is_ok()
            .then_some(2),
    );
    let mut seen: Vec<_> = shared
        .pop(&one)
        .map(|value| value.get())
        .into_iter()
        .collect();
    // Into the block of the first segment, if it is free.
    all.extend(
        shared
            .push(&one, Tracked::new(3, &life))
            .is_ok()
            .then_some(3),
    );
    let (two, [pushed, popped]) = stalling.join().unwrap();
    all.extend(pushed);
    seen.extend(popped);
    seen.extend(numbers(shared, &two));
    seen.sort_unstable();
    assert_eq!(seen, all);
    drop((one, two));
    queue.close();
    assert_eq!(alive(&life), 0);
}

fn push<D: Domain, const K: usize, P: Storage<Segment<Tracked, 1>, K>>(
    queue: &'static OfOne<D, K, P>,
    handle: &Handle<D>,
    life: &Arc<()>,
) -> [Option<u32>; 2] {
    let pushed = queue.push(handle, Tracked::new(9, life)).is_ok();
    [pushed.then_some(9), None]
}

fn pop<D: Domain, const K: usize, P: Storage<Segment<Tracked, 1>, K>>(
    queue: &'static OfOne<D, K, P>,
    handle: &Handle<D>,
    _: &Arc<()>,
) -> [Option<u32>; 2] {
    [None, queue.pop(handle).map(|value| value.get())]
}

schemes! {
    // The first two pushes meet, and a pop.
    first_pushes<2, 1> {
        let (life, queue, one, two) = start(BlockQueue::<_, 2, 4, D>::new());
        let shared = queue.0;
        let copy = life.clone();
        let pushing = thread::spawn(move || {
            let value = Tracked::new(1, &copy);
            drop(copy);
            assert!(shared.push(&two, value).is_ok());
            two
        });
        assert!(shared.push(&one, Tracked::new(2, &life)).is_ok());
        let mut seen: Vec<_> = shared.pop(&one).map(|value| value.get()).into_iter().collect();
        assert!(!seen.is_empty(), "there is one");
        let two = pushing.join().unwrap();
        seen.extend(numbers(shared, &two));
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
        drop((one, two));
        queue.close();
        assert_eq!(alive(&life), 0);
    }

    // Pushes and pops of two threads meet at the border of a segment.
    at_the_border<2, 1> {
        let (life, queue, one, two) = start(BlockQueue::<_, 2, 4, D>::new());
        let shared = queue.0;
        assert!(shared.push(&one, Tracked::new(1, &life)).is_ok());
        let copy = life.clone();
        let others = thread::spawn(move || {
            let values = [2, 3].map(|number| Tracked::new(number, &copy));
            drop(copy);
            for value in values {
                assert!(shared.push(&two, value).is_ok());
            }
            let seen = shared.pop(&two).map(|value| value.get());
            (two, seen)
        });
        let seen = [(), ()].map(|()| shared.pop(&one).map(|value| value.get()));
        assert!(shared.push(&one, Tracked::new(4, &life)).is_ok());
        let (two, other) = others.join().unwrap();
        let mut all: Vec<_> = seen.into_iter().flatten().chain(other).collect();
        assert!(all.contains(&1), "the first one is popped first: {all:?}");
        all.extend(numbers(shared, &two));
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4]);
        drop((one, two));
        queue.close();
        assert_eq!(alive(&life), 0);
    }

    push_against_reuse<2, 1> {
        against_reuse(BlockQueue::<_, 1, 2, D>::new(), Inside::outside, push);
    }

    pop_against_reuse<2, 1> {
        against_reuse(BlockQueue::<_, 1, 2, D>::new(), Inside::outside, pop);
    }

    heap_push_against_reuse<2, 1> {
        against_reuse(BlockQueue::<_, 1, 0, D, Heap>::in_heap(), Inside::outside, push);
    }

    heap_pop_against_reuse<2, 1> {
        against_reuse(BlockQueue::<_, 1, 0, D, Heap>::in_heap(), Inside::outside, pop);
    }

    // A look into both ends, while they are used up.
    looks_against_pushes_and_pops<2, 1> {
        let (life, queue, one, two) = start(BlockQueue::<_, 1, 3, D>::new());
        let shared = queue.0;
        assert!(shared.push(&one, Tracked::new(1, &life)).is_ok());
        let looking = thread::spawn(move || {
            assert!(!shared.is_empty(&two), "there is always one");
            assert!((1..=4).contains(&shared.len(&two)));
            two
        });
        let mut all = 1;
        for number in 2..=4 {
            all += usize::from(shared.push(&one, Tracked::new(number, &life)).is_ok());
            if all == number as usize {
                assert_eq!(shared.pop(&one).unwrap().get(), number - 1);
            }
        }
        drop(one);
        join([looking]);
        queue.close();
        assert_eq!(alive(&life), 0);
    }
}

/// Segments that are younger than the section that meets them: each has to be loaded by
/// `protect`. This matters in robust mode.
mod younger {
    use super::*;

    mod tail {
        use super::*;
        schemes!(robust: Robust, 2, 1, {
            against_reuse(BlockQueue::<_, 1, 2, D>::new(), Inside::new, push);
        });
    }

    mod head {
        use super::*;
        schemes!(robust: Robust, 2, 1, {
            against_reuse(BlockQueue::<_, 1, 2, D>::new(), Inside::new, pop);
        });
    }
}

/// What takes two preemptions: in basic mode, where a search ends soon.
mod with_two_preemptions {
    use super::*;

    // A push stalls before it swings the tail. A pop takes the value, and must
    // not leave the tail at the segment that it retires: the push, when it
    // continues, ends the section that held that segment back.
    mod reuse_of_the_last_segment {
        use super::*;
        schemes!(basic: Basic, 2, 1, [2] {
            let (life, queue, one, two) = start(BlockQueue::<_, 1, 5, D>::new());
            let shared = queue.0;
            assert!(shared.push(&one, Tracked::new(1, &life)).is_ok());
            let copy = life.clone();
            let others = thread::spawn(move || {
                let value = Tracked::new(4, &copy);
                drop(copy);
                let seen = shared.pop(&two).map(|value| value.get());
                // Only the first thread holds the segment back.
                two.flush();
                let pushed = shared.push(&two, value).is_ok();
                (two, seen, pushed)
            });
            // On this thread, so that two preemptions are enough.
            let pushed = [2, 3].map(|n| shared.push(&one, Tracked::new(n, &life)).is_ok());
            let (two, other, last) = others.join().unwrap();
            let mut seen: Vec<_> = other.into_iter().collect();
            seen.extend(numbers(shared, &two));
            seen.sort_unstable();
            let all = [(1, true), (2, pushed[0]), (3, pushed[1]), (4, last)];
            assert!(seen.into_iter().eq(all.iter().filter(|all| all.1).map(|all| all.0)));
            drop((one, two));
            queue.close();
            assert_eq!(alive(&life), 0);
        });
    }
}
