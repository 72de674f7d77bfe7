//! A walk through a stack or a queue, which others may change meanwhile.
//!
//! In basic mode the section protects every node that was linked since it
//! began, and so all that the walk meets.
//!
//! **Robust mode.** The nodes of a stack do not change after the push. A node
//! was born and linked before the one above it was linked, so a section that
//! protects the top protects all nodes below.
//!
//! The nodes of a queue do change: a successor is younger. One that is read
//! from a node that was popped meanwhile may be reclaimed already, and `protect`
//! cannot tell. So each step protects the successor first, and then looks at
//! the head: if that is still what it was, no node was popped since the walk
//! began, so the successor was linked after it was protected. If not, the walk
//! ends.

use core::{fmt, ptr};

use super::{Domain, Guard, Node, domain::SchemeOf, node::loom_access};
use crate::{
    Eager, Linked, Role, Scheme,
    sync::{AtomicPtr, Ordering},
};

type Ptr<T> = *mut Linked<Node<T>>;

/// Where a queue's head led to when a walk began.
struct Head<T: 'static> {
    place: &'static AtomicPtr<Linked<Node<T>>>,
    first: Ptr<T>,
}

/// The nodes that have values, in the order in which they are popped.
pub(super) struct Walk<'g, T: 'static, D: Domain, R: Role> {
    guard: &'g Guard<'g, D, R>,
    /// What must not change: of a queue.
    head: Option<Head<T>>,
    /// The next node: null at the end, else protected while it was linked.
    here: Ptr<T>,
    /// Whether the walk ended because the head changed.
    disturbed: bool,
}

impl<'g, T: 'static, D: Domain, R: Role> Walk<'g, T, D, R> {
    /// From the top of a stack down.
    ///
    /// # Safety
    ///
    /// `top` is null, or came out of `guard.protect` of the top of a stack.
    pub(super) unsafe fn down(guard: &'g Guard<'_, D, R>, top: Ptr<T>) -> Self {
        Self {
            guard,
            head: None,
            here: top,
            disturbed: false,
        }
    }

    /// From the first dummy of a queue on.
    ///
    /// # Safety
    ///
    /// `place` is the head of a queue, `first` came out of
    /// `guard.protect(place)`, and `next` is the successor's place in the node
    /// that it leads to.
    pub(super) unsafe fn along(
        guard: &'g Guard<'_, D, R>,
        place: &'static AtomicPtr<Linked<Node<T>>>,
        first: Ptr<T>,
        next: &AtomicPtr<Linked<Node<T>>>,
    ) -> Self {
        let mut walk = Self {
            guard,
            head: Some(Head { place, first }),
            here: ptr::null_mut(),
            disturbed: false,
        };
        walk.step(next);
        walk
    }

    /// Whether it ended before the last node, because the head changed.
    pub(super) fn is_disturbed(&self) -> bool {
        self.disturbed
    }

    fn step(&mut self, next: &AtomicPtr<Linked<Node<T>>>) {
        // Acquire: pairs with the Release of the push; without it the value
        // and the node's own successor might not be there yet.
        self.here = self.guard.protect(next, Ordering::Acquire);
        let Some(head) = self.head.as_ref().filter(|_| SchemeOf::<D>::ROBUST) else {
            return;
        };
        // `protect`: a load of the section, which is ordered after the
        // protection of `here`. Acquire: as above.
        if self.guard.protect(head.place, Ordering::Acquire) != head.first {
            self.here = ptr::null_mut();
            self.disturbed = true;
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
            loom_access(here);
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
