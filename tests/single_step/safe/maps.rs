//! Maps: in a pool of their own, in one that they share, on the heap, and one
//! that grows.

#[path = "hash.rs"]
mod hash;

use std::{
    cell::Cell,
    hash::{BuildHasherDefault, DefaultHasher},
    ptr::null_mut,
};

use hyaline::{
    Nested, Pool, Role,
    safe::{Domain, Guard, Handle, HashMap, Heap, Map, MapNode, SharedPool, Storage},
};

use super::{
    super::{Context, contexts},
    Base, Plain, Value, of_base,
};
use hash::*;

type Hash<D> = HashMap<u32, Value, BuildHasherDefault<DefaultHasher>, D>;

/// Keys that a run uses.
const KEYS: u32 = 4;

pub struct World<D: Domain> {
    base: Base<D>,
    map: Map<u32, Value, 1, 6, D>,
    /// With few blocks, so that the CPU reclaims them itself.
    small: Map<u32, Plain, 1, 2, D>,
    shared: Map<u32, Value, 2, 3, D, SharedPool>,
    heap: Map<u32, Value, 1, 0, D, Heap>,
    /// Another one in each run, so that it grows.
    hash: Cell<*mut Hash<D>>,
    outer: Cell<Option<Held<D>>>,
}

of_base!(World);

/// A guard around the operation, and what it holds.
struct Held<D: Domain> {
    guard: Guard<'static, D, Nested>,
    values: [(*const Value, u32); 2],
}

impl<D: Domain> World<D> {
    pub fn new() -> &'static Self {
        let nodes: &'static Pool<MapNode<u32, Value>, 3> = Box::leak(Pool::boxed().unwrap());
        Box::leak(Box::new(Self {
            base: Base::new(),
            map: Map::new(),
            small: Map::new(),
            shared: Map::in_pool(nodes),
            heap: Map::in_heap(),
            hash: Cell::new(null_mut()),
            outer: Cell::new(None),
        }))
    }

    fn hash(&self) -> &'static Hash<D> {
        // SAFETY: `prepare` made it, and `check` frees it.
        unsafe { &*self.hash.get() }
    }

    /// Looks at each, and then again at what it has found.
    fn look_at<'g>(&self, values: impl IntoIterator<Item = Option<&'g Value>>) {
        let mut seen = [None; 2];
        for (place, value) in seen.iter_mut().zip(values) {
            *place = value.map(|value| (value, self.look(value)));
        }
        for (value, stamp) in seen.into_iter().flatten() {
            self.same(value, stamp);
        }
    }

    fn remove<R: Role, const B: usize, const K: usize, P>(
        &self,
        from: &'static Map<u32, Value, B, K, D, P>,
        handle: &Handle<D, R>,
        key: u32,
    ) where
        P: Storage<MapNode<u32, Value>, K>,
    {
        let guard = handle.enter();
        self.look_at([from.remove(&guard, &key)]);
    }
}

impl<D: Domain> super::super::World for World<D> {
    const TASKS: &'static [Context<Self>] = contexts! {
        gets iterates inserts sets replaces compares gets_or_inserts updates removes removes_some
        retains clears small_sets shares_a_pool uses_the_heap
        hash_gets hash_iterates hash_inserts hash_grows hash_sets hash_compares
        hash_gets_or_inserts hash_updates hash_removes hash_retains hash_clears
        idle_removes
    };
    const NESTED: &'static [Context<Self>] = contexts! {
        gets sets removes small_sets hash_gets hash_inserts hash_removes
    };
    const OTHERS: &'static [Context<Self>] = contexts! {
        high_map high_hash high_others high_then_reads
    };

    fn prepare(&self, round: u64) {
        let w = self.leaked();
        w.pass_eras(round);
        w.hash.set(Box::into_raw(Box::new(HashMap::with_hasher(
            BuildHasherDefault::new(),
        ))));
        for key in 0..KEYS - 1 {
            let _ = w.map.insert(&w.high, key, w.value());
            let _ = w.hash().insert(&w.high, key, w.value());
        }
        let _ = w.shared.insert(&w.high, 1, w.value());
        let _ = w.heap.insert(&w.high, 1, w.value());
        if round % 4 != 0 {
            let guard = w.cpu().enter();
            let values = [w.map.get(&guard, &1), w.hash().get(&guard, &1)];
            let values = values.map(|value| {
                let value = value.expect("inserted above");
                (std::ptr::from_ref(value), w.look(value))
            });
            w.outer.set(Some(Held { guard, values }));
            if round % 4 > 1 {
                // Younger than the section.
                high_map(w);
                high_hash(w);
            }
        }
    }

    fn close(&self) {
        let w = self.leaked();
        if let Some(held) = w.outer.take() {
            for (value, stamp) in held.values {
                // SAFETY: protected by the guard.
                w.same(unsafe { &*value }, stamp);
            }
            drop(held.guard);
        }
        w.map.clear(&w.high);
        w.small.clear(&w.high);
        w.shared.clear(&w.high);
        w.heap.clear(&w.high);
        w.hash().remove(&w.high.enter(), &1);
    }

    fn check(&self) -> Result<(), String> {
        let w = self.leaked();
        if w.hash().iter(&w.high.enter()).count() != w.hash().len() {
            return Err("the length is wrong".into());
        }
        // SAFETY: no context has it.
        drop(unsafe { Box::from_raw(w.hash.get()) });
        self.base.check(0)?;
        // Every block is free.
        let filled = [
            (0..9)
                .filter(|key| w.map.insert(&w.high, *key, w.value()).is_ok())
                .count(),
            (0..9)
                .filter(|key| w.small.insert(&w.high, *key, w.plain()).is_ok())
                .count(),
            (0..9)
                .filter(|key| w.shared.insert(&w.high, *key, w.value()).is_ok())
                .count(),
        ];
        let empty = |w: &'static Self| {
            w.map.clear(&w.high);
            w.small.clear(&w.high);
            w.shared.clear(&w.high);
        };
        empty(w);
        w.high.collect();
        if filled != [6, 2, 3] {
            return Err(format!("only {filled:?} of 6, 2, 3 places are free"));
        }
        Ok(())
    }
}

fn gets<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    w.look_at([2, 0].map(|key| w.map.get(&guard, &key)));
    let _ = w.map.contains_key(w.cpu(), &1);
}

fn iterates<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    for (_, value) in w.map.iter(&guard) {
        w.look_at([Some(value)]);
    }
    for (_, value) in w.map.iter_after(&guard, &1) {
        w.look_at([Some(value)]);
    }
    if w.map.len(w.cpu()) > 6 {
        w.ledger.note();
    }
    let _ = w.map.is_empty(w.cpu());
}

fn inserts<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.map.insert(w.cpu(), 1, w.value());
    w.remove(&w.map, w.cpu(), 1);
    let _ = w.map.insert(w.cpu(), 1, w.value());
}

fn sets<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.map.upsert(w.cpu(), 1, w.value());
}

fn replaces<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let before = w.map.get(&guard, &1);
    let _ = w.map.replace(w.cpu(), 1, w.value());
    w.look_at([before, w.map.get(&guard, &1)]);
}

fn compares<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let before = w.map.get(&guard, &1);
    if let Some(before) = before {
        let _ = w.map.compare_exchange(w.cpu(), 1, before, w.value());
    }
    w.look_at([before]);
}

fn gets_or_inserts<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    if let Ok(value) = w.map.get_or_insert(w.cpu(), 1, w.value()) {
        w.look_at([Some(&*value), w.map.get(value.guard(), &0)]);
    }
    if let Ok(value) = w.map.get_or_insert_with(w.cpu(), 3, || w.value()) {
        w.look_at([Some(&*value)]);
    }
}

fn updates<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let new = w.map.update(w.cpu(), &1, |old| {
        w.look(old);
        w.value()
    });
    if let Ok(Some(new)) = new {
        w.look_at([Some(&*new)]);
    }
}

fn removes<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let before = w.map.get(&guard, &1);
    w.look_at([before, w.map.remove(&guard, &1)]);
}

fn removes_some<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let mut keep = true;
    for _ in 0..2 {
        let found = w.map.remove_if(&guard, &1, |_, value| {
            w.look(value);
            keep = !keep;
            keep
        });
        w.look_at([found]);
    }
}

fn retains<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    w.map.retain(w.cpu(), |key, value| {
        w.look(value);
        *key != 1
    });
}

fn clears<D: Domain>(w: &World<D>) {
    w.leaked().map.clear(w.cpu());
}

/// The second finds no block other than the one just retired.
fn small_sets<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..2 {
        let _ = w.small.upsert(w.cpu(), 1, w.plain());
    }
}

fn shares_a_pool<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.shared.upsert(w.cpu(), 1, w.value());
    let _ = w.shared.insert(w.cpu(), 2, w.value());
    w.remove(&w.shared, w.cpu(), 1);
}

fn uses_the_heap<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.heap.upsert(w.cpu(), 1, w.value());
    let _ = w.heap.insert(w.cpu(), 2, w.value());
    w.remove(&w.heap, w.cpu(), 1);
}

fn idle_removes<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    w.remove(&w.map, &w.idle, 1);
    w.look_at([w.hash().remove(&w.idle.enter(), &1)]);
    w.idle.collect();
}

// What a task of higher priority does.

fn high_map<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    w.remove(&w.map, &w.high, 1);
    let _ = w.map.upsert(&w.high, 0, w.value());
    w.high.collect();
    let _ = w.map.insert(&w.high, 1, w.value());
    let _ = w.small.upsert(&w.high, 1, w.plain());
}

fn high_hash<D: Domain>(w: &World<D>) {
    w.look_at([w.hash().remove(&w.high.enter(), &1)]);
    let _ = w.hash().upsert(&w.high, 0, w.value());
    w.high.collect();
    let _ = w.hash().insert(&w.high, 1, w.value());
}

fn high_others<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for key in [1, 2] {
        w.remove(&w.shared, &w.high, key);
        w.remove(&w.heap, &w.high, key);
    }
    w.high.collect();
    let _ = w.shared.insert(&w.high, 1, w.value());
    let _ = w.heap.insert(&w.high, 1, w.value());
}

fn high_then_reads<D: Domain>(w: &World<D>) {
    high_map(w);
    gets(w);
    high_hash(w);
    hash_gets(w);
}
