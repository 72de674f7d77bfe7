//! The map that grows, when allocations fail, user code panics, and keys lie;
//! and what a deferred handle does not do.

use std::{
    hash::{Hash, Hasher},
    panic::resume_unwind,
    thread,
};

use hyaline::safe::HashMap;

use super::{
    hash_map::{Few, Itself, One},
    random::Random,
    *,
};

thread_local! {
    /// How many places of user code are passed before one panics; 0 for none.
    static FUSE: Cell<u32> = const { Cell::new(0) };
    /// How often the next answers are lies.
    static LIES: Cell<u64> = const { Cell::new(0) };
    static VALUES: Cell<isize> = const { Cell::new(0) };
}

/// User code, in a call.
fn place() {
    let left = FUSE.get();
    if left > 0 && !thread::panicking() {
        FUSE.set(left - 1);
        if left == 1 {
            resume_unwind(Box::new(()));
        }
    }
}

/// A key and a value that may lie, and panic.
#[derive(Debug)]
struct Fickle(u64);

impl Fickle {
    fn new(number: u64) -> Self {
        VALUES.set(VALUES.get() + 1);
        Self(number)
    }

    fn lie(&self) -> bool {
        let mut random = Random(LIES.get());
        let lie = LIES.get() != 0 && random.below(4) == 0;
        LIES.set(random.0);
        lie
    }
}

impl Drop for Fickle {
    fn drop(&mut self) {
        VALUES.set(VALUES.get() - 1);
        place();
    }
}

impl Clone for Fickle {
    fn clone(&self) -> Self {
        place();
        Self::new(self.0)
    }
}

impl Hash for Fickle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        place();
        state.write_u64(if self.lie() { self.0 + 1 } else { self.0 });
    }
}

impl PartialEq for Fickle {
    fn eq(&self, other: &Self) -> bool {
        place();
        (self.0 == other.0) != self.lie()
    }
}

impl Eq for Fickle {}

type FickleMap<D> = HashMap<Fickle, Fickle, One, D>;

/// The calls, and how many there are.
const CALLS: u32 = 14;

#[rustfmt::skip]
fn call<D: Domain>(number: u32, map: &FickleMap<D>, handle: &Handle<D>) {
    let key = Fickle::new;
    let own = key(7);
    match number {
        0 => drop(map.insert(handle, key(1), own)),
        1 => drop(map.insert(handle, key(9), own)),
        2 => drop(map.replace(handle, key(1), own)),
        3 => drop(map.replace(handle, key(9), own)),
        4 => drop(map.upsert(handle, key(2), own)),
        5 => drop(map.get_or_insert(handle, key(1), own).map(drop)),
        6 => drop(map.get_or_insert(handle, key(9), own).map(drop)),
        7 => drop(map.get_or_insert_with(handle, key(9), || { place(); own }).map(drop)),
        8 => { let _ = map.update(handle, &key(2), |old| { place(); old.clone() }); }
        9 => { map.remove(&handle.enter(), &key(2)); }
        10 => { map.remove_if(&handle.enter(), &key(2), |_, _| { place(); true }); }
        11 => map.retain(handle, |key, _| { place(); key.0 == 2 }),
        12 => {
            // Loses, once.
            let mut first = true;
            let _ = map.update(handle, &key(1), |old| {
                if std::mem::take(&mut first) {
                    let left = FUSE.take();
                    drop(map.upsert(&D::register().unwrap(), key(1), key(8)));
                    FUSE.set(left);
                }
                old.clone()
            });
        }
        _ => {
            let guard = handle.enter();
            if let Some(seen) = map.get(&guard, &key(1)) {
                drop(map.compare_exchange(handle, key(1), seen, own));
            }
        }
    }
}

schemes! {
    <6, 4>
    // Of nodes and of the table: each in turn.
    every_allocation_fails_once {
        let handle = D::register().unwrap();
        let (keys, levels) = if cfg!(miri) { (8_u64, 3) } else { (40, 6) };
        let live = LIVE.get();
        for n in 0.. {
            let map = HashMap::<u64, u64, Itself, D>::default();
            let (full, failed) = refusing(n, || {
                (0..keys).filter(|key| match map.insert(&handle, *key, key * key) {
                    Ok(()) => false,
                    Err(refused) => {
                        assert!(matches!(refused, Refused::Full((k, v)) if (k, v) == (*key, key * key)));
                        true
                    }
                }).fold(None, |_, key| Some(key))
            });
            let missing = usize::from(full.is_some());
            assert_eq!(map.len(), keys as usize - missing);
            assert_eq!(map.iter(&handle.enter()).count(), map.len());
            for key in 0..keys {
                assert_eq!(map.contains_key(&handle, &key), full != Some(key));
                map.upsert(&handle, key, 1).unwrap();
            }
            assert_eq!(map.len(), keys as usize);
            drop(map);
            handle.collect();
            assert_eq!(LIVE.get(), live);
            if !failed {
                // Each node, and the levels.
                assert_eq!(n, keys as usize + levels);
                break;
            }
        }
        // The calls that make a value.
        let map = HashMap::<u64, u64, Itself, D>::default();
        map.insert(&handle, 1, 1).unwrap();
        let never = |_: &u64| -> u64 { panic!("it must not run") };
        assert!(refusing(0, || map.update(&handle, &1, never)).0.is_err());
        let (full, _) = refusing(0, || map.get_or_insert_with(&handle, 2, || never(&0)).map(drop));
        assert_eq!(full.unwrap_err().into_inner(), 2);
        let (full, _) = refusing(0, || map.get_or_insert(&handle, 2, 3).map(drop));
        assert_eq!(full.unwrap_err().into_inner(), (2, 3));
        assert_eq!(refusing(0, || map.replace(&handle, 1, 4)).0, Err(Refused::Full((1, 4))));
        assert_eq!(map.get(&handle.enter(), &1), Some(&1));
    }

    // A panic in each place of user code: nothing leaks, and the map is intact.
    a_panic_in_any_call_leaks_nothing {
        let handle = D::register().unwrap();
        let key = Fickle::new;
        let values = VALUES.get();
        for number in 0..CALLS {
            for fuse in 1.. {
                let map = FickleMap::<D>::default();
                for n in 0..3 {
                    map.insert(&handle, key(n), key(n)).unwrap();
                }
                // Garbage, that the call reclaims.
                map.upsert(&handle, key(0), key(5)).unwrap();
                FUSE.set(fuse);
                let thrown = catch_unwind(AssertUnwindSafe(|| call(number, &map, &handle))).is_err();
                FUSE.set(0);
                let guard = handle.enter();
                assert!(map.iter(&guard).count() >= 1);
                assert_eq!(map.iter(&guard).count(), map.len());
                assert_eq!(map.get(&guard, &key(1)).is_some(), map.contains_key(&handle, &key(1)));
                drop(guard);
                drop(map);
                handle.collect();
                assert_eq!(VALUES.get(), values, "call {number}, place {fuse}");
                if !thrown {
                    break;
                }
            }
        }
    }

    // Whatever is compared and hashed: each value is dropped once, and each
    // iteration ends.
    a_map_of_keys_that_lie_stays_sound {
        let handle = D::register().unwrap();
        let values = VALUES.get();
        for seed in 1..if cfg!(miri) { 3 } else { 60 } {
            let map = HashMap::<Fickle, Fickle, Few, D>::default();
            let mut random = Random(seed);
            LIES.set(seed);
            for _ in 0..100 {
                let n = random.below(12) as u64;
                let guard = handle.enter();
                match random.below(6) {
                    0 => drop(map.insert(&handle, Fickle::new(n), Fickle::new(n))),
                    1 => drop(map.upsert(&handle, Fickle::new(n), Fickle::new(n))),
                    2 => assert!(map.remove(&guard, &Fickle::new(n)).is_none_or(|value| value.0 < 12)),
                    3 => drop(map.get_or_insert(&handle, Fickle::new(n), Fickle::new(n))),
                    4 if n == 0 => map.retain(&handle, |key, value| key.0 != value.0 || key.0 < 6),
                    _ => assert!(map.iter(&guard).all(|(key, value)| key.0 < 12 && value.0 < 12)),
                }
            }
            LIES.set(0);
            assert_eq!(map.iter(&handle.enter()).count(), map.len());
            drop(map);
            handle.collect();
            assert_eq!(VALUES.get(), values);
        }
    }

    a_deferred_handle_drops_no_value {
        let task = D::register().unwrap();
        let interrupt = D::register_deferred().unwrap();
        let values = VALUES.get();
        let map = HashMap::<Fickle, Fickle, Itself, D>::default();
        let fresh = Fickle::new;
        for n in 0..8 {
            map.insert(&interrupt, fresh(n), fresh(n)).unwrap();
        }
        let keys: Vec<_> = (0..8).map(fresh).collect();
        let before = VALUES.get();
        assert!(map.remove(&interrupt.enter(), &keys[0]).is_some());
        map.upsert(&interrupt, fresh(1), fresh(9)).unwrap();
        assert_eq!(map.get_or_insert(&interrupt, fresh(1), fresh(9)).unwrap().0, 9);
        let refused = map.insert(&interrupt, fresh(1), fresh(9)).unwrap_err();
        let mut first = true;
        let made = map.update(&interrupt, &keys[2], |_| {
            if std::mem::take(&mut first) {
                map.upsert(&interrupt, fresh(2), fresh(9)).unwrap();
            }
            fresh(10)
        });
        assert_eq!(made.unwrap().unwrap().0, 10);
        map.retain(&interrupt, |key, _| key.0 != 3);
        // Keys and values of: set, get_or_insert, refused, set, update twice.
        assert_eq!(VALUES.get() - before, 12);
        drop((refused, keys));
        task.collect();
        // Six keys are left.
        assert_eq!(VALUES.get() - values, 12);
        assert_eq!(map.len(), 6);
    }
}
