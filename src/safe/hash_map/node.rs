//! The nodes of the list: those with a key, and those that begin a bucket.

use alloc::boxed::Box;
use core::{
    marker::PhantomData,
    mem::{MaybeUninit, offset_of},
    ptr,
};

use super::super::{
    Domain, Guard, Handle, Origin,
    list::{Chained, Place, Ptr, Seen},
    storage::obtain,
};
use crate::{
    AsLink, Link, Role, reclaim,
    sync::{AtomicPtr, AtomicUsize, IN_MODEL, Ordering, const_fn},
};

/// What all nodes have.
pub(super) struct Head<K, V> {
    pub(super) next: Place<Self>,
    /// What the list is sorted by: the bits of the hash, from the highest on. Both of
    /// the lowest bits are set in a node with a key. (Those of the hash are not used.)
    /// Even where a bucket begins, whose [state](super::table) it is, too.
    pub(super) order: AtomicUsize,
    of: PhantomData<(K, V)>,
}

impl<K, V> Head<K, V> {
    const_fn! {
        pub(super) const fn new(order: usize) -> Self {
            Self {
                next: AtomicPtr::new(ptr::null_mut()),
                order: AtomicUsize::new(order),
                of: PhantomData,
            }
        }
    }
}

/// A node with a key. Pointers of the list lead to its head.
#[repr(C)]
pub(super) struct Node<K, V> {
    link: Link,
    head: Head<K, V>,
    entry: Entry<K, V>,
}

// SAFETY: `repr(C)`, and the link comes first.
unsafe impl<K, V> AsLink for Node<K, V> {}

#[repr(C)] // key and value are close to the head, and may be on its cache line
pub(super) struct Entry<K, V> {
    pub(super) key: K,
    pub(super) value: V,
    /// Tells nodes of the same order apart: each comes after the one before,
    /// and what takes the place of one has the same. 64 bits everywhere: a pair of
    /// keys of one hash that are put in turn would let 32 bits wrap in half an hour,
    /// and iterations would miss keys.
    pub(super) turn: u64,
}

/// The order of a hash. Multiplied, so that its high bits depend on all bits of
/// the hash: some hashers do not care for these.
#[inline]
pub(super) fn order(hash: u64) -> usize {
    const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
    (hash.wrapping_mul(GOLDEN_RATIO) >> (u64::BITS - usize::BITS)) as usize | 3
}

/// The node of a head with an odd order.
#[inline]
fn node_of<K, V>(head: Ptr<Head<K, V>>) -> *mut Node<K, V> {
    head.wrapping_byte_sub(offset_of!(Node<K, V>, head)).cast()
}

/// Whether a bucket begins there, and so there is no key.
///
/// # Safety
///
/// The node is there.
#[inline]
pub(super) unsafe fn is_start<K, V>(head: Ptr<Head<K, V>>) -> bool {
    // Relaxed: the lowest bit does not change while the node is there.
    // SAFETY: there (fn contract).
    unsafe { (*head).order.load(Ordering::Relaxed) % 2 == 0 }
}

impl<K: Send + 'static, V: Send + 'static> Chained for Head<K, V> {
    #[inline]
    unsafe fn next<'g>(node: Ptr<Self>) -> &'g Place<Self> {
        // SAFETY: "the node is there for `'g`" (# Safety).
        unsafe { &(*node).next }
    }

    #[inline]
    unsafe fn loom_access(node: Ptr<Self>) {
        // SAFETY: protected (# Safety); one without a key is never reclaimed.
        unsafe {
            if IN_MODEL && !is_start(node) {
                (*node_of(node)).link.is_read();
            }
        }
    }

    #[inline]
    unsafe fn retire<P: Origin, D: Domain, R: Role>(guard: &Guard<'_, D, R>, node: Ptr<Self>) {
        // SAFETY: unlinked, and retired once (# Safety); only nodes with a key are
        // unlinked, and each was made by `Room::fill`.
        unsafe { guard.defer_retire(node_of(node), reclaim::boxed::<Node<K, V>>) };
    }
}

impl<'g, K: Send + 'static, V: Send + 'static> Seen<'g, Head<K, V>> {
    #[inline]
    pub(super) fn order(self) -> usize {
        // Relaxed: what changes is whether a start in the list is known to be there, in a
        // bit below all by which starts and keys differ.
        // SAFETY: protected for `'g`.
        unsafe { (*self.as_ptr()).order.load(Ordering::Relaxed) }
    }

    /// Its order, and key and value; `None` where a bucket begins.
    #[inline]
    pub(super) fn look(self) -> (usize, Option<&'g Entry<K, V>>) {
        let order = self.order();
        // SAFETY: protected for `'g`, and odd, so it is in a node with a key. The
        // pointers of the list may be used for the whole node.
        let entry = || unsafe { &(*node_of(self.as_ptr())).entry };
        (order, (order % 2 != 0).then(entry))
    }
}

/// Memory for a node. Dropped, it is freed. Claimed before key and value go
/// anywhere, and before a section is opened, see [`VacantBlock`](super::super::node::VacantBlock).
pub(super) struct Room<K, V>(Box<MaybeUninit<Node<K, V>>>);

impl<K, V> Room<K, V> {
    pub(super) fn claim<D: Domain, R: Role>(handle: &Handle<D, R>) -> Option<Self> {
        let node = obtain::<MaybeUninit<Node<K, V>>, D, R>(handle);
        if node.is_null() {
            return None;
        }
        // SAFETY: the memory is ours, and obtained with this layout.
        let mut node = unsafe { Box::from_raw(node) };
        // SAFETY: the box is ours; writes one field of it, and reads nothing.
        unsafe { (&raw mut (*node.as_mut_ptr()).link).write(handle.stamp()) };
        Some(Self(node))
    }

    pub(super) fn fill(self, order: usize, key: K, value: V) -> OwnedNode<K, V> {
        let node = Box::into_raw(self.0).cast::<Node<K, V>>();
        let turn = 0;
        // SAFETY: the memory is ours, and has a header.
        unsafe {
            (&raw mut (*node).head).write(Head::new(order));
            (&raw mut (*node).entry).write(Entry { turn, key, value });
            OwnedNode(Box::from_raw(node))
        }
    }
}

/// A node that is not published.
pub(super) struct OwnedNode<K, V>(Box<Node<K, V>>);

impl<K, V> OwnedNode<K, V> {
    pub(super) fn entry(&self) -> &Entry<K, V> {
        &self.0.entry
    }

    pub(super) fn entry_mut(&mut self) -> &mut Entry<K, V> {
        &mut self.0.entry
    }

    /// The head, which the list may have.
    pub(super) fn into_head(self) -> Ptr<Head<K, V>> {
        let node = Box::into_raw(self.0);
        // SAFETY: it is valid.
        unsafe { &raw mut (*node).head }
    }

    /// # Safety
    ///
    /// `head` came from `into_head`, and the list does not have it (any more).
    pub(super) unsafe fn from_head(head: Ptr<Head<K, V>>) -> Self {
        // SAFETY: it came from `into_head` (fn contract), and so from a box.
        Self(unsafe { Box::from_raw(node_of(head)) })
    }

    /// The entry of a head that came from `into_head`; as valid as that.
    ///
    /// # Safety
    ///
    /// The node is there.
    pub(super) unsafe fn entry_of(head: Ptr<Head<K, V>>) -> *const Entry<K, V> {
        // SAFETY: it is there (fn contract).
        unsafe { &raw const (*node_of(head)).entry }
    }

    pub(super) fn into_inner(self) -> (K, V) {
        let Entry { key, value, .. } = self.0.entry;
        (key, value)
    }

    /// Takes key and value out, and keeps the memory.
    pub(super) fn empty(self) -> (Room<K, V>, (K, V)) {
        let node = Box::into_raw(self.0);
        // SAFETY: it is valid; the entry is read once, and the memory has none
        // from here on.
        unsafe {
            let Entry { key, value, .. } = (&raw const (*node).entry).read();
            (Room(Box::from_raw(node.cast())), (key, value))
        }
    }

    /// Retires it.
    pub(super) fn retire<D: Domain, R: Role>(self, guard: &Guard<'_, D, R>)
    where
        K: Send + 'static,
        V: Send + 'static,
    {
        // SAFETY: it was not published, so nobody can find it; it is boxed, and
        // stamped by a handle of this collector.
        unsafe { guard.defer_retire(Box::into_raw(self.0), reclaim::boxed::<Node<K, V>>) };
    }
}
