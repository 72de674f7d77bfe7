//! Calls that put a value.

use core::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    ptr,
};

use super::{
    super::{Domain, Full, Handle, Ref, Refused, list::PutMode},
    HashMap,
    change::NotPut,
    node::Room,
};
use crate::{Role, role::may_drop};

impl<K, V, S, D> HashMap<K, V, S, D>
where
    K: Hash + Eq + Send + 'static,
    V: Send + 'static,
    S: BuildHasher,
    D: Domain,
{
    /// Puts a value under a key that is not there.
    ///
    /// # Errors
    ///
    /// [`Refused`], with key and value: `Mismatch` if the key is there, `Full`
    /// if there is no memory.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap, Refused}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<u32, &str, _, App>::with_hasher(RandomState::new());
    /// map.insert(&handle, 1, "one")?;
    /// assert_eq!(map.insert(&handle, 1, "uno"), Err(Refused::Mismatch((1, "uno"))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert<R: Role>(
        &self,
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
    /// `Full` if there is no memory.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap, Refused}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<u32, &str, _, App>::with_hasher(RandomState::new());
    /// assert_eq!(map.replace(&handle, 1, "one"), Err(Refused::Mismatch((1, "one"))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace<R: Role>(
        &self,
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
    /// [`Refused::Full`], with key and value, if there is no memory.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<u32, &str, _, App>::with_hasher(RandomState::new());
    /// assert_eq!(map.upsert(&handle, 1, "one"), Ok(false));
    /// assert_eq!(map.upsert(&handle, 1, "uno"), Ok(true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upsert<R: Role>(
        &self,
        handle: &Handle<D, R>,
        key: K,
        value: V,
    ) -> Result<bool, Refused<(K, V)>> {
        self.put(handle, key, value, &PutMode::Upsert)
    }

    /// Puts a value under a key whose value is `current`: the same one, not an
    /// equal one.
    ///
    /// # Errors
    ///
    /// [`Refused`], with key and value: `Mismatch` if the key has another value
    /// or is not there, `Full` if there is no memory.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap, Refused}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<u32, &str, _, App>::with_hasher(RandomState::new());
    /// map.insert(&handle, 1, "one")?;
    /// let guard = handle.enter();
    /// let one = map.get(&guard, &1).unwrap();
    /// map.compare_exchange(&handle, 1, one, "uno")?;
    /// let late = map.compare_exchange(&handle, 1, one, "un");
    /// assert_eq!(late, Err(Refused::Mismatch((1, "un"))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_exchange<R: Role>(
        &self,
        handle: &Handle<D, R>,
        key: K,
        current: &V,
        new: V,
    ) -> Result<(), Refused<(K, V)>> {
        self.put(handle, key, new, &PutMode::Exchange(current))
            .map(drop)
    }

    fn put<R: Role>(
        &self,
        handle: &Handle<D, R>,
        key: K,
        value: V,
        mode: &PutMode<V>,
    ) -> Result<bool, Refused<(K, V)>> {
        // Before key and value go anywhere, as the flush may panic.
        let Some(room) = Room::claim(handle) else {
            return Err(Refused::Full((key, value)));
        };
        let order = self.order(&key);
        let new = room.fill(order, key, value);
        let guard = handle.enter();
        let put = self.table.put(&guard, order, new, mode);
        let put = put.map(|put| put.replaced).map_err(|unput| unput.new);
        // Before key and value are on their way out: if a reclaimer panics
        // here, they are dropped and not leaked.
        drop(guard);
        put.map_err(|unused| Refused::Mismatch(unused.into_inner()))
    }

    /// The value under a key; `value`, if the key is not there.
    ///
    /// If the key is there, `key` and `value` are dropped. A deferred or
    /// per-CPU handle drops nothing: if one of them needs a drop, the call
    /// always allocates, and retires the node with both if the key is there.
    ///
    /// # Errors
    ///
    /// [`Full`], with key and value, if there is no memory.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<u32, &str, _, App>::with_hasher(RandomState::new());
    /// assert_eq!(*map.get_or_insert(&handle, 1, "one")?, "one");
    /// assert_eq!(*map.get_or_insert(&handle, 1, "uno")?, "one");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_or_insert<'h, R: Role>(
        &'h self,
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
    /// [`Full`], with the key, if there is no memory. The closure has not run
    /// then.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<u32, String, _, App>::with_hasher(RandomState::new());
    /// let one = map.get_or_insert_with(&handle, 1, || "one".into())?;
    /// assert_eq!(*one, "one");
    /// # drop(one);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_or_insert_with<'h, R: Role>(
        &'h self,
        handle: &'h Handle<D, R>,
        key: K,
        make: impl FnOnce() -> V,
    ) -> Result<Ref<'h, V, D, R>, Full<K>> {
        self.get_or_make(handle, key, make, |make| make())
            .map_err(Full::into_key)
    }

    fn get_or_make<'h, N, R: Role>(
        &'h self,
        handle: &'h Handle<D, R>,
        key: K,
        seed: N,
        make: impl FnOnce(N) -> V,
    ) -> Result<Ref<'h, V, D, R>, Full<(K, N)>> {
        let order = self.order(&key);
        if may_drop::<(K, V), R>() {
            let guard = handle.enter();
            if let Some(entry) = self.table.find(&guard, order, &key) {
                let value = &raw const entry.value;
                // Before the guard is on its way out: if one of them panics
                // here, the guard is dropped and not leaked.
                drop((key, seed, make));
                // SAFETY: `find` found it under this guard. The map is borrowed.
                return Ok(unsafe { Ref::new(value, guard) });
            }
        }
        let Some(room) = Room::claim(handle) else {
            return Err(Full((key, seed)));
        };
        let new = room.fill(order, key, make(seed));
        let guard = handle.enter();
        let value = match self.table.put(&guard, order, new, &PutMode::Insert) {
            // SAFETY: it is protected.
            Ok(own) => unsafe { &raw const (*own.entry).value },
            Err(NotPut { new, found }) => {
                let Some(found) = found else {
                    unreachable!("what refuses a new key is an entry");
                };
                let found = ptr::from_ref(found);
                if may_drop::<(K, V), R>() {
                    drop(new);
                } else {
                    new.retire(&guard);
                }
                found
            }
        };
        // SAFETY: one that `put` found under this guard, or our entry. Robust
        // mode: `put` loaded a link after the node was stamped, so the section
        // protects what was born then. The map is borrowed.
        Ok(unsafe { Ref::new(value, guard) })
    }

    /// Puts a value that is made from the one under the key, and returns it;
    /// `None` if the key is not there.
    ///
    /// If another call changes the entry meanwhile, the closure runs again with
    /// the value found then, and what it made before is dropped. A deferred or
    /// per-CPU handle retires it instead, and allocates again, if key or value
    /// need a drop.
    ///
    /// A closure that changes the entry itself, each time it runs, is always faster:
    /// the call [does not end](crate::safe#where-values-are-dropped-and-panics).
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no memory, whether or not the key is there. The closure has
    /// not run then, unless a deferred or per-CPU handle had to allocate again.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<String, u32, _, App>::with_hasher(RandomState::new());
    /// map.insert(&handle, "ping".into(), 1)?;
    /// let count = map.update(&handle, "ping", |count| count + 1)?;
    /// assert_eq!(count.as_deref(), Some(&2));
    /// assert!(map.update(&handle, "pong", |count| count + 1)?.is_none());
    /// # drop(count);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update<'h, Q, R: Role>(
        &'h self,
        handle: &'h Handle<D, R>,
        key: &Q,
        mut make: impl FnMut(&V) -> V,
    ) -> Result<Option<Ref<'h, V, D, R>>, Full<()>>
    where
        K: Borrow<Q> + Clone,
        Q: Hash + Eq + ?Sized,
    {
        let order = self.order(key);
        let mut room = Room::claim(handle).ok_or(Full(()))?;
        let guard = handle.enter();
        loop {
            let Some(old) = self.table.find(&guard, order, key) else {
                return Ok(None);
            };
            let new = room.fill(order, old.key.clone(), make(&old.value));
            let mode = PutMode::Exchange(&raw const old.value);
            let new = match self.table.put(&guard, order, new, &mode) {
                Ok(own) => {
                    // Before the guard is on its way out, as above.
                    drop(make);
                    // SAFETY: our entry, protected as in `get_or_make`.
                    return Ok(Some(unsafe {
                        Ref::new(&raw const (*own.entry).value, guard)
                    }));
                }
                Err(unput) => unput.new,
            };
            if may_drop::<(K, V), R>() {
                let (kept, unused) = new.empty();
                room = kept;
                drop(unused);
            } else {
                new.retire(&guard);
                room = Room::claim(handle).ok_or(Full(()))?;
            }
        }
    }
}
