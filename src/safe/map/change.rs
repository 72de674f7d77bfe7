//! Changes of a bucket, and the blocks for them.

use core::{borrow::Borrow, mem, ptr};

use super::{
    super::{Domain, Guard, Handle, Owned, node::Blank},
    list::{Entry, List, MapNode, Ptr, marked, unlink},
};
use crate::{
    Linked, Pool, Role,
    sync::{AtomicPtr, Ordering},
};

/// Which entry a new one may take the place of.
pub(super) enum Under<V> {
    /// None: the key is not there.
    New,
    /// One with the same key.
    Old,
    /// Either.
    Any,
    /// The one with this value.
    This(*const V),
}

impl<V> Under<V> {
    fn allows<K>(&self, old: Option<&Entry<K, V>>) -> bool {
        match self {
            Self::New => old.is_none(),
            Self::Old => old.is_some(),
            Self::Any => true,
            Self::This(value) => old.is_some_and(|old| ptr::eq(&raw const old.value, *value)),
        }
    }
}

/// A claimed block without an entry. Dropped, it goes back. Claimed before a
/// section is opened, see [`Blank`].
pub(super) struct Room<'p, K, V> {
    object: Ptr<K, V>,
    blank: Blank<'p, MapNode<K, V>>,
}

impl<'p, K, V> Room<'p, K, V> {
    pub(super) fn claim<const CAP: usize, D: Domain, R: Role>(
        pool: &'p Pool<MapNode<K, V>, CAP>,
        handle: &Handle<D, R>,
    ) -> Option<Self> {
        Some(Self::of(Blank::with(pool, handle, MapNode::EMPTY)?))
    }

    /// As `claim`, and opens a section by `enter`.
    pub(super) fn claim_in_section<const CAP: usize, D: Domain, R: Role, G>(
        pool: &'p Pool<MapNode<K, V>, CAP>,
        handle: &Handle<D, R>,
        enter: impl Fn() -> G,
    ) -> Option<(Self, G)> {
        let (blank, guard) = Blank::in_section(pool, handle, || MapNode::EMPTY, enter)?;
        Some((Self::of(blank), guard))
    }

    fn of(blank: Blank<'p, MapNode<K, V>>) -> Self {
        let object = blank.object().cast();
        Self { object, blank }
    }

    /// Puts an entry into the block.
    pub(super) fn fill<D: Domain>(self, key: K, value: V) -> Owned<Entry<K, V>, D> {
        let next = AtomicPtr::new(ptr::null_mut());
        mem::forget(self.blank);
        // SAFETY: the block is ours; `MapNode` is transparent, so it has the
        // layout of one for an entry. Maps in which this is published are in a
        // static, or borrow a pool that is.
        unsafe {
            (&raw mut (*self.object).value).write(Entry { next, key, value });
            Owned::from_object(self.object)
        }
    }

    /// Takes the entry back, which was not published. The block is kept.
    pub(super) fn empty<D: Domain>(entry: Owned<Entry<K, V>, D>) -> (Self, Entry<K, V>) {
        let object = entry.as_object();
        mem::forget(entry);
        // SAFETY: it was an `Owned`: valid and ours. The entry is read once,
        // and the block has none from here on. Its pool is a static's.
        unsafe {
            let entry = (&raw const (*object).value).read();
            let blank = Blank::of(object.cast::<Linked<MapNode<K, V>>>());
            (Self { object, blank }, entry)
        }
    }
}

/// An entry that was not put, and the value that is there instead.
pub(super) struct NotPut<'g, K, V, D: Domain> {
    pub(super) new: Owned<Entry<K, V>, D>,
    pub(super) found: Option<&'g V>,
}

impl<K: Send + 'static, V: Send + 'static> List<K, V> {
    /// Links a new entry, in the place of one with the same key if there is
    /// one. Returns whether there was.
    pub(super) fn put<'g, D: Domain, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        new: Owned<Entry<K, V>, D>,
        under: &Under<V>,
    ) -> Result<bool, NotPut<'g, K, V, D>>
    where
        K: Ord,
    {
        loop {
            let found = self.seek(guard, |key| *key < new.key);
            let old = found.with_key(&new.key);
            if !under.allows(old) {
                let found = old.map(|old| &old.value);
                return Err(NotPut { new, found });
            }
            let (link, here, next) = (found.link, found.here, found.next);
            let after = if old.is_some() { next } else { here };
            // Relaxed: not published yet.
            new.next.store(after, Ordering::Relaxed);
            let object = new.as_object();
            // Release: pairs with the Acquire in `seek`; without it the entry
            // might not be there yet. Relaxed on failure: `seek` looks again.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            let linked = match old {
                Some(old) => (old.next).compare_exchange(next, marked(object), success, failure),
                None => link.compare_exchange(here, object, success, failure),
            };
            if linked.is_err() {
                continue;
            }
            mem::forget(new);
            if let Some(old) = old {
                // SAFETY: `here` is protected and marked, `object` its
                // successor.
                if !unsafe { unlink(guard, link, here, object) } {
                    // The link changed: a walk unlinks it, unless another did.
                    self.seek(guard, |other| *other < old.key);
                }
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
            let old = found.with_key(key)?;
            if !wanted(&old.key, &old.value) {
                return None;
            }
            let (link, here, next) = (found.link, found.here, found.next);
            // Relaxed: the mark publishes nothing. It continues the release
            // sequence of the store of `next`, and a thread that acts on it
            // unlinks with Release. On failure `seek` looks again.
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            if (old.next)
                .compare_exchange(next, marked(next), success, failure)
                .is_err()
            {
                continue;
            }
            // SAFETY: protected, marked, and `next` is its successor.
            if !unsafe { unlink(guard, link, here, next) } {
                // The link changed: a walk unlinks it, unless another did.
                self.seek(guard, |other| other.borrow() < key);
            }
            return Some(&old.value);
        }
    }
}
