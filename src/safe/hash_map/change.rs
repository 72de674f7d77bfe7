//! Walks to a key, and changes there.

use core::{borrow::Borrow, cell::Cell, hash::Hash};

use super::{
    super::{
        Domain, Guard, Heap,
        domain::SchemeOf,
        list::{self, Done, Found, Place, PutMode, Seen},
    },
    node::{Entry, Head, OwnedNode},
    table::Table,
};
use crate::{Role, Scheme};

/// An entry that was put.
pub(super) struct Put<K, V> {
    /// Whether it took the place of one.
    pub(super) replaced: bool,
    /// Protected.
    pub(super) entry: *const Entry<K, V>,
}

/// An entry that was not put, and the value that is there instead.
pub(super) struct NotPut<'g, K, V> {
    pub(super) new: OwnedNode<K, V>,
    pub(super) found: Option<&'g V>,
}

/// Where a walk to a key ended.
pub(super) struct At<'g, K, V> {
    pub(super) found: Found<'g, Head<K, V>>,
    /// What is there, if it has the key.
    pub(super) entry: Option<&'g Entry<K, V>>,
    /// Else a turn after those of its order.
    turn: u64,
}

impl<K: Send + 'static, V: Send + 'static> Table<K, V> {
    /// Walks from a place of this list past all nodes that are `before` the goal,
    /// and unlinks removed nodes on the way.
    pub(super) fn walk<'g, D: Domain, R: Role>(
        start: &'g Place<Head<K, V>>,
        guard: &'g Guard<'_, D, R>,
        before: impl Fn(Seen<'g, Head<K, V>>) -> bool,
    ) -> Found<'g, Head<K, V>> {
        // SAFETY: a place of this list, whose nodes are on the heap.
        unsafe { list::seek::<_, Heap, D, R>(start, guard, || (), before) }
    }

    /// Walks to a key, or to the end of those with the same order, and unlinks
    /// removed nodes on the way.
    pub(super) fn seek<'g, Q, D: Domain, R: Role>(
        start: &'g Place<Head<K, V>>,
        guard: &'g Guard<'_, D, R>,
        order: usize,
        key: &Q,
    ) -> At<'g, K, V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let (turn, entry) = (Cell::new(0_u64), Cell::new(None));
        let found = Self::walk(start, guard, |node| {
            let (its, here) = node.look();
            if its != order {
                entry.set(None);
                return its < order;
            }
            // Odd, so there is an entry.
            turn.set(here.map_or(0, |here| here.turn.wrapping_add(1)));
            entry.set(here.filter(|here| here.key.borrow() == key));
            entry.get().is_none()
        });
        At {
            entry: found.node().and(entry.get()),
            turn: turn.get(),
            found,
        }
    }

    /// The entry of a key.
    #[inline]
    pub(super) fn find<'g, Q, D: Domain, R: Role>(
        &'g self,
        guard: &'g Guard<'_, D, R>,
        order: usize,
        key: &Q,
    ) -> Option<&'g Entry<K, V>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let start = self.place_for(order, guard);
        if SchemeOf::<D>::ROBUST {
            return Self::seek(start, guard, order, key).entry;
        }
        // SAFETY: a place of this list, whose nodes are on the heap; basic mode.
        let node = unsafe {
            let start = list::past_one(start, guard, |node| node.order() < order);
            list::look(start, guard, |node| {
                let other = |entry: &Entry<K, V>| entry.key.borrow() != key;
                let (its, entry) = node.look();
                its < order || its == order && entry.is_none_or(other)
            })
        }?;
        let (its, entry) = node.look();
        entry.filter(|_| its == order)
    }

    /// Links a new entry, in the place of one with the same key if there is
    /// one.
    pub(super) fn put<'g, D: Domain, R: Role>(
        &'g self,
        guard: &'g Guard<'_, D, R>,
        order: usize,
        mut new: OwnedNode<K, V>,
        mode: &PutMode<V>,
    ) -> Result<Put<K, V>, NotPut<'g, K, V>>
    where
        K: Hash + Eq,
    {
        let start = self.place_linked(order, guard);
        loop {
            let at = Self::seek(start, guard, order, &new.entry().key);
            let found = at.entry.map(|old| &old.value);
            if !mode.allows(found) {
                return Err(NotPut { new, found });
            }
            new.entry_mut().turn = at.entry.map_or(at.turn, |old| old.turn);
            // Not ours if a reclaimer panics, which runs when it is linked.
            let head = new.into_head();
            // SAFETY: ours; if there is an entry, it is on the heap.
            let done = unsafe {
                match at.entry {
                    Some(_) => at.found.replace::<Heap, D, R>(guard, head),
                    None => at.found.insert(head),
                }
            };
            match (done, at.entry) {
                (Done::Nothing, _) => {
                    // SAFETY: the list does not have it.
                    new = unsafe { OwnedNode::from_head(head) };
                    continue;
                }
                (Done::All, None) => self.inserted(),
                // A walk unlinks it, unless another did.
                (Done::Marked, Some(old)) => Self::unlink(start, guard, order, old.turn),
                _ => {}
            }
            // SAFETY: protected: it was stamped before the walk loaded a link.
            let entry = unsafe { OwnedNode::entry_of(head) };
            let replaced = at.entry.is_some();
            return Ok(Put { replaced, entry });
        }
    }

    /// Takes a key out, if its entry is `wanted`.
    pub(super) fn remove<'g, Q, D: Domain, R: Role>(
        &'g self,
        guard: &'g Guard<'_, D, R>,
        order: usize,
        key: &Q,
        mut wanted: impl FnMut(&K, &V) -> bool,
    ) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let start = self.place_linked(order, guard);
        loop {
            let at = Self::seek(start, guard, order, key);
            let old = at.entry?;
            if !wanted(&old.key, &old.value) {
                return None;
            }
            // SAFETY: `old` is there, and on the heap.
            match unsafe { (at.found).remove::<Heap, D, R>(guard, || self.removed()) } {
                Done::Nothing => continue,
                Done::Marked => Self::unlink(start, guard, order, old.turn),
                Done::All => {}
            }
            return Some(&old.value);
        }
    }

    /// Walks past a marked node, which unlinks it.
    fn unlink<D: Domain, R: Role>(
        start: &Place<Head<K, V>>,
        guard: &Guard<'_, D, R>,
        order: usize,
        turn: u64,
    ) {
        Self::walk(start, guard, |node| {
            let (its, entry) = node.look();
            (its, entry.map_or(0, |entry| entry.turn)) <= (order, turn)
        });
    }

    /// The first entry after one of this order and turn, and its order.
    pub(super) fn after<'g, D: Domain, R: Role>(
        &'g self,
        guard: &'g Guard<'_, D, R>,
        (order, turn): (usize, u64),
    ) -> Option<(usize, &'g Entry<K, V>)> {
        let start = self.place_for(order, guard);
        let found = Self::walk(start, guard, |node| {
            // Where a bucket begins there is nothing.
            let (its, entry) = node.look();
            entry.is_none_or(|entry| (its, entry.turn) <= (order, turn))
        });
        let (order, entry) = found.node()?.look();
        Some((order, entry?))
    }
}
