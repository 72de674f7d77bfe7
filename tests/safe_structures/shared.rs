//! Structures that take their nodes from one pool, and handles of a CPU.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};

use hyaline::{
    Collector, Config, Pool, Robust, domain,
    safe::{
        Domain, Handle, Map, MapNode, Node, PerCpu, Queue, RcuCell, Refused, SharedPool, Stack,
    },
};

use super::{Counted, VALUES, assert_complete, leak, send};

schemes! {
    <6, 4>
    each_gives_the_value_back_if_another_has_all_blocks {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static NODES: Pool<Node<Counted>, 3> = Pool::new();
        static FIRST: Stack<Counted, 3, D, SharedPool> = Stack::in_pool(&NODES);
        static SECOND: Stack<Counted, 3, D, SharedPool> = Stack::in_pool(&NODES);
        static QUEUE: Queue<Counted, 3, D, SharedPool> = Queue::in_pool(&NODES);
        let handle = D::register().unwrap();
        for number in 0..3 {
            FIRST.push(&handle, Counted(number, &DROPS)).unwrap();
        }
        assert_eq!(FIRST.push(&handle, Counted(3, &DROPS)).unwrap_err().into_inner().0, 3);
        assert_eq!(SECOND.push(&handle, Counted(4, &DROPS)).unwrap_err().into_inner().0, 4);
        assert_eq!(QUEUE.push(&handle, Counted(5, &DROPS)).unwrap_err().into_inner().0, 5);
        assert_eq!(DROPS.load(SeqCst), 3, "those that came back");
        // The others can use what one gives up.
        for number in 0..50 {
            let value = FIRST.pop(&handle).unwrap();
            SECOND.push(&handle, value).unwrap();
            assert!(FIRST.push(&handle, Counted(6, &DROPS)).is_err());
            QUEUE.push(&handle, SECOND.pop(&handle).unwrap()).unwrap();
            assert!(SECOND.push(&handle, Counted(6, &DROPS)).is_err());
            let value = QUEUE.pop(&handle).unwrap();
            assert_eq!(value.0, 2);
            // From now on one block is the dummy's.
            if number == 0 {
                drop(FIRST.pop(&handle));
            }
            FIRST.push(&handle, value).unwrap();
        }
        assert_eq!(DROPS.load(SeqCst), 3 + 100 + 1);
        assert_eq!((FIRST.pop(&handle).unwrap().0, FIRST.pop(&handle).unwrap().0), (2, 0));
        assert!(FIRST.is_empty() && SECOND.is_empty() && QUEUE.pop(&handle).is_none());
        assert_eq!(DROPS.load(SeqCst), 3 + 100 + 3);
    }

    what_is_taken_out_does_not_stay_linked {
        // Neighbours in one bucket, changed at the same time: the link that a
        // node is to be unlinked from may be marked itself.
        static NODES: Pool<MapNode<u32, u32>, 7> = Pool::new();
        static MAP: Map<u32, u32, 1, 7, D, SharedPool> = Map::in_pool(&NODES);
        const ROUNDS: usize = if cfg!(miri) { 20 } else { 3_000 };
        let steps = AtomicUsize::new(0);
        let meet = |step: usize| {
            steps.fetch_add(1, SeqCst);
            for look in 1_u32.. {
                if steps.load(SeqCst) >= 2 * step {
                    break;
                }
                assert!(look < 1 << 26, "the other thread is gone");
                if cfg!(miri) || look % 256 == 0 {
                    thread::yield_now();
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                let handle = D::register().unwrap();
                for round in 0..ROUNDS {
                    meet(4 * round + 1);
                    assert!(MAP.remove(&handle.enter(), &1).is_some());
                    meet(4 * round + 2);
                    handle.flush();
                    meet(4 * round + 3);
                    meet(4 * round + 4);
                }
            });
            let handle = D::register().unwrap();
            MAP.insert(&handle, 0, 0).unwrap(); // a traversal has to pass it
            for round in 0..ROUNDS {
                for key in [1, 2, 3] {
                    MAP.insert(&handle, key, 0).unwrap();
                }
                meet(4 * round + 1);
                if round % 2 == 0 {
                    assert!(MAP.remove(&handle.enter(), &2).is_some());
                } else {
                    MAP.upsert(&handle, 2, 1).unwrap();
                }
                meet(4 * round + 2);
                meet(4 * round + 3);
                handle.flush();
                assert_eq!(NODES.available(), 5 - round % 2, "round {round}");
                for key in [2, 3] {
                    MAP.remove(&handle.enter(), &key);
                }
                handle.flush();
                assert_eq!(NODES.available(), 6, "round {round}");
                meet(4 * round + 4);
            }
        });
    }

    an_open_guard_holds_blocks_back_from_all {
        static NODES: Pool<Node<u32>, 2> = Pool::new();
        static STACK: Stack<u32, 2, D, SharedPool> = Stack::in_pool(&NODES);
        static QUEUE: Queue<u32, 2, D, SharedPool> = Queue::in_pool(&NODES);
        let handle = D::register().unwrap();
        STACK.push(&handle, 1).unwrap();
        STACK.push(&handle, 2).unwrap();
        let guard = handle.enter();
        assert_eq!(STACK.pop(&handle), Some(2));
        assert_eq!(QUEUE.push(&handle, 3).unwrap_err().into_inner(), 3);
        drop(guard);
        QUEUE.push(&handle, 3).unwrap();
    }

    a_structure_that_is_dropped_gives_its_blocks_back {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static NODES: Pool<Node<Counted>, 6> = Pool::new();
        static ENTRIES: Pool<MapNode<u32, Counted>, 2> = Pool::new();
        let (stack, free_stack) = leak(Stack::<Counted, 6, D, SharedPool>::in_pool(&NODES));
        let (queue, free_queue) = leak(Queue::<Counted, 6, D, SharedPool>::in_pool(&NODES));
        let (fresh, free_fresh) = leak(Queue::<Counted, 6, D, SharedPool>::in_pool(&NODES));
        let (map, free_map) = leak(Map::<u32, Counted, 1, 2, D, SharedPool>::in_pool(&ENTRIES));
        let handle = D::register().unwrap();
        for key in 0..2 {
            stack.push(&handle, Counted(0, &DROPS)).unwrap();
            queue.push(&handle, Counted(0, &DROPS)).unwrap();
            map.insert(&handle, key, Counted(0, &DROPS)).unwrap();
        }
        // Its dummy is a block of the pool now.
        drop(queue.pop(&handle));
        fresh.push(&handle, Counted(0, &DROPS)).unwrap();
        handle.flush();
        drop(handle);
        assert_eq!((DROPS.load(SeqCst), NODES.available(), ENTRIES.available()), (1, 1, 0));
        free_stack();
        assert_eq!((DROPS.load(SeqCst), NODES.available()), (3, 3));
        free_queue();
        assert_eq!((DROPS.load(SeqCst), NODES.available()), (4, 5));
        free_fresh();
        assert_eq!((DROPS.load(SeqCst), NODES.available()), (5, 6));
        free_map();
        assert_eq!((DROPS.load(SeqCst), ENTRIES.available()), (7, 2));
    }

    maps_of_one_pool_keep_their_keys_apart {
        static NODES: Pool<MapNode<u32, String>, 4> = Pool::new();
        static ONE: Map<u32, String, 2, 4, D, SharedPool> = Map::in_pool(&NODES);
        static OTHER: Map<u32, String, 1, 4, D, SharedPool> = Map::in_pool(&NODES);
        let handle = D::register().unwrap();
        for key in 0..2 {
            ONE.insert(&handle, key, format!("one {key}")).unwrap();
            OTHER.insert(&handle, key, format!("other {key}")).unwrap();
        }
        let full = ONE.insert(&handle, 2, "two".into()).unwrap_err();
        assert_eq!(full, Refused::Full((2, "two".into())));
        assert_eq!(OTHER.remove(&handle.enter(), &1).unwrap(), "other 1");
        for round in 0..50 {
            ONE.replace(&handle, round % 2, format!("round {round}")).unwrap();
            assert_eq!(*OTHER.get(&handle.enter(), &0).unwrap(), "other 0");
        }
        assert_eq!(ONE.iter(&handle.enter()).count(), 2);
    }

    // Each collector has its own eras, and its own retired objects.
    structures_of_two_domains_share_a_pool {
        domain!(Other: Collector<2, Robust> = Collector::with_config(Config::new().batch::<1>()));
        static NODES: Pool<Node<Box<usize>>, 64> = Pool::new();
        static HERE: Stack<Box<usize>, 64, D, SharedPool> = Stack::in_pool(&NODES);
        static THERE: Queue<Box<usize>, 64, Other, SharedPool> = Queue::in_pool(&NODES);
        let total: usize = thread::scope(|scope| {
            let busy = [(), ()].map(|()| scope.spawn(|| {
                let (here, there) = (D::register().unwrap(), Other::register().unwrap());
                let mut sum = 0;
                for value in 0..VALUES {
                    while HERE.push(&here, Box::new(value)).is_err() {
                        thread::yield_now();
                    }
                    let mut moved = HERE.pop(&here);
                    while let Some(value) = moved.take() {
                        if let Err(full) = THERE.push(&there, value) {
                            // What waits in the other domain is reclaimed by
                            // that domain's flush.
                            here.flush();
                            moved = Some(full.into_inner());
                            thread::yield_now();
                        }
                    }
                    sum += THERE.pop(&there).map_or(0, |value| *value);
                }
                sum
            }));
            busy.map(|thread| thread.join().unwrap()).iter().sum()
        });
        let (here, there) = (D::register().unwrap(), Other::register().unwrap());
        let left = std::iter::from_fn(|| HERE.pop(&here).or_else(|| THERE.pop(&there)));
        let left: usize = left.map(|value| *value).sum();
        assert_eq!(total + left, VALUES * (VALUES - 1));
    }

    threads_send_through_a_stack_and_a_queue_of_one_pool {
        static NODES: Pool<Node<usize>, 256> = Pool::new();
        static STACK: Stack<usize, 256, D, SharedPool> = Stack::in_pool(&NODES);
        static QUEUE: Queue<usize, 256, D, SharedPool> = Queue::in_pool(&NODES);
        let seen = send::<D>(
            |handle, value| STACK.push(handle, value).is_ok(),
            // A value is moved into the queue before it is received, unless the
            // pool is empty: the senders would fill the stack with every block,
            // and wait for the receivers, which wait for a block.
            |handle| {
                let value = STACK.pop(handle);
                match value.map(|value| QUEUE.push(handle, value)) {
                    Some(Err(full)) => Some(full.into_inner()),
                    _ => QUEUE.pop(handle),
                }
            },
        );
        assert_complete(&seen);
    }

    // A task, and inside it the calls of an interrupt.
    a_cpu_uses_all_structures_through_one_handle {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static CELL: RcuCell<Counted, 2, D> = RcuCell::new(Counted(0, &DROPS));
        static NODES: Pool<Node<usize>, 4> = Pool::new();
        static STACK: Stack<usize, 4, D, SharedPool> = Stack::in_pool(&NODES);
        static QUEUE: Queue<usize, 4, D, SharedPool> = Queue::in_pool(&NODES);
        static MAP: Map<u32, Counted, 1, 3, D> = Map::new();
        let cpu: &PerCpu<D> = &D::register_per_cpu().unwrap();
        let idle = D::register().unwrap();
        assert_ne!((cpu.slot(), cpu.id()), (idle.slot(), idle.id()));
        for round in 1..=20 {
            // SAFETY: one thread; the guards are dropped in turn.
            let task = unsafe { cpu.get() };
            let guard = task.enter();
            let seen = CELL.read(&guard);
            let before = DROPS.load(SeqCst);
            {
                // SAFETY: one thread; the guards are dropped in turn.
                let interrupt = unsafe { cpu.get() };
                CELL.update(interrupt, |old| Counted(old.0 + 1, &DROPS)).unwrap();
                STACK.push(interrupt, round).unwrap();
                QUEUE.push(interrupt, STACK.pop(interrupt).unwrap()).unwrap();
                MAP.upsert(interrupt, 1, Counted(round, &DROPS)).unwrap();
                assert!(MAP.remove(&interrupt.enter(), &1).is_some());
            }
            assert_eq!((seen.0, CELL.read(&guard).0), (round - 1, round));
            assert_eq!(QUEUE.pop(task), Some(round));
            drop(guard);
            assert_eq!(DROPS.load(SeqCst), before, "none in the CPU's context");
            idle.collect();
            assert_eq!(DROPS.load(SeqCst), before + 2, "an old version, and what was in the map");
        }
    }
}

/// A function that takes a handle takes one of any role.
#[test]
fn handles_of_a_cpu_are_shared_by_its_contexts() {
    domain!(D: Collector<1> = Collector::new());
    fn shareable<T: Send + Sync>(_: &T) {}
    let cpu = D::register_per_cpu().unwrap();
    shareable(&cpu);
    assert!(D::register_per_cpu().is_err());
    assert!(format!("{cpu:?}").contains("slot: 0"));
    drop(cpu);
    let _: Handle<D> = D::register().unwrap();
}
