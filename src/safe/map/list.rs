//! A bucket: the sorted list of Harris (DISC 2001) as Michael (SPAA 2002) made
//! it fit for reclamation.
//!
//! A node is removed in two steps. The *mark*, the lowest bit of its `next`,
//! takes it out of the set and freezes its successor. Then the link that leads
//! to it is swung past it, and the thread that does that retires it. A walk
//! that meets a marked node unlinks it before it continues.
//!
//! To *replace* is to mark a node with a new successor: the node that takes its
//! place, with the same key. One exchange removes the one and inserts the
//! other, so the key is never missing.
//!
//! ```text
//! a -> old -> c        a -> old =marked=> new -> c        a -> new -> c
//! ```
//!
//! **Robust mode.** A link that is read from a node that was unlinked before
//! may lead to a node that is reclaimed already, and `protect` cannot tell:
//! the reader's era may be new and the link old. So each step of a walk proves
//! that the node it stands on was in the list when `protect` last loaded its
//! `next`:
//!
//! - `next` is not marked: the node was in the list, since it is marked before
//!   it is unlinked. Mark and successor are one word, so one load tells both.
//! - `next` is marked: the exchange that swings the link past the node succeeds
//!   only if the link still leads to it. Then the node was in the list until
//!   now, and so was its successor: nobody can unlink that from a marked node.
//!   If the exchange fails the walk begins again.
//!
//! Either way the successor was not retired before it was protected. Harris's
//! original walks along chains of marked nodes and unlinks them as a whole: by
//! the second one it may stand on a node that is reclaimed. It is wrong here.
//!
//! | walker, at `a` | others |
//! |---|---|
//! | | mark `a`, unlink it; remove and reclaim its successor `b` |
//! | `protect(a.next)`: `b`, marked | |
//! | *Harris: looks into `b`* | |
//! | Michael: the exchange fails, as the link leads past `a` | |
//!
//! In basic mode a section protects all that was in the list at any time since
//! it began. There a `get` walks through marked nodes, writes nothing and never
//! begins again.
//!
//! The list is sorted, so an iteration that begins again knows where it was.

use core::{borrow::Borrow, cell::Cell, fmt, mem::MaybeUninit, ptr};

use super::super::{Domain, Guard, Storage, domain::SchemeOf, node::touch};
use crate::{
    Linked, Role, Scheme, reclaim,
    sync::{AtomicPtr, Init, Ordering},
};

/// A pointer to a node, or null; marked, it is the `next` of a removed one.
pub(super) type Ptr<K, V> = *mut Linked<Entry<K, V>>;
/// A place that leads to a node.
pub(super) type Place<K, V> = AtomicPtr<Linked<Entry<K, V>>>;

pub(super) struct List<K, V> {
    head: Place<K, V>,
}

/// A node: what is in a block from the insert on.
pub(super) struct Entry<K, V> {
    pub(super) next: Place<K, V>,
    pub(super) key: K,
    pub(super) value: V,
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

impl<K, V> MapNode<K, V> {
    pub(super) const EMPTY: Self = Self(MaybeUninit::uninit());
}

impl<K, V> fmt::Debug for MapNode<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapNode").finish_non_exhaustive()
    }
}

impl<K, V> Init for List<K, V> {
    #[cfg(not(hyaline_loom))]
    #[allow(clippy::declare_interior_mutable_const)] // copied, never borrowed
    const INIT: Self = Self {
        head: AtomicPtr::new(ptr::null_mut()),
    };
    #[cfg(hyaline_loom)]
    fn init() -> Self {
        let head = AtomicPtr::new(ptr::null_mut());
        Self { head }
    }
}

/// Headers are aligned to words, so the lowest bit is free.
const MARK: usize = 1;

pub(super) fn marked<K, V>(node: Ptr<K, V>) -> Ptr<K, V> {
    node.map_addr(|addr| addr | MARK)
}

fn unmarked<K, V>(node: Ptr<K, V>) -> Ptr<K, V> {
    node.map_addr(|addr| addr & !MARK)
}

fn is_marked<K, V>(node: Ptr<K, V>) -> bool {
    node.addr() & MARK != 0
}

/// Where a walk ended: at the first node that is not before its goal.
pub(super) struct Found<'g, K, V> {
    /// The link that leads there.
    pub(super) link: &'g Place<K, V>,
    /// The node, protected; null at the end of the list.
    pub(super) here: Ptr<K, V>,
    /// Its successor, unmarked.
    pub(super) next: Ptr<K, V>,
}

impl<'g, K, V> Found<'g, K, V> {
    pub(super) fn node(&self) -> Option<&'g Entry<K, V>> {
        // SAFETY: `here` is null or protected by the guard of `'g` (field).
        (!self.here.is_null()).then(|| unsafe { node(self.here) })
    }

    /// The node, if it has this key.
    pub(super) fn with_key<Q>(&self, key: &Q) -> Option<&'g Entry<K, V>>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.node().filter(|node| node.key.borrow() == key)
    }
}

/// The node that a protected pointer leads to.
///
/// # Safety
///
/// Not null, and protected for `'g`.
unsafe fn node<'g, K, V>(here: Ptr<K, V>) -> &'g Entry<K, V> {
    // SAFETY: protected (fn contract). Only `next` of a node changes once it
    // is published.
    unsafe {
        touch(here);
        &(*here).value
    }
}

impl<K: Send + 'static, V: Send + 'static> List<K, V> {
    /// Walks past all nodes that are `before` the goal, and unlinks marked
    /// ones on the way.
    pub(super) fn seek<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        before: impl Fn(&K) -> bool,
    ) -> Found<'g, K, V> {
        self.seek_from(guard, || (), before)
    }

    /// As `seek`; calls `begin` whenever the walk begins.
    fn seek_from<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        begin: impl Fn(),
        before: impl Fn(&K) -> bool,
    ) -> Found<'g, K, V> {
        'again: loop {
            begin();
            let mut link = &self.head;
            // Acquire, and in all loads of a link: pairs with the Release with
            // which nodes are linked; without it the contents might not be
            // there yet.
            let mut here = guard.protect(link, Ordering::Acquire);
            loop {
                if here.is_null() {
                    let next = here;
                    return Found { link, here, next };
                }
                // SAFETY: protected while it was in the list, see the module.
                let node: &'g Entry<K, V> = unsafe { node(here) };
                let next = guard.protect(&node.next, Ordering::Acquire);
                if is_marked(next) {
                    let next = unmarked(next);
                    // SAFETY: protected, marked, and `next` is its successor.
                    if !unsafe { unlink(guard, link, here, next) } {
                        continue 'again;
                    }
                    here = next;
                } else if before(&node.key) {
                    link = &node.next;
                    here = next;
                } else {
                    return Found { link, here, next };
                }
            }
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
        if SchemeOf::<D>::ROBUST {
            let found = self.seek(guard, |other| other.borrow() < key);
            return found.with_key(key);
        }
        // Acquire: as in `seek`.
        let mut here = guard.protect(&self.head, Ordering::Acquire);
        while !here.is_null() {
            // SAFETY: basic mode: it was in the list after the section began.
            let node = unsafe { node(here) };
            // Acquire: as above.
            let next = guard.protect(&node.next, Ordering::Acquire);
            if node.key.borrow() >= key && !is_marked(next) {
                return (node.key.borrow() == key).then_some(node);
            }
            here = unmarked(next);
        }
        None
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
        found.node().map(|node| (&node.key, &node.value))
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

/// Swings a link past a marked node, and retires it. Returns whether the link
/// led to it.
///
/// # Safety
///
/// `here` is protected, in a pool that is a static, and marked; `next` is its
/// successor.
pub(super) unsafe fn unlink<K: Send + 'static, V: Send + 'static, D: Domain, R: Role>(
    guard: &Guard<'_, D, R>,
    link: &Place<K, V>,
    here: Ptr<K, V>,
    next: Ptr<K, V>,
) -> bool {
    // Release: pairs with the Acquire in `seek`: a thread that finds `next` by
    // this link sees its contents, which we acquired. A later retire of `next`
    // happens after this exchange, so its heavy barrier also orders that `here`
    // was marked and unlinked (see the module).
    // Relaxed on failure: nothing is done with the result.
    let (success, failure) = (Ordering::Release, Ordering::Relaxed);
    let unlinked = link.compare_exchange(here, next, success, failure);
    if unlinked.is_ok() {
        // SAFETY: protected, in a static pool (fn contract). One link leads to
        // a node that is in the list, and this was it, so it is unlinked and
        // retired once. Nodes that were unlinked before may lead to it, and no
        // walk steps from them, see the module. It was stamped by a
        // handle of D's collector.
        unsafe { guard.retire_value(here, reclaim::pooled::<Entry<K, V>>) };
    }
    unlinked.is_ok()
}

impl<K, V> List<K, V> {
    /// Takes the first node out, of those in this storage. The list and the
    /// storage are borrowed exclusively.
    pub(super) fn take_first<P, const CAP: usize>(
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
        let here = P::reach(nodes, here.cast()).cast::<Linked<Entry<K, V>>>();
        // SAFETY: linked nodes are valid, also marked ones, which are not
        // retired before they are unlinked. The node leaves the list, so it is
        // taken once.
        unsafe {
            let next = unmarked((*here).value.next.load(Ordering::Relaxed));
            self.head.store(next, Ordering::Relaxed);
            let node = ptr::read(&raw const (*here).value);
            P::leave(here.cast());
            Some(node)
        }
    }
}
