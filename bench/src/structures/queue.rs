//! A Michael-Scott queue.

use super::{Structure, Wide};
use crate::scheme::{Scheme, make};

pub struct Queue<S: Scheme> {
    head: Wide<S::Cell<Node<S>>>,
    tail: Wide<S::Cell<Node<S>>>,
}

pub struct Node<S: Scheme> {
    next: S::Cell<Node<S>>,
    // Last: the last field decides whether a type is `Sized`.
    value: u64,
}

// SAFETY: a number and a shared pointer.
unsafe impl<S: Scheme> Send for Node<S> {}
// SAFETY: a number and a shared pointer.
unsafe impl<S: Scheme> Sync for Node<S> {}

fn node<S: Scheme>(value: u64) -> Node<S> {
    let next = S::cell(S::null());
    Node { value, next }
}

impl<S: Scheme> Structure<S> for Queue<S> {
    type Node = Node<S>;
    const PREFILL: u64 = 1000;

    fn new(local: &S::Local<'_, Node<S>>) -> Self {
        let (_guard, dummy) = make::<S, _>(local, || node(0));
        Self {
            head: Wide(S::cell(dummy)),
            tail: Wide(S::cell(dummy)),
        }
    }

    fn insert(&self, local: &S::Local<'_, Node<S>>, value: u64) -> bool {
        let (guard, new) = make::<S, _>(local, || node(value));
        loop {
            let tail = S::protect(&guard, 0, &self.tail.0);
            // SAFETY: protected; there is always a dummy.
            let last = unsafe { S::deref(tail) };
            let next = S::peek(&guard, &last.next);
            if !S::is_null(next) {
                S::exchange(&guard, &self.tail.0, tail, next);
            } else if S::exchange(&guard, &last.next, next, new) {
                S::exchange(&guard, &self.tail.0, tail, new);
                return true;
            }
        }
    }

    fn remove(&self, local: &S::Local<'_, Node<S>>, _: u64) -> bool {
        let guard = S::enter_write(local);
        loop {
            let head = S::protect(&guard, 0, &self.head.0);
            let tail = S::peek(&guard, &self.tail.0);
            // SAFETY: protected; there is always a dummy.
            let next = S::protect(&guard, 1, unsafe { &S::deref(head).next });
            if S::peek(&guard, &self.head.0) != head {
                continue;
            }
            if S::is_null(next) {
                return false;
            }
            if head == tail {
                S::exchange(&guard, &self.tail.0, tail, next);
                continue;
            }
            if S::exchange(&guard, &self.head.0, head, next) {
                // SAFETY: protected before the head was seen to be the head.
                core::hint::black_box(unsafe { S::deref(next).value });
                // SAFETY: the exchange unlinked it, and the tail is past it.
                unsafe { S::retire(&guard, head) };
                return true;
            }
        }
    }

    fn contains(&self, local: &S::Local<'_, Node<S>>, _: u64) -> bool {
        let guard = S::enter(local);
        let head = S::protect(&guard, 0, &self.head.0);
        // SAFETY: protected; there is always a dummy.
        !S::is_null(S::peek(&guard, unsafe { &S::deref(head).next }))
    }
    fn hold<'l>(&self, local: &'l S::Local<'_, Node<S>>) -> S::Guard<'l, Node<S>> {
        let guard = S::enter(local);
        S::protect(&guard, 0, &self.head.0);
        guard
    }
}
