//! A word that anyone pushes onto and anyone takes all of.
//!
//! Treiber's push (IBM RJ 5118, 1986). Nobody pops a single object, so there
//! is no ABA: a push is right whatever the head has been in between.

use core::ptr;

use super::chain::Chain;
use crate::{
    Link,
    sync::{AtomicPtr, Ordering, impl_init, step},
};

/// Objects, the last that was pushed first.
pub(super) struct Stack(AtomicPtr<Link>);

impl_init!(Stack = Stack(AtomicPtr::new(ptr::null_mut())));

impl Stack {
    /// The address in the head; 0 if it seems empty. A hint.
    #[inline(always)]
    pub(super) fn head(&self) -> usize {
        step();
        // Relaxed: a hint; `take` synchronizes.
        self.0.load(Ordering::Relaxed).addr()
    }

    /// Whether there seem to be no objects.
    #[inline(always)]
    pub(super) fn seems_empty(&self) -> bool {
        self.head() == 0
    }

    /// Puts a chain in.
    #[inline(always)]
    pub(super) fn push(&self, chain: Chain) {
        self.push_keeping(0, chain);
    }

    /// Takes all objects. The list is the caller's; null if there are none.
    #[inline]
    pub(super) fn take(&self) -> *mut Link {
        step();
        // Acquire: pairs with the Release in `push`.
        self.0.swap(ptr::null_mut(), Ordering::Acquire)
    }

    /// Puts a list back that was taken, in O(1) if nothing was pushed since.
    ///
    /// # Safety
    ///
    /// The list is the caller's, and not null.
    pub(super) unsafe fn put_back(&self, list: *mut Link) {
        step();
        // Release: as in `push`. Relaxed on failure: see there.
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        let put = (self.0).compare_exchange(ptr::null_mut(), list, success, failure);
        if put.is_err()
            // SAFETY: the list is ours (fn contract).
            && let Some(chain) = unsafe { Chain::from_list(list) }
        {
            self.push(chain);
        }
    }

    /// Puts a chain in, and leaves the bits of the head alone that `mark` has.
    #[inline(always)]
    fn push_keeping(&self, mark: usize, chain: Chain) {
        step();
        // Relaxed: the pointer is only linked.
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            let below = head.map_addr(|head| head & !mark);
            // SAFETY: `last` is ours until the exchange succeeds.
            unsafe { (*chain.last).next.set(below) };
            step();
            let new = chain.first.map_addr(|first| first | head.addr() & mark);
            // Release: pairs with the Acquire in `take`. Whoever takes the
            // chain sees its links, its notes, and that its objects were
            // unlinked; without it the taker would follow links that it does
            // not see yet, or publish objects that are still linked. Later
            // pushes are read-modify-writes and continue the release sequence.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            match self.0.compare_exchange_weak(head, new, success, failure) {
                Ok(_) => return,
                // Relaxed: as the load above.
                Err(found) => head = found,
            }
        }
    }
}

/// What waits at a slot, and a mark that says that somebody waits for its
/// section.
pub(super) struct Inbox(Stack);

impl_init!(Inbox = Inbox(crate::sync::init!(Stack)));

/// A bit of the head.
const MARK: usize = 1;

impl Inbox {
    /// The head with the mark; 0 if there is neither. A hint.
    #[inline(always)]
    pub(super) fn head(&self) -> usize {
        self.0.head()
    }

    /// Whether there seem to be no objects.
    #[inline(always)]
    pub(super) fn seems_empty(&self) -> bool {
        self.head() & !MARK == 0
    }

    /// Whether the mark is set.
    #[inline(always)]
    pub(super) fn is_marked(&self) -> bool {
        self.head() & MARK != 0
    }

    /// Puts a chain in.
    pub(super) fn push(&self, chain: Chain) {
        self.0.push_keeping(MARK, chain);
    }

    /// Takes all objects, and the mark away.
    pub(super) fn take(&self) -> *mut Link {
        self.0.take().map_addr(|head| head & !MARK)
    }

    /// Sets the mark.
    pub(super) fn mark(&self) {
        self.change_mark(|address| address | MARK);
    }

    /// Takes the mark away.
    pub(super) fn unmark(&self) {
        self.change_mark(|address| address & !MARK);
    }

    fn change_mark(&self, change: impl Fn(usize) -> usize) {
        step();
        // Relaxed: the mark is a hint, and the objects' release sequence goes
        // on through a read-modify-write.
        let word = &self.0.0;
        let mut head = word.load(Ordering::Relaxed);
        while change(head.addr()) != head.addr() {
            step();
            let new = head.map_addr(&change);
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            match word.compare_exchange_weak(head, new, success, failure) {
                Ok(_) => return,
                Err(found) => head = found,
            }
        }
    }
}
