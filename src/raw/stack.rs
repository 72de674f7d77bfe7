//! A lock-free stack: any thread pushes, and any thread takes all of it.
//!
//! The push is Treiber's (IBM RJ 5118, 1986). No thread pops a single object, so
//! there is no ABA problem: a push is right whatever the head was in between.

use core::ptr;

use super::chain::Chain;
use crate::{
    Link,
    sync::{AtomicPtr, Ordering, head_hint, impl_init},
};

/// Objects, the last one pushed first.
pub(super) struct Stack(AtomicPtr<Link>);

impl_init!(Stack = Stack(AtomicPtr::new(ptr::null_mut())));

impl Stack {
    /// The address in the head; 0 if it seems empty. A hint.
    #[inline(always)]
    pub(super) fn head(&self) -> usize {
        head_hint(&self.0)
    }

    /// Whether the stack seems empty. A hint.
    #[inline(always)]
    pub(super) fn seems_empty(&self) -> bool {
        self.head() == 0
    }

    /// Whether the stack is empty: sees all pushes that precede the heavy
    /// barrier of this thread.
    pub(super) fn is_empty(&self) -> bool {
        // Relaxed: the heavy barrier before the call orders it.
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Takes all objects. The caller then owns the list; null if it is empty.
    #[inline]
    pub(super) fn take(&self) -> *mut Link {
        // Acquire: pairs with the Release in `push`, see there.
        self.0.swap(ptr::null_mut(), Ordering::Acquire)
    }

    /// Puts back a list that was taken, in O(1) if nothing was pushed since.
    ///
    /// # Safety
    ///
    /// The caller owns the list, which is not null.
    pub(super) unsafe fn put_back(&self, list: *mut Link) {
        // Release: as in `push`. Relaxed on failure: see there.
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        let put = (self.0).compare_exchange(ptr::null_mut(), list, success, failure);
        if put.is_err() {
            // SAFETY: "the caller owns the list" (# Safety).
            if let Some(chain) = unsafe { Chain::from_list(list) } {
                self.push(chain);
            }
        }
    }

    /// Pushes a chain. O(length) if its last object is not known.
    pub(super) fn push(&self, mut chain: Chain) {
        let (first, last) = (chain.first(), chain.last());
        // Relaxed: the pointer is only stored, not followed.
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: the chain owns `last` until the exchange succeeds.
            unsafe { (*last).set_next(head) };
            // Release: pairs with the Acquire in `take`. The thread that takes
            // the chain sees its links, its notes, and that its objects were
            // unlinked. Without it that thread would follow links that it does
            // not see yet, or publish objects that are still linked. Later
            // pushes are read-modify-writes and continue the release sequence.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            match self.0.compare_exchange_weak(head, first, success, failure) {
                Ok(_) => return,
                // Relaxed: as for the load above.
                Err(found) => head = found,
            }
        }
    }
}
