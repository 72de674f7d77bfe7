//! The structures of the safe layer: the pairs of calls that could interfere.
//!
//! A value is a [`Tracked`]: loom reports it if it is read while it is dropped
//! or before it is initialized, and the model counts those that are not
//! dropped.

use std::hash::{Hash, Hasher};

use hyaline::{
    Basic, Collector, Config, Pool, Robust,
    safe::{Atomic, Domain, Handle, Map, Node, Owned, Queue, RcuCell, Shared, Stack},
};
use loom::{cell::UnsafeCell, sync::Arc, thread};

use super::model_within;

/// The number after its drop.
const DEAD: u32 = 0xdead;

/// A number whose accesses loom checks, and whose drop the model sees.
struct Tracked {
    number: UnsafeCell<u32>,
    life: Arc<()>,
}

// SAFETY: the cell is written by its maker and by `drop`, and loom checks that.
unsafe impl Send for Tracked {}
// SAFETY: the cell is written by its maker and by `drop`, and loom checks that.
unsafe impl Sync for Tracked {}

impl Tracked {
    fn new(number: u32, life: &Arc<()>) -> Self {
        let cell = UnsafeCell::new(0);
        // Makes a write known to loom that readers must see.
        // SAFETY: not shared yet.
        cell.with_mut(|place| unsafe { *place = number });
        let life = life.clone();
        Self { number: cell, life }
    }

    fn get(&self) -> u32 {
        // SAFETY: loom checks that no thread writes it meanwhile.
        let number = self.number.with(|place| unsafe { *place });
        // Loom does not report a use after a drop that a fence happens to
        // order.
        assert_ne!(number, DEAD, "used after its drop");
        number
    }
}

// As a key: a comparison reads the number.
ordered!(Tracked);

impl Ord for Tracked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.get().cmp(&other.get())
    }
}

impl Hash for Tracked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.get().hash(state);
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // SAFETY: loom checks that no thread reads it any more.
        self.number.with_mut(|place| unsafe { *place = DEAD });
        let _ = &self.life;
    }
}

/// How many values are alive.
fn alive(life: &Arc<()>) -> usize {
    Arc::strong_count(life) - 1
}

/// Each model runs in both schemes, with its own domain `D`. `<slots, batch>`.
macro_rules! schemes {
    ($($name:ident<$slots:literal, $batch:literal> $body:block)*) => {$(
        mod $name {
            use super::*;
            schemes!(basic: Basic, $slots, $batch, $body);
            schemes!(robust: Robust, $slots, $batch, $body);
        }
    )*};
    ($test:ident: $scheme:ty, $slots:literal, $batch:literal, $body:block) => {
        schemes!($test: $scheme, $slots, $batch, [1] $body);
    };
    ($test:ident: $scheme:ty, $slots:literal, $batch:literal, [$bound:literal] $body:block) => {
        #[test]
        fn $test() {
            loom::lazy_static! {
                static ref COLLECTOR: Collector<$slots, $scheme> =
                    Collector::with_config(Config::new().batch::<$batch>().era_step::<1>());
            }
            struct D;
            impl Domain for D {
                type Collector = Collector<$slots, $scheme>;
                fn collector() -> &'static Self::Collector {
                    &COLLECTOR
                }
            }
            // Structures make many accesses; `LOOM_MAX_PREEMPTIONS` for more.
            model_within($bound, || $body);
        }
    };
}

mod block_queue;
mod calls;
mod hash_map;
mod heap;
mod map;
mod reuse;

/// A structure that lives as long as the threads of a model.
struct Leaked<T: 'static>(&'static T);

impl<T> Leaked<T> {
    fn new(structure: T) -> Self {
        Self(Box::leak(Box::new(structure)))
    }

    /// Drops it, when all threads are joined and all handles dropped: then none
    /// of its objects waits to be reclaimed.
    fn close(self) {
        // SAFETY: it was leaked by `new`, and is not used any more.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(self.0).cast_mut()) });
    }

    /// The same: it has the last `left` values.
    fn close_with(self, left: usize, life: &Arc<()>) {
        assert_eq!(alive(life), left);
        self.close();
        assert_eq!(alive(life), 0);
    }
}

/// A structure, the life of its values, and two handles.
fn start<T, D: Domain>(structure: T) -> (Arc<()>, Leaked<T>, Handle<D>, Handle<D>) {
    let life = Arc::new(());
    let structure = Leaked::new(structure);
    let [one, two] = [(), ()].map(|()| D::register().unwrap());
    (life, structure, one, two)
}

/// Joins threads, which return their handles, and then releases the slots.
fn join<D: Domain, const N: usize>(threads: [thread::JoinHandle<Handle<D>>; N]) {
    let handles = threads.map(|thread| thread.join().unwrap());
    drop(handles);
}

schemes! {
    // A version is read while it is replaced and retired.
    cell_read_against_replace<2, 1> {
        heap::read_against_replace(RcuCell::<_, 2, D>::new);
    }

    // Two updates: neither is lost, and no version is dropped twice.
    cell_updates<2, 1> {
        let life = Arc::new(());
        let cell = Leaked::new(RcuCell::<_, 3, D>::new(Tracked::new(0, &life)));
        let shared = cell.0;
        let handles = [D::register().unwrap(), D::register().unwrap()];
        let threads = handles.map(|handle| {
            let life = life.clone();
            thread::spawn(move || {
                let next = |old: &Tracked| Tracked::new(old.get() + 1, &life);
                assert!(shared.update(&handle, next).is_ok());
                handle
            })
        });
        join(threads);
        assert_eq!(alive(&life), 1);
        let handle = D::register().unwrap();
        assert_eq!(shared.read(&handle.enter()).get(), 2);
        drop(handle);
        cell.close();
        assert_eq!(alive(&life), 0);
    }

    // `into_shared` protects an object that another thread retires.
    atomic_publish_against_retire<2, 1> {
        let life = Arc::new(());
        let pool: &'static Pool<Tracked, 2> = Box::leak(Box::new(Pool::new()));
        let place: &'static Atomic<Tracked, D> = Box::leak(Box::new(Atomic::null()));
        let (maker, taker) = (D::register().unwrap(), D::register().unwrap());
        let guard = maker.enter();
        // The object is made by a later era than the section's.
        let object = Owned::new(pool, &taker, Tracked::new(7, &life)).ok().unwrap();
        let taking = thread::spawn(move || {
            let guard = taker.enter();
            let old = place.swap(Shared::null(), &guard);
            // SAFETY: unlinked, and no thread stores what it loads.
            unsafe { guard.retire(old) };
            drop(guard);
            taker
        });
        let shared = object.into_shared(&guard);
        // Not a swap, which protects what it finds, and this object
        // incidentally.
        assert!(place.compare_exchange(Shared::null(), shared, &guard).is_ok());
        assert_eq!(shared.as_ref().unwrap().get(), 7);
        let rest = place.swap(Shared::null(), &guard);
        // SAFETY: unlinked, and no thread stores what it loads; it is null if the other
        // thread was first.
        unsafe { guard.retire(rest) };
        drop(guard);
        join([taking]);
        drop(maker);
        assert_eq!(alive(&life), 0);
        // SAFETY: all threads are joined.
        unsafe {
            drop(Box::from_raw(std::ptr::from_ref(pool).cast_mut()));
            drop(Box::from_raw(std::ptr::from_ref(place).cast_mut()));
        }
    }

    // The ABA pair: one pop stalls with the top loaded, while the other thread
    // takes both nodes and pushes a new one, into a block that came back.
    stack_pop_against_pops_and_push<2, 1> {
        heap::pop_against_pops_and_push(Stack::<_, 2, D>::new());
    }

    // A push and a pop meet on an empty stack.
    stack_push_against_pop<2, 1> {
        let (life, stack, one, two) = start(Stack::<_, 2, D>::new());
        let shared = stack.0;
        let copy = life.clone();
        let pushing = thread::spawn(move || {
            let value = Tracked::new(7, &copy);
            drop(copy);
            assert!(shared.push(&two, value).is_ok());
            two
        });
        let seen = shared.pop(&one).map(|value| value.get());
        assert!(seen.is_none_or(|number| number == 7));
        drop(one);
        join([pushing]);
        stack.close_with(usize::from(seen.is_none()), &life);
    }

    // A push meets pops that empty the queue: at the last node, and at the
    // tail.
    queue_push_against_pops<2, 1> {
        let (life, queue, one, two) = start(Queue::<_, 4, D>::new());
        let shared = queue.0;
        assert!(shared.push(&one, Tracked::new(1, &life)).is_ok());
        let copy = life.clone();
        let pushing = thread::spawn(move || {
            let value = Tracked::new(2, &copy);
            drop(copy);
            assert!(shared.push(&two, value).is_ok());
            two
        });
        let seen = [(), ()].map(|()| shared.pop(&one).map(|value| value.get()));
        // The other push may have left the tail behind.
        assert!(shared.push(&one, Tracked::new(3, &life)).is_ok());
        let two = pushing.join().unwrap();
        let rest = [(), ()].map(|()| shared.pop(&two).map(|value| value.get()));
        match seen {
            [Some(1), Some(2)] => assert_eq!(rest, [Some(3), None]),
            [Some(1), None] => {
                assert!(matches!(rest, [Some(2), Some(3)] | [Some(3), Some(2)]));
            }
            other => panic!("{other:?}"),
        }
        drop((one, two));
        queue.close();
        assert_eq!(alive(&life), 0);
    }

    // Two pops and a block that comes back: a push that stalls with the last
    // node loaded must not link to it when it has become a later node.
    queue_push_against_reuse<2, 1> {
        heap::push_against_reuse(Queue::<_, 3, D>::new());
    }

    // A pop stalls after it took a node that is younger than its section, while
    // the node is popped, reclaimed and used again.
    queue_pop_against_reuse<2, 1> {
        let (life, queue, one, two) = start(Queue::<_, 2, D>::new());
        let shared = queue.0;
        let popping = thread::spawn(move || {
            let seen = shared.pop(&two).map(|value: Tracked| value.get());
            (two, seen)
        });
        let mut pushed = Vec::new();
        let mut seen = Vec::new();
        for number in 1..=2 {
            assert!(shared.push(&one, Tracked::new(number, &life)).is_ok());
            pushed.push(number);
        }
        seen.extend(shared.pop(&one).map(|value| value.get()));
        if shared.push(&one, Tracked::new(3, &life)).is_ok() {
            pushed.push(3);
        }
        let (two, other) = popping.join().unwrap();
        seen.extend(other);
        while let Some(value) = shared.pop(&two) {
            seen.push(value.get());
        }
        seen.sort_unstable();
        assert_eq!(seen, pushed);
        drop((one, two));
        queue.close();
        assert_eq!(alive(&life), 0);
    }
}
