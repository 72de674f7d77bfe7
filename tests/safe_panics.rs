//! A panic at each place where user code runs in a call of the safe layer:
//! closures, `Hash`, `Eq`, `Ord`, `Clone`, `Drop` of the caller's values and of
//! those that the call reclaims. For each call the first such place panics,
//! then the second, and so on until none is left. Nothing leaks, nothing is
//! dropped twice, and no block is lost.

#![cfg(not(hyaline_loom))]

#[macro_use]
#[path = "common/ordered.rs"]
mod ordered;
#[path = "safe_panics/drops.rs"]
mod drops;
#[path = "safe_panics/retires.rs"]
mod retires;

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::BTreeSet,
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    thread::panicking,
};

use hyaline::{
    Collector, Config, Pool, Robust, Role, domain,
    safe::{Atomic, Domain, Handle, Map, Owned, Queue, RcuCell, Shared, Stack},
};

/// What happens elsewhere, and after how many places.
type Meanwhile = (u32, Box<dyn FnOnce()>);

thread_local! {
    /// The number of places before one panics; 0: none does.
    static FUSE: Cell<u32> = const { Cell::new(0) };
    /// What happens elsewhere, once, after that many places of user code.
    static MEANWHILE: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
    static LIVE: RefCell<BTreeSet<u32>> = const { RefCell::new(BTreeSet::new()) };
    static NEXT: Cell<u32> = const { Cell::new(0) };
    /// Values below this number are from failed trials, and do not count.
    static FIRST: Cell<u32> = const { Cell::new(0) };
}

/// User code, in a call.
fn place() {
    match MEANWHILE.take() {
        Some((0, meanwhile)) => {
            let left = FUSE.take();
            meanwhile();
            FUSE.set(left);
        }
        Some((after, meanwhile)) => MEANWHILE.set(Some((after - 1, meanwhile))),
        None => {}
    }
    burn();
}

fn burn() {
    let left = FUSE.get();
    if left > 0 && !panicking() {
        FUSE.set(left - 1);
        assert!(left > 1, "for the test");
    }
}

/// It is registered for as long as it lives.
struct Value {
    id: u32,
    key: u32,
}

impl Value {
    fn new(key: u32) -> Self {
        let id = NEXT.get();
        NEXT.set(id + 1);
        LIVE.with_borrow_mut(|live| live.insert(id));
        Self { id, key }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        let was_live = LIVE.with_borrow_mut(|live| live.remove(&self.id));
        assert!(was_live || self.id < FIRST.get(), "dropped twice");
        burn();
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        place();
        Self::new(self.key)
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        place();
        self.key.hash(hasher);
    }
}

ordered!(Value);

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        place();
        self.key.cmp(&other.key)
    }
}

/// One structure of each kind.
struct World<D: Domain> {
    cell: RcuCell<Value, 4, D>,
    /// The source of the garbage.
    other: RcuCell<Value, 8, D>,
    stack: Stack<Value, 3, D>,
    queue: Queue<Value, 4, D>,
    map: Map<Value, Value, 2, 4, D>,
    pool: Pool<Value, 2>,
    atomic: Atomic<Value, D>,
}

/// The calls, and their number.
const CALLS: u32 = 47;

#[rustfmt::skip]
fn call<D: Domain, R: Role>(number: u32, world: &'static World<D>, handle: &Handle<D, R>) {
    let World { cell, stack, queue, map, pool, atomic, .. } = world;
    let value = || Value::new(7);
    // A key that exists, and one that does not.
    let (old, new) = (|| Value::new(0), || Value::new(9));
    match number {
        0 => drop(stack.push(handle, value())),
        1 => drop(stack.pop(handle)),
        2 => drop(queue.push(handle, value())),
        3 => drop(queue.pop(handle)),
        4 => drop(map.insert(handle, new(), value())),
        5 => drop(map.insert(handle, old(), value())),
        6 => drop(map.replace(handle, new(), value())),
        7 => drop(map.replace(handle, old(), value())),
        8 => drop(map.upsert(handle, new(), value())),
        9 => drop(map.upsert(handle, old(), value())),
        10 => { map.get(&handle.enter(), &old()); }
        11 => { map.get(&handle.enter(), &new()); }
        12 => { map.remove(&handle.enter(), &old()); }
        13 => { map.remove(&handle.enter(), &new()); }
        14 => { let (guard, old) = (handle.enter(), old()); map.iter(&guard).count(); map.iter_after(&guard, &old).count(); }
        15 => drop(cell.snapshot(handle)),
        16 => drop(cell.replace(handle, value())),
        17 => { let own = value(); let _ = cell.update(handle, move |_| own.clone()); }
        18 => {
            // Loses, once.
            let mut first = true;
            let _ = cell.update(handle, |old| {
                if core::mem::take(&mut first) {
                    let left = FUSE.take();
                    drop(cell.replace(&D::register().unwrap(), Value::new(8)));
                    FUSE.set(left);
                }
                old.clone()
            });
        }
        19 => { let guard = handle.enter(); drop(cell.compare_exchange(handle, cell.read(&guard), value())); }
        20 => drop(cell.compare_exchange(handle, &value(), value())),
        21 => drop(Owned::<_, D>::new(pool, handle, value())),
        22 => drop(Owned::<_, D>::new(pool, handle, value()).map(Owned::into_inner)),
        23 => if let Ok(owned) = Owned::new(pool, handle, value()) {
            let guard = handle.enter();
            let old = atomic.swap(owned, &guard);
            // SAFETY: unlinked, and no thread stores what it loads.
            unsafe { guard.retire(old) };
        }
        24 => if let Ok(owned) = Owned::new(pool, handle, value()) {
            let guard = handle.enter();
            // Loses if the map contains the key.
            drop(atomic.compare_exchange(Shared::null(), owned, &guard));
        }
        25 => drop(handle.flush()),
        26 => handle.enter().refresh(),
        27 => if let Ok(own) = D::register() { own.collect(); drop(own); }
        28 => if let Ok(own) = D::register() { let section = own.enter_owned(); place(); drop(section.leave()); }
        29 => if let Ok(own) = D::register() { let section = own.enter_owned(); place(); drop(section); }
        31 => drop(map.get_or_insert(handle, old(), value()).map(drop)),
        32 => drop(map.get_or_insert(handle, new(), value()).map(drop)),
        33 => { let own = value(); drop(map.get_or_insert_with(handle, old(), move || { place(); let made = own.clone(); drop(own); made }).map(drop)); }
        34 => { let own = value(); drop(map.get_or_insert_with(handle, new(), move || { place(); let made = own.clone(); drop(own); made }).map(drop)); }
        35 => { let own = value(); let _ = map.update(handle, &old(), move |_| { place(); own.clone() }); }
        36 => { let _ = map.update(handle, &new(), |old| { place(); old.clone() }); }
        37 => {
            // Loses, once.
            let mut first = true;
            let _ = map.update(handle, &old(), |seen| {
                if core::mem::take(&mut first) {
                    let left = FUSE.take();
                    drop(map.replace(&D::register().unwrap(), old(), Value::new(8)));
                    FUSE.set(left);
                }
                seen.clone()
            });
        }
        38 => {
            let guard = handle.enter();
            if let Some(seen) = map.get(&guard, &old()) {
                drop(map.compare_exchange(handle, old(), seen, value()));
            }
        }
        39 => drop(map.compare_exchange(handle, old(), &value(), value())),
        40 => { map.remove_if(&handle.enter(), &old(), |_, _| { place(); true }); }
        41 => map.retain(handle, |_, _| { place(); false }),
        42 => map.clear(handle),
        43 => { map.len(handle); map.is_empty(handle); map.contains_key(handle, &old()); }
        44 => { let own = value(); drop(queue.push_or_replace_oldest(handle, value(), move |oldest| { place(); drop((oldest, &own)); })); }
        45 => { queue.len(handle); queue.is_empty(handle); stack.len(handle); }
        _ => { let guard = handle.enter(); place(); drop(guard); }
    }
}

/// The state before the call.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// Whether all structures are full.
    full: bool,
    /// Garbage: none; in a deferred slot; in the handle's own; arriving
    /// meanwhile, sooner or later.
    garbage: u32,
}

fn begin<D: Domain, R: Role>(start: Start, world: &'static World<D>, handle: &Handle<D, R>) {
    let helper = D::register().unwrap();
    for key in 0..if start.full { 4 } else { 1 } {
        drop(world.stack.push(&helper, Value::new(key)));
        drop(world.queue.push(&helper, Value::new(key)));
        drop(world.map.insert(&helper, Value::new(key), Value::new(key)));
        if let Ok(owned) = Owned::new(&world.pool, &helper, Value::new(key)) {
            let guard = helper.enter();
            let old = world.atomic.swap(owned, &guard);
            // SAFETY: unlinked, and no thread stores what it loads.
            unsafe { guard.retire(old) };
        }
    }
    // A first pop retires nothing: the first dummy stays where it is.
    drop((
        world.queue.push(&helper, Value::new(0)),
        world.queue.pop(&helper),
    ));
    helper.flush();
    match start.garbage {
        1 => {
            let deferred = D::register_deferred().unwrap();
            for key in 0..3 {
                drop(world.other.replace(&deferred, Value::new(key)));
                drop(world.cell.replace(&deferred, Value::new(key)));
            }
        }
        2 => {
            for key in 0..3 {
                drop(world.other.replace(handle, Value::new(key)));
            }
        }
        after @ 3.. => {
            let meanwhile = move || {
                for key in 0..4 {
                    drop(world.other.replace(&helper, Value::new(key)));
                }
            };
            MEANWHILE.set(Some((after - 3, Box::new(meanwhile))));
        }
        _ => {}
    }
}

/// Everything is as usable as before, and can be dropped.
fn end<D: Domain>(world: *mut World<D>) {
    // SAFETY: it lives until it is freed below.
    let all: &'static World<D> = unsafe { &*world };
    let handle = D::register().unwrap();
    while all.stack.pop(&handle).is_some() {}
    while all.queue.pop(&handle).is_some() {}
    for key in 0..10 {
        all.map.remove(&handle.enter(), &Value::new(key));
    }
    let guard = handle.enter();
    let old = all.atomic.swap(Shared::null(), &guard);
    // SAFETY: unlinked, and no thread stores what it loads.
    unsafe { guard.retire(old) };
    drop(guard);
    handle.flush();
    assert!(all.cell.available() >= 3, "a version is lost");
    assert!(all.other.available() >= 7, "a version is lost");
    assert_eq!(all.pool.available(), 2, "a block of the pool is lost");
    for key in 0..3 {
        let room = all.stack.push(&handle, Value::new(key)).is_ok();
        assert!(room, "a block of the stack is lost");
        let room = all.queue.push(&handle, Value::new(key)).is_ok();
        assert!(room, "a block of the queue is lost");
    }
    for key in 0..4 {
        let room = all
            .map
            .insert(&handle, Value::new(key), Value::new(key))
            .is_ok();
        assert!(room, "a block of the map is lost");
    }
    assert_eq!(all.map.iter(&handle.enter()).count(), 4);
    drop(handle);
    // SAFETY: it is not used any more, and none of its objects waits to be
    // reclaimed.
    drop(unsafe { Box::from_raw(world) });
    LIVE.with_borrow(|live| assert!(live.is_empty(), "{} values leaked", live.len()));
}

/// One call with a panic at a given place. Returns whether there was one.
fn trial<D: Domain, R: Role>(number: u32, start: Start, fuse: u32, handle: &Handle<D, R>) -> bool {
    let world = Box::into_raw(Box::new(World::<D> {
        cell: RcuCell::new(Value::new(0)),
        other: RcuCell::new(Value::new(0)),
        stack: Stack::new(),
        queue: Queue::new(),
        map: Map::new(),
        pool: Pool::new(),
        atomic: Atomic::null(),
    }));
    // SAFETY: it lives until it is freed, in `end`.
    let all: &'static World<D> = unsafe { &*world };
    begin(start, all, handle);
    FUSE.set(fuse);
    let panicked = catch_unwind(AssertUnwindSafe(|| call(number, all, handle))).is_err();
    FUSE.set(0);
    drop(MEANWHILE.take());
    handle.flush();
    end(world);
    panicked
}

fn search<D: Domain>() {
    let (mut wrong, mut panics, mut turn) = (Vec::new(), 0, 0);
    for number in 0..CALLS {
        for (full, garbage) in [false, true]
            .iter()
            .flat_map(|&f| (0..6).map(move |g| (f, g)))
        {
            let start = Start { full, garbage };
            for role in 0..3 {
                // Miri runs a few of each kind.
                turn += 1;
                if cfg!(miri) && turn % 37 != 0 {
                    continue;
                }
                for fuse in 1.. {
                    let run = AssertUnwindSafe(|| match role {
                        0 => trial(number, start, fuse, &D::register().unwrap()),
                        1 => trial(number, start, fuse, &D::register_deferred().unwrap()),
                        _ => {
                            let cpu = D::register_per_cpu().unwrap();
                            // SAFETY: one thread, without signal handlers.
                            trial(number, start, fuse, unsafe { cpu.get() })
                        }
                    });
                    match catch_unwind(run) {
                        Ok(true) => panics += 1,
                        Ok(false) => break,
                        Err(why) => {
                            let text = why.downcast_ref::<&str>().map(ToString::to_string);
                            let text = text.or_else(|| why.downcast_ref::<String>().cloned());
                            let why = text.unwrap_or_default();
                            wrong.push(format!(
                                "call {number}, {start:?}, role {role}, place {fuse}: {why}"
                            ));
                            LIVE.take();
                            FIRST.set(NEXT.get());
                            break;
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        panics > if cfg!(miri) { 20 } else { 1_000 },
        "{panics} places are too few to mean anything"
    );
}

#[test]
fn a_panic_in_any_call_leaks_nothing() {
    domain!(D: Collector<6> = Collector::with_config(Config::new().batch::<4>()));
    search::<D>();
}

#[test]
fn a_panic_in_any_call_leaks_nothing_in_robust_mode() {
    domain!(D: Collector<6, Robust> =
        Collector::with_config(Config::new().batch::<4>().era_step::<1>()));
    search::<D>();
}
