//! A map: a fixed number of buckets, each a sorted list (see [`list`]).

mod hash;
mod iter;
mod list;

use core::{fmt, hash::Hash, marker::PhantomData};

pub use iter::Iter;
pub use list::MapNode;
use list::{List, Under};

use super::{
    Domain, Guard, Handle, InPool, Own, Owned, Refused, Storage, domain::Brand, node::drop_all,
};
use crate::{
    Pool, Role,
    sync::{Init, const_fn},
};

/// A map of at most `CAP` keys in `BUCKETS` lists, for any number of tasks and
/// interrupts. As many buckets as keys make the lists short.
///
/// | call | progress | in an interrupt |
/// |---|---|---|
/// | [`get`](Self::get) | basic mode: walks the bucket once, without a write; robust mode: lock-free, and unlinks removed nodes that it meets | yes |
/// | [`insert`](Self::insert), [`replace`](Self::replace), [`set`](Self::set), [`remove`](Self::remove) | lock-free: repeat if another call changed the same bucket | yes; with a deferred or per-CPU handle no key and no value is dropped in it |
/// | [`iter`](Self::iter) | each step as `get` in robust mode; steps along a bucket begin at its front | yes |
///
/// A value is not changed in place: to replace it is to put a new node, in one
/// step. There is no moment at which a key that is replaced is missing. Who
/// has a reference to the old value keeps it until the guard is dropped.
///
/// The hash is quick and not keyed: if strangers choose the keys, they can
/// choose them to meet in one bucket.
///
/// # Memory
///
/// A word for each bucket and `CAP` blocks. A block is in use from the insert
/// until no section can hold its node any more; a replace needs one more. A
/// call for which there is no block flushes its handle; if there is still
/// none, the answer is [`Refused::Full`], with key and value. What is held back
/// by open guards, in a handle's unpublished batch, or as spare blocks (`CAP
/// / 32` a handle, at most 64, on targets with caches) is missing until then.
/// For `live` keys the robust mode needs
/// [`Config::pool_size`](crate::Config::pool_size) blocks, with a key more for
/// each call that inserts or replaces at a time; in basic mode a section that
/// stalls holds back all that is removed or replaced from then on.
///
/// With [`InPool`] the `CAP` blocks are those of a pool that
/// [others use too](crate::safe#several-structures-in-one-pool).
///
/// # Values that are left
///
/// A map in a `static` is never dropped, nor are the values in it. One that is
/// dropped drops them, and gives blocks of a shared pool back.
///
/// ```
/// #![forbid(unsafe_code)]
/// use hyaline::{Collector, domain, safe::{Domain, Map}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static NEIGHBOURS: Map<[u8; 4], &str, 16, 64, App> = Map::new();
///
/// let handle = App::register()?;
/// NEIGHBOURS.insert(&handle, [10, 0, 0, 1], "eth0")?;
/// NEIGHBOURS.insert(&handle, [10, 0, 0, 2], "eth1")?;
/// NEIGHBOURS.replace(&handle, [10, 0, 0, 2], "eth2")?;
///
/// let guard = handle.enter();
/// assert_eq!(NEIGHBOURS.get(&guard, &[10, 0, 0, 2]), Some(&"eth2"));
/// assert_eq!(NEIGHBOURS.remove(&guard, &[10, 0, 0, 1]), Some(&"eth0"));
/// assert_eq!(NEIGHBOURS.iter(&guard).count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Map<K, V, const BUCKETS: usize, const CAP: usize, D: Domain, P = Own>
where
    P: Storage<MapNode<K, V>, CAP>,
{
    buckets: [List<K, V>; BUCKETS],
    nodes: P::Nodes,
    of: PhantomData<Brand<D>>,
}

// SAFETY: gives out `&K` and `&V`, and drops both on any thread. The pool of
// either storage can be shared if they are `Send`.
unsafe impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> Sync
    for Map<K, V, BUCKETS, CAP, D, P>
where
    K: Send + Sync,
    V: Send + Sync,
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
}
// SAFETY: as above.
unsafe impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> Send
    for Map<K, V, BUCKETS, CAP, D, P>
where
    K: Send + Sync,
    V: Send + Sync,
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
}

impl<K, V, const BUCKETS: usize, const CAP: usize, D: Domain> Map<K, V, BUCKETS, CAP, D> {
    const_fn! {
        /// An empty map with a pool of its own.
        ///
        /// One without buckets does not compile.
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::Map};
        ///
        /// domain!(App: Collector<2> = Collector::new());
        /// static ROUTES: Map<u32, [u8; 4], 16, 64, App> = Map::new();
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            Self::empty(Pool::new())
        }
    }
}

impl<K, V, const BUCKETS: usize, const CAP: usize, D> Map<K, V, BUCKETS, CAP, D, InPool>
where
    K: 'static,
    V: 'static,
    D: Domain,
{
    const_fn! {
        /// An empty map that takes its nodes from a shared pool.
        ///
        /// One without buckets does not compile.
        ///
        /// ```
        /// use hyaline::{Collector, Pool, domain, safe::{Domain, InPool, Map, MapNode}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static NODES: Pool<MapNode<u32, &str>, 16> = Pool::new();
        /// static TCP: Map<u32, &str, 8, 16, App, InPool> = Map::in_pool(&NODES);
        /// static UDP: Map<u32, &str, 4, 16, App, InPool> = Map::in_pool(&NODES);
        ///
        /// let handle = App::register()?;
        /// TCP.insert(&handle, 80, "http")?;
        /// UDP.insert(&handle, 53, "dns")?;
        /// assert_eq!(TCP.get(&handle.enter(), &53), None);
        /// assert_eq!(NODES.available(), 14);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn in_pool(nodes: &'static Pool<MapNode<K, V>, CAP>) -> Self {
            Self::empty(nodes)
        }
    }
}

impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> Map<K, V, BUCKETS, CAP, D, P>
where
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
    const_fn! {
        const fn empty(nodes: P::Nodes) -> Self {
            const { assert!(BUCKETS > 0, "a map has at least one bucket") };
            Self {
                #[cfg(not(hyaline_loom))]
                buckets: [const { <List<K, V> as Init>::INIT }; BUCKETS],
                #[cfg(hyaline_loom)]
                buckets: core::array::from_fn(|_| <List<K, V> as Init>::init()),
                nodes,
                of: PhantomData,
            }
        }
    }
}

impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> Map<K, V, BUCKETS, CAP, D, P>
where
    K: Hash + Ord + Send + 'static,
    V: Send + 'static,
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
    /// The list that a key belongs to.
    #[inline]
    fn bucket(&'static self, key: &K) -> &'static List<K, V> {
        &self.buckets[hash::bucket(key, BUCKETS)]
    }

    /// The value under a key.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Map}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static MAP: Map<u32, u32, 4, 8, App> = Map::new();
    /// let handle = App::register()?;
    /// assert_eq!(MAP.get(&handle.enter(), &1), None);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn get<'g, R: Role>(&'static self, guard: &'g Guard<'_, D, R>, key: &K) -> Option<&'g V> {
        self.bucket(key).get(guard, key)
    }

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
        self.put(handle, key, value, Under::New).map(drop)
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
        self.put(handle, key, value, Under::Old).map(drop)
    }

    /// Puts a value under a key, whether it is there or not, and says if it
    /// was.
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
    /// assert_eq!(MAP.set(&handle, 1, "one"), Ok(false));
    /// assert_eq!(MAP.set(&handle, 1, "uno"), Ok(true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        key: K,
        value: V,
    ) -> Result<bool, Refused<(K, V)>> {
        self.put(handle, key, value, Under::Any)
    }

    fn put<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        key: K,
        value: V,
        under: Under,
    ) -> Result<bool, Refused<(K, V)>> {
        // Before the section: see `node::Blank`. Owned: it is dropped if a
        // comparison of keys panics.
        let node = MapNode::new(key, value);
        let new = match Owned::new(P::pool(&self.nodes), handle, node) {
            Ok(new) => new,
            Err(full) => return Err(Refused::Full(full.into_inner().into_parts())),
        };
        let bucket = self.bucket(new.key());
        let guard = handle.enter();
        let put = bucket.put(&guard, new, under);
        // Before key and value are on their way out: if a reclaimer panics
        // here, they are dropped and not leaked.
        drop(guard);
        put.map_err(|unused| Refused::Mismatch(unused.into_inner_of(handle).into_parts()))
    }

    /// Takes a key out. Its value can be looked at until the guard is dropped.
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
    pub fn remove<'g, R: Role>(
        &'static self,
        guard: &'g Guard<'_, D, R>,
        key: &K,
    ) -> Option<&'g V> {
        self.bucket(key).remove(guard, key)
    }

    /// All keys with their values, bucket by bucket, and ascending in each.
    ///
    /// While others go on changing the map, a key that is there all the time
    /// comes once, a key that is there for a part of it at most once.
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
    pub fn iter<'g, R: Role>(&'static self, guard: &'g Guard<'_, D, R>) -> Iter<'g, K, V, D, R> {
        Iter::new(&self.buckets, guard)
    }
}

impl<K, V, const BUCKETS: usize, const CAP: usize, D: Domain> Default
    for Map<K, V, BUCKETS, CAP, D>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> Drop for Map<K, V, BUCKETS, CAP, D, P>
where
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
    fn drop(&mut self) {
        let Self { buckets, nodes, .. } = self;
        let mut buckets = buckets.iter_mut();
        let mut bucket = buckets.next();
        drop_all(|| {
            loop {
                if let Some(node) = bucket.as_mut()?.take_first::<P, CAP>(nodes) {
                    return Some(node);
                }
                bucket = buckets.next();
            }
        });
    }
}

impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> fmt::Debug
    for Map<K, V, BUCKETS, CAP, D, P>
where
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("buckets", &BUCKETS)
            .field("capacity", &CAP)
            .finish_non_exhaustive()
    }
}
