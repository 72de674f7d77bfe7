//! Calls that change nothing.

use core::{borrow::Borrow, hash::Hash};

use super::{
    super::{Domain, Guard, Handle, Storage},
    Iter, Map, MapNode,
};
use crate::Role;

impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> Map<K, V, BUCKETS, CAP, D, P>
where
    K: Hash + Ord + Send + 'static,
    V: Send + 'static,
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
    /// The value under a key.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<String, u32, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// MAP.insert(&handle, "one".into(), 1)?;
    /// let guard = handle.enter();
    /// assert_eq!(MAP.get(&guard, "one"), Some(&1));
    /// assert_eq!(MAP.get(&guard, "two"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get<'g, Q, R: Role>(&'static self, guard: &'g Guard<'_, D, R>, key: &Q) -> Option<&'g V>
    where
        K: Borrow<Q>,
        Q: Hash + Ord + ?Sized,
    {
        (self.bucket(key).get(guard, key)).map(|entry| &entry.value)
    }

    /// Whether a key is there.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// MAP.insert(&handle, 1, "one")?;
    /// assert!(MAP.contains_key(&handle, &1));
    /// assert!(!MAP.contains_key(&handle, &2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains_key<Q, R: Role>(&'static self, handle: &Handle<D, R>, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Ord + ?Sized,
    {
        self.get(&handle.enter(), key).is_some()
    }

    /// How many keys there are: approximate while other calls change the map,
    /// as each bucket is counted at another time. O(keys + buckets).
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// MAP.insert(&handle, 1, "one")?;
    /// assert_eq!(MAP.len(&handle), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len<R: Role>(&'static self, handle: &Handle<D, R>) -> usize {
        let guard = handle.enter();
        self.buckets.iter().map(|bucket| bucket.count(&guard)).sum()
    }

    /// Whether there is no key: approximate, as [`len`](Self::len). Ends at the
    /// first key.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, &str, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// assert!(MAP.is_empty(&handle));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn is_empty<R: Role>(&'static self, handle: &Handle<D, R>) -> bool {
        self.iter(&handle.enter()).next().is_none()
    }

    /// All keys with their values, bucket by bucket, and ascending in each.
    ///
    /// While other calls change the map, a key that is there all the time
    /// comes once; a key that is there part of the time comes at most once.
    ///
    /// In robust mode a walk that others overtake is more than one
    /// [stall](crate::bound): each later era in which it takes a step counts two
    /// more, and as many as all other sections count. Where memory is fixed, take
    /// [each step in a section of its own](Self::iter_after).
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, u32, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// for key in 1..=8 {
    ///     MAP.insert(&handle, key, key * key)?;
    /// }
    /// let guard = handle.enter();
    /// assert_eq!(MAP.iter(&guard).map(|(_, square)| square).sum::<u32>(), 204);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter<'g, R: Role>(&'static self, guard: &'g Guard<'_, D, R>) -> Iter<'g, K, V, D, R, P> {
        Iter::new(&self.buckets, guard, None)
    }

    /// The keys that [`iter`](Self::iter) yields after `key`, which need not be in the
    /// map any more.
    ///
    /// With a copy of the last key a walk can end its section between two keys, so that
    /// it holds nothing back for long, or waits between them. What `iter` says about
    /// calls that change the map meanwhile holds for such a walk, too.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, u32, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// for key in 1..=8 {
    ///     MAP.insert(&handle, key, key * key)?;
    /// }
    /// let (mut sum, mut last) = (0, None);
    /// loop {
    ///     let guard = handle.enter(); // a section for each key
    ///     let next = match &last {
    ///         None => MAP.iter(&guard).next(),
    ///         Some(key) => MAP.iter_after(&guard, key).next(),
    ///     };
    ///     let Some((key, square)) = next else { break };
    ///     sum += square;
    ///     last = Some(*key);
    /// }
    /// assert_eq!(sum, 204);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter_after<'g, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        key: &'g K,
    ) -> Iter<'g, K, V, D, R, P> {
        Iter::new(&self.buckets[self.index(key)..], guard, Some(key))
    }
}
