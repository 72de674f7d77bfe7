//! A reclaimer that panics at each step of a call that may run one: what a
//! structure counts and finds agrees afterwards, and it works as before.

use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    num::NonZeroU16,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use hyaline::{
    Collector, Config, Robust, domain,
    safe::{ArcCell, Domain, Handle, HashMap, Map, Queue, RcuCell, Stack},
};

use super::{FUSE, LIVE, Value};

/// Values that are left over for the call: more than it has steps.
const LEFT: u32 = 8;

struct World<D: Domain> {
    /// The source of the values whose drop panics.
    garbage: Map<u32, Value, 1, 16, D>,
    cell: RcuCell<u32, 4, D>,
    stack: Stack<u32, 8, D>,
    queue: Queue<u32, 8, D>,
    map: Map<u32, u32, 2, 8, D>,
    hash_map: HashMap<u32, u32, BuildHasherDefault<DefaultHasher>, D>,
    arc: ArcCell<u32, D>,
}

/// The calls, and their number. Keys below 4 are there.
const CALLS: u32 = 38;

/// Whatever the result is.
fn done<T>(_: T) {}

#[rustfmt::skip]
fn call<D: Domain>(number: u32, world: &'static World<D>, handle: &Handle<D>) {
    let World { cell, stack, queue, map, hash_map, arc, .. } = world;
    match number {
        0 => done(stack.push(handle, 7)),
        1 => done(stack.pop(handle)),
        2 => done(queue.push(handle, 7)),
        3 => done(queue.pop(handle)),
        4 => done(queue.push_or_replace_oldest(handle, 7, drop)),
        5 => done(map.insert(handle, 7, 7)),
        6 => done(map.insert(handle, 1, 7)),
        7 => done(map.replace(handle, 1, 7)),
        8 => done(map.upsert(handle, 7, 7)),
        9 => done(map.upsert(handle, 1, 7)),
        10 => done(map.get(&handle.enter(), &1)),
        11 => done(map.remove(&handle.enter(), &1)),
        12 => map.retain(handle, |key, _| *key == 1),
        13 => map.clear(handle),
        14 => done(map.get_or_insert(handle, 7, 7)),
        15 => done(map.update(handle, &1, |old| old + 1)),
        16 => { let guard = handle.enter(); done(map.compare_exchange(handle, 1, map.get(&guard, &1).unwrap(), 7)); }
        17 => done(map.iter(&handle.enter()).count()),
        18 => done(cell.replace(handle, 7)),
        19 => done(cell.update(handle, |old| old + 1)),
        20 => done(cell.snapshot(handle)),
        21 => { let guard = handle.enter(); done(cell.compare_exchange(handle, cell.read(&guard), 7)); }
        22 => done(hash_map.insert(handle, 7, 7)),
        23 => done(hash_map.insert(handle, 1, 7)),
        24 => done(hash_map.replace(handle, 1, 7)),
        25 => done(hash_map.upsert(handle, 7, 7)),
        26 => done(hash_map.upsert(handle, 1, 7)),
        27 => done(hash_map.get(&handle.enter(), &1)),
        28 => done(hash_map.remove(&handle.enter(), &1)),
        29 => hash_map.retain(handle, |key, _| *key == 1),
        30 => hash_map.clear(handle),
        31 => done(hash_map.get_or_insert(handle, 7, 7)),
        32 => done(hash_map.update(handle, &1, |old| old + 1)),
        33 => { let guard = handle.enter(); done(hash_map.compare_exchange(handle, 1, hash_map.get(&guard, &1).unwrap(), 7)); }
        34 => done(hash_map.iter(&handle.enter()).count()),
        35 => done(arc.swap(handle, Arc::new(7))),
        36 => done(arc.rcu(handle, |old| **old + 1)),
        _ => done(arc.compare_exchange(handle, &arc.load_full(handle), Arc::new(7))),
    }
}

/// What the structures count and what they find is the same.
fn agree<D: Domain>(world: &'static World<D>, handle: &Handle<D>) {
    let World {
        stack,
        queue,
        map,
        hash_map,
        ..
    } = world;
    let guard = handle.enter();
    let all = stack.iter(&guard).count();
    assert_eq!(
        (stack.len(handle), !stack.is_empty()),
        (all, all > 0),
        "stack"
    );
    let all = queue.iter(&guard).count();
    assert_eq!(
        (queue.len(handle), !queue.is_empty(handle)),
        (all, all > 0),
        "queue"
    );
    let all = map.iter(&guard).count();
    let found = (0..10).filter(|key| map.get(&guard, key).is_some()).count();
    assert_eq!(
        (map.len(handle), !map.is_empty(handle), found),
        (all, all > 0, all),
        "map"
    );
    let all = hash_map.iter(&guard).count();
    let found = (0..10)
        .filter(|key| hash_map.get(&guard, key).is_some())
        .count();
    assert_eq!(
        (hash_map.len(), !hash_map.is_empty(), found),
        (all, all > 0, all),
        "hash map"
    );
}

/// They can be emptied and filled again.
fn work<D: Domain>(world: &'static World<D>, handle: &Handle<D>) {
    let World {
        cell,
        stack,
        queue,
        map,
        hash_map,
        arc,
        ..
    } = world;
    while stack.pop(handle).is_some() {}
    while queue.pop(handle).is_some() {}
    map.clear(handle);
    hash_map.clear(handle);
    agree(world, handle);
    for n in 0..7 {
        stack.push(handle, n).unwrap();
        queue.push(handle, n).unwrap();
        map.insert(handle, n, n).unwrap();
        hash_map.insert(handle, n, n).unwrap();
        cell.replace(handle, n).unwrap();
        arc.store(handle, Arc::new(n)).unwrap();
    }
    agree(world, handle);
    assert_eq!(
        (
            stack.len(handle),
            queue.len(handle),
            map.len(handle),
            hash_map.len()
        ),
        (7, 7, 7, 7)
    );
    assert_eq!((cell.snapshot(handle), *arc.load_full(handle)), (6, 6));
}

/// One call, in which the drop of the value number `fuse` panics, if it reclaims as
/// many. Returns whether it did.
fn trial<D: Domain>(number: u32, fuse: u32) -> bool {
    let [handle, task, limited] = [(); 3].map(|()| D::register().unwrap());
    let world = Box::into_raw(Box::new(World::<D> {
        garbage: Map::new(),
        cell: RcuCell::new(0),
        stack: Stack::new(),
        queue: Queue::new(),
        map: Map::new(),
        hash_map: HashMap::default(),
        arc: ArcCell::new(&handle, Arc::new(0)).unwrap(),
    }));
    // SAFETY: it lives until it is freed below.
    let all: &'static World<D> = unsafe { &*world };
    for key in 0..4 {
        all.stack.push(&handle, key).unwrap();
        all.queue.push(&handle, key).unwrap();
        all.map.insert(&handle, key, key).unwrap();
        all.hash_map.insert(&handle, key, key).unwrap();
    }
    for key in 0..LEFT + 1 {
        let put = all.garbage.insert(&handle, key, Value::new(key));
        assert!(put.is_ok());
    }
    // Left over by a handle with a limit.
    limited.limit_reclaims(NonZeroU16::new(1));
    let guard = limited.enter();
    all.garbage.get(&guard, &0);
    all.garbage.clear(&task);
    drop(guard);
    // One in each step of the call.
    handle.limit_reclaims(NonZeroU16::new(1));
    FUSE.set(fuse);
    let thrown = catch_unwind(AssertUnwindSafe(|| call(number, all, &handle))).is_err();
    FUSE.set(0);
    handle.limit_reclaims(None);
    agree(all, &handle);
    work(all, &handle);
    drop((handle, task, limited));
    // SAFETY: it is not used any more, and none of its objects waits to be
    // reclaimed.
    drop(unsafe { Box::from_raw(world) });
    LIVE.with_borrow(|live| assert!(live.is_empty(), "{} values leaked", live.len()));
    thrown
}

fn search<D: Domain>() {
    let mut most = 0;
    for number in 0..CALLS {
        // Miri runs a few, one of which is the hash map's remove.
        if cfg!(miri) && number % 8 != 4 {
            continue;
        }
        for fuse in 1..=LEFT {
            if !trial::<D>(number, fuse) {
                assert!(fuse < LEFT, "more steps than values");
                break;
            }
            most = most.max(fuse);
        }
    }
    assert!(most > 2, "{most} steps are too few to mean anything");
}

#[test]
fn counts_agree_after_a_reclaimer_has_panicked() {
    domain!(D: Collector<4> = Collector::with_config(Config::new().batch::<1>()));
    search::<D>();
}

#[test]
fn counts_agree_after_a_reclaimer_has_panicked_in_robust_mode() {
    domain!(D: Collector<4, Robust> =
        Collector::with_config(Config::new().batch::<1>().era_step::<1>()));
    search::<D>();
}
