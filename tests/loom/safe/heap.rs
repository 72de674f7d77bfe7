//! Structures on the heap: a node that is freed too early is one that loom sees
//! in use, or that is gone. The bodies that take a structure run in pools, too.

use std::mem::MaybeUninit;

use hyaline::safe::{ArcCell, Heap, Storage};

use super::*;

/// A version is read while it is replaced and retired.
pub fn read_against_replace<const K: usize, D: Domain, P>(
    make: fn(Tracked) -> RcuCell<Tracked, K, D, P>,
) where
    P: Storage<MaybeUninit<Tracked>, K>,
{
    let life = Arc::new(());
    let cell = Leaked::new(make(Tracked::new(1, &life)));
    let shared = cell.0;
    let (reader, writer) = (D::register().unwrap(), D::register().unwrap());
    let reading = thread::spawn(move || {
        let guard = reader.enter();
        let first = shared.read(&guard);
        let second = shared.read(&guard);
        assert!(first.get() <= second.get());
        drop(guard);
        reader
    });
    assert!(shared.replace(&writer, Tracked::new(2, &life)).is_ok());
    assert!(shared.replace(&writer, Tracked::new(3, &life)).is_ok());
    drop(writer);
    join([reading]);
    cell.close_with(1, &life);
}

/// The ABA pair: one pop stalls with the top loaded, while the other thread
/// takes both nodes and pushes a new one, into memory that came back.
pub fn pop_against_pops_and_push<const K: usize, D: Domain, P>(stack: Stack<Tracked, K, D, P>)
where
    P: Storage<Node<Tracked>, K>,
{
    let (life, stack, one, two) = start(stack);
    let shared = stack.0;
    for n in 1..=2 {
        assert!(shared.push(&one, Tracked::new(n, &life)).is_ok());
    }
    let popping = thread::spawn(move || {
        let seen = shared.pop(&two).map(|value| value.get());
        (two, seen)
    });
    let mut seen = [shared.pop(&one), shared.pop(&one)]
        .map(|v| v.map(|v| v.get()))
        .to_vec();
    let pushed = shared.push(&one, Tracked::new(3, &life)).is_ok();
    assert!(pushed || K > 0, "only a pool is full");
    let (two, other) = popping.join().unwrap();
    seen.push(other);
    seen.push(shared.pop(&two).map(|value| value.get()));
    assert!(shared.pop(&two).is_none());
    let mut seen: Vec<_> = seen.into_iter().flatten().collect();
    seen.sort_unstable();
    assert_eq!(seen, if pushed { vec![1, 2, 3] } else { vec![1, 2] });
    drop((one, two));
    stack.close();
    assert_eq!(alive(&life), 0);
}

/// Two pops and memory that comes back: a push that stalls with the last node
/// loaded must not link to it when it has become a later node.
pub fn push_against_reuse<const K: usize, D: Domain, P>(queue: Queue<Tracked, K, D, P>)
where
    P: Storage<Node<Tracked>, K>,
{
    let (life, queue, one, two) = start(queue);
    let shared = queue.0;
    assert!(shared.push(&one, Tracked::new(1, &life)).is_ok());
    assert_eq!(shared.pop(&one).unwrap().get(), 1);
    let copy = life.clone();
    let others = thread::spawn(move || {
        let mut seen = Vec::new();
        let value = Tracked::new(2, &copy);
        drop(copy);
        assert!(shared.push(&one, value).is_ok());
        seen.extend(shared.pop(&one).map(|value| value.get()));
        seen.extend(shared.pop(&one).map(|value| value.get()));
        (one, seen)
    });
    // On this thread, so that one preemption is enough for the others to do all
    // they do while this push is in the middle.
    let pushed = shared.push(&two, Tracked::new(3, &life)).is_ok();
    let (one, mut seen) = others.join().unwrap();
    assert!(pushed || K > 0, "only a pool is full");
    seen.extend(shared.pop(&two).map(|value| value.get()));
    seen.sort_unstable();
    assert_eq!(seen, if pushed { vec![2, 3] } else { vec![2] });
    drop((one, two));
    queue.close();
    assert_eq!(alive(&life), 0);
}

schemes! {
    // A version is read while it is replaced and freed.
    heap_cell_read_against_replace<2, 1> {
        read_against_replace(RcuCell::<_, 0, D, Heap>::in_heap);
    }

    // The ABA pair: one pop stalls with the top in hand, while the other thread
    // takes both nodes and pushes a new one, which the allocator may put where
    // one of them was.
    heap_stack_pop_against_pops_and_push<2, 1> {
        pop_against_pops_and_push(Stack::<_, 0, D, Heap>::in_heap());
    }

    // A push stalls with the last node in hand, which is popped and freed.
    heap_queue_push_against_pops<2, 1> {
        push_against_reuse(Queue::<_, 0, D, Heap>::in_heap());
    }

    // An `Arc` is read, and one kept, while it is replaced twice.
    arc_cell_load_against_stores<2, 1> {
        use std::sync::Arc as Shared;
        let life = Arc::new(());
        let (reader, writer) = (D::register().unwrap(), D::register().unwrap());
        let first = Shared::new(Tracked::new(1, &life));
        let cell = Leaked::new(ArcCell::<_, D>::new(&writer, first).ok().unwrap());
        let shared = cell.0;
        let reading = thread::spawn(move || {
            let kept = shared.load_full(&reader);
            let guard = reader.enter();
            assert!(kept.get() <= shared.load(&guard).get());
            drop(guard);
            reader
        });
        for number in 2..=3 {
            assert!(shared.store(&writer, Shared::new(Tracked::new(number, &life))).is_ok());
        }
        drop(writer);
        join([reading]);
        cell.close_with(1, &life);
    }
}
