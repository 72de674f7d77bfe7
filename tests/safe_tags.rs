//! Tags of pointers: a sorted list that is built with them, while two threads
//! change it and read it; and the result of each call. Runs on a host and under
//! Miri.

#![cfg(not(hyaline_loom))]

use std::thread;

use hyaline::{
    Collector, Config, Pool, Robust, domain,
    safe::{Atomic, Domain, Guard, Handle, Owned, Shared},
};

const ROUNDS: u32 = if cfg!(miri) { 60 } else { 40_000 };

/// The list that `Atomic::fetch_or` shows, for a scheme.
macro_rules! list {
    ($name:ident, $scheme:ty) => {
        mod $name {
            use super::*;

            domain!(D: Collector<4, $scheme> =
                Collector::with_config(Config::new().batch::<2>().era_step::<1>()));

            struct Node {
                key: u32,
                /// In a box, so that tools detect a use after the drop.
                value: Box<u32>,
                next: Atomic<Node, D>,
            }

            static POOL: Pool<Node, 24> = Pool::new();
            static HEAD: Atomic<Node, D> = Atomic::null();

            fn find<'g>(
                key: u32,
                guard: &'g Guard<'_, D>,
            ) -> (&'g Atomic<Node, D>, Shared<'g, Node, D>) {
                'again: loop {
                    let mut link = &HEAD;
                    let mut here = link.load(guard);
                    while let Some(node) = here.as_ref() {
                        assert_eq!(node.key, *node.value);
                        let next = node.next.load(guard);
                        if next.tag() == 1 {
                            let next = next.with_tag(0);
                            if link.compare_exchange(here, next, guard).is_err() {
                                continue 'again;
                            }
                            // SAFETY: the exchange removed the one link in the list
                            // that led to the node, and a node with a tagged link is
                            // not linked again. What is loaded from a node that was
                            // unlinked is used only after an exchange has shown that it
                            // was in the list.
                            unsafe { guard.retire(here) };
                            here = next;
                        } else if node.key < key {
                            (link, here) = (&node.next, next);
                        } else {
                            break;
                        }
                    }
                    return (link, here);
                }
            }

            fn insert(key: u32, handle: &Handle<D>) -> bool {
                let (value, next) = (Box::new(key), Atomic::null());
                let Ok(mut node) = Owned::new(&POOL, handle, Node { key, value, next }) else {
                    return false;
                };
                let guard = handle.enter();
                loop {
                    let (link, here) = find(key, &guard);
                    if here.as_ref().is_some_and(|node| node.key == key) {
                        return false;
                    }
                    node.next = Atomic::from(here);
                    match link.compare_exchange(here, node, &guard) {
                        Ok(_) => return true,
                        Err(changed) => node = changed.new,
                    }
                }
            }

            fn remove(key: u32, guard: &Guard<'_, D>) -> bool {
                let (_, here) = find(key, guard);
                let removed = (here.as_ref())
                    .is_some_and(|node| node.key == key && node.next.fetch_or(1, guard).tag() == 0);
                find(key, guard);
                removed
            }

            #[test]
            fn a_list_of_tagged_pointers() {
                let sums = [1, 2].map(|seed: u32| {
                    thread::spawn(move || {
                        let handle = D::register().unwrap();
                        let (mut random, mut sum) = (seed, 0_i64);
                        for _ in 0..ROUNDS {
                            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            let key = (random >> 8) % 8;
                            match random >> 30 {
                                0 | 1 => sum += i64::from(key) * i64::from(insert(key, &handle)),
                                2 => sum -= i64::from(key) * i64::from(remove(key, &handle.enter())),
                                _ => {
                                    let guard = handle.enter();
                                    let (_, found) = find(key, &guard);
                                    assert!(found.as_ref().is_none_or(|node| *node.value >= key));
                                }
                            }
                        }
                        sum
                    })
                });
                let sum: i64 = sums.map(|thread| thread.join().unwrap()).iter().sum();
                let handle = D::register().unwrap();
                let guard = handle.enter();
                let left: Vec<_> = (0..8)
                    .filter(|key| find(*key, &guard).1.as_ref().is_some_and(|n| n.key == *key))
                    .collect();
                assert_eq!(left.iter().map(|key| i64::from(*key)).sum::<i64>(), sum);
                for key in left {
                    assert!(remove(key, &guard));
                }
                assert!(HEAD.load(&guard).is_null());
                drop(guard);
                handle.flush();
                assert_eq!(POOL.available(), 24, "each node was retired once");
            }
        }
    };
}

list!(basic, hyaline::Basic);
list!(robust, Robust);

/// No size, an odd size, and a large alignment: a tag has at least one bit, and
/// the rest of the pointer is unchanged.
#[test]
fn tags_leave_the_pointer_alone() {
    #[repr(align(256))]
    struct Wide(u32);

    domain!(D: Collector<1> = Collector::new());
    static UNITS: Pool<(), 3> = Pool::new();
    static BYTES: Pool<[u8; 3], 3> = Pool::new();
    static WIDE: Pool<Wide, 3> = Pool::new();

    fn check<T: Send + 'static>(pool: &'static Pool<T, 3>, make: fn() -> T, bits: usize) {
        let handle = D::register().unwrap();
        for _ in 0..2 {
            let guard = handle.enter();
            let plain = Owned::<T, D>::new(pool, &handle, make())
                .ok()
                .unwrap()
                .into_shared(&guard);
            let all = plain.with_tag(usize::MAX);
            assert_eq!((plain.tag(), all.tag()), (0, bits));
            assert!(all != plain && all.with_tag(0) == plain && !all.is_null());
            assert_eq!(all.as_raw(), plain.as_raw());
            assert_eq!(
                all.as_ref().map(std::ptr::from_ref),
                plain.as_ref().map(std::ptr::from_ref)
            );
            let place = Atomic::from(plain.with_tag(2 & bits));
            assert_eq!(place.fetch_or(1, &guard).tag(), 2);
            assert_eq!(place.fetch_or(0, &guard).tag(), 3);
            assert!(place.compare_exchange(plain, all, &guard).is_err());
            assert!(
                place
                    .compare_exchange(plain.with_tag(3), all, &guard)
                    .is_ok()
            );
            assert!(place.swap(Shared::null().with_tag(1), &guard) == all);
            let null = place.load(&guard);
            assert!(null.is_null() && null.as_ref().is_none() && null.tag() == 1);
            // SAFETY: null is ignored.
            unsafe { guard.retire(null) };
            // SAFETY: it was only published in `place`, which no longer holds
            // it.
            drop(unsafe { all.into_owned() });
        }
        let guard = handle.enter();
        let last = Owned::<T, D>::new(pool, &handle, make()).ok().unwrap();
        let place = Atomic::new(last);
        place.fetch_or(1, &guard);
        // SAFETY: it was never shared.
        let last = unsafe { place.into_owned() }.expect("not null");
        let last = last.into_shared(&guard).with_tag(1);
        // SAFETY: no other thread has it, and it is retired once.
        unsafe { guard.retire(last) };
        drop(guard);
        handle.flush();
        assert_eq!(pool.available(), 3);
    }
    let word = size_of::<usize>() - 1;
    check(&UNITS, || (), word);
    check(&BYTES, || [1, 2, 3], word);
    check(&WIDE, || Wide(7), 255);
    assert_eq!(Wide(7).0, 7);
}
