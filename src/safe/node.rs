//! Nodes of stacks and queues, and memory for what structures hold.

use core::{
    fmt,
    marker::PhantomData,
    mem::{self, MaybeUninit},
    ptr,
};

use super::{Domain, Handle, Origin, Storage};
use crate::{
    Linked, Role,
    sync::{AtomicPtr, load_fixed},
};

/// A node of a [`Stack`](super::Stack) or a [`Queue`](super::Queue): what a
/// pool that several of them share is made of. Nobody else can make or open
/// one.
///
/// ```
/// use hyaline::{Collector, Pool, domain, safe::{SharedPool, Node, Queue}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static NODES: Pool<Node<u32>, 32> = Pool::new();
/// static URGENT: Queue<u32, 32, App, SharedPool> = Queue::in_pool(&NODES);
/// static OTHERS: Queue<u32, 32, App, SharedPool> = Queue::in_pool(&NODES);
/// # assert_eq!(NODES.available(), 32);
/// ```
pub struct Node<T> {
    /// The next node of a queue, the one below of a stack; or null.
    pub(super) next: AtomicPtr<Linked<Node<T>>>,
    /// There until the node is popped, or becomes the dummy.
    value: MaybeUninit<T>,
}

impl<T> Node<T> {
    /// A node without a value: a queue's dummy.
    pub(super) const fn without(next: AtomicPtr<Linked<Self>>) -> Self {
        let value = MaybeUninit::uninit();
        Self { next, value }
    }

    /// The successor of a node in which it never changes, as in a stack's.
    /// Not an atomic load: on targets without compare-and-swap that would mask
    /// interrupts.
    ///
    /// # Safety
    ///
    /// The node was acquired, and `next` is not written any more.
    #[inline]
    pub(super) unsafe fn fixed_next(&self) -> *mut Linked<Self> {
        // SAFETY: "acquired, and not written any more" (# Safety).
        unsafe { load_fixed(&self.next) }
    }

    /// Takes the value out.
    ///
    /// # Safety
    ///
    /// The node is protected and has a value, which is taken once.
    #[inline]
    pub(super) unsafe fn take(node: *mut Linked<Self>) -> T {
        // SAFETY: "protected", "taken once" (# Safety). Only the value is read:
        // others may access `next` meanwhile.
        unsafe { (&raw const (*node).value.value).read().assume_init() }
    }
}

impl<T> fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

/// Drops all that `next` takes out of a structure; what is left also if a drop
/// panics, as a slice does.
pub(super) fn drop_all<T>(mut next: impl FnMut() -> Option<T>) {
    struct Others<'n, F: FnMut() -> Option<T>, T>(&'n mut F);

    impl<F: FnMut() -> Option<T>, T> Drop for Others<'_, F, T> {
        fn drop(&mut self) {
            while (self.0)().is_some() {}
        }
    }

    while let Some(value) = next() {
        let others = Others(&mut next);
        drop(value);
        mem::forget(others);
    }
}

/// Shows loom that an object is in use, so that it reports a reclaim that may
/// come at the same time. Nothing in a program.
///
/// # Safety
///
/// The object is protected.
#[inline(always)]
pub(super) unsafe fn loom_access<T>(object: *mut Linked<T>) {
    // SAFETY: protected, so the header is there (fn contract).
    unsafe { (*object).link.is_read() };
}

/// Memory that is claimed and has no value yet. Dropped, it goes back.
///
/// A pool that is exhausted is not waited for in a section: it flushes the
/// handle, and a section of the same handle would hold back the very blocks
/// that are looked for. But a block that the handle keeps costs less in one.
/// And it is claimed before the value goes anywhere: the flush may run a
/// reclaimer that panics.
///
/// `B` is what the storage `P` is made of: a `MaybeUninit` or a [`Node`], which
/// need no drop.
pub(super) struct VacantBlock<'p, B, P: Origin> {
    object: *mut Linked<B>,
    of: PhantomData<(&'p (), P)>,
}

impl<'p, B, P: Origin> VacantBlock<'p, B, P> {
    #[inline]
    pub(super) fn claim<const K: usize, D: Domain, R: Role>(
        nodes: &'p P::Nodes,
        handle: &Handle<D, R>,
    ) -> Option<Self>
    where
        P: Storage<B, K>,
    {
        let object = P::claim(nodes, handle)?;
        // SAFETY: from a storage that is borrowed, and ours.
        Some(unsafe { Self::of(object) })
    }

    /// As `claim`, and opens a section of the handle by `enter`.
    #[inline]
    pub(super) fn claim_in_section<const K: usize, D: Domain, R: Role, G>(
        nodes: &'p P::Nodes,
        handle: &Handle<D, R>,
        enter: impl Fn() -> G,
    ) -> Option<(Self, G)>
    where
        P: Storage<B, K>,
    {
        if P::TRY {
            let guard = enter();
            if let Some(object) = P::try_claim(nodes, handle) {
                // SAFETY: from a storage that is borrowed, and ours.
                return Some((unsafe { Self::of(object) }, guard));
            }
        }
        let blank = Self::claim(nodes, handle)?;
        Some((blank, enter()))
    }

    /// The memory of an object that has no value any more, or whose value was
    /// read out.
    ///
    /// # Safety
    ///
    /// As for [`Origin::free`], when the result is dropped.
    #[inline]
    pub(super) unsafe fn of(object: *mut Linked<B>) -> Self {
        Self {
            object,
            of: PhantomData,
        }
    }

    /// The object, which has no value.
    pub(super) fn object(&self) -> *mut Linked<B> {
        self.object
    }

    /// The object, which does not go back any more.
    #[inline]
    pub(super) fn into_object(self) -> *mut Linked<B> {
        let object = self.object;
        mem::forget(self);
        object
    }
}

impl<B, P: Origin> Drop for VacantBlock<'_, B, P> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the contract of `of`.
        unsafe { P::free(self.object) };
    }
}

impl<T, P: Origin> VacantBlock<'_, Node<T>, P> {
    /// Puts a value, and hands out the node, whose `next` is null.
    #[inline]
    pub(super) fn fill(self, value: T) -> *mut Linked<Node<T>> {
        let node = self.into_object();
        let next = AtomicPtr::new(ptr::null_mut());
        let value = MaybeUninit::new(value);
        // SAFETY: the memory is ours.
        unsafe { (&raw mut (*node).value).write(Node { next, value }) };
        node
    }
}

impl<T, P: Origin> VacantBlock<'_, MaybeUninit<T>, P> {
    /// Puts a value, and hands out the object. `Linked<T>` has the layout of
    /// `Linked<MaybeUninit<T>>`, which is transparent.
    #[inline]
    pub(super) fn fill(self, value: T) -> *mut Linked<T> {
        let object = self.into_object().cast::<Linked<T>>();
        // SAFETY: the memory is ours.
        unsafe { (&raw mut (*object).value).write(value) };
        object
    }

    /// Takes the value of an object back, which was not published.
    ///
    /// # Safety
    ///
    /// `object` came from `fill`, is exclusively owned, and is not used again.
    #[inline]
    pub(super) unsafe fn empty(object: *mut Linked<T>) -> (Self, T) {
        // SAFETY: "exclusively owned", "not used again" (# Safety): the value is
        // read once, and the memory has none from here on.
        unsafe {
            let value = (&raw const (*object).value).read();
            (Self::of(object.cast()), value)
        }
    }
}
