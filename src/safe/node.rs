//! Nodes of stacks and queues, and blocks of the structures' pools.

use core::{
    fmt,
    marker::PhantomData,
    mem::{self, ManuallyDrop, MaybeUninit},
    ptr,
};

use super::{Domain, Full, Handle};
use crate::{Link, Linked, Pool, Role, reclaim, sync::AtomicPtr};

/// A node of a [`Stack`](super::Stack) or a [`Queue`](super::Queue): what a
/// pool that several of them share is made of. Nobody else can make or open
/// one.
///
/// ```
/// use hyaline::{Collector, Pool, domain, safe::{InPool, Node, Queue}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static NODES: Pool<Node<u32>, 32> = Pool::new();
/// static URGENT: Queue<u32, 32, App, InPool> = Queue::in_pool(&NODES);
/// static OTHERS: Queue<u32, 32, App, InPool> = Queue::in_pool(&NODES);
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

    /// A new node with a value.
    #[inline]
    pub(super) fn claim<const K: usize, D: Domain, R: Role>(
        pool: &Pool<Self, K>,
        handle: &Handle<D, R>,
        value: T,
    ) -> Result<*mut Linked<Self>, Full<T>> {
        let node = Self {
            next: AtomicPtr::new(ptr::null_mut()),
            value: MaybeUninit::new(value),
        };
        pool.alloc(handle, node).map_err(|full| {
            // SAFETY: it has the value from above.
            Full(unsafe { full.into_inner().value.assume_init() })
        })
    }

    /// The successor of a node in which it never changes, as in a stack's.
    /// Not an atomic load: on targets without compare-and-swap that would mask
    /// interrupts.
    ///
    /// # Safety
    ///
    /// The node was acquired, and nobody writes `next` any more.
    #[inline]
    pub(super) unsafe fn fixed_next(&self) -> *mut Linked<Self> {
        // SAFETY: the caller's.
        #[cfg(not(hyaline_loom))]
        return unsafe { *self.next.as_ptr() };
        // SAFETY: the caller's, which loom checks.
        #[cfg(hyaline_loom)]
        unsafe {
            self.next.unsync_load()
        }
    }

    /// Takes the value out.
    ///
    /// # Safety
    ///
    /// The node is protected and has a value, which is the caller's, once.
    #[inline]
    pub(super) unsafe fn take(node: *mut Linked<Self>) -> T {
        // SAFETY: the caller's. Others may look at `next` meanwhile.
        unsafe { (&raw const (*node).value.value).read().assume_init() }
    }

    /// Drops the value in place.
    ///
    /// # Safety
    ///
    /// As `take`, and the node is the caller's.
    pub(super) unsafe fn drop_value(node: *mut Linked<Self>) {
        // SAFETY: the caller's.
        unsafe { (&raw mut (*node).value.value).cast::<T>().drop_in_place() };
    }
}

impl<T> fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

/// Gives a block back, and leaves the value in it alone.
///
/// # Safety
///
/// `object` came from a pool that is still there, is the caller's alone, and is
/// not used again. `cache` is null, or the cache of a handle of the caller's.
pub(super) unsafe fn give_back<T>(object: *mut Linked<T>, cache: *mut Link) {
    let link = object.cast::<Link>();
    // SAFETY: the caller's. `pooled` looks into `next` for a cache.
    // `ManuallyDrop` is transparent, so that the block has the layout
    // that `pooled` takes it to have, and nothing is dropped.
    unsafe {
        (*link).next.set(cache);
        reclaim::pooled::<ManuallyDrop<T>>(link);
    }
}

/// The same object, by way of its pool, which the caller has alone. Pointers
/// from before that are not valid any more: they do not come from the one
/// exclusive reference.
pub(super) fn reach<P, T>(pool: &mut P, object: *mut Linked<T>) -> *mut Linked<T> {
    ptr::from_mut(pool)
        .cast::<Linked<T>>()
        .with_addr(object.addr())
}

/// Shows loom that an object is in use, so that it reports a reclaim that may
/// come at the same time. Nothing in a program.
///
/// # Safety
///
/// The object is protected.
#[inline(always)]
pub(super) unsafe fn touch<T>(object: *mut Linked<T>) {
    // SAFETY: protected, so the header is there (fn contract).
    unsafe { (*object).link.access.read() };
}

/// A block that is claimed and has no value yet. Dropped, it goes back.
///
/// It is claimed before a section is opened: a pool that is exhausted flushes
/// the handle, and a section of the same handle would hold back the very
/// blocks that are looked for.
pub(super) struct Blank<'p, T> {
    object: *mut Linked<MaybeUninit<T>>,
    /// Where it goes if it is not used: to the handle that claimed it.
    pub(super) cache: *mut Link,
    pool: PhantomData<&'p ()>,
}

impl<'p, T> Blank<'p, T> {
    #[inline]
    pub(super) fn claim<const K: usize, D: Domain, R: Role>(
        pool: &'p Pool<MaybeUninit<T>, K>,
        handle: &Handle<D, R>,
    ) -> Option<Self> {
        let object = pool.alloc(handle, MaybeUninit::uninit()).ok()?;
        Some(Self {
            object,
            cache: handle.local().cache_of::<R>(),
            pool: PhantomData,
        })
    }

    /// Puts a value, and hands out the object. `Linked<T>` has the layout of
    /// `Linked<MaybeUninit<T>>`, which is transparent.
    #[inline]
    pub(super) fn fill(self, value: T) -> *mut Linked<T> {
        let object = self.object.cast::<Linked<T>>();
        mem::forget(self);
        // SAFETY: the block is ours.
        unsafe { (&raw mut (*object).value).write(value) };
        object
    }

    /// Takes the value of an object back, which was not published.
    ///
    /// # Safety
    ///
    /// `object` came from `fill`, is the caller's alone, and is used no more;
    /// `cache` is that of the block.
    #[inline]
    pub(super) unsafe fn empty(object: *mut Linked<T>, cache: *mut Link) -> (Self, T) {
        // SAFETY: the caller's.
        let value = unsafe { (&raw const (*object).value).read() };
        let blank = Self {
            object: object.cast(),
            cache,
            pool: PhantomData,
        };
        (blank, value)
    }
}

impl<T> Drop for Blank<'_, T> {
    fn drop(&mut self) {
        // SAFETY: from a pool that is borrowed, ours, and without a value.
        unsafe { give_back(self.object, self.cache) };
    }
}
