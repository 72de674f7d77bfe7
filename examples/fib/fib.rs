//! The forwarding table, twice: the trie under hyaline and, for comparison, the
//! same trie under a readers-writer lock.

use std::sync::atomic::{AtomicU64, Ordering};

use hyaline::safe::{Atomic, Handle};
use hyaline::{Link, reclaim};
use spin::RwLock;

use crate::table::{Prefix, RouteId};
use crate::trie::{Net, Node, PoolEmpty, Still, Trie, count};

/// Slots of the collector: threads of a run.
pub const SLOTS: usize = 64;

/// A forwarding table that many threads read and change at the same time.
pub trait Fib: Sync {
    fn reader(&self) -> impl Reader;
    fn writer(&self) -> impl Writer;
}

pub trait Reader {
    fn lookup(&self, address: u32) -> Option<RouteId>;
}

pub trait Writer {
    /// Announces `prefix`, or withdraws it if there is no route. Returns by how
    /// many nodes the table grew.
    fn set(&mut self, prefix: Prefix, route: Option<RouteId>) -> Result<isize, PoolEmpty>;
}

/// Nodes retired and reclaimed since the start of the program.
static RETIRED: AtomicU64 = AtomicU64::new(0);
static RECLAIMED: AtomicU64 = AtomicU64::new(0);
static PEAK_PENDING: AtomicU64 = AtomicU64::new(0);

/// What reclamation has done so far.
#[derive(Clone, Copy)]
pub struct Reclamation {
    pub retired: u64,
    pub reclaimed: u64,
    pub peak_pending: u64,
}

impl Reclamation {
    pub fn so_far() -> Self {
        // Relaxed: counters that publish nothing. In this order: a thread that
        // is preempted in between sees less pending than there was, never more.
        let retired = RETIRED.load(Ordering::Relaxed);
        let reclaimed = RECLAIMED.load(Ordering::Relaxed);
        let peak_pending = PEAK_PENDING.load(Ordering::Relaxed);
        Self {
            retired,
            reclaimed,
            peak_pending,
        }
    }

    pub fn pending(&self) -> u64 {
        self.retired.saturating_sub(self.reclaimed)
    }

    /// What has been done since `start`.
    pub fn since(&self, start: &Self) -> Self {
        Self {
            retired: self.retired - start.retired,
            reclaimed: self.reclaimed - start.reclaimed,
            peak_pending: self.peak_pending,
        }
    }
}

/// Counts the node and returns it to its pool.
///
/// # Safety
///
/// As for every reclaimer: the collector calls it once, with a retired node.
unsafe fn reclaim_node<D: Net>(link: *mut Link) {
    // Relaxed: a counter.
    RECLAIMED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the node came from a pool, and the collector calls this once.
    unsafe { reclaim::pooled::<Node<D>>(link) }
}

fn register<D: Net>() -> Handle<D> {
    D::register().expect("the command line limits the threads to the slots")
}

/// The trie, read under guards.
pub struct GuardedFib<D: Net> {
    trie: Trie<D>,
}

impl<D: Net> GuardedFib<D> {
    pub fn new() -> Self {
        Self { trie: Trie::new() }
    }

    /// How many nodes the table holds.
    pub fn nodes(&mut self) -> usize {
        self.trie.nodes()
    }

    /// Reclaims what can be reclaimed now, without waiting.
    pub fn flush(&self) {
        register::<D>().flush();
    }
}

impl<D: Net> Fib for GuardedFib<D> {
    fn reader(&self) -> impl Reader {
        GuardedReader {
            trie: &self.trie,
            handle: register(),
        }
    }

    fn writer(&self) -> impl Writer {
        GuardedWriter {
            trie: &self.trie,
            handle: register(),
        }
    }
}

struct GuardedReader<'a, D: Net> {
    trie: &'a Trie<D>,
    handle: Handle<D>,
}

impl<D: Net> Reader for GuardedReader<'_, D> {
    fn lookup(&self, address: u32) -> Option<RouteId> {
        self.trie.lookup(&self.handle.enter(), address)
    }
}

struct GuardedWriter<'a, D: Net> {
    trie: &'a Trie<D>,
    handle: Handle<D>,
}

impl<D: Net> Writer for GuardedWriter<'_, D> {
    fn set(&mut self, prefix: Prefix, route: Option<RouteId>) -> Result<isize, PoolEmpty> {
        loop {
            let guard = self.handle.enter();
            let change = self.trie.replace(&guard, &self.handle, prefix, route)?;
            // The guard keeps `before` from being reused, so equal pointers
            // mean that the root is still the one that was copied.
            let (before, after) = (change.before, change.after);
            if change.cell.compare_exchange(before, after, &guard).is_err() {
                change.discard();
                continue;
            }
            let growth = change.growth();
            let old = change.old.map(|node| node.as_raw());
            // Relaxed: counted before a node can be reclaimed, by this thread
            // or, through the collector's own ordering, by another.
            RETIRED.fetch_add(count(&change.old) as u64, Ordering::Relaxed);
            drop(guard);
            for node in old.into_iter().filter(|node| !node.is_null()) {
                // Through the raw handle and not `Guard::retire`: with a
                // reclaimer that counts, and at once if no section is open.
                // SAFETY: the exchange unlinked the whole old path; this thread
                // made the exchange and so retires the path, once. What leads
                // to the nodes was retired with them or before, and never
                // changed. They are from a pool, and the reclaimer is a pool's.
                unsafe { self.handle.retire(node, reclaim_node::<D>) };
            }
            PEAK_PENDING.fetch_max(Reclamation::so_far().pending(), Ordering::Relaxed);
            return Ok(growth);
        }
    }
}

/// The same trie behind a lock: nothing is retired, a replaced node is free at
/// once.
pub struct LockedFib<D: Net> {
    trie: RwLock<Trie<D>>,
}

impl<D: Net> From<GuardedFib<D>> for LockedFib<D> {
    fn from(fib: GuardedFib<D>) -> Self {
        Self {
            trie: RwLock::new(fib.trie),
        }
    }
}

impl<D: Net> Fib for LockedFib<D> {
    fn reader(&self) -> impl Reader {
        LockedReader { trie: &self.trie }
    }

    fn writer(&self) -> impl Writer {
        LockedWriter {
            trie: &self.trie,
            handle: register(),
        }
    }
}

struct LockedReader<'a, D: Net> {
    trie: &'a RwLock<Trie<D>>,
}

impl<D: Net> Reader for LockedReader<'_, D> {
    fn lookup(&self, address: u32) -> Option<RouteId> {
        let trie = self.trie.read();
        // SAFETY: nodes are unlinked and freed under the write lock only.
        let reach = unsafe { Still::new() };
        trie.lookup(&reach, address)
    }
}

struct LockedWriter<'a, D: Net> {
    trie: &'a RwLock<Trie<D>>,
    /// For the pool, which requires a handle.
    handle: Handle<D>,
}

impl<D: Net> Writer for LockedWriter<'_, D> {
    fn set(&mut self, prefix: Prefix, route: Option<RouteId>) -> Result<isize, PoolEmpty> {
        let mut trie = self.trie.write();
        // SAFETY: nodes are unlinked and freed under the write lock only; it is ours,
        // and `reach` ends before nodes are freed.
        let reach = unsafe { Still::new() };
        let change = trie.replace(&reach, &self.handle, prefix, route)?;
        let growth = change.growth();
        let root = Atomic::from(change.after);
        // SAFETY: the lock is held: no reader has them, and the root that leads
        // to them is replaced before they are freed.
        let old = change.old.map(|node| unsafe { node.into_owned() });
        trie.put(prefix, root);
        drop(old);
        Ok(growth)
    }
}
