//! The map that grows.

use std::{
    collections::{BTreeSet, HashMap as Std},
    hash::{BuildHasher, BuildHasherDefault, Hasher},
    thread,
};

use hyaline::safe::HashMap;

use super::{random::Random, *};

/// The number itself; or what is left of it.
#[derive(Clone, Copy, Default)]
pub struct Bits<const MASK: u64>(u64);

impl<const MASK: u64> Hasher for Bits<MASK> {
    fn finish(&self) -> u64 {
        self.0 & MASK
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

pub type Itself = BuildHasherDefault<Bits<{ u64::MAX }>>;
/// All keys meet.
pub type One = BuildHasherDefault<Bits<0>>;
/// Three of four do.
pub type Few = BuildHasherDefault<Bits<0x1_0000_0001>>;

/// Random calls, against `std`'s map.
fn against_std<D: Domain, S: BuildHasher + Default>(keys: u64, calls: usize) {
    let map = HashMap::<u64, u64, S, D>::default();
    let mut model = Std::new();
    let handle = D::register().unwrap();
    let mut random = Random(0x5eed + keys);
    for call in 0..calls as u64 {
        let key = random.below(keys as usize) as u64;
        let guard = handle.enter();
        let old = model.get(&key).copied();
        match random.below(12) {
            0 | 1 => assert_eq!(map.insert(&handle, key, call).is_ok(), {
                model.entry(key).or_insert(call);
                old.is_none()
            }),
            2 => assert_eq!(map.replace(&handle, key, call).is_ok(), {
                model.entry(key).and_modify(|value| *value = call);
                old.is_some()
            }),
            3 => assert_eq!(
                map.upsert(&handle, key, call),
                Ok(model.insert(key, call).is_some())
            ),
            4 => assert_eq!(map.remove(&guard, &key).copied(), model.remove(&key)),
            5 => {
                let odd = old.filter(|value| value % 2 == 1);
                assert_eq!(
                    map.remove_if(&guard, &key, |_, value| value % 2 == 1)
                        .copied(),
                    odd
                );
                odd.map(|_| model.remove(&key));
            }
            6 => assert_eq!(
                *map.get_or_insert(&handle, key, call).unwrap(),
                *model.entry(key).or_insert(call)
            ),
            7 => assert_eq!(
                *map.get_or_insert_with(&handle, key, || call).unwrap(),
                *model.entry(key).or_insert(call)
            ),
            8 => {
                let made = map.update(&handle, &key, |value| value + 1).unwrap();
                assert_eq!(made.as_deref().copied(), old.map(|value| value + 1));
                model.entry(key).and_modify(|value| *value += 1);
            }
            9 => {
                if let Some(seen) = map.get(&guard, &key) {
                    map.compare_exchange(&handle, key, seen, call).unwrap();
                    assert_eq!(
                        map.compare_exchange(&handle, key, seen, 7),
                        Err(Refused::Mismatch((key, 7)))
                    );
                    model.insert(key, call);
                }
            }
            10 if random.below(50) == 0 => {
                map.retain(&handle, |key, _| key % 3 == 0);
                model.retain(|key, _| key % 3 == 0);
            }
            _ => assert_eq!(map.get(&guard, &key).copied(), old),
        }
        assert_eq!(map.len(), model.len());
        assert_eq!(map.is_empty(), model.is_empty());
        assert_eq!(map.contains_key(&handle, &key), model.contains_key(&key));
    }
    let mut all: Vec<_> = map.iter(&handle.enter()).map(|(k, v)| (*k, *v)).collect();
    let mut expected: Vec<_> = model.into_iter().collect();
    all.sort_unstable();
    expected.sort_unstable();
    assert_eq!(all, expected);
    map.clear(&handle);
    assert!(map.is_empty() && map.iter(&handle.enter()).next().is_none());
}

schemes! {
    <6, 4>
    a_map_does_what_a_map_does {
        let calls = if cfg!(miri) { 100 } else { 20_000 };
        against_std::<D, std::hash::RandomState>(300, calls);
        against_std::<D, Itself>(40, calls);
        against_std::<D, Few>(40, calls);
        against_std::<D, One>(12, calls);
    }

    it_grows_and_gives_all_back {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let live = LIVE.get();
        let handle = D::register().unwrap();
        let map = HashMap::<u64, Counted, Itself, D>::default();
        let many = 4 * MANY as u64;
        for key in 0..many {
            map.insert(&handle, key << 40, Counted(key as usize, &DROPS)).unwrap();
        }
        assert_eq!(map.len() as u64, many);
        let guard = handle.enter();
        assert!((0..many).all(|key| map.get(&guard, &(key << 40)).is_some_and(|v| v.0 as u64 == key)));
        let keys: BTreeSet<_> = map.iter(&guard).map(|(key, _)| *key >> 40).collect();
        assert!(map.iter(&guard).count() as u64 == many && keys.into_iter().eq(0..many));
        // One allocation for each node, and a few for the table.
        assert!(LIVE.get() - live < many as isize + 20);
        for key in 0..many / 2 {
            assert!(map.remove(&guard, &(key << 40)).is_some());
        }
        drop(guard);
        handle.collect();
        assert_eq!(DROPS.load(SeqCst) as u64, many / 2);
        drop(map);
        assert_eq!(DROPS.load(SeqCst) as u64, many);
        assert_eq!(LIVE.get(), live);
    }

    // What was taken out outlives the map, and needs nothing of it.
    a_map_is_dropped_before_what_was_taken_out {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let handle = D::register().unwrap();
        let reader = D::register().unwrap();
        let section = reader.enter();
        let map = HashMap::<u64, Counted, Itself, D>::default();
        for n in 0..20 {
            map.insert(&handle, n, Counted(0, &DROPS)).unwrap();
        }
        assert_eq!(map.iter(&section).count(), 20);
        for n in 0..10 {
            assert!(map.remove(&handle.enter(), &n).is_some());
            map.upsert(&handle, 19, Counted(1, &DROPS)).unwrap();
        }
        drop(map);
        assert!(DROPS.load(SeqCst) < 30);
        drop(section);
        handle.collect();
        assert_eq!(DROPS.load(SeqCst), 30);
    }

    every_size_and_alignment {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(align(256))]
        struct Wide(u64);
        fn at<T>(place: &T) -> bool {
            (&raw const *place).addr() % align_of::<T>() == 0
        }
        let handle = D::register().unwrap();
        let wide = HashMap::<Wide, (), Itself, D>::default();
        let value = HashMap::<u64, Wide, Itself, D>::default();
        let unit = HashMap::<(), (), One, D>::default();
        unit.insert(&handle, (), ()).unwrap();
        assert!(unit.insert(&handle, (), ()).is_err());
        for n in 0..40 {
            wide.insert(&handle, Wide(n), ()).unwrap();
            value.insert(&handle, n, Wide(n)).unwrap();
            value.upsert(&handle, n, Wide(n + 1)).unwrap();
        }
        let guard = handle.enter();
        assert!(wide.iter(&guard).all(|(key, ())| at(key)));
        assert!((0..40).all(|n| wide.get(&guard, &Wide(n)) == Some(&())));
        assert!(value.iter(&guard).all(|(key, value)| at(value) && value.0 == key + 1));
        assert_eq!(unit.remove(&guard, &()), Some(&()));
        assert!(unit.is_empty());
    }

    // By another type, of the same hash.
    a_key_is_found_by_what_it_is_borrowed_as {
        let handle = D::register().unwrap();
        let map = HashMap::<String, u32, std::hash::RandomState, D>::default();
        map.insert(&handle, "one".into(), 1).unwrap();
        assert_eq!(map.get(&handle.enter(), "one"), Some(&1));
        assert_eq!(map.remove(&handle.enter(), "one"), Some(&1));
    }

    // While others insert, so that the map grows, and remove.
    a_key_that_is_replaced_is_never_missing {
        let map = &HashMap::<u64, u64, Itself, D>::default();
        let handle = D::register().unwrap();
        let (stay, rounds) = (64, if cfg!(miri) { 2 } else { 200 });
        for key in 0..stay {
            map.insert(&handle, key, 0).unwrap();
        }
        let done = &AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let handle = D::register().unwrap();
                for round in 1..=rounds {
                    for key in 0..stay {
                        map.replace(&handle, key, round).unwrap();
                    }
                }
                done.fetch_add(1, SeqCst);
            });
            scope.spawn(|| {
                let handle = D::register().unwrap();
                for round in 0..rounds {
                    for key in 0..stay {
                        map.insert(&handle, stay + round * stay + key, 1).unwrap();
                    }
                    for key in 0..stay / 2 {
                        let key = stay + round * stay + key;
                        assert_eq!(map.remove(&handle.enter(), &key), Some(&1));
                    }
                }
                done.fetch_add(1, SeqCst);
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    let handle = D::register().unwrap();
                    while done.load(SeqCst) < 2 {
                        let guard = handle.enter();
                        assert!((0..stay).all(|key| map.get(&guard, &key).is_some()));
                        let mut seen: Vec<_> = map.iter(&guard).map(|(key, _)| *key).filter(|key| *key < stay).collect();
                        seen.sort_unstable();
                        assert!(seen.into_iter().eq(0..stay));
                    }
                });
            }
        });
        assert_eq!(map.len() as u64, stay + rounds * stay / 2);
        assert_eq!(map.iter(&handle.enter()).count(), map.len());
    }

    // Threads put the same keys: each is put once.
    one_of_several_inserts_wins {
        let map = &HashMap::<u64, usize, Few, D>::default();
        let keys = if cfg!(miri) { 12 } else { 300 };
        let won: Vec<usize> = thread::scope(|scope| {
            let threads = [0, 1, 2].map(|number| scope.spawn(move || {
                let handle = D::register().unwrap();
                (0..keys).filter(|key| map.insert(&handle, *key, number).is_ok()).count()
            }));
            threads.map(|thread| thread.join().unwrap()).into()
        });
        let handle = D::register().unwrap();
        assert_eq!(won.iter().sum::<usize>() as u64, keys);
        let removed: usize = thread::scope(|scope| {
            let threads = [(), ()].map(|()| scope.spawn(|| {
                let handle = D::register().unwrap();
                (0..keys).filter(|key| map.remove(&handle.enter(), key).is_some()).count()
            }));
            threads.map(|thread| thread.join().unwrap()).iter().sum()
        });
        assert_eq!((removed as u64, map.len()), (keys, 0));
        assert!(map.iter(&handle.enter()).next().is_none());
    }
}
