//! Calls that take keys out.

use core::{borrow::Borrow, hash::Hash};

use super::{
    super::{Domain, Guard, Handle, Storage},
    Map, MapNode,
};
use crate::Role;

impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> Map<K, V, BUCKETS, CAP, D, P>
where
    K: Hash + Ord + Send + 'static,
    V: Send + 'static,
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
    /// Takes a key out. Its value stays readable until the guard is dropped.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// MAP.insert(&handle, 1, "one")?;
    /// let guard = handle.enter();
    /// assert_eq!(MAP.remove(&guard, &1), Some(&"one"));
    /// assert_eq!(MAP.remove(&guard, &1), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove<'g, Q, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        key: &Q,
    ) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Ord + ?Sized,
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
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// MAP.insert(&handle, 1, "one")?;
    /// let guard = handle.enter();
    /// assert_eq!(MAP.remove_if(&guard, &1, |_, name| name.is_empty()), None);
    /// assert_eq!(MAP.remove_if(&guard, &1, |_, name| *name == "one"), Some(&"one"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove_if<'g, Q, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        key: &Q,
        wanted: impl FnMut(&K, &V) -> bool,
    ) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Ord + ?Sized,
    {
        guard.local().cap_batch::<R>(CAP);
        self.bucket(key).remove(guard, key, wanted)
    }

    /// Takes out all keys for whose entries the closure returns `false`.
    ///
    /// Visits keys as [`iter`](Self::iter) does, in one section, and each as
    /// [`remove_if`](Self::remove_if) does, whose words about the closure hold for
    /// this one, too.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, u32, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// for key in 1..=8 {
    ///     MAP.insert(&handle, key, key * key)?;
    /// }
    /// MAP.retain(&handle, |_, square| *square < 20);
    /// assert_eq!(MAP.len(&handle), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        mut keep: impl FnMut(&K, &V) -> bool,
    ) {
        let guard = handle.enter();
        for bucket in &self.buckets {
            let mut last = None;
            while let Some((key, _)) = bucket.after(&guard, last) {
                guard.local().cap_batch::<R>(CAP);
                bucket.remove(&guard, key, |key, value| !keep(key, value));
                last = Some(key);
            }
        }
    }

    /// Takes out all keys. A key that another call inserts meanwhile may stay.
    ///
    /// One section lasts for the whole call, so no block is free before it
    /// returns.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// MAP.insert(&handle, 1, "one")?;
    /// MAP.clear(&handle);
    /// assert!(MAP.is_empty(&handle));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear<R: Role>(&'static self, handle: &Handle<D, R>) {
        self.retain(handle, |_, _| false);
    }
}
