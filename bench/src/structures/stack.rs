//! A Treiber stack.

use super::Structure;
use crate::scheme::{Scheme, make};

pub struct Stack<S: Scheme> {
    top: S::Cell<Node<S>>,
}

pub struct Node<S: Scheme> {
    below: S::Cell<Node<S>>,
    // Last: the last field decides whether a type is `Sized`.
    value: u64,
}

// SAFETY: a number and a shared pointer.
unsafe impl<S: Scheme> Send for Node<S> {}
// SAFETY: a number and a shared pointer.
unsafe impl<S: Scheme> Sync for Node<S> {}

impl<S: Scheme> Structure<S> for Stack<S> {
    type Node = Node<S>;
    const PREFILL: u64 = 1000;

    fn new(_: &S::Local<'_, Node<S>>) -> Self {
        Self {
            top: S::cell(S::null()),
        }
    }

    fn insert(&self, local: &S::Local<'_, Node<S>>, value: u64) -> bool {
        let (guard, new) = make::<S, _>(local, || Node {
            value,
            below: S::cell(S::null()),
        });
        loop {
            let top = S::peek(&guard, &self.top);
            // SAFETY: not shared yet.
            S::store(unsafe { &S::deref(new).below }, top);
            if S::exchange(&guard, &self.top, top, new) {
                return true;
            }
        }
    }

    fn remove(&self, local: &S::Local<'_, Node<S>>, _: u64) -> bool {
        let guard = S::enter_write(local);
        loop {
            let top = S::protect(&guard, 0, &self.top);
            if S::is_null(top) {
                return false;
            }
            // SAFETY: protected.
            let node = unsafe { S::deref(top) };
            let below = S::peek(&guard, &node.below);
            if S::exchange(&guard, &self.top, top, below) {
                core::hint::black_box(node.value);
                // SAFETY: the exchange unlinked it.
                unsafe { S::retire(&guard, top) };
                return true;
            }
        }
    }

    fn contains(&self, local: &S::Local<'_, Node<S>>, _: u64) -> bool {
        let guard = S::enter(local);
        !S::is_null(S::protect(&guard, 0, &self.top))
    }
    fn hold<'l>(&self, local: &'l S::Local<'_, Node<S>>) -> S::Guard<'l, Node<S>> {
        let guard = S::enter(local);
        S::protect(&guard, 0, &self.top);
        guard
    }
}
