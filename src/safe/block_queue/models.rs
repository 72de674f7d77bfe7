//! Loom models of segments, with two cells each. Run with `RUSTFLAGS="--cfg
//! hyaline_loom" cargo test --release --lib block_queue`.

use std::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};

use loom::{cell::UnsafeCell, thread};

use super::*;
use crate::Link;

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(body);
}

/// A number whose accesses loom checks.
struct Tracked(UnsafeCell<u32>);

impl Tracked {
    fn new(number: u32) -> Self {
        let cell = UnsafeCell::new(0);
        // Makes a write known to loom that the others must see.
        // SAFETY: not shared yet.
        cell.with_mut(|place| unsafe { *place = number });
        Self(cell)
    }

    fn get(&self) -> u32 {
        // SAFETY: loom checks that no thread writes it meanwhile.
        self.0.with(|place| unsafe { *place })
    }
}

type Segments = Vec<Ptr<Tracked, 2>>;

/// Two segments, of which the second is not linked yet.
struct Two(Segments);

// SAFETY: they are used as those of a queue are, which loom checks.
unsafe impl Send for Two {}
// SAFETY: they are used as those of a queue are, which loom checks.
unsafe impl Sync for Two {}

impl Two {
    fn new() -> Arc<Self> {
        let segment = || {
            let (link, fields) = (Link::new(), MaybeUninit::uninit());
            let value = Segment { fields };
            Box::into_raw(Box::new(Linked { link, value }))
        };
        let both: Segments = [(), ()].map(|()| segment()).into();
        // SAFETY: just made.
        unsafe { Segment::prepare(both[0], 0) };
        Arc::new(Self(both))
    }

    fn first(&self) -> &Fields<Tracked, 2> {
        // SAFETY: prepared, and there as long as `self`.
        unsafe { Segment::fields(self.0[0]) }
    }

    /// Pushes as a queue does, of which one call at a time may append.
    fn push(&self, number: u32) {
        if let Err(value) = self.first().put(Tracked::new(number)) {
            // SAFETY: no other call has it before it is linked.
            let second = unsafe {
                Segment::prepare(self.0[1], 1);
                Segment::fields(self.0[1])
            };
            assert!(second.put(value).is_ok());
            // Release: as in a queue.
            self.first().next().store(self.0[1], Ordering::Release);
        }
    }

    /// Pops as a queue does.
    fn pop(&self) -> Option<u32> {
        let number = |value: Tracked| value.get();
        match self.first().take() {
            Taken::Value(value, _) => Some(number(value)),
            Taken::Nothing => None,
            // SAFETY: linked, so it is prepared.
            Taken::Followed(next) => match unsafe { Segment::fields(next) }.take() {
                Taken::Value(value, _) => Some(number(value)),
                Taken::Nothing => None,
                Taken::Followed(_) => panic!("there are two segments"),
            },
        }
    }

    fn rest(&self) -> Vec<u32> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        for segment in &self.0 {
            // SAFETY: it came from a `Box`, and nobody uses it any more. Its
            // values were popped.
            drop(unsafe { Box::from_raw(*segment) });
        }
    }
}

/// A push and a pop meet, in one cell.
#[test]
fn push_against_pop() {
    model(|| {
        let queue = Two::new();
        let other = queue.clone();
        let pushing = thread::spawn(move || other.push(1));
        let seen = queue.pop();
        pushing.join().unwrap();
        let rest = queue.rest();
        assert!(seen.into_iter().chain(rest).eq([1]));
    });
}

/// One push stalls while others pass the border of the segment, and a pop skips its
/// cell, or waits for nothing and takes its value.
#[test]
fn a_stalled_push_is_overtaken() {
    model(|| {
        let queue = Two::new();
        let other = queue.clone();
        let stalls = thread::spawn(move || {
            // The only call that appends is the other thread's.
            other
                .first()
                .put(Tracked::new(9))
                .err()
                .map(|back| back.get())
        });
        for number in 1..=2 {
            queue.push(number);
        }
        let mut seen: VecDeque<u32> = [queue.pop(), queue.pop()].into_iter().flatten().collect();
        let refused = stalls.join().unwrap();
        seen.extend(queue.rest());
        assert_eq!(seen.len(), 2 + usize::from(refused.is_none()), "{seen:?}");
        seen.retain(|number| *number != 9);
        assert_eq!(seen, [1, 2]);
    });
}

/// Two pops meet: at the last value of a segment, and at the border.
#[test]
fn pop_against_pop() {
    model(|| {
        let queue = Two::new();
        for number in 1..=3 {
            queue.push(number);
        }
        let other = queue.clone();
        let popping = thread::spawn(move || [other.pop(), other.pop()]);
        let mine = queue.pop();
        let others = popping.join().unwrap();
        assert!(others[0] < others[1]);
        let mut seen: Vec<_> = others
            .into_iter()
            .chain([mine])
            .map(Option::unwrap)
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3]);
    });
}

/// A queue that is never empty: no pop may say that it is. The value that is in it
/// changes, within a segment.
#[test]
fn it_is_never_empty() {
    model(|| {
        let queue = Two::new();
        queue.push(1);
        let other = queue.clone();
        let popping = thread::spawn(move || {
            assert!(other.first().has_value());
            other.pop()
        });
        queue.push(2);
        let mine = queue.pop();
        let others = popping.join().unwrap();
        let mut seen = [mine, others].map(Option::unwrap);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    });
}

/// The same, across the border: the segment is used up by pops that know of the next.
#[test]
fn it_is_never_empty_at_the_border() {
    model(|| {
        let queue = Two::new();
        queue.push(1);
        queue.push(2);
        assert_eq!(queue.pop(), Some(1));
        let other = queue.clone();
        let popping = thread::spawn(move || other.pop());
        queue.push(3);
        let mine = queue.pop();
        let others = popping.join().unwrap();
        let mut seen = [mine, others].map(Option::unwrap);
        seen.sort_unstable();
        assert_eq!(seen, [2, 3]);
    });
}

/// A push appends a segment, and a pop meets it at one that is used up.
#[test]
fn append_against_pop() {
    model(|| {
        let queue = Two::new();
        queue.push(1);
        queue.push(2);
        assert_eq!(queue.rest(), [1, 2]);
        let other = queue.clone();
        let popping = thread::spawn(move || other.pop());
        queue.push(3);
        let seen = popping.join().unwrap();
        assert!(seen.into_iter().chain(queue.rest()).eq([3]));
    });
}

/// Two pushes meet, and a pop that may skip the cell of one: that finds no other.
#[test]
fn push_against_push() {
    model(|| {
        let queue = Two::new();
        let other = queue.clone();
        let pushing = thread::spawn(move || {
            let refused = other.first().put(Tracked::new(1)).err();
            refused.map(|back| back.get())
        });
        assert!(queue.first().put(Tracked::new(2)).is_ok());
        // The other one may have claimed a cell, and not put its value yet.
        let seen = queue.pop();
        assert!(seen.is_some(), "there is one");
        let refused = pushing.join().unwrap();
        let mut all: Vec<_> = seen
            .into_iter()
            .chain(refused)
            .chain(queue.rest())
            .collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}
