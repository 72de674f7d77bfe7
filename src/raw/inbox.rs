//! An inbox: the batches to which a slot holds a reference.
//!
//! A stack of link cells, one object of each batch. Retirers push single
//! cells; whoever drains it takes the whole chain. Nobody pops single cells,
//! so there is no ABA.

use core::ptr;

use crate::{
    Link,
    sync::{AtomicPtr, Ordering, impl_init},
};

/// The head of a slot's inbox.
pub(crate) struct Inbox(AtomicPtr<Link>);

impl_init!(Inbox = Inbox(AtomicPtr::new(ptr::null_mut())));

impl Inbox {
    /// Whether there seems to be nothing: best effort, without a fence. What
    /// it misses is found by the next one who looks (raw, 5).
    #[inline(always)]
    pub(crate) fn seems_empty(&self) -> bool {
        self.sign() == 0
    }

    /// Zero if it seems empty.
    #[inline(always)]
    pub(super) fn sign(&self) -> usize {
        // Relaxed: a hint; `take` synchronises.
        self.0.load(Ordering::Relaxed).addr()
    }

    /// Puts the chain `first ..= last` in.
    ///
    /// # Safety
    ///
    /// The cells from `first` to `last` are linked by `next` and the caller's
    /// alone.
    pub(crate) unsafe fn push(&self, first: *mut Link, last: *mut Link) {
        // Relaxed: the value is not dereferenced, only linked.
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: `last` is ours until the exchange succeeds.
            unsafe { (*last).next.set(head) };
            // Release: whoever takes the chain sees the cell's links and the
            // unlinking of its objects. If our push comes first, the taker's
            // sections to come see the unlink; if the take comes first, the
            // cell waits for the next taker. Later pushes keep the chain of
            // releases, as they are read-modify-writes.
            match self.0.compare_exchange_weak(
                head,
                first,
                Ordering::Release,
                // Relaxed: as the load above.
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes everything. The chain is the caller's, who holds the references.
    pub(crate) fn take(&self) -> *mut Link {
        // Acquire: pairs with the Release in `push`. Without it the taker
        // could follow links that it does not see yet, and drop a reference
        // while its next section still finds the object linked.
        self.0.swap(ptr::null_mut(), Ordering::Acquire)
    }
}
