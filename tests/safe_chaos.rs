//! Threads whose user code calls back: `Drop`, `Clone`, `Hash`, `Eq`, `Ord` and closures
//! use all structures, those on the heap and in a shared pool, too, through eager and
//! deferred handles, some levels deep, and panic now and then. References stay valid,
//! no value is lost or dropped twice, counts agree at the end, and all blocks are back.
//!
//! `HYALINE_CHAOS_SECONDS` says how long it runs for each scheme.

#![cfg(not(hyaline_loom))]
#![forbid(unsafe_code)]

#[macro_use]
#[path = "common/ordered.rs"]
mod ordered;
#[path = "common/random.rs"]
mod random;

use std::{
    cell::Cell,
    cmp, env,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, panicking},
    time::{Duration, Instant},
};

use hyaline::{
    Basic, Collector, Config, Deferred, Pool, Robust, Role, domain,
    safe::{
        ArcCell, BlockQueue, Domain, Handle, HashMap, Heap, Map, Node, Queue, RcuCell, SharedPool,
        Stack,
    },
};

const THREADS: u64 = 3;
const KEYS: u32 = 6;
/// The levels of calls inside calls.
const DEEPEST: u32 = 3;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// User code only does what it is for.
    static CALM: Cell<bool> = const { Cell::new(true) };
}

static CALLS: AtomicUsize = AtomicUsize::new(0);
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn random(below: u32) -> u32 {
    random::random(below as usize) as u32
}

/// A panic of the test.
struct Thrown;

/// User code: perhaps a call, one in `calls`, perhaps a panic.
fn user(calls: u32, call: fn()) {
    if CALM.get() || panicking() {
        return;
    }
    if DEPTH.get() < DEEPEST && random(calls) == 0 {
        call();
    }
    if random(80) == 0 {
        PANICS.fetch_add(1, Relaxed);
        resume_unwind(Box::new(Thrown));
    }
}

/// A call, whose panics end here.
fn level(call: impl FnOnce()) {
    CALLS.fetch_add(1, Relaxed);
    let depth = DEPTH.replace(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(call));
    DEPTH.set(depth);
    if let Err(why) = result {
        if !why.is::<Thrown>() {
            resume_unwind(why);
        }
    }
}

/// Whatever the result is.
fn done<T>(_: T) {}

/// The suite, for a scheme.
macro_rules! suite {
    ($name:ident, $scheme:ty) => {
        mod $name {
            use super::*;

            domain!(D: Collector<8, $scheme> =
                Collector::with_config(Config::new().batch::<2>().era_step::<1>()));

            const BLOCKS: usize = 64;
            static NODES: Pool<Node<Value>, BLOCKS> = Pool::new();
            static STACK: Stack<Value, BLOCKS, D, SharedPool> = Stack::in_pool(&NODES);
            static QUEUE: Queue<Value, BLOCKS, D, SharedPool> = Queue::in_pool(&NODES);
            static EVENTS: Queue<Value, 0, D, Heap> = Queue::in_heap();
            static JOBS: BlockQueue<Value, 3, 8, D> = BlockQueue::new();
            static MAP: Map<Key, Value, 2, 32, D> = Map::new();
            static HASH: HashMap<Key, Value, BuildHasherDefault<DefaultHasher>, D> =
                HashMap::with_hasher(BuildHasherDefault::new());
            static CELL: RcuCell<Value, 6, D> = RcuCell::new(Value(None));
            static ARC: OnceLock<ArcCell<Value, D>> = OnceLock::new();
            static LIVE: AtomicIsize = AtomicIsize::new(0);

            thread_local! {
                static TASK: Handle<D> = D::register().unwrap();
                static INTERRUPT: Handle<D, Deferred> = D::register_deferred().unwrap();
            }

            /// In a box, so that tools detect a use after the drop. The first value of
            /// the cells has no number, and is not counted.
            struct Value(Option<Box<u32>>);

            impl Value {
                fn new() -> Self {
                    LIVE.fetch_add(1, Relaxed);
                    Self(Some(Box::new(random(KEYS))))
                }

                fn check(&self) {
                    let number = self.0.as_ref().map_or(0, |number| **number);
                    assert!(number < KEYS, "used after its drop");
                }
            }

            impl Clone for Value {
                fn clone(&self) -> Self {
                    self.check();
                    user(4, call);
                    Self::new()
                }
            }

            impl Drop for Value {
                fn drop(&mut self) {
                    self.check();
                    if let Some(number) = &mut self.0 {
                        **number = u32::MAX;
                        LIVE.fetch_sub(1, Relaxed);
                    }
                    user(6, call);
                }
            }

            #[derive(Clone)]
            struct Key(u32, Value);

            fn key() -> Key {
                Key(random(KEYS), Value::new())
            }

            impl Hash for Key {
                fn hash<H: Hasher>(&self, hasher: &mut H) {
                    user(16, call);
                    // Two of a kind.
                    (self.0 / 2).hash(hasher);
                }
            }

            ordered!(Key);

            impl Ord for Key {
                fn cmp(&self, other: &Self) -> cmp::Ordering {
                    self.1.check();
                    other.1.check();
                    user(16, call);
                    self.0.cmp(&other.0)
                }
            }

            /// What a closure does with a value.
            fn look(value: &Value) {
                value.check();
                user(4, call);
                value.check();
            }

            fn make(old: &Value) -> Value {
                look(old);
                Value::new()
            }

            fn call() {
                level(|| match random(4) {
                    0 => INTERRUPT.with(one),
                    1 if random(8) == 0 => TASK.with(|handle| done(handle.flush())),
                    _ => TASK.with(one),
                });
            }

            #[rustfmt::skip]
            fn one<R: Role>(handle: &Handle<D, R>) {
                let arc = ARC.get().unwrap();
                match random(33) {
                    0 => done(STACK.push(handle, Value::new())),
                    1 => done(STACK.pop(handle)),
                    2 => done(QUEUE.push(handle, Value::new())),
                    3 => done(QUEUE.pop(handle)),
                    4 => done(QUEUE.push_or_replace_oldest(handle, Value::new(), |old| look(&old))),
                    5 => done(EVENTS.push(handle, Value::new())),
                    6 | 7 => done(EVENTS.pop(handle)),
                    8 => done(CELL.replace(handle, Value::new())),
                    9 => if let Ok(new) = CELL.update(handle, make) { look(&new) },
                    10 => done(CELL.snapshot(handle)),
                    11 => {
                        let guard = handle.enter();
                        let seen = CELL.read(&guard);
                        look(seen);
                        done(CELL.compare_exchange(handle, seen, Value::new()));
                    }
                    12 => done(MAP.insert(handle, key(), Value::new())),
                    13 => done(MAP.upsert(handle, key(), Value::new())),
                    14 => if let Ok(Some(new)) = MAP.update(handle, &key(), make) { look(&new) },
                    15 => if let Ok(new) = MAP.get_or_insert_with(handle, key(), Value::new) { look(&new) },
                    16 => { let guard = handle.enter(); MAP.remove(&guard, &key()).map(look); }
                    17 => MAP.retain(handle, |_, value| { look(value); random(3) > 0 }),
                    18 => done(HASH.insert(handle, key(), Value::new())),
                    19 => done(HASH.upsert(handle, key(), Value::new())),
                    20 => if let Ok(Some(new)) = HASH.update(handle, &key(), make) { look(&new) },
                    21 => if let Ok(new) = HASH.get_or_insert_with(handle, key(), Value::new) { look(&new) },
                    22 => {
                        let guard = handle.enter();
                        HASH.remove_if(&guard, &key(), |_, value| { look(value); true }).map(look);
                    }
                    23 => HASH.retain(handle, |_, value| { look(value); random(3) > 0 }),
                    24 => {
                        let (guard, key) = (handle.enter(), key());
                        MAP.iter_after(&guard, &key).take(9).for_each(|(key, value)| { look(&key.1); look(value) });
                    }
                    27 => HASH.iter(&handle.enter()).take(9).for_each(|(key, value)| { look(&key.1); look(value) }),
                    25 => done(arc.rcu(handle, |old| make(old))),
                    26 => { let guard = handle.enter(); let seen = arc.load(&guard); done(arc.swap(handle, Arc::new(Value::new()))); look(seen) }
                    28 | 29 => done(JOBS.push(handle, Value::new())),
                    30 | 31 => done(JOBS.pop(handle)),
                    _ => { let guard = handle.enter(); MAP.get(&guard, &key()).map(look); HASH.get(&guard, &key()).map(look); }
                }
            }

            /// Takes everything out, and counts.
            fn end() {
                let handle = D::register().unwrap();
                assert_eq!(HASH.len(), HASH.iter(&handle.enter()).count(), "a count is wrong");
                assert_eq!(MAP.len(&handle), MAP.iter(&handle.enter()).count());
                while STACK.pop(&handle).is_some() {}
                while QUEUE.pop(&handle).is_some() {}
                while EVENTS.pop(&handle).is_some() {}
                while JOBS.pop(&handle).is_some() {}
                assert!(JOBS.is_empty(&handle) && JOBS.len(&handle) == 0);
                MAP.clear(&handle);
                HASH.clear(&handle);
                assert_eq!((HASH.len(), MAP.len(&handle)), (0, 0));
                assert!(CELL.replace(&handle, Value(None)).is_ok());
                assert!(ARC.get().unwrap().store(&handle, Arc::new(Value(None))).is_ok());
                while handle.flush() > 0 {}
                assert_eq!(LIVE.load(Relaxed), 0, "values leaked, or were dropped twice");
                let room = (0..).take_while(|_| STACK.push(&handle, Value::new()).is_ok()).count();
                // The queue has a dummy.
                assert!(room >= BLOCKS - 1, "{} blocks are lost", BLOCKS - 1 - room);
                while STACK.pop(&handle).is_some() {}
                let room = (0..).take_while(|_| JOBS.push(&handle, Value::new()).is_ok()).count();
                // Some cells of the last segment may be used up.
                assert!((21..=24).contains(&room), "room for {room} of 24 jobs");
                while JOBS.pop(&handle).is_some() {}
                for n in 0..32 {
                    assert!(MAP.insert(&handle, Key(n, Value::new()), Value::new()).is_ok());
                }
                MAP.clear(&handle);
            }

            #[test]
            fn threads_whose_user_code_calls_back() {
                let seconds = env::var("HYALINE_CHAOS_SECONDS").ok();
                let seconds = seconds.map_or(1, |seconds| seconds.parse().expect("a number"));
                let task = D::register().unwrap();
                let arc = ArcCell::new(&task, Arc::new(Value(None))).unwrap();
                assert!(ARC.set(arc).is_ok());
                drop(task);
                thread::scope(|scope| {
                    for seed in 1..=THREADS {
                        scope.spawn(move || {
                            let end = Instant::now() + Duration::from_secs(seconds);
                            random::seed(seed);
                            CALM.set(false);
                            let mut left = if cfg!(miri) { 15 } else { u32::MAX };
                            while left > 0 && (cfg!(miri) || Instant::now() < end) {
                                left -= 1;
                                call();
                            }
                            // The handles go with the thread.
                            CALM.set(true);
                        });
                    }
                });
                end();
                let (calls, panics) = (CALLS.load(Relaxed), PANICS.load(Relaxed));
                println!("{calls} calls, {panics} panics");
                assert!(cfg!(miri) || panics > 1_000, "{panics} panics are too few");
            }
        }
    };
}

suite!(basic, Basic);
suite!(robust, Robust);
