//! A map that grows: a split-ordered list (Shalev and Shavit, PODC 2003). All
//! keys are in one [`list`](super::list), and a [`table`] leads to the places
//! where its buckets begin.

mod change;
mod look;
mod node;
mod put;
mod table;

use core::{
    fmt,
    hash::{BuildHasher, Hash},
    marker::PhantomData,
};

use table::Table;

use super::{Domain, domain::Brand, node::drop_all};
use crate::sync::const_fn;

/// A hash map that grows, on the heap, for any number of tasks.
///
/// | call | progress | in an interrupt |
/// |---|---|---|
/// | [`get`](Self::get), [`contains_key`](Self::contains_key) | lock-free; deferred or per-CPU, basic mode: walks the bucket once, without a write | with a deferred or per-CPU handle, or if reclaimers may run there |
/// | [`len`](Self::len), [`is_empty`](Self::is_empty) | wait-free | yes |
/// | [`remove`](Self::remove), [`remove_if`](Self::remove_if), [`iter`](Self::iter), [`retain`](Self::retain), [`clear`](Self::clear) | lock-free: repeat if another call changed the same bucket | as for `get` |
/// | [`insert`](Self::insert), [`replace`](Self::replace), [`upsert`](Self::upsert), [`compare_exchange`](Self::compare_exchange), [`get_or_insert`](Self::get_or_insert), [`get_or_insert_with`](Self::get_or_insert_with), [`update`](Self::update) | lock-free, besides the allocator | as for `get`, and if the allocator may be called |
///
/// With a deferred or per-CPU handle no key and no value is dropped in these calls,
/// unless code of yours panics: a comparison, a hash, a clone or a closure.
///
/// A call costs O(1) steps on average, as long as the hash spreads the keys and
/// there was memory to grow. When there are more keys than buckets, an insert
/// doubles the buckets: it allocates those that are new, and moves and copies
/// nothing. The first call in a new bucket links it, and those that it was split
/// from; only a look or an iteration with a deferred or per-CPU handle does not, and
/// walks through the nearest of these that is linked. Buckets are never given back
/// before the map is dropped.
///
/// A value is not changed in place: a new node takes the place of the old one
/// in one step, so a key that is replaced is never missing. A reference to the
/// old value stays valid until its guard is dropped.
///
/// The map need not be in a `static`. One that is dropped drops what is in it.
///
/// # Hash
///
/// The hash is yours, of any [`BuildHasher`]: `std`'s `RandomState` if strangers
/// choose the keys, a quick one if they do not. It need not care which of the 64 bits
/// differ: the map multiplies the hash by 2^64 over the golden ratio, and takes the
/// highest bits. Keys for which the hash is the key itself share buckets if they are
/// multiples of a number that this brings close to a whole one, as of a large Fibonacci
/// number. A hasher of the user's:
///
/// ```
/// use std::hash::{BuildHasherDefault, Hasher};
/// use hyaline::{Collector, domain, safe::{Domain, HashMap}};
///
/// /// For keys that write one number.
/// #[derive(Default)]
/// struct Itself(u64);
///
/// impl Hasher for Itself {
///     fn finish(&self) -> u64 { self.0 }
///     fn write(&mut self, bytes: &[u8]) {
///         bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
///     }
/// }
///
/// domain!(App: Collector<4> = Collector::new());
/// static PROCESSES: HashMap<u32, &str, BuildHasherDefault<Itself>, App> =
///     HashMap::with_hasher(BuildHasherDefault::new());
///
/// let handle = App::register()?;
/// PROCESSES.insert(&handle, 1, "init")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keys that contradict themselves
///
/// `Hash` and `Eq` of a key have to agree with each other, with those of what it
/// is borrowed as, and with `Clone` in [`update`](Self::update), and must not
/// change while the key is in the map. Otherwise calls may miss keys or find
/// others, and `update` may not end. The map stays sound.
///
/// # Memory
///
/// A node of seven words (on 32 bits up to nine) besides key and value for each key, and
/// for each bucket two words: on average one and a half buckets for a key. A removed node is
/// freed when no section can hold it any more. A call that puts something, and
/// for which there is no memory, flushes its handle and tries again; if there is
/// still none, it is refused as full. If there is no memory to grow, the map
/// stays as it is, and its buckets get longer. Inserts after that add a level each, and
/// calls that link cut the buckets up again as they come to them.
///
/// ```
/// #![forbid(unsafe_code)]
/// use std::hash::RandomState;
/// use hyaline::{Collector, domain, safe::{Domain, HashMap}};
///
/// domain!(App: Collector<4> = Collector::new());
///
/// let handle = App::register()?;
/// let routes = HashMap::<[u8; 4], String, _, App>::with_hasher(RandomState::new());
/// routes.insert(&handle, [10, 0, 0, 1], "eth0".into())?;
/// routes.insert(&handle, [10, 0, 0, 2], "eth1".into())?;
/// routes.replace(&handle, [10, 0, 0, 2], "eth2".into())?;
///
/// let guard = handle.enter();
/// assert_eq!(routes.get(&guard, &[10, 0, 0, 2]).unwrap(), "eth2");
/// assert_eq!(routes.remove(&guard, &[10, 0, 0, 1]).unwrap(), "eth0");
/// assert_eq!(routes.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What is read outlives neither guard nor map:
///
/// ```compile_fail,E0505
/// # use std::hash::RandomState;
/// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
/// # domain!(App: Collector<4> = Collector::new());
/// # let handle = App::register().unwrap();
/// let map = HashMap::<u32, u32, _, App>::with_hasher(RandomState::new());
/// let one = map.get_or_insert(&handle, 1, 10).unwrap();
/// drop(map);
/// assert_eq!(*one, 10);
/// ```
pub struct HashMap<K, V, S, D: Domain> {
    table: Table<K, V>,
    hasher: S,
    of: PhantomData<Brand<D>>,
}

// SAFETY: gives out `&K` and `&V`, and drops both on any thread.
unsafe impl<K, V, S: Sync, D: Domain> Sync for HashMap<K, V, S, D>
where
    K: Send + Sync,
    V: Send + Sync,
{
}
// SAFETY: as for `Sync`: keys and values are `Send`, and so is the hasher.
unsafe impl<K, V, S: Send, D: Domain> Send for HashMap<K, V, S, D>
where
    K: Send + Sync,
    V: Send + Sync,
{
}

impl<K, V, S, D: Domain> HashMap<K, V, S, D> {
    const_fn! {
        /// An empty map. Allocates nothing.
        ///
        /// ```
        /// use std::hash::{BuildHasherDefault, DefaultHasher};
        /// use hyaline::{Collector, domain, safe::HashMap};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// type Hash = BuildHasherDefault<DefaultHasher>;
        /// static NAMES: HashMap<u32, String, Hash, App> =
        ///     HashMap::with_hasher(BuildHasherDefault::new());
        /// # assert!(NAMES.is_empty());
        /// ```
        #[must_use]
        pub const fn with_hasher(hasher: S) -> Self {
            Self { table: Table::new(), hasher, of: PhantomData }
        }
    }

    /// The hasher.
    ///
    /// ```
    /// # use std::hash::{BuildHasher, RandomState};
    /// # use hyaline::{Collector, domain, safe::HashMap};
    /// # domain!(App: Collector<4> = Collector::new());
    /// let map = HashMap::<u32, (), _, App>::with_hasher(RandomState::new());
    /// assert_eq!(map.hasher().hash_one(1), map.hasher().hash_one(1));
    /// ```
    #[must_use]
    pub fn hasher(&self) -> &S {
        &self.hasher
    }

    /// How many keys there are: approximate, as others may change the map before
    /// the answer is used, and count before or after they do. O(1).
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::{Domain, HashMap}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let map = HashMap::<_, _, _, App>::with_hasher(RandomState::new());
    /// map.insert(&handle, 1, "one")?;
    /// assert_eq!(map.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key: approximate, as [`len`](Self::len). O(1).
    ///
    /// ```
    /// # use std::hash::RandomState;
    /// # use hyaline::{Collector, domain, safe::HashMap};
    /// # domain!(App: Collector<4> = Collector::new());
    /// assert!(HashMap::<u32, u32, _, App>::with_hasher(RandomState::new()).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn order<Q: Hash + ?Sized>(&self, key: &Q) -> usize
    where
        S: BuildHasher,
    {
        node::order(self.hasher.hash_one(key))
    }
}

impl<K, V, S: Default, D: Domain> Default for HashMap<K, V, S, D> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, V, S, D: Domain> Drop for HashMap<K, V, S, D> {
    fn drop(&mut self) {
        drop_all(|| self.table.take_first());
    }
}

impl<K, V, S, D: Domain> fmt::Debug for HashMap<K, V, S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashMap")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
