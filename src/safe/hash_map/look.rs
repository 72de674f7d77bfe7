//! Calls that put nothing.

use core::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    iter,
};

use super::{
    super::{Domain, Guard, Handle},
    HashMap,
};
use crate::Role;

impl<K, V, S, D> HashMap<K, V, S, D>
where
    K: Hash + Eq + Send + 'static,
    V: Send + 'static,
    S: BuildHasher,
    D: Domain,
{
    /// The value under a key.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<String, u32, _, App>::with_hasher(RandomState::new());
    /// map.insert(&handle, "one".into(), 1)?;
    /// let guard = handle.enter();
    /// assert_eq!(map.get(&guard, "one"), Some(&1));
    /// assert_eq!(map.get(&guard, "two"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get<'g, Q, R: Role>(&'g self, guard: &'g Guard<'_, D, R>, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entry = self.table.find(guard, self.order(key), key)?;
        Some(&entry.value)
    }

    /// Whether a key is there.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<_, _, _, App>::with_hasher(RandomState::new());
    /// map.insert(&handle, 1, "one")?;
    /// assert!(map.contains_key(&handle, &1));
    /// assert!(!map.contains_key(&handle, &2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains_key<Q, R: Role>(&self, handle: &Handle<D, R>, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(&handle.enter(), key).is_some()
    }

    /// All keys with their values, in no order that says anything.
    ///
    /// While other calls change the map, a key that is there all the time
    /// comes once. In robust mode a walk that others overtake is more than one stall, as
    /// in [`Map::iter`](crate::safe::Map::iter).
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<u32, u32, _, App>::with_hasher(RandomState::new());
    /// for key in 1..=8 {
    ///     map.insert(&handle, key, key * key)?;
    /// }
    /// let guard = handle.enter();
    /// assert_eq!(map.iter(&guard).map(|(_, square)| square).sum::<u32>(), 204);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter<'g, R: Role>(
        &'g self,
        guard: &'g Guard<'_, D, R>,
    ) -> impl Iterator<Item = (&'g K, &'g V)> {
        // A place in the list may be gone, and an order is not.
        let mut last = (0, 0);
        iter::from_fn(move || {
            let (order, entry) = self.table.after(guard, last)?;
            last = (order, entry.turn);
            Some((&entry.key, &entry.value))
        })
    }

    /// Takes a key out. Its value stays readable until the guard is dropped.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<_, _, _, App>::with_hasher(RandomState::new());
    /// map.insert(&handle, 1, "one")?;
    /// let guard = handle.enter();
    /// assert_eq!(map.remove(&guard, &1), Some(&"one"));
    /// assert_eq!(map.remove(&guard, &1), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove<'g, Q, R: Role>(&'g self, guard: &'g Guard<'_, D, R>, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.remove_if(guard, key, |_, _| true)
    }

    /// Takes a key out if the closure returns `true` for its entry. The entry
    /// does not change between the two.
    ///
    /// The closure runs again if another call changes the bucket meanwhile. If it
    /// changes the entry itself, each time it runs, the call [does not
    /// end](crate::safe#where-values-are-dropped-and-panics).
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<_, _, _, App>::with_hasher(RandomState::new());
    /// map.insert(&handle, 1, "one")?;
    /// let guard = handle.enter();
    /// assert_eq!(map.remove_if(&guard, &1, |_, name| name.is_empty()), None);
    /// assert_eq!(map.remove_if(&guard, &1, |_, name| *name == "one"), Some(&"one"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove_if<'g, Q, R: Role>(
        &'g self,
        guard: &'g Guard<'_, D, R>,
        key: &Q,
        wanted: impl FnMut(&K, &V) -> bool,
    ) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.table.remove(guard, self.order(key), key, wanted)
    }

    /// Takes out all keys for whose entries the closure returns `false`.
    ///
    /// Visits keys as [`iter`](Self::iter) does, in one section, and each as
    /// [`remove_if`](Self::remove_if) does, whose words about the closure hold for
    /// this one, too.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<u32, u32, _, App>::with_hasher(RandomState::new());
    /// for key in 1..=8 {
    ///     map.insert(&handle, key, key * key)?;
    /// }
    /// map.retain(&handle, |_, square| *square < 20);
    /// assert_eq!(map.len(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain<R: Role>(&self, handle: &Handle<D, R>, mut keep: impl FnMut(&K, &V) -> bool) {
        let guard = handle.enter();
        let mut last = (0, 0);
        while let Some((order, entry)) = self.table.after(&guard, last) {
            last = (order, entry.turn);
            let dropped = |key: &K, value: &V| !keep(key, value);
            (self.table).remove(&guard, order, &entry.key, dropped);
        }
    }

    /// Takes out all keys. A key that another call inserts meanwhile may stay.
    ///
    /// One section lasts for the whole call, so nothing is freed before it
    /// returns.
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<_, _, _, App>::with_hasher(RandomState::new());
    /// map.insert(&handle, 1, "one")?;
    /// map.clear(&handle);
    /// assert!(map.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear<R: Role>(&self, handle: &Handle<D, R>) {
        self.retain(handle, |_, _| false);
    }
}
