//! A bucket: a sorted list, see [`list`](super::super::list). So an iteration
//! that begins again knows where it was.

use core::{borrow::Borrow, cell::Cell, fmt, marker::PhantomData, mem::MaybeUninit, ptr};

use super::super::{
    Domain, Guard, Origin, Storage,
    domain::SchemeOf,
    list::{self, Chained, Found, Place, Ptr, Seen, unmarked},
    node::loom_access,
};
use crate::{
    Linked, Role, Scheme,
    sync::{AtomicPtr, Ordering, impl_init},
};

pub(super) struct List<K, V, P> {
    head: Place<Linked<Entry<K, V>>>,
    of: PhantomData<P>,
}

/// A node: what is in a block from the insert on.
pub(super) struct Entry<K, V> {
    pub(super) next: Place<Linked<Self>>,
    pub(super) key: K,
    pub(super) value: V,
}

/// A node with its header.
pub(super) type Node<K, V> = Linked<Entry<K, V>>;

impl<K: Send + 'static, V: Send + 'static> Chained for Node<K, V> {
    #[inline]
    unsafe fn next<'g>(node: Ptr<Self>) -> &'g Place<Self> {
        // SAFETY: "the node is there for `'g`" (# Safety).
        unsafe { &(*node).value.next }
    }

    #[inline]
    unsafe fn loom_access(node: Ptr<Self>) {
        // SAFETY: "it is protected" (# Safety).
        unsafe { loom_access(node) };
    }

    #[inline]
    unsafe fn retire<P: Origin, D: Domain, R: Role>(guard: &Guard<'_, D, R>, node: Ptr<Self>) {
        // SAFETY: the contract of `Origin::retire` (# Safety).
        unsafe { P::retire(guard, node) };
    }
}

impl<'g, K: Send + 'static, V: Send + 'static> Seen<'g, Node<K, V>> {
    /// What is in the node.
    #[inline]
    pub(super) fn entry(self) -> &'g Entry<K, V> {
        // SAFETY: protected for `'g`. Only its `next` changes.
        unsafe { &(*self.as_ptr()).value }
    }
}

impl<K: Send + 'static, V: Send + 'static> Entry<K, V> {
    /// The entry, if it has this key.
    pub(super) fn with_key<Q>(&self, key: &Q) -> Option<&Self>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        (self.key.borrow() == key).then_some(self)
    }
}

/// A block for a node of a [`Map`](super::Map): what a pool that several maps
/// share is made of. Only maps can fill or read one. See [`Map::in_pool`].
///
/// [`Map::in_pool`]: super::Map::in_pool
///
/// ```
/// use hyaline::{Pool, safe::MapNode};
///
/// static NODES: Pool<MapNode<u32, [u8; 6]>, 64> = Pool::new();
/// # assert_eq!(NODES.available(), 64);
/// ```
#[repr(transparent)] // a block for a node is one for its entry
pub struct MapNode<K, V>(MaybeUninit<Entry<K, V>>);

impl<K, V> fmt::Debug for MapNode<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapNode").finish_non_exhaustive()
    }
}

impl_init!(
    List<K, V, P> = List {
        head: AtomicPtr::new(ptr::null_mut()),
        of: PhantomData,
    };
    K, V, P
);

impl<K: Send + 'static, V: Send + 'static, P: Origin> List<K, V, P> {
    /// Walks past all nodes that are `before` the goal, and unlinks marked
    /// ones on the way.
    pub(super) fn seek<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        before: impl Fn(&K) -> bool,
    ) -> Found<'g, Node<K, V>> {
        self.seek_from(guard, || (), before)
    }

    /// As `seek`; calls `begin` whenever the walk begins.
    fn seek_from<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        begin: impl Fn(),
        before: impl Fn(&K) -> bool,
    ) -> Found<'g, Node<K, V>> {
        // SAFETY: the head of a list, whose nodes are of this storage.
        unsafe {
            list::seek::<_, P, D, R>(&self.head, guard, begin, |node| before(&node.entry().key))
        }
    }

    /// The entry of a key.
    #[inline]
    pub(super) fn get<'g, Q, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        key: &Q,
    ) -> Option<&'g Entry<K, V>>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let node = if SchemeOf::<D>::ROBUST {
            self.seek(guard, |other| other.borrow() < key).node()
        } else {
            // SAFETY: the head of a list, whose nodes are of this storage; basic mode.
            unsafe { list::look(&self.head, guard, |node| node.entry().key.borrow() < key) }
        };
        node?.entry().with_key(key)
    }

    /// The first key after `last`, or at all, with its value.
    pub(super) fn after<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        last: Option<&K>,
    ) -> Option<(&'g K, &'g V)>
    where
        K: Ord,
    {
        let found = self.seek(guard, |key| last.is_some_and(|last| key <= last));
        found.node().map(|node| {
            let Entry { key, value, .. } = node.entry();
            (key, value)
        })
    }

    /// How many keys a walk meets. Compares none.
    pub(super) fn count<D: Domain, R: Role>(&'static self, guard: &Guard<'_, D, R>) -> usize {
        let count = Cell::new(0);
        let one_more = |_: &K| {
            count.set(count.get() + 1);
            true
        };
        self.seek_from(guard, || count.set(0), one_more);
        count.get()
    }
}

impl<K, V, P> List<K, V, P> {
    /// Takes the first node out, of those in this storage. The list and the
    /// storage are borrowed exclusively.
    pub(super) fn take_first<const CAP: usize>(
        &mut self,
        nodes: &mut P::Nodes,
    ) -> Option<Entry<K, V>>
    where
        P: Storage<MapNode<K, V>, CAP>,
    {
        // Relaxed, and below: we have the list alone.
        let here = self.head.load(Ordering::Relaxed);
        if here.is_null() {
            return None;
        }
        let here = P::rederive(nodes, here.cast()).cast::<Node<K, V>>();
        // SAFETY: linked nodes are valid, also marked ones, which are not
        // retired before they are unlinked. The node leaves the list, so it is
        // taken once.
        unsafe {
            let next = unmarked((*here).value.next.load(Ordering::Relaxed));
            self.head.store(next, Ordering::Relaxed);
            let node = ptr::read(&raw const (*here).value);
            P::give_back(here.cast());
            Some(node)
        }
    }
}
