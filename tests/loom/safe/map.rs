//! Traversals of a bucket, and changes during them.

use super::*;

type Tracks<D> = Map<Tracked, u32, 1, 4, D>;

/// A thread that looks up the second of two keys.
fn walk<D: Domain>(
    map: &'static Tracks<D>,
    handle: Handle<D>,
    life: &Arc<()>,
) -> thread::JoinHandle<Handle<D>> {
    let goal = Tracked::new(2, life);
    thread::spawn(move || {
        let guard = handle.enter();
        let seen = map.get(&guard, &goal).copied();
        assert!(seen.is_none_or(|number| number == 2));
        drop(guard);
        handle
    })
}

/// Removes both keys.
fn remove_both<D: Domain>(map: &'static Tracks<D>, handle: Handle<D>, life: &Arc<()>) {
    for key in 1..=2 {
        let goal = Tracked::new(key, life);
        assert_eq!(map.remove(&handle.enter(), &goal), Some(&key));
        // Not in one batch with the other: the old one holds back the new one.
        handle.flush();
    }
}

schemes! {
    // A traversal meets the removal of its current node, and of the next one.
    map_get_against_removes<2, 1> {
        let (life, map, one, two) = start(Tracks::<D>::new());
        let shared = map.0;
        let guard = two.enter(); // older than the nodes, in eras
        for key in 1..=2 {
            assert!(shared.insert(&one, Tracked::new(key, &life), key).is_ok());
        }
        drop(guard);
        let walking = walk(shared, two, &life);
        remove_both(shared, one, &life);
        join([walking]);
        assert_eq!(alive(&life), 0);
        map.close();
    }

    // The nodes are younger than the traversal: robust mode has to protect them
    // one by one.
    map_get_against_set_and_removes<2, 1> {
        let (life, map, one, two) = start(Tracks::<D>::new());
        let shared = map.0;
        assert!(shared.insert(&one, Tracked::new(1, &life), 1).is_ok());
        let walking = walk(shared, two, &life);
        assert!(shared.insert(&one, Tracked::new(2, &life), 2).is_ok());
        remove_both(shared, one, &life);
        join([walking]);
        assert_eq!(alive(&life), 0);
        map.close();
    }

    // Neighbours are removed at the same time: the link that one is to be
    // unlinked from may be marked itself. Neither stays, and a node before them
    // does.
    map_remove_against_remove<2, 1> {
        let (life, map, one, two) = start(Map::<u32, _, 1, 4, D>::new());
        let shared = map.0;
        for key in 0..=2 {
            assert!(shared.insert(&one, key, Tracked::new(key, &life)).is_ok());
        }
        let removing = thread::spawn(move || {
            assert!(shared.remove(&two.enter(), &2).is_some());
            two
        });
        assert!(shared.remove(&one.enter(), &1).is_some());
        drop(one);
        join([removing]);
        map.close_with(1, &life);
    }

    // Neighbours are removed and inserted: the insert must not link to a node
    // that is being removed.
    map_insert_against_remove<2, 1> {
        let (life, map, one, two) = start(Map::<u32, _, 1, 4, D>::new());
        let shared = map.0;
        assert!(shared.insert(&one, 1, Tracked::new(1, &life)).is_ok());
        let copy = life.clone();
        let inserting = thread::spawn(move || {
            let value = Tracked::new(2, &copy);
            drop(copy);
            assert!(shared.insert(&two, 2, value).is_ok());
            two
        });
        assert_eq!(shared.remove(&one.enter(), &1).unwrap().get(), 1);
        let two = inserting.join().unwrap();
        let guard = two.enter();
        assert_eq!(shared.get(&guard, &2).map(Tracked::get), Some(2));
        assert!(shared.get(&guard, &1).is_none());
        drop(guard);
        drop((one, two));
        map.close_with(1, &life);
    }

    // A key is replaced while it is read and while another one is replaced: it
    // is never missing.
    map_get_against_replace<2, 1> {
        let (life, map, one, two) = start(Map::<u32, _, 1, 4, D>::new());
        let shared = map.0;
        assert!(shared.insert(&one, 1, Tracked::new(1, &life)).is_ok());
        let reading = thread::spawn(move || {
            let guard = two.enter();
            let first = shared.get(&guard, &1).expect("there").get();
            let (_, second) = shared.iter(&guard).next().expect("there");
            assert!(first <= second.get());
            drop(guard);
            two
        });
        assert!(shared.replace(&one, 1, Tracked::new(2, &life)).is_ok());
        drop(one);
        join([reading]);
        map.close_with(1, &life);
    }

    // A replace and a remove of one key: one comes first.
    map_replace_against_remove<2, 1> {
        let (life, map, one, two) = start(Map::<u32, _, 1, 4, D>::new());
        let shared = map.0;
        assert!(shared.insert(&one, 1, Tracked::new(1, &life)).is_ok());
        let copy = life.clone();
        let replacing = thread::spawn(move || {
            let value = Tracked::new(2, &copy);
            drop(copy);
            let replaced = shared.replace(&two, 1, value).is_ok();
            (two, replaced)
        });
        let removed = shared.remove(&one.enter(), &1).map(Tracked::get);
        let (two, replaced) = replacing.join().unwrap();
        assert_eq!(removed, Some(if replaced { 2 } else { 1 }));
        assert!(shared.get(&two.enter(), &1).is_none());
        drop((one, two));
        assert_eq!(alive(&life), 0);
        map.close();
    }

    // A thread that follows a new link sees what is behind it: a key that is
    // present throughout is found, while one before it is inserted.
    map_get_past_insert<2, 1> {
        let (life, map, one, two) = start(Map::<u32, _, 1, 2, D>::new());
        let shared = map.0;
        assert!(shared.insert(&one, 2, Tracked::new(2, &life)).is_ok());
        let reading = thread::spawn(move || {
            let guard = two.enter();
            assert_eq!(shared.get(&guard, &2).map(Tracked::get), Some(2));
            drop(guard);
            two
        });
        assert!(shared.insert(&one, 1, Tracked::new(1, &life)).is_ok());
        drop(one);
        join([reading]);
        map.close();
        assert_eq!(alive(&life), 0);
    }

    // The same, while the one before it is replaced.
    map_get_past_replace<2, 1> {
        let (life, map, one, two) = start(Map::<u32, _, 1, 3, D>::new());
        let shared = map.0;
        for key in 1..=2 {
            assert!(shared.insert(&one, key, Tracked::new(key, &life)).is_ok());
        }
        let reading = thread::spawn(move || {
            let guard = two.enter();
            assert_eq!(shared.get(&guard, &2).map(Tracked::get), Some(2));
            drop(guard);
            two
        });
        assert!(shared.replace(&one, 1, Tracked::new(3, &life)).is_ok());
        drop(one);
        join([reading]);
        map.close();
        assert_eq!(alive(&life), 0);
    }
}

// One thread links a node behind another, which a second thread removes. A
// third one reaches the node through the link of the second. Eras are
// irrelevant here, and would take minutes.
mod map_get_past_remove {
    use super::*;
    schemes!(basic: Basic, 3, 1, {
        let life = Arc::new(());
        let map = Leaked::new(Map::<u32, _, 1, 2, D>::new());
        let shared = map.0;
        let [one, two, three] = [(), (), ()].map(|()| D::register().unwrap());
        assert!(shared.insert(&one, 1, Tracked::new(1, &life)).is_ok());
        let removing = thread::spawn(move || {
            assert!(shared.remove(&two.enter(), &1).is_some());
            two
        });
        let reading = thread::spawn(move || {
            let guard = three.enter();
            let seen = shared.get(&guard, &2).map(Tracked::get);
            assert!(seen.is_none_or(|number| number == 2));
            drop(guard);
            three
        });
        assert!(shared.insert(&one, 2, Tracked::new(2, &life)).is_ok());
        drop(one);
        join([removing, reading]);
        map.close();
        assert_eq!(alive(&life), 0);
    });
}
