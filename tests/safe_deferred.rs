//! No value is dropped in a call on a deferred or a per-CPU handle, in any
//! state: random calls, while an eager handle elsewhere changes the same
//! structures before each call and inside the user code of calls.

#![cfg(not(hyaline_loom))]

#[macro_use]
#[path = "common/ordered.rs"]
mod ordered;
#[path = "common/random.rs"]
mod random;

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    mem::ManuallyDrop,
    sync::mpsc,
    thread,
};

use hyaline::{
    Collector, Config, Pool, Robust, Role, domain,
    safe::{Atomic, Domain, Handle, Map, Owned, Queue, RcuCell, Stack},
};

const STEPS: u32 = if cfg!(miri) { 200 } else { 4_000 };

thread_local! {
    /// Drops on this thread.
    static DROPS: Cell<u32> = const { Cell::new(0) };
    /// Lets the other thread perform a step, and waits for it.
    static OTHER: Cell<Option<fn()>> = const { Cell::new(None) };
}

fn random(below: u32) -> u32 {
    random::random(below as usize) as u32
}

/// User code: the other thread may overtake it.
fn place() {
    if random(3) == 0 {
        if let Some(other) = OTHER.get() {
            other();
        }
    }
}

/// A value, and a key. Its drop and its comparisons are counted.
#[derive(Debug)]
struct Value(u32);

impl Drop for Value {
    fn drop(&mut self) {
        DROPS.set(DROPS.get() + 1);
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        place();
        Self(self.0)
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        place();
        self.0.hash(hasher);
    }
}

ordered!(Value);

impl Ord for Value {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        place();
        self.0.cmp(&other.0)
    }
}

struct World<D: Domain> {
    cell: RcuCell<Value, 6, D>,
    stack: Stack<Value, 4, D>,
    queue: Queue<Value, 4, D>,
    map: Map<Value, Value, 2, 6, D>,
    pool: Pool<Value, 4>,
    atomic: Atomic<Value, D>,
}

impl<D: Domain> World<D> {
    const fn new() -> Self {
        Self {
            cell: RcuCell::new(Value(0)),
            stack: Stack::new(),
            queue: Queue::new(),
            map: Map::new(),
            pool: Pool::new(),
            atomic: Atomic::null(),
        }
    }
}

/// What a call returns belongs to the caller, and is not dropped here.
fn keep<T>(returned: T) {
    let _ = ManuallyDrop::new(returned);
}

/// The number of calls.
const CALLS: u32 = 29;

#[rustfmt::skip]
fn call<D: Domain, R: Role>(number: u32, world: &'static World<D>, handle: &Handle<D, R>) {
    let World { cell, stack, queue, map, pool, atomic } = world;
    let new = || Value(random(4));
    // A key to look up: not dropped, because it belongs to the caller.
    let key = &*ManuallyDrop::new(new());
    match number {
        0 => keep(stack.push(handle, new())),
        1 => keep(stack.pop(handle)),
        2 => keep(queue.push(handle, new())),
        3 => keep(queue.pop(handle)),
        4 => keep(map.insert(handle, new(), new())),
        5 => keep(map.replace(handle, new(), new())),
        6 => keep(map.upsert(handle, new(), new())),
        7 => { map.get(&handle.enter(), key); }
        8 => { map.remove(&handle.enter(), key); }
        9 => { let guard = handle.enter(); map.iter(&guard).count(); map.iter_after(&guard, key).count(); }
        10 => keep(cell.replace(handle, new())),
        11 => keep(cell.update(handle, |old| { place(); Value(old.0 + 1) }).map(drop)),
        12 => { let guard = handle.enter(); let seen = cell.read(&guard); place(); keep(cell.compare_exchange(handle, seen, new())); }
        13 => keep(cell.snapshot(handle)),
        14 => if let Ok(owned) = Owned::new(pool, handle, new()).map_err(keep) {
            let guard = handle.enter();
            let old = atomic.swap(owned, &guard);
            // SAFETY: unlinked, and no thread stores what it loads.
            unsafe { guard.retire(old) };
        }
        15 => if let Ok(owned) = Owned::new(pool, handle, new()).map_err(keep) {
            let guard = handle.enter();
            let seen = atomic.load(&guard);
            place();
            match atomic.compare_exchange(seen, owned, &guard) {
                // SAFETY: unlinked by the exchange, and no thread stores what it loads.
                Ok(old) => unsafe { guard.retire(old) },
                Err(changed) => keep(changed.new.into_inner()),
            }
        }
        16 => { handle.flush(); }
        17 => { let mut guard = handle.enter(); place(); guard.refresh(); place(); guard.refresh(); }
        18 => { let (first, second) = (handle.enter(), handle.enter()); place(); drop(first); place(); drop(second); }
        19 => keep(map.get_or_insert(handle, new(), new()).map(drop)),
        20 => keep(map.get_or_insert_with(handle, new(), || { place(); new() }).map(drop)),
        21 => keep(map.update(handle, key, |old| { place(); Value(old.0 + 1) }).map(drop)),
        22 => {
            let guard = handle.enter();
            if let Some(seen) = map.get(&guard, key) {
                place();
                keep(map.compare_exchange(handle, new(), seen, new()));
            }
        }
        23 => { map.remove_if(&handle.enter(), key, |_, value| { place(); value.0 % 2 == 0 }); }
        24 => map.retain(handle, |key, value| { place(); (key.0 + value.0) % 3 != 0 }),
        25 => { map.len(handle); map.is_empty(handle); map.contains_key(handle, key); }
        26 => keep(queue.push_or_replace_oldest(handle, new(), |oldest| { place(); keep(oldest); })),
        27 => { queue.len(handle); queue.is_empty(handle); stack.len(handle); }
        // Registers and releases.
        _ => {
            let own = D::register_deferred().unwrap().enter_owned();
            keep(cell.replace(own.handle(), new()));
            place();
            let own = own.leave();
            keep(cell.replace(&own, new()));
            keep(stack.pop(&own));
        }
    }
}

/// Calls on a handle in a context in which nothing may be dropped.
fn calls<D: Domain, R: Role>(world: &'static World<D>, handle: &Handle<D, R>) {
    for step in 0..STEPS {
        place();
        let number = random(CALLS);
        let before = DROPS.get();
        call(number, world, handle);
        let dropped = DROPS.get() - before;
        assert_eq!(dropped, 0, "call {number} of step {step} dropped values");
    }
}

/// The channels to the other thread: a step to perform, and its completion.
struct Elsewhere {
    ask: mpsc::Sender<()>,
    done: mpsc::Receiver<()>,
}

thread_local!(static ELSEWHERE: Cell<Option<Elsewhere>> = const { Cell::new(None) });

fn ask() {
    if let Some(elsewhere) = ELSEWHERE.take() {
        elsewhere.ask.send(()).unwrap();
        elsewhere.done.recv().unwrap();
        ELSEWHERE.set(Some(elsewhere));
    }
}

fn run<D: Domain>(world: &'static World<D>) {
    let (ask_it, asked) = mpsc::channel();
    let (answer, done) = mpsc::channel();
    let other = thread::spawn(move || {
        let handle = D::register().unwrap();
        while asked.recv().is_ok() {
            for _ in 0..3 {
                call(random(CALLS), world, &handle);
            }
            answer.send(()).unwrap();
        }
        DROPS.get()
    });
    ELSEWHERE.set(Some(Elsewhere { ask: ask_it, done }));
    OTHER.set(Some(ask));
    calls(world, &D::register_deferred().unwrap());
    let cpu = D::register_per_cpu().unwrap();
    // SAFETY: one thread, without signal handlers.
    calls(world, unsafe { cpu.get() });
    ELSEWHERE.take();
    let dropped = other.join().unwrap();
    assert!(
        dropped > STEPS / 20,
        "{dropped} drops elsewhere are too few"
    );
}

#[test]
fn no_value_is_dropped_in_a_deferred_context() {
    domain!(D: Collector<6> = Collector::with_config(Config::new().batch::<2>()));
    static WORLD: World<D> = World::new();
    run(&WORLD);
}

#[test]
fn no_value_is_dropped_in_a_deferred_context_in_robust_mode() {
    domain!(D: Collector<6, Robust> =
        Collector::with_config(Config::new().batch::<2>().era_step::<1>()));
    static WORLD: World<D> = World::new();
    run(&WORLD);
}

#[test]
fn a_lost_update_of_a_deferred_handle_is_retired() {
    domain!(D: Collector<2> = Collector::new());
    static CELL: RcuCell<Value, 2, D> = RcuCell::new(Value(0));
    let (eager, deferred) = (D::register().unwrap(), D::register_deferred().unwrap());
    let before = DROPS.get();
    let mut made = 0;
    let full = CELL.update(&deferred, |old| {
        made += 1;
        // The last block: a second attempt finds none.
        CELL.replace(&eager, Value(1)).unwrap();
        Value(old.0 + 10)
    });
    assert!(full.is_err());
    assert_eq!((made, DROPS.get() - before), (1, 0));
    deferred.flush();
    eager.flush();
    assert_eq!(
        DROPS.get() - before,
        2,
        "the first version and what was lost"
    );
    assert_eq!(CELL.available(), 1);
    CELL.update(&deferred, |old| Value(old.0 + 10)).unwrap();
    assert_eq!(CELL.read(&eager.enter()).0, 11);
}

/// What a deferred handle puts at its second attempt is younger than its
/// section.
#[test]
fn what_a_deferred_update_put_stays() {
    domain!(D: Collector<2, Robust> =
        Collector::with_config(Config::new().batch::<1>().era_step::<1>()));
    static CELL: RcuCell<Value, 6, D> = RcuCell::new(Value(0));
    let (eager, deferred) = (D::register().unwrap(), D::register_deferred().unwrap());
    let mut made = 0;
    let put = CELL.update(&deferred, |old| {
        made += 1;
        if made == 1 {
            CELL.replace(&eager, Value(1)).unwrap();
        }
        Value(old.0 + 10)
    });
    let put = put.unwrap();
    assert_eq!((made, put.0), (2, 11));
    let free = CELL.available();
    CELL.replace(&eager, Value(2)).unwrap();
    eager.flush();
    assert_eq!(
        (CELL.available(), put.0),
        (free - 1, 11),
        "it was reclaimed while held"
    );
}
