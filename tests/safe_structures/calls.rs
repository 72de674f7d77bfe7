//! The calls other than insert, remove, push and pop: full, empty, a missing
//! key, a key with an inconsistent order; unsized values, and values with a
//! large alignment.

use std::{
    cmp::Ordering as Order,
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

use hyaline::{
    Collector, Config, Pool, Robust, domain,
    safe::{Domain, Map, Node, Queue, Refused, SharedPool, Stack},
};

use super::{Counted, Touchy, VALUES, leak};

/// A page: the largest alignment that a pool has to support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(align(256))]
struct Wide(u8);

/// A key that is smaller than every other, and equal to none.
#[derive(Clone, Debug)]
struct Liar(u32);

ordered!(Liar);

impl Ord for Liar {
    fn cmp(&self, _: &Self) -> Order {
        Order::Less
    }
}

impl Hash for Liar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Another one each time.
        static TURN: AtomicUsize = AtomicUsize::new(0);
        TURN.fetch_add(1, SeqCst).hash(state);
    }
}

schemes! {
    <6, 4>
    keys_are_looked_for_as_what_they_borrow {
        static MAP: Map<String, u32, 2, 8, D> = Map::new();
        let handle = D::register().unwrap();
        MAP.insert(&handle, "one".into(), 1).unwrap();
        MAP.insert(&handle, "two".into(), 2).unwrap();
        let guard = handle.enter();
        assert_eq!(MAP.get(&guard, "one"), Some(&1));
        assert_eq!(MAP.get(&guard, &String::from("two")), Some(&2));
        assert!(MAP.contains_key(&handle, "two") && !MAP.contains_key(&handle, "three"));
        assert_eq!(MAP.update(&handle, "two", |two| two + 1).unwrap().as_deref(), Some(&3));
        assert_eq!(MAP.remove_if(&guard, "two", |key, value| key == "two" && *value == 2), None);
        assert_eq!(MAP.remove(&guard, "two"), Some(&3));
        assert_eq!(MAP.remove(&guard, "two"), None);
    }

    an_empty_map_answers {
        static MAP: Map<u32, u32, 2, 2, D> = Map::new();
        let handle = D::register().unwrap();
        assert!(MAP.is_empty(&handle) && MAP.len(&handle) == 0);
        assert!(!MAP.contains_key(&handle, &1));
        assert!(MAP.update(&handle, &1, |_| unreachable!()).unwrap().is_none());
        assert!(MAP.remove_if(&handle.enter(), &1, |_, _| unreachable!()).is_none());
        assert_eq!(
            MAP.compare_exchange(&handle, 1, &7, 8),
            Err(Refused::Mismatch((1, 8))),
        );
        MAP.retain(&handle, |_, _| unreachable!());
        MAP.clear(&handle);
        for key in 0..2 {
            MAP.insert(&handle, key, key).expect("no call kept a block");
        }
    }

    a_full_map_refuses_and_changes_nothing {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (map, free) = leak(Map::<u32, Counted, 2, 2, D>::new());
        let handle = D::register().unwrap();
        for key in 0..2 {
            map.insert(&handle, key, Counted(key as usize, &DROPS)).unwrap();
        }
        let full = map.get_or_insert(&handle, 2, Counted(2, &DROPS)).unwrap_err();
        assert_eq!((full.into_inner().1).0, 2);
        assert_eq!(DROPS.load(SeqCst), 1, "what came back");
        let full = map.get_or_insert_with(&handle, 2, || unreachable!()).unwrap_err();
        assert_eq!(full.into_inner(), 2);
        assert!(map.update(&handle, &1, |_| unreachable!()).is_err());
        let guard = handle.enter();
        let one = map.get(&guard, &1).unwrap();
        let full = map.compare_exchange(&handle, 1, one, Counted(3, &DROPS)).unwrap_err();
        assert!(matches!(full, Refused::Full((1, Counted(3, _)))));
        drop((full, guard));
        // An existing key is found without a block.
        assert_eq!(map.get_or_insert(&handle, 1, Counted(4, &DROPS)).unwrap().0, 1);
        assert_eq!(map.get_or_insert_with(&handle, 0, || unreachable!()).unwrap().0, 0);
        assert_eq!((map.len(&handle), DROPS.load(SeqCst)), (2, 3));
        // A full map can be cleared, and filled again.
        map.retain(&handle, |key, _| *key == 0);
        assert!(map.contains_key(&handle, &0) && map.len(&handle) == 1);
        map.clear(&handle);
        assert!(map.is_empty(&handle));
        for key in 0..2 {
            drop(map.get_or_insert(&handle, key, Counted(5, &DROPS)).unwrap());
        }
        drop(handle);
        free();
        assert_eq!(DROPS.load(SeqCst), 7);
    }

    a_value_is_exchanged_once {
        static MAP: Map<u32, u32, 1, 8, D> = Map::new();
        let handle = D::register().unwrap();
        MAP.insert(&handle, 1, 10).unwrap();
        let guard = handle.enter();
        let ten = MAP.get(&guard, &1).unwrap();
        MAP.compare_exchange(&handle, 1, ten, 10).unwrap();
        // An equal key that can be told from it.
        assert_eq!(MAP.compare_exchange(&handle, 1, ten, 11), Err(Refused::Mismatch((1, 11))));
        assert_eq!(MAP.compare_exchange(&handle, 2, ten, 11), Err(Refused::Mismatch((2, 11))));
        assert_eq!((MAP.get(&guard, &1), MAP.len(&handle)), (Some(&10), 1));
    }

    what_was_put_stays_readable {
        static MAP: Map<u32, Box<u32>, 1, 8, D> = Map::new();
        let handle = D::register().unwrap();
        let elsewhere = || thread::spawn(|| {
            let handle = D::register().unwrap();
            MAP.clear(&handle);
            handle.flush();
        }).join().unwrap();
        let put = MAP.get_or_insert(&handle, 1, Box::new(1)).unwrap();
        elsewhere();
        assert_eq!(**put, 1);
        drop(put);
        MAP.insert(&handle, 1, Box::new(1)).unwrap();
        let put = MAP.update(&handle, &1, |one| Box::new(**one + 1)).unwrap().unwrap();
        elsewhere();
        assert_eq!((**put, MAP.get(put.guard(), &1)), (2, None));
    }

    a_key_that_contradicts_itself_does_no_harm {
        static MAP: Map<Liar, Box<u32>, 3, 8, D> = Map::new();
        let handle = D::register().unwrap();
        for number in 0..200 {
            let key = Liar(number);
            drop(MAP.insert(&handle, key.clone(), Box::new(number)));
            drop(MAP.upsert(&handle, key.clone(), Box::new(number)));
            drop(MAP.get_or_insert(&handle, key.clone(), Box::new(number)));
            drop(MAP.update(&handle, &key, |old| old.clone()).unwrap_or(None));
            MAP.remove(&handle.enter(), &key);
            MAP.contains_key(&handle, &key);
            // None of these ends by itself.
            assert!(MAP.iter(&handle.enter()).take(9).all(|(key, value)| key.0 == **value));
            assert!(MAP.len(&handle) <= 8);
        }
    }

    a_closure_that_panics_changes_nothing {
        static MAP: Map<Touchy, u32, 1, 2, D> = Map::new();
        let handle = D::register().unwrap();
        MAP.insert(&handle, Touchy(1), 1).unwrap();
        fn panic() -> u32 {
            panic!("for the test")
        }
        for _ in 0..4 {
            let calls: [&dyn Fn(); 5] = [
                &|| drop(MAP.get_or_insert_with(&handle, Touchy(2), panic)),
                &|| drop(MAP.get_or_insert(&handle, Touchy(13), 13)),
                &|| drop(MAP.update(&handle, &Touchy(1), |_| panic())),
                &|| _ = MAP.remove_if(&handle.enter(), &Touchy(1), |_, _| panic() == 0),
                &|| MAP.retain(&handle, |_, _| panic() == 0),
            ];
            for call in calls {
                assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
            }
        }
        assert_eq!((MAP.len(&handle), MAP.get(&handle.enter(), &Touchy(1))), (1, Some(&1)));
        MAP.insert(&handle, Touchy(2), 2).expect("no block is lost");
    }

    values_of_no_size_and_of_a_large_alignment {
        static UNITS: Map<u32, (), 1, 4, D> = Map::new();
        static NOTHING: Map<(), (), 1, 2, D> = Map::new();
        static WIDE: Map<Wide, Wide, 2, 4, D> = Map::new();
        static STACK: Stack<Wide, 4, D> = Stack::new();
        static QUEUE: Queue<(), 4, D> = Queue::new();
        let handle = D::register().unwrap();
        for key in 0..2 {
            assert_eq!(*UNITS.get_or_insert(&handle, key, ()).unwrap(), ());
        }
        let guard = handle.enter();
        let [first, second] = [0, 1].map(|key| UNITS.get(&guard, &key).unwrap());
        // Unsized values are told apart, too.
        assert_eq!(UNITS.compare_exchange(&handle, 0, second, ()), Err(Refused::Mismatch((0, ()))));
        UNITS.compare_exchange(&handle, 0, first, ()).unwrap();
        drop(guard);
        assert!(UNITS.update(&handle, &0, |()| ()).unwrap().is_some());
        assert_eq!(*NOTHING.get_or_insert(&handle, (), ()).unwrap(), ());
        assert!(NOTHING.contains_key(&handle, &()) && NOTHING.len(&handle) == 1);

        WIDE.insert(&handle, Wide(1), Wide(2)).unwrap();
        let wide = WIDE.update(&handle, &Wide(1), |old| Wide(old.0 + 1)).unwrap().unwrap();
        assert_eq!((*wide, (&raw const *wide).addr() % 256), (Wide(3), 0));
        drop(wide);
        assert_eq!(*WIDE.get_or_insert(&handle, Wide(2), Wide(5)).unwrap(), Wide(5));
        for n in 0..4 {
            STACK.push(&handle, Wide(n)).unwrap();
            QUEUE.push(&handle, ()).unwrap();
        }
        assert!(STACK.iter(&handle.enter()).eq([3, 2, 1, 0].map(Wide)));
        assert_eq!((STACK.len(&handle), QUEUE.len(&handle)), (4, 4));
        assert_eq!(QUEUE.iter(&handle.enter()).count(), 4);
    }

    stack_and_queue_tell_what_is_in_them {
        static STACK: Stack<u32, 4, D> = Stack::new();
        static QUEUE: Queue<u32, 5, D> = Queue::new();
        let handle = D::register().unwrap();
        for round in 0..20 {
            assert!(STACK.is_empty() && QUEUE.is_empty(&handle));
            assert_eq!((STACK.len(&handle), QUEUE.len(&handle)), (0, 0));
            assert_eq!(STACK.iter(&handle.enter()).next(), None);
            assert_eq!(QUEUE.iter(&handle.enter()).next(), None);
            for n in 0..4 {
                STACK.push(&handle, round + n).unwrap();
                QUEUE.push(&handle, round + n).unwrap();
                assert!(!STACK.is_empty() && !QUEUE.is_empty(&handle));
                assert_eq!((STACK.len(&handle), QUEUE.len(&handle)), (n as usize + 1, n as usize + 1));
            }
            let guard = handle.enter();
            assert!(STACK.iter(&guard).eq((round..round + 4).rev()));
            assert!(QUEUE.iter(&guard).eq(round..round + 4));
            drop(guard);
            for n in 0..4 {
                assert_eq!(STACK.pop(&handle), Some(round + 3 - n));
                assert_eq!(QUEUE.pop(&handle), Some(round + n));
            }
        }
    }

    the_latest_events_stay {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (queue, free) = leak(Queue::<Counted, 4, D>::new());
        let handle = D::register().unwrap();
        let mut oldest = Vec::new();
        for event in 0..20 {
            queue
                .push_or_replace_oldest(&handle, Counted(event, &DROPS), |old| oldest.push(old.0))
                .unwrap();
            assert!(queue.len(&handle) >= usize::min(3, event + 1));
        }
        // Each once, and in order.
        assert!(oldest.iter().copied().eq(0..17));
        assert_eq!((queue.len(&handle), DROPS.load(SeqCst)), (3, 17));
        // A section of ours holds the blocks back: refused, and given back.
        let guard = handle.enter();
        let mut replaced = 0;
        let full = queue.push_or_replace_oldest(&handle, Counted(20, &DROPS), |_| replaced += 1);
        assert_eq!((full.unwrap_err().into_inner().0, replaced), (20, 1));
        drop(guard);
        queue.push_or_replace_oldest(&handle, Counted(21, &DROPS), |_| unreachable!()).unwrap();
        drop(handle);
        free();
        assert_eq!(DROPS.load(SeqCst), 22);
    }

    a_deferred_handle_replaces_what_no_section_holds {
        static EVENTS: Queue<u32, 4, D> = Queue::new();
        let (interrupt, task) = (D::register_deferred().unwrap(), D::register().unwrap());
        for event in 0..50 {
            EVENTS.push_or_replace_oldest(&interrupt, event, |old| assert!(old < event)).unwrap();
        }
        assert_eq!(EVENTS.iter(&task.enter()).last(), Some(49));
        // Blocks that a section holds back: it takes out the oldest element,
        // and is refused.
        let guard = task.enter();
        let before = EVENTS.len(&task);
        let mut oldest = 0;
        let full = EVENTS.push_or_replace_oldest(&interrupt, 50, |_| oldest += 1);
        assert_eq!(full.unwrap_err().into_inner(), 50);
        assert_eq!((oldest, EVENTS.len(&task)), (1, before - 1));
        drop(guard);
        EVENTS.push_or_replace_oldest(&interrupt, 51, |_| unreachable!()).unwrap();
    }

    an_empty_queue_without_blocks_replaces_nothing {
        static NODES: Pool<Node<u32>, 2> = Pool::new();
        static STACK: Stack<u32, 2, D, SharedPool> = Stack::in_pool(&NODES);
        static QUEUE: Queue<u32, 2, D, SharedPool> = Queue::in_pool(&NODES);
        let handle = D::register().unwrap();
        STACK.push(&handle, 1).unwrap();
        STACK.push(&handle, 2).unwrap();
        let full = QUEUE.push_or_replace_oldest(&handle, 3, |_| unreachable!());
        assert_eq!(full.unwrap_err().into_inner(), 3);
    }

    a_queue_of_two_lives_on {
        static QUEUE: Queue<u32, 2, D> = Queue::new();
        let handle = D::register().unwrap();
        for n in 0..100 {
            QUEUE.push(&handle, n).unwrap();
            assert_eq!(QUEUE.pop(&handle), Some(n));
        }
    }

    a_walk_does_not_follow_a_node_that_was_popped {
        static QUEUE: Queue<u32, 4, D> = Queue::new();
        static CLOCK: Stack<u32, 4, D> = Stack::new();
        let (reader, writer) = (D::register().unwrap(), D::register().unwrap());
        QUEUE.push(&writer, 1).unwrap();
        let guard = reader.enter();
        let walk = QUEUE.iter(&guard);
        // What is pushed from here on has a later era than the section.
        for n in 0..10 {
            let _ = CLOCK.push(&writer, n);
            CLOCK.pop(&writer);
            writer.flush();
        }
        // The successor of the iterator's node is popped, and its block is used
        // again and again, if it is free.
        for n in 2..30 {
            if QUEUE.push(&writer, n).is_ok() {
                QUEUE.pop(&writer);
                writer.flush();
            }
        }
        let seen: Vec<_> = walk.collect();
        assert!(seen.iter().copied().eq(1..=seen.len() as u32), "{seen:?}");
    }

    walks_see_what_is_there {
        static STACK: Stack<(usize, usize), 64, D> = Stack::new();
        static QUEUE: Queue<(usize, usize), 64, D> = Queue::new();
        static MAP: Map<usize, usize, 4, 256, D> = Map::new();
        let done = AtomicBool::new(false);
        let handle = D::register().unwrap();
        for n in 0..8 {
            STACK.push(&handle, (n, !n)).unwrap();
            QUEUE.push(&handle, (n, !n)).unwrap();
            MAP.insert(&handle, n, n).unwrap();
        }
        thread::scope(|scope| {
            for writer in 0..2 {
                let done = &done;
                scope.spawn(move || {
                    let handle = D::register().unwrap();
                    for n in 8..VALUES {
                        let _ = STACK.push(&handle, (n, !n));
                        let _ = QUEUE.push_or_replace_oldest(&handle, (n, !n), drop);
                        let key = 8 + writer;
                        drop(MAP.get_or_insert(&handle, key, 0));
                        drop(MAP.update(&handle, &key, |old| old + 1));
                        if n % 3 == writer {
                            STACK.pop(&handle);
                            QUEUE.pop(&handle);
                            MAP.remove_if(&handle.enter(), &key, |_, value| value % 2 == 0);
                        }
                    }
                    done.store(true, SeqCst);
                });
            }
            while !done.load(SeqCst) {
                let guard = handle.enter();
                assert!(STACK.iter(&guard).all(|(n, m)| n == !m));
                assert!(QUEUE.iter(&guard).all(|(n, m)| n == !m));
                drop(guard);
                // At most as many as there are blocks; those that stay are
                // counted.
                assert!(STACK.len(&handle) <= 64 && QUEUE.len(&handle) <= 64);
                assert!((8..=10).contains(&MAP.len(&handle)));
                MAP.retain(&handle, |key, value| *key < 8 || value % 5 != 0);
            }
        });
        MAP.clear(&handle);
        assert!(MAP.is_empty(&handle));
    }
}
