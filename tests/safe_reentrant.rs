//! User code that calls back: `Drop`, `Hash`, `Eq`, `Ord` and closures use the
//! same structures through the same handle, at random and several levels deep,
//! and panic now and then. References stay valid, nothing leaks, and nothing is
//! dropped twice.

#![cfg(not(hyaline_loom))]
#![forbid(unsafe_code)]

#[macro_use]
#[path = "common/ordered.rs"]
mod ordered;
#[path = "common/random.rs"]
mod random;

use std::{
    cell::Cell,
    cmp,
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    thread::panicking,
};

use hyaline::{
    Basic, Collector, Config, Robust, domain,
    safe::{Domain, Handle, Map, Queue, RcuCell, Stack},
};

const SEEDS: u32 = if cfg!(miri) { 1 } else { 8 };
const STEPS: u32 = if cfg!(miri) { 40 } else { 1_500 };

/// All numbers in use are below it.
const MOST: u32 = 1_000;

thread_local! {
    static LIVE: Cell<i32> = const { Cell::new(0) };
    /// How many calls remain in this step, and how deep they are.
    static BUDGET: Cell<u32> = const { Cell::new(0) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

fn random(below: u32) -> u32 {
    random::random(below as usize) as u32
}

fn perhaps_panic() {
    assert!(
        !PANICS.get() || panicking() || random(23) != 0,
        "for the test"
    );
}

/// One level deeper, if calls remain.
struct Level;

impl Level {
    fn enter() -> Option<Self> {
        let left = BUDGET.get().checked_sub(1)?;
        if DEPTH.get() > 3 {
            return None;
        }
        BUDGET.set(left);
        DEPTH.set(DEPTH.get() + 1);
        Some(Self)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// The suite, for a scheme.
macro_rules! suite {
    ($name:ident, $scheme:ty) => {
        mod $name {
            use super::*;

            domain!(D: Collector<6, $scheme> =
                Collector::with_config(Config::new().batch::<2>().era_step::<1>()));

            static CELL: RcuCell<Value, 6, D> = RcuCell::new(Value(None));
            static STACK: Stack<Value, 6, D> = Stack::new();
            static QUEUE: Queue<Value, 6, D> = Queue::new();
            static MAP: Map<Key, Value, 2, 8, D> = Map::new();

            thread_local!(static HANDLE: Handle<D> = D::register().unwrap());

            /// In a box, so that tools detect a use after the drop. The first
            /// value of the cell has no number, and is not counted.
            struct Value(Option<Box<u32>>);

            impl Value {
                fn new(number: u32) -> Self {
                    LIVE.set(LIVE.get() + 1);
                    Self(Some(Box::new(number)))
                }

                fn get(&self) -> u32 {
                    let number = self.0.as_ref().map_or(0, |number| **number);
                    assert!(number < MOST, "used after its drop");
                    number
                }
            }

            impl Drop for Value {
                fn drop(&mut self) {
                    self.get();
                    if let Some(number) = &mut self.0 {
                        **number = u32::MAX;
                        LIVE.set(LIVE.get() - 1);
                    }
                    call();
                    perhaps_panic();
                }
            }

            #[derive(Clone)]
            struct Key(u32);

            impl Hash for Key {
                fn hash<H: Hasher>(&self, hasher: &mut H) {
                    call();
                    perhaps_panic();
                    self.0.hash(hasher);
                }
            }

            ordered!(Key);

            impl Ord for Key {
                fn cmp(&self, other: &Self) -> cmp::Ordering {
                    call();
                    perhaps_panic();
                    self.0.cmp(&other.0)
                }
            }

            fn call() {
                if let Some(_level) = Level::enter() {
                    HANDLE.with(one);
                }
            }

            #[rustfmt::skip]
            fn one(handle: &Handle<D>) {
                let number = random(MOST - 1);
                let key = || Key(number % 5);
                match random(22) {
                    0 => drop(CELL.replace(handle, Value::new(number))),
                    1 => drop(STACK.push(handle, Value::new(number))),
                    2 => drop(STACK.pop(handle)),
                    3 => drop(QUEUE.push(handle, Value::new(number))),
                    4 => drop(QUEUE.pop(handle)),
                    5 => drop(MAP.upsert(handle, key(), Value::new(number))),
                    6 => {
                        let guard = handle.enter();
                        let taken = MAP.remove(&guard, &key());
                        call();
                        taken.map(Value::get);
                    }
                    7 => {
                        let guard = handle.enter();
                        for (key, value) in MAP.iter(&guard).take(20) {
                            call();
                            assert!(key.0 < 5 && value.get() < MOST);
                        }
                    }
                    8 => { handle.flush(); }
                    9 => {
                        let _ = CELL.update(handle, |old| {
                            call();
                            let number = old.get();
                            perhaps_panic();
                            Value::new((number + 1) % MOST)
                        });
                    }
                    10 => {
                        // Outer levels may have taken the slots.
                        if let Ok(own) = D::register() {
                            drop(CELL.replace(&own, Value::new(number)));
                            drop(QUEUE.pop(&own));
                            own.flush();
                        }
                    }
                    11 => {
                        let mut guard = handle.enter();
                        let seen = CELL.read(&guard);
                        call();
                        seen.get();
                        guard.refresh();
                        call();
                        CELL.read(&guard).get();
                    }
                    12 => {
                        let guard = handle.enter();
                        let seen = CELL.read(&guard);
                        call();
                        drop(CELL.compare_exchange(handle, seen, Value::new(number)));
                        seen.get();
                    }
                    13 => {
                        if let Ok(own) = D::register() {
                            let section = own.enter_owned();
                            let seen = CELL.read(&section);
                            call();
                            seen.get();
                            drop(section.leave());
                        }
                    }
                    14 => {
                        let value = Value::new(number);
                        if let Ok(seen) = MAP.get_or_insert(handle, key(), value) {
                            call();
                            seen.get();
                        }
                    }
                    15 => {
                        let made = MAP.get_or_insert_with(handle, key(), || {
                            call();
                            perhaps_panic();
                            Value::new(number)
                        });
                        if let Ok(seen) = made {
                            call();
                            seen.get();
                        }
                    }
                    16 => {
                        let updated = MAP.update(handle, &key(), |old| {
                            call();
                            let number = old.get();
                            perhaps_panic();
                            Value::new((number + 1) % MOST)
                        });
                        if let Ok(Some(seen)) = updated {
                            call();
                            seen.get();
                        }
                    }
                    17 => {
                        let guard = handle.enter();
                        if let Some(seen) = MAP.get(&guard, &key()) {
                            call();
                            drop(MAP.compare_exchange(handle, key(), seen, Value::new(number)));
                            seen.get();
                        }
                    }
                    18 => {
                        let guard = handle.enter();
                        let taken = MAP.remove_if(&guard, &key(), |_, value| {
                            call();
                            perhaps_panic();
                            value.get() % 2 == 0
                        });
                        call();
                        taken.map(Value::get);
                    }
                    19 => MAP.retain(handle, |key, value| {
                        call();
                        perhaps_panic();
                        (key.0 + value.get()) % 3 != 0
                    }),
                    20 => drop(QUEUE.push_or_replace_oldest(handle, Value::new(number), |oldest| {
                        call();
                        oldest.get();
                        perhaps_panic();
                    })),
                    _ => {
                        let guard = handle.enter();
                        let found = MAP.get(&guard, &key());
                        call();
                        found.map(Value::get);
                    }
                }
            }

            /// Takes everything out, and counts.
            fn clear() {
                HANDLE.with(|handle| {
                    while STACK.pop(handle).is_some() {}
                    while QUEUE.pop(handle).is_some() {}
                    for key in 0..5 {
                        MAP.remove(&handle.enter(), &Key(key));
                    }
                    handle.flush();
                    assert!(CELL.replace(handle, Value(None)).is_ok(), "the cell is full");
                    handle.flush();
                    assert_eq!(LIVE.get(), 0, "values leaked");
                    assert_eq!(CELL.available(), 5, "versions are lost");
                    for number in 0..6 {
                        let room = STACK.push(handle, Value::new(number)).is_ok();
                        assert!(room, "a block of the stack is lost");
                    }
                    while STACK.pop(handle).is_some() {}
                    handle.flush();
                });
            }

            #[test]
            fn user_code_calls_back() {
                let mut caught = 0;
                for (panics, seed) in [false, true].iter().flat_map(|&p| (1..=SEEDS).map(move |s| (p, s))) {
                    random::seed(seed.into());
                    PANICS.set(panics);
                    for _ in 0..STEPS {
                        BUDGET.set(40);
                        let stepped = catch_unwind(AssertUnwindSafe(call));
                        caught += u32::from(stepped.is_err());
                        assert!(panics || stepped.is_ok(), "seed {seed}");
                        assert_eq!(DEPTH.get(), 0);
                    }
                    PANICS.set(false);
                    BUDGET.set(0);
                    clear();
                }
                assert!(caught > SEEDS, "{caught} panics are too few");
            }
        }
    };
}

suite!(basic, Basic);
suite!(robust, Robust);
