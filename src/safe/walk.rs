//! A walk through a stack or a queue, which others may change meanwhile.
//!
//! The *front* is the place that leads to the first node: the top of a stack,
//! the head of a queue. Nodes leave at the front alone, and no node returns
//! while the section is open, as its block is not reused.
//!
//! In basic mode the section protects every node that was linked since it
//! began, and so all that the walk meets.
//!
//! **Robust mode.** A successor that is read from a node that has left may be
//! reclaimed already, and `protect` cannot tell. So each step protects the
//! successor first, and then looks at the front: if that still leads to the
//! first node, no node has left, so the successor was linked after it was
//! protected. If not, the walk ends.

use core::fmt;

use super::{Domain, Guard, Node, domain::SchemeOf, node::touch};
use crate::{
    Eager, Linked, Role, Scheme,
    sync::{AtomicPtr, Ordering},
};

type Ptr<T> = *mut Linked<Node<T>>;

/// The nodes that have values, in the order in which they are popped.
pub(super) struct Walk<'g, T: 'static, D: Domain, R: Role> {
    guard: &'g Guard<'g, D, R>,
    front: &'static AtomicPtr<Linked<Node<T>>>,
    /// Where the front led to when the walk began.
    first: Ptr<T>,
    /// The next node: null at the end, else protected while it was linked.
    here: Ptr<T>,
    /// Whether the walk ended because others changed the front.
    pub(super) disturbed: bool,
}

impl<'g, T: 'static, D: Domain, R: Role> Walk<'g, T, D, R> {
    /// From a node on: `first`, which `front` led to.
    ///
    /// # Safety
    ///
    /// `front` is the front of a stack, and `first` is null or came out of
    /// `guard.protect(front)`.
    pub(super) unsafe fn from(
        guard: &'g Guard<'_, D, R>,
        front: &'static AtomicPtr<Linked<Node<T>>>,
        first: Ptr<T>,
    ) -> Self {
        let (here, disturbed) = (first, false);
        Self {
            guard,
            front,
            first,
            here,
            disturbed,
        }
    }

    /// From a successor on.
    ///
    /// # Safety
    ///
    /// `front` is the head of a queue, `first` came out of
    /// `guard.protect(front)`, and `next` is the successor's place in the node
    /// that it leads to.
    pub(super) unsafe fn after(
        guard: &'g Guard<'_, D, R>,
        front: &'static AtomicPtr<Linked<Node<T>>>,
        first: Ptr<T>,
        next: &AtomicPtr<Linked<Node<T>>>,
    ) -> Self {
        let here = core::ptr::null_mut();
        let mut walk = Self {
            guard,
            front,
            first,
            here,
            disturbed: false,
        };
        walk.step(next);
        walk
    }

    fn step(&mut self, next: &AtomicPtr<Linked<Node<T>>>) {
        // Acquire: pairs with the Release of the push; without it the value
        // and the node's own successor might not be there yet.
        self.here = self.guard.protect(next, Ordering::Acquire);
        if SchemeOf::<D>::ROBUST && !self.here.is_null() {
            // `protect`, so that it is ordered after the protection of `here`
            // as a load of the section is. Acquire: later loads stay later.
            let front = self.guard.protect(self.front, Ordering::Acquire);
            if front != self.first {
                self.here = core::ptr::null_mut();
                self.disturbed = true;
            }
        }
    }
}

impl<T: 'static, D: Domain, R: Role> Iterator for Walk<'_, T, D, R> {
    /// Protected, and had a value while it was linked.
    type Item = Ptr<T>;

    fn next(&mut self) -> Option<Ptr<T>> {
        let here = self.here;
        if here.is_null() {
            return None;
        }
        // SAFETY: protected while it was linked, see the module.
        let next = unsafe {
            touch(here);
            &(*here).value.next
        };
        self.step(next);
        Some(here)
    }
}

/// Copies of the values in a [`Stack`](super::Stack) or a
/// [`Queue`](super::Queue), in the order in which they would be popped: for
/// debugging. Made by [`Stack::iter`](super::Stack::iter) and
/// [`Queue::iter`](super::Queue::iter).
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, Stack}};
///
/// domain!(App: Collector<2> = Collector::new());
/// static FREE: Stack<u16, 8, App> = Stack::new();
///
/// let handle = App::register()?;
/// FREE.push(&handle, 1)?;
/// FREE.push(&handle, 2)?;
/// assert!(FREE.iter(&handle.enter()).eq([2, 1]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Values<'g, T: 'static, D: Domain, R: Role = Eager> {
    walk: Walk<'g, T, D, R>,
}

impl<'g, T: Copy + Send + 'static, D: Domain, R: Role> Values<'g, T, D, R> {
    pub(super) fn new(walk: Walk<'g, T, D, R>) -> Self {
        Self { walk }
    }
}

impl<T: Copy + Send + 'static, D: Domain, R: Role> Iterator for Values<'_, T, D, R> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let node = self.walk.next()?;
        // SAFETY: the walk yields protected nodes that had a value. `T: Copy`,
        // so this is a copy: the value stays for the call that pops it, and
        // that only reads it, too.
        Some(unsafe { Node::take(node) })
    }
}

impl<T: 'static, D: Domain, R: Role> fmt::Debug for Values<'_, T, D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}
