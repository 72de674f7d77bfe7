//! All cores use everything at once: deferred handles beside eager ones, tasks
//! that die in their sections and are evicted by another core, restart
//! requests, a grace period for an index, callbacks, limits, and sections that
//! own their handle.

use crate::{
    board::Board,
    node::shelve,
    rendezvous::Team,
    world::{SLOTS, World},
};
use core::{array, mem};
use hyaline::{Callback, Handle, Role, Scheme, SlotState, Token};
use portable_atomic::{AtomicUsize, Ordering};

/// Rounds of each core.
const ROUNDS: usize = 60_000;
/// The limit of reclaimers in one call.
const BUDGET: usize = 3;

/// The value of an entry while no reader may read it.
const CLOSED: usize = usize::MAX;

/// Counts are Relaxed: they are read after a rendezvous.
const COUNT: Ordering = Ordering::Relaxed;

/// What all cores share, besides the world.
pub struct Mixed {
    /// The slot of a dead task plus one, or 0. The core that takes it evicts
    /// the task.
    dead: AtomicUsize,
    /// The entry that readers use. The others are closed when a grace period is
    /// over.
    index: AtomicUsize,
    entries: [AtomicUsize; 4],
    callbacks: [Callback; 4],
    counts: Counts,
}

struct Counts {
    evictions: AtomicUsize,
    restarts: AtomicUsize,
    periods: AtomicUsize,
    calls: AtomicUsize,
    /// Readers that read a closed entry.
    closed: AtomicUsize,
}

/// Calls of all callbacks, which identify their test only by a word.
static CALLED: AtomicUsize = AtomicUsize::new(0);

fn called(by: usize) {
    CALLED.fetch_add(by, COUNT);
}

impl Mixed {
    pub const fn new() -> Self {
        Self {
            dead: AtomicUsize::new(0),
            index: AtomicUsize::new(0),
            entries: [const { AtomicUsize::new(0) }; 4],
            callbacks: [const { Callback::new() }; 4],
            counts: Counts {
                evictions: AtomicUsize::new(0),
                restarts: AtomicUsize::new(0),
                periods: AtomicUsize::new(0),
                calls: AtomicUsize::new(0),
                closed: AtomicUsize::new(0),
            },
        }
    }
}

/// The work of one core.
struct Worker<'a, S: Scheme, const W: usize> {
    world: &'static World<S, W>,
    mixed: &'static Mixed,
    core: usize,
    relax: &'a dyn Fn(),
}

pub fn suite<S: Scheme, B: Board, const W: usize>(
    world: &'static World<S, W>,
    mixed: &'static Mixed,
    board: &B,
    team: &Team,
    label: &'static str,
) {
    let before = (world.ledger.made(), CALLED.load(COUNT));
    team.wait(board);
    let worker = Worker {
        world,
        mixed,
        core: team.core,
        relax: &|| board.relax(),
    };
    if team.core.is_multiple_of(2) {
        worker.eager(world.register());
    } else {
        let handle = world.collector.register_deferred();
        worker.deferred(handle.expect("a slot is free"));
    }
    team.leader(board, || {
        worker.evict();
        world.check_all_reclaimed(label, shelve);
        let claimed = |slot: &SlotState| slot.owner.is_some() || slot.guards > 0;
        assert!(!world.collector.slots().any(|slot| claimed(&slot)), "free");
        let counts = &mixed.counts;
        let closed = counts.closed.load(COUNT);
        assert_eq!(closed, 0, "{label}: a grace period ended too early");
        let calls = counts.calls.load(COUNT);
        let done = CALLED.load(COUNT) - before.1;
        assert_eq!(done, calls, "{label}: callbacks that were called");
        let [evictions, restarts, periods] =
            [&counts.evictions, &counts.restarts, &counts.periods].map(|count| count.load(COUNT));
        // Not the restarts: cores that share a processor may never meet inside
        // a section.
        let all = evictions > 0 && periods > 0 && calls > 0;
        assert!(all, "{label}: something never happened");
        board.print(format_args!(
            "{label}: mixed torture ok, {} objects, {evictions} evictions, {restarts} restarts, \
             {periods} grace periods, {calls} callbacks",
            world.ledger.made() - before.0
        ));
    });
}

impl<S: Scheme, const W: usize> Worker<'_, S, W> {
    /// The work of cores that reclaim. Core 0 also maintains the index.
    fn eager(&self, mut handle: Handle<'static, S>) {
        let mut token = None;
        for round in 0..ROUNDS {
            handle = self.round(handle, round);
            if round.is_multiple_of(16) {
                let reclaimed = handle.collect_at_most(BUDGET);
                assert!(reclaimed <= BUDGET, "a limit is exceeded");
            }
            if self.core == 0 {
                token = self.publish(&handle, token);
            }
        }
        while token.is_some() {
            // The token may wait for a dead task that is not evicted yet.
            self.evict();
            token = self.finish(&handle, token);
            (self.relax)();
        }
        handle.flush();
    }

    /// The work of cores that leave all reclaiming to the others.
    fn deferred(&self, mut handle: Handle<'static, S, hyaline::Deferred>) {
        for round in 0..ROUNDS {
            handle = self.round(handle, round);
            if round.is_multiple_of(64) {
                assert_eq!(handle.flush(), 0, "a deferred handle reclaims nothing");
            }
        }
    }

    fn round<R: Role>(&self, handle: Handle<'static, S, R>, round: usize) -> Handle<'static, S, R> {
        self.read(&handle);
        if (self.core + round).is_multiple_of(2) && !self.swing(&handle) {
            handle.flush();
        }
        if round.is_multiple_of(32) {
            self.mixed_callback(&handle);
        }
        if round.is_multiple_of(8) {
            self.world.collector.request_restart(round / 8 % SLOTS);
        }
        if round.is_multiple_of(128) {
            self.die();
        }
        self.evict();
        if round.is_multiple_of(64) {
            return self.section(handle);
        }
        handle
    }

    /// Reads object and entry, and starts over when requested.
    fn read<R: Role>(&self, handle: &Handle<'_, S, R>) {
        let mut guard = handle.enter();
        for _ in 0..4 {
            self.world.look(&guard, 2);
            self.look_up();
            if guard.restart_requested() {
                self.mixed.counts.restarts.fetch_add(1, COUNT);
                drop(guard);
                guard = handle.enter();
            }
        }
    }

    /// Reads the entry in use, in a section.
    fn look_up(&self) {
        let mixed = self.mixed;
        // Acquire: pairs with the Release in `publish`; the entry is open.
        let entry = &mixed.entries[mixed.index.load(Ordering::Acquire)];
        // Relaxed: the grace period keeps it open.
        if (0..4).any(|_| entry.load(Ordering::Relaxed) == CLOSED) {
            mixed.counts.closed.fetch_add(1, COUNT);
        }
    }

    fn swing<R: Role>(&self, handle: &Handle<'_, S, R>) -> bool {
        let world = self.world;
        let node = world.shelves[self.core].make(handle, &world.ledger);
        node.inspect(|node| world.swing(&handle.enter(), *node, shelve))
            .is_some()
    }

    fn mixed_callback<R: Role>(&self, handle: &Handle<'_, S, R>) {
        let callback = &self.mixed.callbacks[self.core];
        if callback.call_later(handle, called, 1).is_ok() {
            self.mixed.counts.calls.fetch_add(1, COUNT);
        }
    }

    /// A short section that owns the handle.
    fn section<R: Role>(&self, handle: Handle<'static, S, R>) -> Handle<'static, S, R> {
        let mut section = handle.enter_owned();
        // Acquire: as every reader.
        section.protect(&self.world.cell, Ordering::Acquire);
        self.world.look(&section.guard(), 4);
        section.refresh();
        self.look_up();
        section.leave()
    }

    /// A task that enters, reads, retires, and then stops permanently.
    fn die(&self) {
        let world = self.world;
        // Deferred as well: no reclaimer dies with it.
        let Ok(dying) = world.collector.register_deferred() else {
            return;
        };
        let guard = dying.enter();
        world.look(&guard, 1);
        self.look_up();
        self.swing(&dying);
        let slot = dying.slot();
        mem::forget(guard);
        mem::forget(dying);
        let dead = &self.mixed.dead;
        // Release: what the dead task did happens before the eviction by the
        // core that takes the number. Relaxed on failure: nothing is published.
        let posted = dead.compare_exchange(0, slot + 1, Ordering::Release, Ordering::Relaxed);
        if posted.is_err() {
            self.bury(slot);
        }
    }

    /// Evicts the dead task that was posted, if any.
    fn evict(&self) {
        let dead = &self.mixed.dead;
        // Relaxed: a check before the swap.
        if dead.load(Ordering::Relaxed) != 0 {
            // Acquire: pairs with the Release in `die`.
            let posted = dead.swap(0, Ordering::Acquire);
            if let Some(slot) = posted.checked_sub(1) {
                self.bury(slot);
            }
        }
    }

    fn bury(&self, slot: usize) {
        let state = self.world.collector.slots().nth(slot);
        let owner = state.and_then(|state| state.owner);
        let owner = owner.expect("a dead task keeps its slot");
        // SAFETY: its guard and handle are forgotten, which happens before
        // this.
        let evicted = unsafe { self.world.collector.evict(owner) };
        assert!(evicted.is_ok(), "the dead are evicted once");
        self.mixed.counts.evictions.fetch_add(1, COUNT);
    }

    /// Moves the readers to the next entry, or closes the one that they have
    /// left.
    fn publish(&self, handle: &Handle<'_, S>, token: Option<Token>) -> Option<Token> {
        if token.is_some() {
            return self.finish(handle, token);
        }
        let [old, new] = self.entries_in_use();
        // Relaxed, both: the store of the index publishes them.
        for (at, entry) in self.mixed.entries.iter().enumerate() {
            if at != old {
                let value = if at == new { 0 } else { CLOSED };
                entry.store(value, Ordering::Relaxed);
            }
        }
        // Release: see `look_up`.
        self.mixed.index.store(new, Ordering::Release);
        Some(handle.start_grace_period())
    }

    /// Polls the token. When it is over no reader uses the previous entry.
    fn finish(&self, handle: &Handle<'_, S>, token: Option<Token>) -> Option<Token> {
        let mut token = token?;
        if !token.poll(handle) {
            return Some(token);
        }
        let [now, _] = self.entries_in_use();
        let before = (now + self.mixed.entries.len() - 1) % self.mixed.entries.len();
        // Relaxed: the test detects readers that find it.
        self.mixed.entries[before].store(CLOSED, Ordering::Relaxed);
        self.mixed.counts.periods.fetch_add(1, COUNT);
        None
    }

    /// The entry in use and the next one.
    fn entries_in_use(&self) -> [usize; 2] {
        // Relaxed: only this core writes it.
        let index = self.mixed.index.load(Ordering::Relaxed);
        array::from_fn(|step| (index + step) % self.mixed.entries.len())
    }
}
