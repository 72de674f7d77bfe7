//! The forwarding table, twice: the trie under hyaline and, to compare, the
//! same trie under a readers-writer lock.

use std::sync::atomic::{AtomicU64, Ordering};

use hyaline::{AtomicPtr, Collector, Handle, Link, Scheme, reclaim};
use spin::RwLock;

use crate::table::{Prefix, RouteId};
use crate::trie::{Block, Node, POOL, PoolEmpty, Reach, Trie};

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
    /// Announces `prefix`, or withdraws it if there is no route; returns by how
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

/// Counts the node and gives it back to its pool.
///
/// # Safety
///
/// As of every reclaimer: called once, by the collector, with a retired node.
unsafe fn reclaim_node(link: *mut Link) {
    // Relaxed: a counter.
    RECLAIMED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the node came from a pool, and the collector calls this once.
    unsafe { reclaim::pooled::<Node>(link) }
}

/// The trie, read under guards.
///
/// The only fields that lead to nodes are private, so every guard and handle
/// that meets one is of `collector`, and every node is of `POOL`.
pub struct GuardedFib<S: Scheme + 'static> {
    trie: Trie,
    collector: &'static Collector<SLOTS, S>,
}

impl<S: Scheme + 'static> GuardedFib<S> {
    pub fn new(collector: &'static Collector<SLOTS, S>) -> Self {
        Self {
            trie: Trie::new(),
            collector,
        }
    }

    /// How many nodes the table holds.
    pub fn nodes(&mut self) -> usize {
        self.trie.nodes()
    }

    /// Waits for no one: reclaims what can be reclaimed now.
    pub fn flush(&self) {
        register(self.collector).flush();
    }
}

fn register<S: Scheme>(collector: &Collector<SLOTS, S>) -> Handle<'_, S> {
    collector
        .register()
        .expect("the command line limits the threads to the slots")
}

impl<S: Scheme + 'static> Fib for GuardedFib<S>
where
    Collector<SLOTS, S>: Sync,
{
    fn reader(&self) -> impl Reader {
        GuardedReader {
            trie: &self.trie,
            handle: register(self.collector),
        }
    }

    fn writer(&self) -> impl Writer {
        GuardedWriter {
            trie: &self.trie,
            handle: register(self.collector),
        }
    }
}

struct GuardedReader<'a, S: Scheme> {
    trie: &'a Trie,
    handle: Handle<'a, S>,
}

impl<S: Scheme> Reader for GuardedReader<'_, S> {
    fn lookup(&self, address: u32) -> Option<RouteId> {
        let guard = self.handle.enter();
        // SAFETY: the handle is of the collector that writers retire nodes to.
        unsafe { self.trie.lookup(&guard, address) }
    }
}

struct GuardedWriter<'a, S: Scheme> {
    trie: &'a Trie,
    handle: Handle<'a, S>,
}

impl<S: Scheme> Writer for GuardedWriter<'_, S> {
    fn set(&mut self, prefix: Prefix, route: Option<RouteId>) -> Result<isize, PoolEmpty> {
        loop {
            let guard = self.handle.enter();
            // SAFETY: as in `GuardedReader::lookup`.
            let change = unsafe { self.trie.replace(&guard, &self.handle, prefix, route) }?;
            // The guard keeps `before` from being reused, so the root is still
            // the one that was copied if the pointers are equal.
            // AcqRel: Release publishes the new nodes; Relaxed on failure: the
            // next round loads the root again.
            let published = guard.compare_exchange(
                change.cell,
                change.before,
                change.after,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            drop(guard);
            if published.is_err() {
                change.discard();
                continue;
            }
            // Relaxed: counted before a node can be reclaimed, by this thread
            // or, through the collector's own ordering, by another.
            RETIRED.fetch_add(change.old.iter().count() as u64, Ordering::Relaxed);
            for node in change.old.iter() {
                // SAFETY: the exchange unlinked the whole old path, this thread
                // made it and so retires it, once; readers enter the same
                // collector; the node is a pool's, and so is the reclaimer.
                unsafe { self.handle.retire(node, reclaim_node) };
            }
            PEAK_PENDING.fetch_max(Reclamation::so_far().pending(), Ordering::Relaxed);
            return Ok(change.growth());
        }
    }
}

/// The same trie behind a lock: nothing is retired, a replaced node is free at
/// once.
pub struct LockedFib<S: Scheme + 'static> {
    trie: RwLock<Trie>,
    /// For `Pool::alloc`, which wants a handle.
    collector: &'static Collector<SLOTS, S>,
}

impl<S: Scheme + 'static> From<GuardedFib<S>> for LockedFib<S> {
    fn from(fib: GuardedFib<S>) -> Self {
        Self {
            trie: RwLock::new(fib.trie),
            collector: fib.collector,
        }
    }
}

/// Follows pointers while the lock is held.
struct Locked;

impl Reach for Locked {
    fn load(&self, from: &AtomicPtr<Block>) -> *mut Block {
        // Acquire: the lock orders the nodes already; the oracle wants its own
        // loads to stay behind this one.
        from.load(Ordering::Acquire)
    }
}

impl<S: Scheme + 'static> Fib for LockedFib<S>
where
    Collector<SLOTS, S>: Sync,
{
    fn reader(&self) -> impl Reader {
        LockedReader { trie: &self.trie }
    }

    fn writer(&self) -> impl Writer {
        LockedWriter {
            trie: &self.trie,
            handle: register(self.collector),
        }
    }
}

struct LockedReader<'a> {
    trie: &'a RwLock<Trie>,
}

impl Reader for LockedReader<'_> {
    fn lookup(&self, address: u32) -> Option<RouteId> {
        let trie = self.trie.read();
        // SAFETY: nodes are unlinked and freed under the write lock only.
        unsafe { trie.lookup(&Locked, address) }
    }
}

struct LockedWriter<'a, S: Scheme> {
    trie: &'a RwLock<Trie>,
    handle: Handle<'a, S>,
}

impl<S: Scheme> Writer for LockedWriter<'_, S> {
    fn set(&mut self, prefix: Prefix, route: Option<RouteId>) -> Result<isize, PoolEmpty> {
        let trie = self.trie.write();
        // SAFETY: as in `LockedReader::lookup`.
        let change = unsafe { trie.replace(&Locked, &self.handle, prefix, route) }?;
        // Release: as under hyaline; the lock would do.
        change.cell.store(change.after, Ordering::Release);
        for node in change.old.iter() {
            // SAFETY: unlinked, and the lock is held: no reader has it.
            unsafe { POOL.free(node) };
        }
        Ok(change.growth())
    }
}
