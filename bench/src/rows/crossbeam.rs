//! crossbeam's own queues, for the rows of queues.

use core::{hint::black_box, mem::MaybeUninit, sync::atomic::Ordering::*};

use crossbeam_epoch::{Atomic, Collector, LocalHandle, Owned, Shared};
use crossbeam_queue::SegQueue;

use super::mix::Mixed;
use crate::structures::Wide;

/// `crossbeam_queue::SegQueue`: blocks of 31 values, with its own reclamation.
pub struct Segments(SegQueue<u64>);

impl Mixed for Segments {
    const KEYS: u64 = 1 << 20;
    const PREFILL: u64 = 1000;
    type Local = ();

    fn new() -> Self {
        Self(SegQueue::new())
    }

    fn local(&'static self) {}

    #[inline(always)]
    fn insert(&'static self, (): &(), key: u64) -> bool {
        self.0.push(key);
        true
    }

    #[inline(always)]
    fn remove(&'static self, (): &(), _: u64) -> bool {
        black_box(self.0.pop()).is_some()
    }

    fn contains(&'static self, (): &(), _: u64) -> bool {
        !self.0.is_empty()
    }
}

/// The queue in which crossbeam-epoch keeps its own garbage: its private
/// `sync::queue`, copied step by step, with the same orderings.
pub struct Own {
    collector: Collector,
    head: Wide<Atomic<Node>>,
    tail: Wide<Atomic<Node>>,
}

struct Node {
    value: MaybeUninit<u64>,
    next: Atomic<Node>,
}

fn node(value: MaybeUninit<u64>) -> Owned<Node> {
    let next = Atomic::null();
    Owned::new(Node { value, next })
}

impl Mixed for Own {
    const KEYS: u64 = 1 << 20;
    const PREFILL: u64 = 1000;
    type Local = LocalHandle;

    fn new() -> Self {
        let collector = Collector::new();
        let (head, tail) = {
            let handle = collector.register();
            let guard = handle.pin();
            let sentinel = node(MaybeUninit::uninit()).into_shared(&guard);
            (Wide(Atomic::from(sentinel)), Wide(Atomic::from(sentinel)))
        };
        Self {
            collector,
            head,
            tail,
        }
    }

    fn local(&'static self) -> LocalHandle {
        self.collector.register()
    }

    #[inline(always)]
    fn insert(&'static self, local: &LocalHandle, key: u64) -> bool {
        let guard = &local.pin();
        let new = node(MaybeUninit::new(key)).into_shared(guard);
        loop {
            let tail = self.tail.0.load(Acquire, guard);
            // SAFETY: protected; there is always a sentinel.
            let last = unsafe { tail.deref() };
            let next = last.next.load(Acquire, guard);
            let swing = |to| {
                let _ = (self.tail.0).compare_exchange(tail, to, Release, Relaxed, guard);
            };
            if !next.is_null() {
                swing(next);
                continue;
            }
            let linked = (last.next).compare_exchange(Shared::null(), new, Release, Relaxed, guard);
            if linked.is_ok() {
                swing(new);
                return true;
            }
        }
    }

    #[inline(always)]
    fn remove(&'static self, local: &LocalHandle, _: u64) -> bool {
        let guard = &local.pin();
        loop {
            let head = self.head.0.load(Acquire, guard);
            // SAFETY: protected; there is always a sentinel.
            let next = unsafe { head.deref() }.next.load(Acquire, guard);
            // SAFETY: protected.
            let Some(node) = (unsafe { next.as_ref() }) else {
                return false;
            };
            let moved = (self.head.0).compare_exchange(head, next, Release, Relaxed, guard);
            if moved.is_err() {
                continue;
            }
            let tail = self.tail.0.load(Relaxed, guard);
            if head == tail {
                let _ = (self.tail.0).compare_exchange(tail, next, Release, Relaxed, guard);
            }
            // SAFETY: the exchange unlinked it, and the tail is past it; a node
            // behind the sentinel has a value.
            unsafe {
                guard.defer_destroy(head);
                black_box(node.value.assume_init_read());
            }
            return true;
        }
    }

    fn contains(&'static self, _: &LocalHandle, _: u64) -> bool {
        unreachable!("no row looks into a queue")
    }
}
