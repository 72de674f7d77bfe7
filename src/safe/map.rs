//! A map: a fixed number of buckets, each a sorted list (see [`list`]).

mod change;
mod hash;
mod iter;
mod list;
mod look;
mod put;
mod take;

use core::{fmt, hash::Hash, marker::PhantomData};

pub use iter::Iter;
use list::List;
pub use list::MapNode;

#[cfg(feature = "alloc")]
use super::Heap;
use super::{Domain, OwnPool, SharedPool, Storage, domain::Brand, node::drop_all};
use crate::{
    Pool,
    sync::{const_fn, init_array},
};

/// A map of at most `CAP` keys in `BUCKETS` lists, for any number of tasks and
/// interrupts. With as many buckets as keys the lists are short.
///
/// | call | progress | in an interrupt |
/// |---|---|---|
/// | [`get`](Self::get) | basic mode: walks the bucket once, without a write; robust mode: lock-free, and unlinks removed nodes that it meets | basic mode: yes; robust mode: with a deferred or per-CPU handle, or if reclaimers may run there |
/// | [`contains_key`](Self::contains_key) | as `get` | with a deferred or per-CPU handle, or if reclaimers may run there |
/// | [`insert`](Self::insert), [`replace`](Self::replace), [`upsert`](Self::upsert), [`compare_exchange`](Self::compare_exchange), [`remove`](Self::remove), [`remove_if`](Self::remove_if), [`get_or_insert`](Self::get_or_insert), [`get_or_insert_with`](Self::get_or_insert_with), [`update`](Self::update) | lock-free: repeat if another call changed the same bucket | as for `contains_key` |
/// | [`iter`](Self::iter), [`iter_after`](Self::iter_after), [`retain`](Self::retain), [`clear`](Self::clear) | each step as `get` in robust mode; steps along a bucket begin at its front | as for `contains_key` |
/// | [`len`](Self::len), [`is_empty`](Self::is_empty) | lock-free: walk all buckets, and repeat one that others change | as for `contains_key` |
///
/// With a deferred or per-CPU handle no key and no value is dropped in these calls,
/// unless code of yours panics: a comparison, a hash, a clone or a closure.
///
/// A value is not changed in place: a new node takes the place of the old one
/// in one step, so a key that is replaced is never missing. A reference to the
/// old value stays valid until its guard is dropped.
///
/// The hash is quick and not keyed: strangers who choose the keys can choose
/// them to meet in one bucket.
///
/// # Keys that contradict themselves
///
/// `Hash`, `Ord` and `Eq` of a key have to agree with each other, with those
/// of what it is borrowed as, and with `Clone` in [`update`](Self::update), and
/// must not change while the key is in the map. Otherwise calls may miss keys
/// or find others, and `iter`, `retain`, `clear` and `update` may not end. The
/// map stays sound.
///
/// # Memory
///
/// A word for each bucket and `CAP` blocks. A block is in use from the insert until no
/// section can hold its node any more; a replacement needs one more. A call for which
/// there is no block flushes its handle, or with a deferred or per-CPU handle reclaims
/// what runs no user code; if there is still none, it is refused as full. Blocks that
/// open guards hold back, that are in a handle's unpublished batch, or that handles with
/// an open guard keep as spares (`CAP / 32` each, at most 64, on targets with caches) are
/// missing until then. For `live` keys the robust mode needs
/// [`Config::pool_size`](crate::Config::pool_size) blocks, counting a key more for each
/// call that puts something at the same time, and more than one stall for [a
/// walk](Self::iter) that others overtake. Blocks [do not limit the
/// keys](crate::guide::which_one#4-size) to those `live` ones. In basic mode a section
/// that stalls holds back what is removed or replaced, by calls after it began and by
/// earlier ones whose batches were not published yet.
///
/// If a comparison panics while a removed node is unlinked, the node keeps its
/// block until a call walks that bucket.
///
/// With [`SharedPool`] the `CAP` blocks are those of a pool that
/// [others use too](crate::safe#several-structures-in-one-pool). With `Heap`,
/// and 0 for `CAP`, each call that puts something [calls the global
/// allocator](crate::safe#on-the-heap).
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
pub struct Map<K, V, const BUCKETS: usize, const CAP: usize, D: Domain, P = OwnPool>
where
    P: Storage<MapNode<K, V>, CAP>,
{
    buckets: [List<K, V, P>; BUCKETS],
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
// SAFETY: as for `Sync`: keys and values are `Send`, and so is the pool.
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
        /// A map without buckets or without blocks does not compile.
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::Map};
        ///
        /// domain!(App: Collector<2> = Collector::new());
        /// static ROUTES: Map<u32, [u8; 4], 16, 64, App> = Map::new();
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            const { assert!(CAP > 0, "a map has at least one block; for the heap use `in_heap`") };
            Self::empty(Pool::new())
        }
    }
}

impl<K, V, const BUCKETS: usize, const CAP: usize, D> Map<K, V, BUCKETS, CAP, D, SharedPool>
where
    K: 'static,
    V: 'static,
    D: Domain,
{
    const_fn! {
        /// An empty map that takes its nodes from a shared pool.
        ///
        /// A map without buckets does not compile.
        ///
        /// ```
        /// use hyaline::{Collector, Pool, domain, safe::{Domain, SharedPool, Map, MapNode}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static NODES: Pool<MapNode<u32, &str>, 16> = Pool::new();
        /// static TCP: Map<u32, &str, 8, 16, App, SharedPool> = Map::in_pool(&NODES);
        /// static UDP: Map<u32, &str, 4, 16, App, SharedPool> = Map::in_pool(&NODES);
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

#[cfg(feature = "alloc")]
impl<K, V, const BUCKETS: usize, D: Domain> Map<K, V, BUCKETS, 0, D, Heap> {
    const_fn! {
        /// An empty map that takes its nodes from the global allocator. Its
        /// buckets stay as many as they are: [`HashMap`](crate::safe::HashMap) is
        /// a map that grows.
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::{Domain, Heap, Map}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static PORTS: Map<u16, String, 64, 0, App, Heap> = Map::in_heap();
        ///
        /// let handle = App::register()?;
        /// PORTS.insert(&handle, 80, "http".into())?;
        /// assert!(PORTS.contains_key(&handle, &80));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn in_heap() -> Self {
            Self::empty(())
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
                buckets: init_array!(List<K, V, P>; BUCKETS),
                nodes,
                of: PhantomData,
            }
        }
    }
}

impl<K, V, const BUCKETS: usize, const CAP: usize, D, P> Map<K, V, BUCKETS, CAP, D, P>
where
    K: Ord + Send + 'static,
    V: Send + 'static,
    D: Domain,
    P: Storage<MapNode<K, V>, CAP>,
{
    /// The list that a key belongs to.
    #[inline]
    fn bucket<Q: Hash + ?Sized>(&'static self, key: &Q) -> &'static List<K, V, P> {
        &self.buckets[self.index(key)]
    }

    /// The number of a key's bucket.
    fn index<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        hash::bucket(key, BUCKETS)
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
                if let Some(node) = bucket.as_mut()?.take_first::<CAP>(nodes) {
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
