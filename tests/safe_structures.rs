//! Stack, queue and map, one test a promise, in both schemes. Runs on a host
//! and under Miri.

#![cfg(not(hyaline_loom))]

#[macro_use]
#[path = "common/safe.rs"]
mod common;
#[macro_use]
#[path = "common/ordered.rs"]
mod ordered;

use std::{
    cmp::Ordering as Order,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};

use common::{Counted, VALUES, assert_complete, leak, send};
use hyaline::{
    Collector, Config, Robust, domain,
    safe::{Domain, Map, Queue, Refused, Stack},
};

#[path = "safe_structures/calls.rs"]
mod calls;
#[path = "safe_structures/shared.rs"]
mod shared;

schemes! {
    <6, 4>
    a_stack_is_last_in_first_out {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (stack, free) = leak(Stack::<Counted, 4, D>::new());
        let handle = D::register().unwrap();
        assert!(stack.is_empty());
        for n in 0..4 {
            stack.push(&handle, Counted(n, &DROPS)).unwrap();
        }
        assert!(!stack.is_empty());
        let full = stack.push(&handle, Counted(4, &DROPS)).unwrap_err();
        assert!(full.to_string().contains("no place is free"));
        assert_eq!(full.into_inner().0, 4);
        assert_eq!(stack.pop(&handle).unwrap().0, 3);
        assert_eq!(stack.pop(&handle).unwrap().0, 2);
        assert_eq!(DROPS.load(SeqCst), 3);
        stack.push(&handle, Counted(5, &DROPS)).unwrap();
        assert_eq!(stack.pop(&handle).unwrap().0, 5);
        drop(handle);
        free();
        assert_eq!(DROPS.load(SeqCst), 6);
    }

    a_queue_is_first_in_first_out {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (queue, free) = leak(Queue::<Counted, 4, D>::new());
        let handle = D::register().unwrap();
        assert!(queue.pop(&handle).is_none());
        for n in 0..4 {
            queue.push(&handle, Counted(n, &DROPS)).unwrap();
        }
        let full = queue.push(&handle, Counted(9, &DROPS)).unwrap_err();
        assert_eq!(full.into_inner().0, 9);
        for n in 0..50 {
            assert_eq!(queue.pop(&handle).unwrap().0, n);
            // One block is the dummy's from now on.
            if n > 0 {
                queue.push(&handle, Counted(n + 3, &DROPS)).unwrap();
                assert!(queue.push(&handle, Counted(9, &DROPS)).is_err());
            }
        }
        drop(handle);
        let popped = DROPS.load(SeqCst);
        free();
        assert_eq!(DROPS.load(SeqCst), popped + 3, "those that were left");
    }

    deferred_handles_push_and_pop {
        static STACK: Stack<u32, 8, D> = Stack::new();
        static QUEUE: Queue<u32, 8, D> = Queue::new();
        static MAP: Map<u32, u32, 4, 8, D> = Map::new();
        let (task, interrupt) = (D::register().unwrap(), D::register_deferred().unwrap());
        for n in 0..100 {
            STACK.push(&interrupt, n).unwrap();
            QUEUE.push(&interrupt, n).unwrap();
            MAP.upsert(&interrupt, n, n).unwrap();
            assert_eq!(STACK.pop(&interrupt), Some(n));
            assert_eq!(QUEUE.pop(&interrupt), Some(n));
            assert_eq!(MAP.remove(&interrupt.enter(), &n), Some(&n));
            // An idle task reclaims what interrupts retire.
            interrupt.flush();
            task.collect();
        }
    }

    a_map_does_what_a_map_does {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (map, free) = leak(Map::<u32, Counted, 3, 16, D>::new());
        let handle = D::register().unwrap();
        let mut model = BTreeMap::new();
        let mut random = 1_u32;
        let mut made = 0;
        for round in 0..if cfg!(miri) { 300 } else { 5000 } {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (key, call) = ((random >> 8) % 12, (random >> 24) % 5);
            let value = Counted(round, &DROPS);
            made += 1;
            let there = model.contains_key(&key);
            match call {
                0 => {
                    match map.insert(&handle, key, value) {
                        Ok(()) => assert!(!there),
                        Err(why) => assert!(there && matches!(why, Refused::Mismatch(_))),
                    }
                    model.entry(key).or_insert(round);
                }
                1 => {
                    assert_eq!(map.replace(&handle, key, value).is_ok(), there);
                    model.entry(key).and_modify(|old| *old = round);
                }
                2 => {
                    assert_eq!(map.upsert(&handle, key, value).unwrap(), there);
                    model.insert(key, round);
                }
                3 => {
                    let guard = handle.enter();
                    let old = map.remove(&guard, &key).map(|value| value.0);
                    assert_eq!(old, model.remove(&key));
                }
                _ => {
                    let guard = handle.enter();
                    assert_eq!(map.get(&guard, &key).map(|value| value.0), model.get(&key).copied());
                    let mut all: Vec<_> = map.iter(&guard).map(|(k, v)| (*k, v.0)).collect();
                    all.sort_unstable();
                    assert!(all.into_iter().eq(model.iter().map(|(k, v)| (*k, *v))));
                }
            }
        }
        drop(handle);
        assert_eq!(DROPS.load(SeqCst), made - model.len());
        free();
        assert_eq!(DROPS.load(SeqCst), made);
    }

    a_full_map_gives_key_and_value_back {
        static MAP: Map<u32, String, 1, 2, D> = Map::new();
        let handle = D::register().unwrap();
        MAP.insert(&handle, 1, "one".into()).unwrap();
        MAP.insert(&handle, 2, "two".into()).unwrap();
        let full = MAP.insert(&handle, 3, "three".into()).unwrap_err();
        assert_eq!(full, Refused::Full((3, "three".into())));
        let guard = handle.enter();
        let one = MAP.remove(&guard, &1).unwrap();
        let full = MAP.replace(&handle, 2, "deux".into());
        assert!(matches!(full, Err(Refused::Full(_))), "our guard holds {one} back");
        drop(guard);
        MAP.replace(&handle, 2, "deux".into()).unwrap();
        assert_eq!(MAP.get(&handle.enter(), &2).unwrap(), "deux");
    }

    a_comparison_that_panics_loses_nothing {
        static MAP: Map<Touchy, u32, 1, 2, D> = Map::new();
        let handle = D::register().unwrap();
        MAP.insert(&handle, Touchy(1), 1).unwrap();
        for _ in 0..4 {
            let insert = AssertUnwindSafe(|| MAP.insert(&handle, Touchy(13), 13));
            assert!(catch_unwind(insert).is_err());
        }
        MAP.insert(&handle, Touchy(2), 2).unwrap();
    }

    a_stack_sends_each_value_once {
        static STACK: Stack<usize, 256, D> = Stack::new();
        let seen = send::<D>(
            |handle, value| STACK.push(handle, value).is_ok(),
            |handle| STACK.pop(handle),
        );
        assert_complete(&seen);
    }

    a_queue_sends_each_value_once_and_in_order {
        static QUEUE: Queue<Box<usize>, 256, D> = Queue::new();
        let seen = send::<D>(
            |handle, value| QUEUE.push(handle, Box::new(value)).is_ok(),
            |handle| QUEUE.pop(handle).map(|value| *value),
        );
        assert_complete(&seen);
        for receiver in &seen {
            for sender in 0..2 {
                let from = receiver.iter().filter(|value| *value % 2 == sender);
                assert!(from.is_sorted());
            }
        }
    }

    a_replaced_key_is_never_missing {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        static MAP: Map<u32, (Counted, usize), 2, 256, D> = Map::new();
        let handle = D::register().unwrap();
        for key in 0..6 {
            MAP.insert(&handle, key, (Counted(0, &DROPS), 0)).unwrap();
        }
        thread::scope(|scope| {
            for writer in 0..2_u32 {
                scope.spawn(move || {
                    let handle = D::register().unwrap();
                    for round in 0..VALUES {
                        // Keys are inserted and removed around those that are
                        // replaced.
                        let passing = 10 + writer;
                        let value = || (Counted(round, &DROPS), round);
                        while matches!(MAP.upsert(&handle, passing, value()), Err(Refused::Full(_))) {
                            thread::yield_now();
                        }
                        while MAP.replace(&handle, 2 + writer, value()).is_err() {
                            thread::yield_now();
                        }
                        assert!(MAP.remove(&handle.enter(), &passing).is_some());
                    }
                });
            }
            for _ in 0..VALUES {
                let guard = handle.enter();
                for key in 0..6 {
                    let value = MAP.get(&guard, &key).expect("it is present throughout");
                    assert_eq!(value.0.0, value.1);
                }
                let keys: Vec<_> = MAP.iter(&guard).map(|(key, _)| *key).collect();
                assert_eq!(keys.iter().filter(|key| **key < 6).count(), 6, "{keys:?}");
            }
        });
    }
}

/// A key whose comparison with 13 panics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Touchy(u32);

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> Order {
        assert!(self.0 != 13 && other.0 != 13, "for the test");
        self.0.cmp(&other.0)
    }
}
