//! The map that grows. Its hash is the number itself, spread over the buckets by
//! the map; three levels are the most under loom.

use std::hash::{BuildHasherDefault, Hasher};

use hyaline::safe::HashMap;

use super::*;

#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u32(&mut self, number: u32) {
        self.0 = number.into();
    }
}

/// All keys meet.
#[derive(Default)]
struct Zero;

impl Hasher for Zero {
    fn finish(&self) -> u64 {
        0
    }
    fn write(&mut self, _: &[u8]) {}
}

type Map<V, D> = HashMap<u32, V, BuildHasherDefault<Itself>, D>;
type One<V, D> = HashMap<u32, V, BuildHasherDefault<Zero>, D>;

schemes! {
    // Two inserts make the map grow at the same time, one of them into a bucket
    // whose start is not linked; a reader is on its way.
    hash_map_grows_while_read<2, 1> {
        let (life, map, one, two) = start(Map::<_, D>::default());
        let shared = map.0;
        assert!(shared.insert(&one, 1, Tracked::new(1, &life)).is_ok());
        let reading = thread::spawn(move || {
            for key in 1..=2 {
                let guard = two.enter();
                let seen = shared.get(&guard, &key).map(Tracked::get);
                assert!(seen == Some(key) || seen.is_none() && key == 2);
            }
            two
        });
        for key in 2..=3 {
            assert!(shared.insert(&one, key, Tracked::new(key, &life)).is_ok());
        }
        drop(one);
        join([reading]);
        map.close_with(3, &life);
    }

    hash_map_grows_twice<2, 1> {
        let (life, map, one, two) = start(Map::<_, D>::default());
        let shared = map.0;
        assert!(shared.insert(&one, 1, Tracked::new(1, &life)).is_ok());
        let copy = life.clone();
        let inserting = thread::spawn(move || {
            for key in [2, 4] {
                assert!(shared.insert(&two, key, Tracked::new(key, &copy)).is_ok());
            }
            drop(copy);
            two
        });
        assert!(shared.insert(&one, 3, Tracked::new(3, &life)).is_ok());
        join([inserting]);
        assert_eq!(shared.len(), 4);
        let guard = one.enter();
        for key in 1..=4 {
            assert_eq!(shared.get(&guard, &key).map(Tracked::get), Some(key));
        }
        assert_eq!(shared.iter(&guard).count(), 4);
        drop(guard);
        drop(one);
        map.close();
        assert_eq!(alive(&life), 0);
    }

    // Two calls come to a bucket whose start is not linked. The keys lie behind it as
    // 1, 6, 3, so one of them may go where the start leads.
    hash_map_start_is_linked_by_two<2, 1> {
        let (life, map, one, two) = start(Map::<_, D>::default());
        let shared = map.0;
        assert!(shared.insert(&one, 6, Tracked::new(6, &life)).is_ok());
        let copy = life.clone();
        let inserting = thread::spawn(move || {
            assert!(shared.insert(&two, 1, Tracked::new(1, &copy)).is_ok());
            drop(copy);
            two
        });
        assert!(shared.insert(&one, 3, Tracked::new(3, &life)).is_ok());
        join([inserting]);
        let guard = one.enter();
        for key in [1, 6, 3] {
            assert_eq!(shared.get(&guard, &key).map(Tracked::get), Some(key));
        }
        assert_eq!(shared.iter(&guard).count(), 3);
        drop(guard);
        drop(one);
        map.close();
        assert_eq!(alive(&life), 0);
    }

    // A bucket is split, before the key 3, while a walk is in it.
    hash_map_bucket_is_split_while_read<2, 1> {
        let (life, map, one, two) = start(Map::<_, D>::default());
        let shared = map.0;
        assert!(shared.insert(&one, 3, Tracked::new(3, &life)).is_ok());
        let copy = life.clone();
        let splitting = thread::spawn(move || {
            assert!(shared.insert(&two, 2, Tracked::new(2, &copy)).is_ok());
            assert!(shared.get(&two.enter(), &8).is_none());
            drop(copy);
            two
        });
        let guard = one.enter();
        assert_eq!(shared.get(&guard, &3).map(Tracked::get), Some(3));
        drop(guard);
        drop(one);
        join([splitting]);
        map.close_with(2, &life);
    }

    // A look takes its first step over a node that is removed meanwhile.
    hash_map_node_before_the_goal_is_removed<2, 1> {
        let (life, map, one, two) = start(Map::<_, D>::default());
        let shared = map.0;
        for key in [1, 6] {
            assert!(shared.insert(&one, key, Tracked::new(key, &life)).is_ok());
        }
        let reading = thread::spawn(move || {
            assert_eq!(shared.get(&two.enter(), &6).map(Tracked::get), Some(6));
            two
        });
        assert!(shared.remove(&one.enter(), &1).is_some());
        one.flush();
        drop(one);
        join([reading]);
        map.close_with(1, &life);
    }

    // The same key, at the end of others with its hash: one wins, and the other
    // sees it.
    hash_map_inserts_of_one_key<2, 1> {
        let (life, map, one, two) = start(One::<_, D>::default());
        let shared = map.0;
        assert!(shared.insert(&one, 1, Tracked::new(1, &life)).is_ok());
        let copy = life.clone();
        let inserting = thread::spawn(move || {
            let won = shared.insert(&two, 7, Tracked::new(2, &copy)).is_ok();
            drop(copy);
            (two, won)
        });
        assert!(shared.remove(&one.enter(), &1).is_some());
        let won = shared.insert(&one, 7, Tracked::new(3, &life)).is_ok();
        let (two, other) = inserting.join().unwrap();
        assert!(won != other);
        let seen = shared.get(&two.enter(), &7).map(Tracked::get);
        assert_eq!(seen, Some(if won { 3 } else { 2 }));
        assert_eq!(shared.len(), 1);
        drop((one, two));
        map.close();
        assert_eq!(alive(&life), 0);
    }

    // A key is taken out when it is found, which may be before the insert that put
    // it has counted it.
    hash_map_remove_before_the_insert_returns<2, 1> {
        let map = Leaked::new(Map::<u32, D>::default());
        let shared = map.0;
        let (one, two) = (D::register().unwrap(), D::register().unwrap());
        let removing = thread::spawn(move || {
            let removed = shared.remove(&two.enter(), &1).is_some();
            (two, removed)
        });
        assert!(shared.insert(&one, 1, 1).is_ok());
        let (two, removed) = removing.join().unwrap();
        assert_eq!(shared.len(), usize::from(!removed));
        assert_eq!(shared.iter(&two.enter()).count(), shared.len());
        drop((one, two));
        map.close();
    }

    // A walk meets the removal of the node it stands on, and the nodes are younger
    // than its section.
    hash_map_get_against_set_and_remove<2, 1> {
        let (life, map, one, two) = start(One::<_, D>::default());
        let shared = map.0;
        assert!(shared.insert(&one, 1, Tracked::new(1, &life)).is_ok());
        let reading = thread::spawn(move || {
            let guard = two.enter();
            let seen = shared.get(&guard, &2).map(Tracked::get);
            assert!(seen.is_none_or(|number| number == 2));
            drop(guard);
            two
        });
        assert_eq!(shared.upsert(&one, 2, Tracked::new(2, &life)).ok(), Some(false));
        for key in 1..=2 {
            assert!(shared.remove(&one.enter(), &key).is_some());
            // Not in one batch with the other: the old holds back the new.
            one.flush();
        }
        drop(one);
        join([reading]);
        assert_eq!(alive(&life), 0);
        map.close();
    }
}
