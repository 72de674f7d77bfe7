//! The Harris-Michael list: a sorted set. Also the buckets of the map.

use super::Structure;
use crate::scheme::{Scheme, wait};

pub struct List<S: Scheme> {
    head: S::Cell<Node<S>>,
}

pub struct Node<S: Scheme> {
    /// Tagged once the node is removed.
    next: S::Cell<Node<S>>,
    // Last: the last field decides whether a type is `Sized`.
    key: u64,
}

// SAFETY: a number and a shared pointer.
unsafe impl<S: Scheme> Send for Node<S> {}
// SAFETY: a number and a shared pointer.
unsafe impl<S: Scheme> Sync for Node<S> {}

/// Indices of the protected pointers.
const BEFORE: usize = 0;
const HERE: usize = 1;
const AFTER: usize = 2;

/// The position of a key, existing or not.
struct Place<'a, S: Scheme> {
    before: &'a S::Cell<Node<S>>,
    here: S::Ptr<Node<S>>,
    after: S::Ptr<Node<S>>,
    found: bool,
}

impl<S: Scheme> List<S> {
    pub fn empty() -> Self {
        Self {
            head: S::cell(S::null()),
        }
    }

    /// Finds a key, and unlinks removed nodes that it meets.
    fn find<'a>(&'a self, guard: &S::Guard<'_, Node<S>>, key: u64) -> Place<'a, S> {
        'again: loop {
            let mut before: &'a S::Cell<Node<S>> = &self.head;
            let mut here = S::protect(guard, HERE, before);
            loop {
                if S::is_null(here) {
                    return Place {
                        before,
                        here,
                        after: S::null(),
                        found: false,
                    };
                }
                // SAFETY: protected while it was linked.
                let node: &'a Node<S> = unsafe { S::deref(here) };
                let next = S::protect(guard, AFTER, &node.next);
                // If `before` still leads here, the node was linked, and so was
                // the next one, when that was protected.
                if S::peek(guard, before) != here {
                    continue 'again;
                }
                let after = S::tagged(next, false);
                if S::is_tagged(next) {
                    if !S::exchange(guard, before, here, after) {
                        continue 'again;
                    }
                    // SAFETY: the exchange unlinked it.
                    unsafe { S::retire(guard, here) };
                } else {
                    if node.key >= key {
                        return Place {
                            before,
                            here,
                            after,
                            found: node.key == key,
                        };
                    }
                    before = &node.next;
                    S::hand_over(guard, HERE, BEFORE);
                }
                S::hand_over(guard, AFTER, HERE);
                here = after;
            }
        }
    }
}

impl<S: Scheme> Structure<S> for List<S> {
    type Node = Node<S>;
    const KEYS: u64 = 1000;
    const PREFILL: u64 = 500;

    fn new(_: &S::Local<'_, Node<S>>) -> Self {
        Self::empty()
    }

    fn insert(&self, local: &S::Local<'_, Node<S>>, key: u64) -> bool {
        let (guard, mut place, new) = loop {
            let guard = S::enter_write(local);
            let place = self.find(&guard, key);
            if place.found {
                return false;
            }
            let next = S::cell(place.here);
            if let Some(new) = S::alloc(&guard, Node { key, next }) {
                break (guard, place, new);
            }
            drop(guard);
            wait::<S, _>(local);
        };
        while !S::exchange(&guard, place.before, place.here, new) {
            place = self.find(&guard, key);
            if place.found {
                // SAFETY: never shared.
                unsafe { S::free(&guard, new) };
                return false;
            }
            // SAFETY: not shared yet.
            S::store(unsafe { &S::deref(new).next }, place.here);
        }
        true
    }

    fn remove(&self, local: &S::Local<'_, Node<S>>, key: u64) -> bool {
        let guard = S::enter_write(local);
        loop {
            let place = self.find(&guard, key);
            if !place.found {
                return false;
            }
            // SAFETY: protected by `find`.
            let node = unsafe { S::deref(place.here) };
            if !S::exchange(
                &guard,
                &node.next,
                place.after,
                S::tagged(place.after, true),
            ) {
                continue;
            }
            if S::exchange(&guard, place.before, place.here, place.after) {
                // SAFETY: the exchange unlinked it.
                unsafe { S::retire(&guard, place.here) };
            } else {
                self.find(&guard, key);
            }
            return true;
        }
    }

    fn contains(&self, local: &S::Local<'_, Node<S>>, key: u64) -> bool {
        let guard = S::enter(local);
        self.find(&guard, key).found
    }
    fn hold<'l>(&self, local: &'l S::Local<'_, Node<S>>) -> S::Guard<'l, Node<S>> {
        let guard = S::enter(local);
        S::protect(&guard, 0, &self.head);
        guard
    }
}
