//! Calls that put a value.

use core::{borrow::Borrow, hash::Hash, ptr};

use super::{
    super::{Domain, Full, Guard, Handle, Origin, Owned, Ref, Refused, Storage, list::PutMode},
    Map, MapNode,
    change::{NotPut, Room},
    list::Entry,
};
use crate::{Role, role::may_drop};

impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> Map<K, V, BUCKETS, CAP, D, P>
where
    K: Hash + Ord + Send + 'static,
    V: Send + 'static,
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
    /// Puts a value under a key that is not there.
    ///
    /// # Errors
    ///
    /// [`Refused`], with key and value: `Mismatch` if the key is there, `Full`
    /// if there is no block.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map, Refused}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// MAP.insert(&handle, 1, "one")?;
    /// assert_eq!(MAP.insert(&handle, 1, "uno"), Err(Refused::Mismatch((1, "uno"))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        key: K,
        value: V,
    ) -> Result<(), Refused<(K, V)>> {
        self.put(handle, key, value, &PutMode::Insert).map(drop)
    }

    /// Puts a value under a key that is there.
    ///
    /// # Errors
    ///
    /// [`Refused`], with key and value: `Mismatch` if the key is not there,
    /// `Full` if there is no block.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map, Refused}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// assert_eq!(MAP.replace(&handle, 1, "one"), Err(Refused::Mismatch((1, "one"))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        key: K,
        value: V,
    ) -> Result<(), Refused<(K, V)>> {
        self.put(handle, key, value, &PutMode::Replace).map(drop)
    }

    /// Puts a value under a key, whether it is there or not. Returns whether it
    /// was there.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`], with key and value, if there is no block.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// assert_eq!(MAP.upsert(&handle, 1, "one"), Ok(false));
    /// assert_eq!(MAP.upsert(&handle, 1, "uno"), Ok(true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upsert<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        key: K,
        value: V,
    ) -> Result<bool, Refused<(K, V)>> {
        self.put(handle, key, value, &PutMode::Upsert)
    }

    /// Puts a value under a key whose value is `current`: the same one, not an
    /// equal one. The guard under which `current` was read holds back what is
    /// replaced meanwhile: `CAP` has to allow for that.
    ///
    /// # Errors
    ///
    /// [`Refused`], with key and value: `Mismatch` if the key has another value
    /// or is not there, `Full` if there is no block.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map, Refused}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// MAP.insert(&handle, 1, "one")?;
    /// let guard = handle.enter();
    /// let one = MAP.get(&guard, &1).unwrap();
    /// MAP.compare_exchange(&handle, 1, one, "uno")?;
    /// let late = MAP.compare_exchange(&handle, 1, one, "un");
    /// assert_eq!(late, Err(Refused::Mismatch((1, "un"))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_exchange<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        key: K,
        current: &V,
        new: V,
    ) -> Result<(), Refused<(K, V)>> {
        self.put(handle, key, new, &PutMode::Exchange(current))
            .map(drop)
    }

    fn put<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        key: K,
        value: V,
        mode: &PutMode<V>,
    ) -> Result<bool, Refused<(K, V)>> {
        // Before key and value go anywhere: see `node::VacantBlock`.
        let claimed =
            Room::<_, _, P>::claim_in_section::<CAP, D, R, _>(&self.nodes, handle, || {
                handle.enter()
            });
        let Some((room, guard)) = claimed else {
            return Err(Refused::Full((key, value)));
        };
        let new = room.fill(key, value);
        let bucket = self.bucket(&new.key);
        guard.local().cap_batch::<R>(CAP);
        let put = bucket.put(&guard, new, mode).map_err(|unput| unput.new);
        // Before key and value are on their way out: if a reclaimer panics
        // here, they are dropped and not leaked.
        drop(guard);
        put.map_err(|unused| {
            let Entry { key, value, .. } = unused.into_inner();
            Refused::Mismatch((key, value))
        })
    }

    /// The value under a key; `value`, if the key is not there.
    ///
    /// If the key is there, `key` and `value` are dropped. A deferred or
    /// per-CPU handle drops nothing: if one of them needs a drop, the call
    /// always takes a block, and retires it with both if the key is there.
    ///
    /// # Errors
    ///
    /// [`Full`], with key and value, if there is no block.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// assert_eq!(*MAP.get_or_insert(&handle, 1, "one")?, "one");
    /// assert_eq!(*MAP.get_or_insert(&handle, 1, "uno")?, "one");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_or_insert<'h, R: Role>(
        &'static self,
        handle: &'h Handle<D, R>,
        key: K,
        value: V,
    ) -> Result<Ref<'h, V, D, R>, Full<(K, V)>> {
        self.get_or_make(handle, key, value, |value| value)
    }

    /// The value under a key; what `make` returns, if the key is not there.
    ///
    /// The closure runs if the key was not found, outside of a section, and its
    /// value is dropped if another call inserts the key meanwhile. On a
    /// deferred or per-CPU handle, if key or value need a drop, the closure
    /// always runs, and key and value are retired if the key is there.
    ///
    /// # Errors
    ///
    /// [`Full`], with the key, if there is no block. The closure has not run
    /// then.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, String, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// let one = MAP.get_or_insert_with(&handle, 1, || "one".into())?;
    /// assert_eq!(*one, "one");
    /// # drop(one);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_or_insert_with<'h, R: Role>(
        &'static self,
        handle: &'h Handle<D, R>,
        key: K,
        make: impl FnOnce() -> V,
    ) -> Result<Ref<'h, V, D, R>, Full<K>> {
        self.get_or_make(handle, key, make, |make| make())
            .map_err(Full::into_key)
    }

    fn get_or_make<'h, S, R: Role>(
        &'static self,
        handle: &'h Handle<D, R>,
        key: K,
        seed: S,
        make: impl FnOnce(S) -> V,
    ) -> Result<Ref<'h, V, D, R>, Full<(K, S)>> {
        let bucket = self.bucket(&key);
        if may_drop::<(K, V), R>() {
            let guard = handle.enter();
            if let Some(entry) = bucket.get(&guard, &key) {
                let value = &raw const entry.value;
                // Before the guard is on its way out: if one of them panics
                // here, the guard is dropped and not leaked.
                drop((key, seed, make));
                // SAFETY: `get` found it under this guard.
                return Ok(unsafe { Ref::new(value, guard) });
            }
        }
        let Some(room) = Room::<_, _, P>::claim::<CAP, D, R>(&self.nodes, handle) else {
            return Err(Full((key, seed)));
        };
        let new = room.fill(key, make(seed));
        let guard = handle.enter();
        let own = &raw const new.value;
        guard.local().cap_batch::<R>(CAP);
        let value = match bucket.put(&guard, new, &PutMode::Insert) {
            Ok(_) => own,
            Err(NotPut { new, found }) => {
                let Some(found) = found else {
                    unreachable!("what refuses a new key is an entry");
                };
                let found = ptr::from_ref(found);
                if may_drop::<(K, V), R>() {
                    drop(new.into_inner());
                } else {
                    retire(&guard, new);
                }
                found
            }
        };
        // SAFETY: one that `put` found under this guard, or our entry. Robust
        // mode: `put` loaded a link after the block was claimed, so the section
        // protects what was born then.
        Ok(unsafe { Ref::new(value, guard) })
    }

    /// Puts a value that is made from the one under the key, and returns it;
    /// `None` if the key is not there.
    ///
    /// If another call changes the entry meanwhile, the closure runs again with
    /// the value found then, and what it made before is dropped. A deferred or
    /// per-CPU handle retires it instead, and takes another block, if key or
    /// value need a drop.
    ///
    /// A closure that changes the entry itself, each time it runs, is always faster:
    /// the call [does not end](crate::safe#where-values-are-dropped-and-panics).
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no block, whether or not the key is there. The closure has
    /// not run then, unless a deferred or per-CPU handle had to take another block.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static COUNTS: Map<String, u32, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// COUNTS.insert(&handle, "ping".into(), 1)?;
    /// let count = COUNTS.update(&handle, "ping", |count| count + 1)?;
    /// assert_eq!(count.as_deref(), Some(&2));
    /// assert!(COUNTS.update(&handle, "pong", |count| count + 1)?.is_none());
    /// # drop(count);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update<'h, Q, R: Role>(
        &'static self,
        handle: &'h Handle<D, R>,
        key: &Q,
        mut make: impl FnMut(&V) -> V,
    ) -> Result<Option<Ref<'h, V, D, R>>, Full<()>>
    where
        K: Borrow<Q> + Clone,
        Q: Hash + Ord + ?Sized,
    {
        let bucket = self.bucket(key);
        let claimed =
            Room::<_, _, P>::claim_in_section::<CAP, D, R, _>(&self.nodes, handle, || {
                handle.enter()
            });
        let (mut room, guard) = claimed.ok_or(Full(()))?;
        loop {
            let Some(old) = bucket.get(&guard, key) else {
                return Ok(None);
            };
            let key = old.key.clone();
            let new = room.fill(key, make(&old.value));
            let value = &raw const new.value;
            guard.local().cap_batch::<R>(CAP);
            let new = match bucket.put(&guard, new, &PutMode::Exchange(&raw const old.value)) {
                Ok(_) => {
                    // Before the guard is on its way out, as above.
                    drop(make);
                    // SAFETY: our entry, protected as in `get_or_make`.
                    return Ok(Some(unsafe { Ref::new(value, guard) }));
                }
                Err(unput) => unput.new,
            };
            if may_drop::<(K, V), R>() {
                let (kept, unused) = Room::empty(new);
                room = kept;
                drop(unused);
            } else {
                retire(&guard, new);
                let claimed = Room::claim::<CAP, D, R>(&self.nodes, handle);
                room = claimed.ok_or(Full(()))?;
            }
        }
    }
}

/// Retires an entry that was not put.
fn retire<K, V, D: Domain, P: Origin, R: Role>(
    guard: &Guard<'_, D, R>,
    unused: Owned<Entry<K, V>, D, P>,
) where
    K: Send + 'static,
    V: Send + 'static,
{
    // SAFETY: it was not published, so nobody can find it; as an `Owned` is, it
    // is of this storage, and stamped by a handle of this collector.
    unsafe { P::retire(guard, unused.into_object()) };
}
