//! A bucket: the sorted list of Harris (DISC 2001) as Michael (SPAA 2002) made
//! it fit for reclamation.
//!
//! A node is removed in two steps. The *mark*, the lowest bit of its `next`,
//! takes it out of the set and freezes its successor; then the link that leads
//! to it is swung past it, and whoever does that retires it. A traversal
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
//! the reader's era may be new and the link old. So a walk takes no step that
//! does not show that the node it stands on was in the list when its `next`
//! was loaded, for the last time, by `protect`:
//!
//! - `next` is not marked: then the node was in the list, as it is marked
//!   before it is unlinked. Mark and successor are one word, so one load tells
//!   both.
//! - `next` is marked: the exchange that swings the link past the node succeeds
//!   only if the link still leads to it. Then it was in the list until now, and
//!   its successor with it: nobody can unlink that from a marked node. If the
//!   exchange fails the walk begins again.
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
//! it began. There a `get` walks on through marked nodes, writes nothing and
//! begins nothing again.
//!
//! The list is sorted so that a walk that begins again knows where it was: what
//! an iteration needs.

use core::{fmt, ptr};

use super::super::{
    Domain, Guard, Owned, Storage,
    domain::SchemeOf,
    node::{pooled, touch},
};
use crate::{
    Linked, Role, Scheme,
    sync::{AtomicPtr, Init, Ordering},
};

/// A pointer to a node, or null; marked, it is the `next` of a removed one.
type Ptr<K, V> = *mut Linked<MapNode<K, V>>;
/// A place that leads to a node.
type Place<K, V> = AtomicPtr<Linked<MapNode<K, V>>>;

/// Which keys a value may be put under.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Under {
    /// One that is not there.
    New,
    /// One that is there.
    Old,
    /// Any.
    Any,
}

pub(super) struct List<K, V> {
    head: Place<K, V>,
}

/// A node of a [`Map`](super::Map): what a pool that several of them share is
/// made of. Nobody else can make or open one. See [`Map::in_pool`].
///
/// [`Map::in_pool`]: super::Map::in_pool
///
/// ```
/// use hyaline::{Pool, safe::MapNode};
///
/// static NODES: Pool<MapNode<u32, [u8; 6]>, 64> = Pool::new();
/// # assert_eq!(NODES.available(), 64);
/// ```
pub struct MapNode<K, V> {
    next: Place<K, V>,
    key: K,
    value: V,
}

impl<K, V> MapNode<K, V> {
    pub(super) fn new(key: K, value: V) -> Self {
        let next = AtomicPtr::new(ptr::null_mut());
        Self { next, key, value }
    }

    pub(super) fn key(&self) -> &K {
        &self.key
    }

    pub(super) fn into_parts(self) -> (K, V) {
        (self.key, self.value)
    }
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

fn marked<K, V>(node: Ptr<K, V>) -> Ptr<K, V> {
    node.map_addr(|addr| addr | MARK)
}

fn unmarked<K, V>(node: Ptr<K, V>) -> Ptr<K, V> {
    node.map_addr(|addr| addr & !MARK)
}

fn is_marked<K, V>(node: Ptr<K, V>) -> bool {
    node.addr() & MARK != 0
}

/// Where a walk ended: at the first node that is not before its goal.
struct Found<'g, K, V> {
    /// The link that leads there.
    link: &'g Place<K, V>,
    /// The node, protected; null at the end of the list.
    here: Ptr<K, V>,
    /// Its successor, unmarked.
    next: Ptr<K, V>,
}

/// The node that a protected pointer leads to.
///
/// # Safety
///
/// Not null, and protected for `'g`.
unsafe fn node<'g, K, V>(here: Ptr<K, V>) -> &'g MapNode<K, V> {
    // SAFETY: the caller's. Only `next` of a node changes once it is published.
    unsafe {
        touch(here);
        &(*here).value
    }
}

impl<K: Send + 'static, V: Send + 'static> List<K, V> {
    /// Walks past all nodes that are `before` the goal, and unlinks marked
    /// ones on the way.
    fn seek<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        before: impl Fn(&K) -> bool,
    ) -> Found<'g, K, V> {
        'again: loop {
            let mut link = &self.head;
            // Acquire, and in all loads of a link: pairs with the Release with
            // which nodes are linked; the contents are there.
            let mut here = guard.protect(link, Ordering::Acquire);
            loop {
                if here.is_null() {
                    let next = here;
                    return Found { link, here, next };
                }
                // SAFETY: protected while it was in the list, see the module.
                let node: &'g MapNode<K, V> = unsafe { node(here) };
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

    /// The value under a key.
    #[inline]
    pub(super) fn get<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        key: &K,
    ) -> Option<&'g V>
    where
        K: Ord,
    {
        if SchemeOf::<D>::ROBUST {
            let found = self.seek(guard, |other| other < key);
            return found.node().filter(|n| n.key == *key).map(|n| &n.value);
        }
        // Acquire: as in `seek`.
        let mut here = guard.protect(&self.head, Ordering::Acquire);
        while !here.is_null() {
            // SAFETY: basic mode: it was in the list after the section began.
            let node = unsafe { node(here) };
            // Acquire: as above.
            let next = guard.protect(&node.next, Ordering::Acquire);
            if node.key >= *key && !is_marked(next) {
                return (node.key == *key).then_some(&node.value);
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

    /// Links a new node, in the place of one with the same key if there is
    /// one. Returns whether there was; or the node, if that is not wanted.
    pub(super) fn put<D: Domain, R: Role>(
        &'static self,
        guard: &Guard<'_, D, R>,
        new: Owned<MapNode<K, V>, D>,
        under: Under,
    ) -> Result<bool, Owned<MapNode<K, V>, D>>
    where
        K: Ord,
    {
        loop {
            let Found { link, here, next } = self.seek(guard, |key| *key < new.key);
            // SAFETY: `seek` returns a protected node or null.
            let old = (!here.is_null()).then(|| unsafe { node(here) });
            let old = old.filter(|old| old.key == new.key);
            if (under == Under::New && old.is_some()) || (under == Under::Old && old.is_none()) {
                return Err(new);
            }
            let after = if old.is_some() { next } else { here };
            // Relaxed: not published yet.
            new.next.store(after, Ordering::Relaxed);
            let object = new.as_object();
            // Release: who loads the link sees the node. Relaxed on failure:
            // `seek` looks again.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            let linked = match old {
                Some(old) => (old.next).compare_exchange(next, marked(object), success, failure),
                None => link.compare_exchange(here, object, success, failure),
            };
            if linked.is_err() {
                continue;
            }
            core::mem::forget(new);
            // SAFETY: `here` is protected and marked, `object` its successor.
            if old.is_some() && !unsafe { unlink(guard, link, here, object) } {
                // Somebody else's, or it is done here.
                // SAFETY: `here` is protected; its key does not change.
                let key = unsafe { &node(here).key };
                self.seek(guard, |other| other < key);
            }
            return Ok(old.is_some());
        }
    }

    /// Takes a key out.
    pub(super) fn remove<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        key: &K,
    ) -> Option<&'g V>
    where
        K: Ord,
    {
        loop {
            let found = self.seek(guard, |other| other < key);
            let old = found.node().filter(|node| node.key == *key)?;
            let Found { link, here, next } = found;
            // Relaxed: the mark publishes nothing. It continues the release
            // sequence of what put `next` there, and who acts on it unlinks
            // with Release. On failure `seek` looks again.
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            if (old.next)
                .compare_exchange(next, marked(next), success, failure)
                .is_err()
            {
                continue;
            }
            // SAFETY: protected, marked, and `next` is its successor.
            if !unsafe { unlink(guard, link, here, next) } {
                // Somebody else's, or it is done here: it shall not be left.
                self.seek(guard, |other| other < key);
            }
            return Some(&old.value);
        }
    }
}

impl<'g, K, V> Found<'g, K, V> {
    fn node(&self) -> Option<&'g MapNode<K, V>> {
        // SAFETY: protected by the guard of `'g`.
        (!self.here.is_null()).then(|| unsafe { node(self.here) })
    }
}

/// Swings a link past a marked node, and retires it. Returns whether the link
/// led to it.
///
/// # Safety
///
/// `here` is protected, in a pool that is a static, and marked; `next` is its
/// successor.
unsafe fn unlink<K: Send + 'static, V: Send + 'static, D: Domain, R: Role>(
    guard: &Guard<'_, D, R>,
    link: &Place<K, V>,
    here: Ptr<K, V>,
    next: Ptr<K, V>,
) -> bool {
    // Release: who finds `next` by this link sees its contents, which we
    // acquired; and who retires `next` later comes after this, so that its
    // The heavy barrier covers that `here` was marked and unlinked (see the module).
    // Relaxed on failure: nothing is done with it.
    let (success, failure) = (Ordering::Release, Ordering::Relaxed);
    let unlinked = link.compare_exchange(here, next, success, failure);
    if unlinked.is_ok() {
        // SAFETY: one link leads to a node that is in the list, and this was
        // it: it is unlinked once. Nodes that were unlinked before may lead to
        // it, and no walk goes that way: see the module.
        // Stamped by a handle of D's collector.
        unsafe { guard.retire_value(here, pooled::<MapNode<K, V>>) };
    }
    unlinked.is_ok()
}

impl<K, V> List<K, V> {
    /// Takes the first node out, of those in this storage. They, and this
    /// list, are the caller's alone.
    pub(super) fn take_first<P, const CAP: usize>(
        &mut self,
        nodes: &mut P::Nodes,
    ) -> Option<MapNode<K, V>>
    where
        P: Storage<MapNode<K, V>, CAP>,
    {
        // Relaxed, and below: we have the list alone.
        let here = self.head.load(Ordering::Relaxed);
        if here.is_null() {
            return None;
        }
        let here = P::reach(nodes, here);
        // SAFETY: linked nodes are valid, also marked ones, which are not
        // retired before they are unlinked. The node leaves the list, so it is
        // taken once.
        unsafe {
            let next = unmarked((*here).value.next.load(Ordering::Relaxed));
            self.head.store(next, Ordering::Relaxed);
            let node = ptr::read(&raw const (*here).value);
            P::leave(here);
            Some(node)
        }
    }
}
