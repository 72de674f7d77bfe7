//! A task stalls inside its section, and another one keeps replacing what it
//! reads.
//!
//! A low-priority task protects an object and is preempted. The task that
//! preempts it replaces the objects of a table, many times what the pool holds,
//! before the first one runs again. On one core the timer's interrupt does
//! that; on several cores core 1 does, while core 0 waits.
//!
//! In robust mode a pool of exactly [`Config::pool_size`] blocks always has one
//! free, and at most [`Config::most_pending`] objects wait. In basic mode the
//! same job exhausts the pool.

use crate::{
    board::{Board, Preempt},
    interrupts,
    node::{Ledger, Node},
    rendezvous::Team,
};
use core::ptr;
use hyaline::{AtomicPtr, Collector, Config, Handle, Linked, Pool, Scheme, reclaim};
use portable_atomic::{AtomicUsize, Ordering};

/// The two tasks.
const SLOTS: usize = 2;
const TABLE: usize = 4;
/// The table, and the object that is about to replace another one.
const LIVE: usize = TABLE + 1;
const BATCH: usize = 4;
/// The objects that fill the table are of one era, and the next one is of
/// another.
pub const CONFIG: Config = Config::new().batch::<BATCH>().era_step::<TABLE>();
/// One section stalls at a time.
pub const MOST_PENDING: usize = CONFIG.most_pending(SLOTS, 1, LIVE);
const BLOCKS: usize = CONFIG.pool_size(SLOTS, 1, LIVE);
// All schemes share the pool. The smallest board has room for this many blocks.
const _: () = assert!(BLOCKS <= 100);
const UPDATES: usize = 20 * BLOCKS;

/// The entry that the task protects when it stalls, and how many entries the
/// other one replaces. The first time the last entry stays: the second time it
/// is older than the section by all the eras of the first job.
const STALLS: [(usize, usize); 2] = [(0, TABLE - 1), (TABLE - 1, TABLE)];

static POOL: Pool<Node, BLOCKS> = Pool::new();
static LEDGER: Ledger = Ledger::new();

/// Every access to the counts here is Relaxed: they are read after a
/// rendezvous, or on one core.
const COUNT: Ordering = Ordering::Relaxed;

/// The statics of one scheme.
pub struct Scene<S: Scheme> {
    collector: Collector<SLOTS, S>,
    table: [AtomicPtr<Linked<Node>>; TABLE],
    /// Updates of both jobs.
    updates: AtomicUsize,
    /// The most objects that waited to be reclaimed.
    peak: AtomicUsize,
    /// Low words of the first and the last era in which an object was made.
    eras: [AtomicUsize; 2],
}

impl<S: Scheme> Scene<S> {
    pub const fn new(config: Config<S::Barrier>) -> Self {
        Self {
            collector: Collector::with_config(config),
            table: [const { AtomicPtr::new(ptr::null_mut()) }; TABLE],
            updates: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            eras: [const { AtomicUsize::new(0) }; 2],
        }
    }

    fn register(&'static self) -> Handle<'static, S> {
        self.collector.register().expect("a slot is free")
    }

    /// Objects that are retired and not yet reclaimed, while the table is full.
    fn pending() -> usize {
        LEDGER.made() - LEDGER.dropped() - TABLE
    }

    fn fill(&self, high: &Handle<'_, S>) {
        for entry in &self.table {
            let object = POOL.alloc(high, Node::new(&LEDGER));
            let object = object.unwrap_or_else(|_| panic!("the pool is full at first"));
            if ptr::eq(entry, &self.table[0]) {
                self.eras[0].store(birth(object), COUNT);
            }
            // Release: a load of the address sees the object.
            entry.store(object, Ordering::Release);
        }
    }

    /// The low-priority task: protects an object and loses the processor.
    fn stall(&self, low: &Handle<'_, S>, entry: usize, preempted: impl FnOnce()) {
        let guard = low.enter();
        // Acquire: pairs with the Release of the store.
        let object = guard.protect(&self.table[entry], Ordering::Acquire);
        // SAFETY: the table is full, and the guard protects it.
        let object: &Node = unsafe { &*object };
        let stamp = object.stamp();
        preempted();
        let intact = object.holds(4) && object.stamp() == stamp;
        assert!(intact, "the object changed while its reader was stalled");
        drop(guard);
    }

    /// The high-priority task: replaces objects until it has done its work or
    /// the pool is empty.
    fn job(&self, high: &Handle<'_, S>, entries: usize) {
        for update in 0..UPDATES {
            let object = match POOL.alloc(high, Node::new(&LEDGER)) {
                Ok(object) => object,
                Err(refused) => {
                    assert!(refused.into_inner().holds(4), "the value comes back whole");
                    return;
                }
            };
            self.eras[1].store(birth(object), COUNT);
            // Each entry as often as a batch is long: each of the first batches
            // then has one object that the stalled task may hold, and keeps all
            // of its objects.
            let entry = &self.table[update / BATCH % entries];
            let guard = high.enter();
            // AcqRel: publishes the new object and acquires the old one.
            let old = guard.swap(entry, object, Ordering::AcqRel);
            // SAFETY: the swap unlinked it, and it comes from a pool that is a
            // static. `Handle::retire` would check each object, and make no
            // batch of young ones.
            unsafe { guard.defer_retire(old, reclaim::pooled::<Node>) };
            drop(guard);
            self.peak.fetch_max(Self::pending(), COUNT);
            self.updates.fetch_add(1, COUNT);
        }
    }

    /// The stalled task has resumed, and left its section.
    fn recover(&self, high: &Handle<'_, S>) {
        high.flush();
        assert_eq!(Self::pending(), 0, "objects wait though nobody reads");
    }

    fn clear(&self, high: &Handle<'_, S>) {
        for entry in &self.table {
            // AcqRel: as in `job`.
            let old = entry.swap(ptr::null_mut(), Ordering::AcqRel);
            // SAFETY: the swap unlinked it, and it comes from a pool that is a static.
            unsafe { high.retire(old, reclaim::pooled::<Node>) };
        }
        high.flush();
    }

    /// Both handles are released.
    fn judge(&self, board: &impl Board, label: &str, most_pending: Option<usize>) {
        LEDGER.check(label);
        assert_eq!(
            POOL.available(),
            BLOCKS,
            "{label}: every block is back after the stall"
        );
        let (updates, peak) = (self.updates.load(COUNT), self.peak.load(COUNT));
        let all = STALLS.len() * UPDATES;
        match most_pending {
            Some(bound) => {
                assert_eq!(updates, all, "{label}: the pool ran dry");
                assert!(peak <= bound, "{label}: {peak} pending, not {bound}");
                board.print(format_args!(
                    "{label}: stalled task: {updates} updates out of {BLOCKS} blocks, \
                     peak {peak} of {bound} pending"
                ));
                self.judge_wrap(board, label);
            }
            None => {
                let blocks = STALLS.len() * BLOCKS;
                assert!(updates <= blocks, "{label}: more updates than blocks");
                board.print(format_args!(
                    "{label}: stalled task: the same job runs dry, after {updates} of {all} updates"
                ));
            }
        }
    }

    /// A build whose eras begin just before the low word wraps: checks that it
    /// wrapped.
    fn judge_wrap(&self, board: &impl Board, label: &str) {
        if cfg!(all(hyaline_late_era, target_pointer_width = "32")) {
            let [first, last] = self.eras.each_ref().map(|era| era.load(COUNT));
            assert!(first >= LOW - 1 && last < UPDATES, "no wrap");
            board.print(format_args!(
                "{label}: stalled task: low word of the era from {first:#x} past its wrap to {last:#x}"
            ));
        }
    }
}

/// The bits of the low word of an era.
const LOW: usize = usize::MAX >> 1;

/// The low word of the birth era of an object that is not published yet.
fn birth(object: *mut Linked<Node>) -> usize {
    // SAFETY: the object is valid and not published; its header comes first,
    // and the words after the header's first one are the birth, shifted by one,
    // while the object lives.
    let [low, high] = [1, 2].map(|at| unsafe { object.cast::<*mut ()>().add(at).read().addr() });
    (low >> 1 | high << (usize::BITS - 1)) & LOW
}

/// One core: the timer's interrupt is the high-priority task.
///
/// `most_pending` is the bound to check; without one the pool must run out.
pub fn by_interrupt<S: Scheme>(
    scene: &'static Scene<S>,
    board: &impl Preempt,
    label: &str,
    most_pending: Option<usize>,
) {
    let (low, high) = (scene.register(), scene.register());
    scene.fill(&high);
    for (entry, entries) in STALLS {
        scene.stall(&low, entry, || {
            interrupts::once(board, &|| scene.job(&high, entries));
        });
        scene.recover(&high);
    }
    scene.clear(&high);
    drop((low, high));
    scene.judge(board, label, most_pending);
}

/// Several cores: core 0 stalls, core 1 works, the others wait for them.
pub fn by_core<S: Scheme>(
    scene: &'static Scene<S>,
    board: &impl Board,
    team: &Team,
    label: &str,
    most_pending: Option<usize>,
) {
    // The rendezvous below are the same on all cores.
    match team.core {
        0 => {
            let low = scene.register();
            for (entry, _) in STALLS {
                team.wait(board);
                scene.stall(&low, entry, || {
                    team.wait(board);
                    team.wait(board);
                });
                team.wait(board);
            }
        }
        1 => {
            let high = scene.register();
            scene.fill(&high);
            for (_, entries) in STALLS {
                team.wait(board);
                team.wait(board);
                scene.job(&high, entries);
                team.wait(board);
                team.wait(board);
                scene.recover(&high);
            }
            scene.clear(&high);
        }
        _ => (0..4 * STALLS.len()).for_each(|_| team.wait(board)),
    }
    team.leader(board, || scene.judge(board, label, most_pending));
}
