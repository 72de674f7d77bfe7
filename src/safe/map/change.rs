//! Changes of a bucket, and the blocks for them.

use core::{borrow::Borrow, mem, ptr};

use super::{
    super::{
        Domain, Guard, Handle, Origin, Owned, Storage,
        list::{Done, Ptr, PutMode},
        node::VacantBlock,
    },
    list::{Entry, List, MapNode, Node},
};
use crate::{Linked, Role, sync::AtomicPtr};

/// Claimed memory without an entry. Dropped, it goes back. Claimed before a
/// section is opened, see [`VacantBlock`].
pub(super) struct Room<'p, K, V, P: Origin> {
    object: Ptr<Node<K, V>>,
    blank: VacantBlock<'p, MapNode<K, V>, P>,
}

impl<'p, K, V, P: Origin> Room<'p, K, V, P> {
    pub(super) fn claim<const CAP: usize, D: Domain, R: Role>(
        nodes: &'p P::Nodes,
        handle: &Handle<D, R>,
    ) -> Option<Self>
    where
        P: Storage<MapNode<K, V>, CAP>,
    {
        let blank = VacantBlock::claim::<CAP, D, R>(nodes, handle)?;
        Some(Self::of(blank))
    }

    /// As `claim`, and opens a section by `enter`.
    pub(super) fn claim_in_section<const CAP: usize, D: Domain, R: Role, G>(
        nodes: &'p P::Nodes,
        handle: &Handle<D, R>,
        enter: impl Fn() -> G,
    ) -> Option<(Self, G)>
    where
        P: Storage<MapNode<K, V>, CAP>,
    {
        let (blank, guard) = VacantBlock::claim_in_section::<CAP, D, R, G>(nodes, handle, enter)?;
        Some((Self::of(blank), guard))
    }

    fn of(blank: VacantBlock<'p, MapNode<K, V>, P>) -> Self {
        let object = blank.object().cast();
        Self { object, blank }
    }

    /// Puts an entry into the memory.
    pub(super) fn fill<D: Domain>(self, key: K, value: V) -> Owned<Entry<K, V>, D, P> {
        let next = AtomicPtr::new(ptr::null_mut());
        mem::forget(self.blank);
        // SAFETY: the memory is ours; `MapNode` is transparent, so it has the
        // layout of one for an entry. Maps in which this is published are in a
        // static, or borrow a pool that is, or the entry is on the heap.
        unsafe {
            (&raw mut (*self.object).value).write(Entry { next, key, value });
            Owned::from_object(self.object)
        }
    }

    /// Takes the entry back, which was not published. The memory is kept.
    pub(super) fn empty<D: Domain>(entry: Owned<Entry<K, V>, D, P>) -> (Self, Entry<K, V>) {
        let object = entry.into_object();
        // SAFETY: it was an `Owned`: valid and ours. The entry is read once,
        // and the memory has none from here on. A pool is a static's.
        unsafe {
            let entry = (&raw const (*object).value).read();
            let blank = VacantBlock::of(object.cast::<Linked<MapNode<K, V>>>());
            (Self { object, blank }, entry)
        }
    }
}

/// An entry that was not put, and the value that is there instead.
pub(super) struct NotPut<'g, K, V, D: Domain, P: Origin> {
    pub(super) new: Owned<Entry<K, V>, D, P>,
    pub(super) found: Option<&'g V>,
}

impl<K: Send + 'static, V: Send + 'static, P: Origin> List<K, V, P> {
    /// Links a new entry, in the place of one with the same key if there is
    /// one. Returns whether there was.
    pub(super) fn put<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        mut new: Owned<Entry<K, V>, D, P>,
        mode: &PutMode<V>,
    ) -> Result<bool, NotPut<'g, K, V, D, P>>
    where
        K: Ord,
    {
        loop {
            let found = self.seek(guard, |key| *key < new.key);
            let old = found
                .node()
                .and_then(|node| node.entry().with_key(&new.key));
            let value = old.map(|old| &old.value);
            if !mode.allows(value) {
                return Err(NotPut { new, found: value });
            }
            // Not ours if a reclaimer panics, which runs when it is linked.
            let object = new.into_object();
            // SAFETY: ours; `old` is there, and of this storage.
            let done = unsafe {
                match old {
                    Some(_) => found.replace::<P, D, R>(guard, object),
                    None => found.insert(object),
                }
            };
            match (done, old) {
                (Done::Nothing, _) => {
                    // SAFETY: still ours.
                    new = unsafe { Owned::from_object(object) };
                    continue;
                }
                (Done::Marked, Some(old)) => {
                    // A walk unlinks it, unless another did.
                    self.seek(guard, |other| *other < old.key);
                }
                _ => {}
            }
            return Ok(old.is_some());
        }
    }

    /// Takes a key out, if its entry is `wanted`.
    pub(super) fn remove<'g, Q, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        key: &Q,
        mut wanted: impl FnMut(&K, &V) -> bool,
    ) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        loop {
            let found = self.seek(guard, |other| other.borrow() < key);
            let old = found.node()?.entry().with_key(key)?;
            if !wanted(&old.key, &old.value) {
                return None;
            }
            // SAFETY: `old` is there, and of this storage.
            match unsafe { found.remove::<P, D, R>(guard, || ()) } {
                Done::Nothing => continue,
                Done::Marked => {
                    // A walk unlinks it, unless another did.
                    self.seek(guard, |other| other.borrow() < key);
                }
                Done::All => {}
            }
            return Some(&old.value);
        }
    }
}
