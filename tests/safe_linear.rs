//! Stack, queue, map and cell are linearizable: small histories are recorded
//! while threads run, and a search looks for a sequential order that explains
//! them (Wing and Gong 1993, with a memory of tried states, Lowe 2017).
//!
//! A call is stamped before it begins and after it returned. An order is valid
//! if a call that returned before another began comes before it, and if each
//! call returns what the sequential structure returns.

#![cfg(not(hyaline_loom))]

#[macro_use]
#[path = "common/safe.rs"]
mod common;
#[path = "common/random.rs"]
mod random;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fmt::Debug,
    hash::Hash,
    mem::MaybeUninit,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use hyaline::{
    Collector, Config, Robust, domain,
    safe::{
        BlockQueue, Domain, Handle, Map, Node, Queue, RcuCell, Refused, Segment, Stack, Storage,
    },
};
use random::Random;

const THREADS: usize = 3;
const CALLS: usize = 4;
/// Histories of each kind.
const SEEDS: u64 = if cfg!(miri) { 2 } else { 1500 };

/// A sequential structure.
trait Model: Clone + Eq + Hash + Default {
    type Call: Copy + Debug + Send;
    type Answer: Copy + Eq + Debug + Send;
    fn apply(&mut self, call: Self::Call) -> Self::Answer;
}

/// A call that was made.
struct Event<M: Model> {
    began: usize,
    returned: usize,
    call: M::Call,
    answer: M::Answer,
}

/// Whether an order explains the history.
fn is_linearizable<M: Model>(start: &M, history: &[Event<M>]) -> bool {
    fn search<M: Model>(
        model: &M,
        done: u64,
        history: &[Event<M>],
        tried: &mut HashSet<(u64, M)>,
    ) -> bool {
        if done.count_ones() as usize == history.len() {
            return true;
        }
        if !tried.insert((done, model.clone())) {
            return false;
        }
        let left = || (0..history.len()).filter(|index| done & 1 << index == 0);
        // What began after another one returned cannot come before it.
        let limit = left().map(|index| history[index].returned).min();
        left().any(|index| {
            let event = &history[index];
            let mut next = model.clone();
            limit.is_some_and(|limit| event.began < limit)
                && next.apply(event.call) == event.answer
                && search(&next, done | 1 << index, history, tried)
        })
    }
    search(start, 0, history, &mut HashSet::new())
}

/// Records histories and checks them. One history continues with the structure
/// of the previous one; `restart` brings it and the model to the same state.
fn check<M: Model, D: Domain>(
    choose: impl Fn(&mut Random, u64) -> M::Call + Sync,
    run: impl Fn(&Handle<D>, M::Call) -> M::Answer + Sync,
    restart: impl Fn(&Handle<D>) -> M,
) {
    let (choose, run) = (&choose, &run);
    let clock = &AtomicUsize::new(0);
    let gate = &Barrier::new(THREADS + 1);
    thread::scope(|scope| {
        let mut results = Vec::new();
        for thread in 0..THREADS {
            let (send, receive) = std::sync::mpsc::channel();
            results.push(receive);
            scope.spawn(move || {
                let handle = D::register().unwrap();
                for seed in 1..=SEEDS {
                    let mut random = Random(seed * 1_000_003 + thread as u64);
                    gate.wait();
                    for call in 0..CALLS {
                        let unique = (thread * CALLS + call) as u64;
                        let call = choose(&mut random, unique);
                        // A different start each time.
                        (0..random.below(60)).for_each(|_| std::hint::spin_loop());
                        let began = clock.fetch_add(1, SeqCst);
                        let answer = run(&handle, call);
                        let returned = clock.fetch_add(1, SeqCst);
                        let event = Event::<M> {
                            began,
                            returned,
                            call,
                            answer,
                        };
                        send.send(event).unwrap();
                    }
                    gate.wait();
                }
            });
        }
        let handle = D::register().unwrap();
        for seed in 1..=SEEDS {
            let start = restart(&handle);
            gate.wait();
            gate.wait();
            let mut history: Vec<_> = (results.iter())
                .flat_map(|receive| receive.try_iter())
                .collect();
            history.sort_by_key(|event| event.began);
            assert_eq!(history.len(), THREADS * CALLS);
            let show = |e: &Event<M>| (e.began, e.returned, e.call, e.answer);
            assert!(
                is_linearizable(&start, &history),
                "seed {seed}: {:#?}",
                history.iter().map(show).collect::<Vec<_>>()
            );
        }
    });
}

/// A call on a stack or a queue: puts a value or takes one.
#[derive(Clone, Copy, Debug)]
enum Move {
    Put(u64),
    Take,
    IsEmpty,
}

fn choose_move(random: &mut Random, unique: u64) -> Move {
    match random.below(5) {
        0 | 1 => Move::Put(unique),
        2 | 3 => Move::Take,
        _ => Move::IsEmpty,
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct StackModel(Vec<u64>);

impl Model for StackModel {
    type Call = Move;
    type Answer = Option<u64>;
    fn apply(&mut self, call: Move) -> Option<u64> {
        match call {
            Move::Put(value) => self.0.push(value),
            Move::Take => return self.0.pop(),
            Move::IsEmpty => return Some(self.0.is_empty().into()),
        }
        None
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct QueueModel(VecDeque<u64>);

impl Model for QueueModel {
    type Call = Move;
    type Answer = Option<u64>;
    fn apply(&mut self, call: Move) -> Option<u64> {
        match call {
            Move::Put(value) => self.0.push_back(value),
            Move::Take => return self.0.pop_front(),
            Move::IsEmpty => return Some(self.0.is_empty().into()),
        }
        None
    }
}

/// A call on a map, with a key.
#[derive(Clone, Copy, Debug)]
enum Keyed {
    Get(u64),
    Insert(u64, u64),
    Replace(u64, u64),
    Set(u64, u64),
    Remove(u64),
    RemoveOdd(u64),
    GetOrInsert(u64, u64),
    Update(u64),
    /// The same, by `compare_exchange`.
    Swing(u64),
}

fn next(value: u64) -> u64 {
    (2 * value + 1) % 1_000_003
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct MapModel(BTreeMap<u64, u64>);

impl Model for MapModel {
    type Call = Keyed;
    /// What was found; 1 for yes, 0 for no.
    type Answer = Option<u64>;
    fn apply(&mut self, call: Keyed) -> Option<u64> {
        let map = &mut self.0;
        match call {
            Keyed::Get(key) => map.get(&key).copied(),
            Keyed::Remove(key) => map.remove(&key),
            Keyed::Set(key, value) => Some(map.insert(key, value).is_some().into()),
            Keyed::RemoveOdd(key) if map.get(&key).is_some_and(|value| value % 2 == 1) => {
                map.remove(&key)
            }
            Keyed::RemoveOdd(_) => None,
            Keyed::GetOrInsert(key, value) => Some(*map.entry(key).or_insert(value)),
            Keyed::Update(key) | Keyed::Swing(key) => {
                let value = map.get_mut(&key)?;
                *value = next(*value);
                Some(*value)
            }
            Keyed::Insert(key, value) if !map.contains_key(&key) => {
                map.insert(key, value);
                Some(1)
            }
            Keyed::Replace(key, value) if map.contains_key(&key) => {
                map.insert(key, value);
                Some(1)
            }
            Keyed::Insert(..) | Keyed::Replace(..) => Some(0),
        }
    }
}

fn choose_keyed(random: &mut Random, unique: u64) -> Keyed {
    let key = random.below(3) as u64;
    match random.below(9) {
        0 => Keyed::Get(key),
        5 => Keyed::RemoveOdd(key),
        6 => Keyed::GetOrInsert(key, unique),
        7 => Keyed::Update(key),
        8 => Keyed::Swing(key),
        1 => Keyed::Insert(key, unique),
        2 => Keyed::Replace(key, unique),
        3 => Keyed::Set(key, unique),
        _ => Keyed::Remove(key),
    }
}

/// A call on a cell: reads it, replaces it, or doubles it and adds one.
#[derive(Clone, Copy, Debug)]
enum Version {
    Read,
    Replace(u64),
    Update,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct CellModel(u64);

impl Model for CellModel {
    type Call = Version;
    type Answer = u64;
    fn apply(&mut self, call: Version) -> u64 {
        match call {
            Version::Read => return self.0,
            Version::Replace(value) => self.0 = value,
            Version::Update => {
                self.0 = next(self.0);
                return self.0;
            }
        }
        0
    }
}

fn choose_version(random: &mut Random, unique: u64) -> Version {
    match random.below(3) {
        0 => Version::Read,
        1 => Version::Replace(unique),
        _ => Version::Update,
    }
}

/// A stack or a queue: how to put, to take, and to see whether it is empty; `at_rest` is
/// called when it is.
fn check_moves<M, D: Domain>(
    push: impl Fn(&Handle<D>, u64) -> bool + Sync,
    pop: impl Fn(&Handle<D>) -> Option<u64> + Sync,
    is_empty: impl Fn(&Handle<D>) -> bool + Sync,
    at_rest: impl Fn(&Handle<D>),
) where
    M: Model<Call = Move, Answer = Option<u64>> + Default,
{
    check::<M, D>(
        choose_move,
        |handle, call| match call {
            Move::Put(value) => {
                assert!(push(handle, value), "full");
                None
            }
            Move::Take => pop(handle),
            Move::IsEmpty => Some(is_empty(handle).into()),
        },
        |handle| {
            while pop(handle).is_some() {}
            at_rest(handle);
            handle.flush();
            M::default()
        },
    );
}

fn check_stack<const K: usize, D: Domain, P: Storage<Node<u64>, K>>(
    stack: &'static Stack<u64, K, D, P>,
) {
    check_moves::<StackModel, D>(
        |handle, value| stack.push(handle, value).is_ok(),
        |handle| stack.pop(handle),
        |_| stack.is_empty(),
        |_| (),
    );
}

fn check_queue<const K: usize, D: Domain, P: Storage<Node<u64>, K>>(
    queue: &'static Queue<u64, K, D, P>,
) {
    check_moves::<QueueModel, D>(
        |handle, value| queue.push(handle, value).is_ok(),
        |handle| queue.pop(handle),
        |handle| queue.is_empty(handle),
        |_| (),
    );
}

fn check_block_queue<const B: usize, const K: usize, D: Domain, P: Storage<Segment<u64, B>, K>>(
    queue: &'static BlockQueue<u64, B, K, D, P>,
) {
    check_moves::<QueueModel, D>(
        |handle, value| queue.push(handle, value).is_ok(),
        |handle| queue.pop(handle),
        |handle| queue.is_empty(handle),
        |handle| assert_eq!(queue.len(handle), 0),
    );
}

fn check_cell<const K: usize, D: Domain, P: Storage<MaybeUninit<u64>, K>>(
    cell: &'static RcuCell<u64, K, D, P>,
) {
    check::<CellModel, D>(
        choose_version,
        |handle, call| match call {
            Version::Read => cell.snapshot(handle),
            Version::Replace(value) => cell
                .replace(handle, value)
                .map_or_else(|_| panic!("full"), |()| 0),
            Version::Update => *cell.update(handle, |old| next(*old)).unwrap(),
        },
        |handle| {
            cell.replace(handle, 0).unwrap();
            CellModel(0)
        },
    );
}

/// Of either map, which have the same calls.
macro_rules! check_map {
    ($map:expr) => {
        check::<MapModel, D>(
            choose_keyed,
            |handle, call| {
                let yes = |done: bool| Some(done.into());
                match call {
                    Keyed::Get(key) => $map.get(&handle.enter(), &key).copied(),
                    Keyed::Remove(key) => $map.remove(&handle.enter(), &key).copied(),
                    Keyed::RemoveOdd(key) => {
                        let odd = |_: &u64, value: &u64| value % 2 == 1;
                        $map.remove_if(&handle.enter(), &key, odd).copied()
                    }
                    Keyed::GetOrInsert(key, value) => {
                        Some(*$map.get_or_insert(handle, key, value).unwrap())
                    }
                    Keyed::Update(key) => {
                        let value = $map.update(handle, &key, |v| next(*v)).unwrap();
                        value.as_deref().copied()
                    }
                    Keyed::Swing(key) => loop {
                        let guard = handle.enter();
                        let Some(old) = $map.get(&guard, &key) else {
                            break None;
                        };
                        match $map.compare_exchange(handle, key, old, next(*old)) {
                            Ok(()) => break Some(next(*old)),
                            Err(why) => assert!(matches!(why, Refused::Mismatch(_))),
                        }
                    },
                    Keyed::Insert(key, value) => yes($map.insert(handle, key, value).is_ok()),
                    Keyed::Replace(key, value) => yes($map.replace(handle, key, value).is_ok()),
                    Keyed::Set(key, value) => yes($map.upsert(handle, key, value).unwrap()),
                }
            },
            |handle| {
                let guard = handle.enter();
                MapModel($map.iter(&guard).map(|(k, v)| (*k, *v)).collect())
            },
        );
    };
}

#[cfg(feature = "alloc")]
#[path = "safe_linear/heap.rs"]
mod heap;

schemes! {
    <4, 1>
    stack {
        static STACK: Stack<u64, 256, D> = Stack::new();
        check_stack(&STACK);
    }

    queue {
        static QUEUE: Queue<u64, 256, D> = Queue::new();
        check_queue(&QUEUE);
    }

    block_queue {
        static ONE: BlockQueue<u64, 1, 256, D> = BlockQueue::new();
        check_block_queue(&ONE);
        static TWO: BlockQueue<u64, 2, 128, D> = BlockQueue::new();
        check_block_queue(&TWO);
        static MANY: BlockQueue<u64, 32, 16, D> = BlockQueue::new();
        check_block_queue(&MANY);
    }

    cell {
        static CELL: RcuCell<u64, 256, D> = RcuCell::new(0);
        check_cell(&CELL);
    }

    map {
        static MAP: Map<u64, u64, 1, 512, D> = Map::new();
        check_map!(MAP);
    }
}

/// The checker itself refuses what it must: a value that was never put, and one
/// that comes too late.
#[test]
fn the_checker_refuses() {
    let event = |began, returned, call, answer| Event::<QueueModel> {
        began,
        returned,
        call,
        answer,
    };
    let empty = QueueModel::default();
    let nowhere = [event(0, 1, Move::Take, Some(7))];
    assert!(!is_linearizable(&empty, &nowhere));
    let late = [
        event(0, 1, Move::Put(1), None),
        event(2, 3, Move::Take, None),
    ];
    assert!(!is_linearizable(&empty, &late));
    let overlapping = [
        event(0, 3, Move::Put(1), None),
        event(1, 2, Move::Take, None),
    ];
    assert!(is_linearizable(&empty, &overlapping));
}
