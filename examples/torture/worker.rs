//! One thread that does everything that a user may do, in random order.

use std::num::NonZeroU16;
use std::ptr;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use hyaline::{AtomicPtr, Collector, Eager, Handle, Scheme, Token};

use crate::SLOTS;
use crate::arena::{Arena, CELLS, add_one};
use crate::hands::Hands;
use crate::held::{Held, LOOKS};
use crate::objects::{BOOKS, Block, OBJECTS, POOL};
use crate::panics::with_panic_after;
use crate::rest::{self, AbandonOnPanic};
use crate::rng::Rng;
use crate::sections::{ASKED, CALLED, OnRecord, Snapshot, call_later};

/// Steps of a burst: the bursts of two threads often overlap.
const BURST: usize = 64;

/// A thread with its handle.
pub struct Worker<'a, S: Scheme + 'static> {
    arena: &'a Arena<S>,
    handle: Handle<'static, S>,
    rng: Rng,
    thread: usize,
    token: Option<(Token, Snapshot)>,
    callback_is_free: bool,
}

impl<'a, S: Scheme + 'static> Worker<'a, S>
where
    Collector<SLOTS, S>: Sync,
{
    pub fn new(arena: &'a Arena<S>, rng: Rng, thread: usize) -> Self {
        let handle = loop {
            if let Ok(handle) = arena.collector.register() {
                break handle;
            }
            // All slots are in use: some thread has two for a moment, or is
            // dead.
            arena.bury();
            arena.receive();
            thread::yield_now();
        };
        Self {
            arena,
            handle,
            rng,
            thread,
            token: None,
            callback_is_free: true,
        }
    }

    /// Works until it is told to stop, or something was found. Returns the
    /// number of operations.
    pub fn run(mut self) -> u64 {
        let arena = self.arena;
        let _abandon = AbandonOnPanic(&arena.rest);
        let (mut ops, mut steps) = (0, 0);
        // Relaxed, all: flags, which publish nothing.
        while !arena.rest.ended.load(Ordering::Relaxed) {
            ops += self.step();
            steps += 1;
            if BOOKS.violations() > 0 {
                arena.stop.store(true, Ordering::Relaxed);
            }
            let stop = arena.stop.load(Ordering::Relaxed);
            if stop || self.thread == 0 && steps % rest::STEPS == 0 {
                arena.rest.due.store(true, Ordering::Relaxed);
            }
            if arena.rest.due.load(Ordering::Relaxed) {
                self.rest();
            }
        }
        ops
    }

    /// All threads are outside of a section, and the dead are buried: one collect
    /// of one handle leaves nothing, and no grace period is still waited for.
    fn rest(&mut self) {
        let arena = self.arena;
        let met = arena.rest.meet();
        if met % arena.rest.threads() == self.thread {
            // Relaxed, all: the threads meet before they read them.
            arena.rest.due.store(false, Ordering::Relaxed);
            let stop = arena.stop.load(Ordering::Relaxed);
            arena.rest.ended.store(stop, Ordering::Relaxed);
            self.collect_all();
        }
        arena.rest.meet();
        if let Some((mut token, snapshot)) = self.token.take() {
            snapshot.check("a token");
            if !token.poll(&self.handle) {
                BOOKS.violation(|| "at rest a token is not over".into());
            }
        }
        arena.rest.meet();
    }

    /// The one collect of a rest.
    fn collect_all(&self) {
        let arena = self.arena;
        while arena.bury() {}
        // Its drop would be a collect.
        let moved = arena.end_section();
        self.handle.limit_reclaims(None);
        self.handle.collect();
        // Relaxed: no other thread runs.
        let [called, asked] = [&CALLED, &ASKED].map(|count| count.load(Ordering::Relaxed));
        let left = [
            ("pending", arena.collector.stats().pending() as u64),
            ("not reclaimed", BOOKS.retired() - BOOKS.reclaimed()),
            ("not called", asked - called),
        ];
        for (what, left) in left {
            if left > 0 {
                BOOKS.violation(|| format!("at rest: {what}: {left}, and not 0"));
            }
        }
        add_one(&arena.counts.rests);
        drop(moved);
    }

    fn hands(&self) -> Hands<'_, 'static, S, Eager> {
        Hands(&self.handle)
    }

    fn step(&mut self) -> u64 {
        let (cell, other) = (self.any_cell(), self.any_cell());
        match self.rng.below(132) {
            0..48 => return burst(|| self.hands().read(cell)),
            48..76 => return burst(|| self.hands().replace(cell)),
            76..82 => self.hands().replace_and_defer(cell),
            82..88 => self.hands().shift(cell, other),
            88..94 => {
                let inner_first = self.rng.below(2) == 0;
                self.hands().nest(cell, other, inner_first);
            }
            94..98 => self.hands().refresh(cell),
            98..100 => self.hands().change_of_mind(),
            100 => _ = self.handle.flush(),
            101 => _ = self.handle.collect_at_most(self.rng.below(8) as usize),
            102..104 => self.register_again(),
            104..106 => self.second_handle(cell),
            106..108 => self.linger(cell),
            108..110 => return self.deferred_handle(cell, other),
            110..112 => return self.per_cpu_handle(cell, other),
            112..114 => self.limit(),
            114 => self.arena.die(cell, self.rng.below(2) == 0),
            115..117 => _ = self.arena.bury(),
            117 => self.arena.send(cell),
            118..120 => _ = self.arena.receive(),
            120..122 => self.hurry(),
            122..125 => self.grace(),
            125..127 => call_later(self.thread, &self.handle, &mut self.callback_is_free),
            127 => self.synchronize(),
            _ => self.panic(cell, other),
        }
        // What is held may be all there is.
        if POOL.available() < OBJECTS / 4 {
            let _ = self.arena.bury() || self.arena.receive();
        }
        1
    }

    fn any_cell(&mut self) -> &'a AtomicPtr<Block> {
        // One cell is as busy as all others together.
        let index = self.rng.below(2 * CELLS as u32 - 1) as usize;
        &self.arena.cells[index.saturating_sub(CELLS - 1)]
    }

    /// Releases its slot and registers again, perhaps in another slot.
    fn register_again(&mut self) {
        // The new one first, if there is a slot: then the slot changes.
        if let Ok(handle) = self.arena.collector.register() {
            self.handle = handle;
        }
    }

    /// Two handles of one thread: what one retires, the other still holds.
    fn second_handle(&mut self, cell: &AtomicPtr<Block>) {
        let Ok(second) = self.arena.collector.register() else {
            return;
        };
        let guard = second.enter();
        let held = Held::protect(&guard, cell, "second handle");
        self.hands().replace(cell);
        self.hands().replace(cell);
        if let Some(held) = held {
            held.verify(LOOKS);
        }
    }

    /// A reader that stays in its section for long, is recorded, and starts
    /// over when requested.
    fn linger(&mut self, cell: &AtomicPtr<Block>) {
        let end = Instant::now() + Duration::from_micros(u64::from(self.rng.below(200)));
        while Instant::now() < end {
            let guard = self.handle.enter();
            let record = OnRecord::new(self.thread);
            let held = Held::protect(&guard, cell, "long section");
            while Instant::now() < end && !guard.restart_requested() {
                if let Some(held) = &held {
                    held.verify(LOOKS);
                }
            }
            drop(record);
        }
    }

    /// The same as an interrupt would do it, which must not reclaim.
    fn deferred_handle(&mut self, cell: &AtomicPtr<Block>, other: &AtomicPtr<Block>) -> u64 {
        let Ok(handle) = self.arena.collector.register_deferred() else {
            return 0;
        };
        let hands = Hands(&handle);
        hands.shift(other, cell);
        hands.refresh(cell);
        hands.nest(other, cell, true);
        call_later(self.thread, &handle, &mut self.callback_is_free);
        burst(|| {
            hands.read(cell);
            hands.replace(other);
            hands.replace_and_defer(cell);
        })
    }

    /// A slot that this thread shares with the interrupts of its CPU: calls in
    /// the middle of its sections.
    fn per_cpu_handle(&mut self, cell: &AtomicPtr<Block>, other: &AtomicPtr<Block>) -> u64 {
        let Ok(cpu) = self.arena.collector.register_per_cpu() else {
            return 0;
        };
        // SAFETY: the handle stays in this call, on this thread, and the inner
        // calls drop their guards before they return.
        let handle = unsafe { cpu.get() };
        let (task, interrupt) = (Hands(handle), Hands(handle));
        burst(|| {
            task.interrupted(cell, || {
                interrupt.read(cell);
                interrupt.replace_and_defer(cell);
                interrupt.interrupted(other, || interrupt.replace_and_defer(cell));
                interrupt.refresh(other);
            });
            task.replace(other);
        })
    }

    /// An operation in which a reclaimer panics, if one runs: the operation
    /// takes effect, and no other object is lost.
    fn panic(&mut self, cell: &AtomicPtr<Block>, other: &AtomicPtr<Block>) {
        let (count, which) = (self.rng.below(4), self.rng.below(8));
        with_panic_after(count, || match which {
            0 => self.hands().replace(cell),
            1 => self.hands().replace_and_defer(cell),
            2 => self.hands().nest(cell, other, true),
            3 => self.hands().refresh(cell),
            4 => _ = self.handle.flush(),
            5 => self.register_again(),
            6 => _ = self.handle.collect_at_most(8),
            _ => _ = self.arena.receive(),
        });
    }

    fn limit(&mut self) {
        let limit = NonZeroU16::new(self.rng.below(16) as u16);
        self.handle.limit_reclaims(limit);
    }

    /// Requests a restart of the oldest reader, or of any.
    fn hurry(&mut self) {
        let slot = match self.arena.collector.oldest() {
            Some(oldest) => oldest.slot,
            None => self.rng.below(SLOTS as u32) as usize,
        };
        if self.arena.collector.request_restart(slot) {
            add_one(&self.arena.counts.restarted);
        }
    }

    /// Starts a grace period, or checks whether it is over.
    fn grace(&mut self) {
        let Some((token, snapshot)) = &mut self.token else {
            let snapshot = Snapshot::take();
            self.token = Some((self.handle.start_grace_period(), snapshot));
            return;
        };
        if token.poll(&self.handle) {
            snapshot.check("a token");
            add_one(&self.arena.counts.periods);
            self.token = None;
        } else if self.rng.below(64) == 0 {
            self.token = None;
        }
    }

    fn synchronize(&mut self) {
        let mut snapshot = Snapshot::take();
        // There may be a section to wait for.
        for _ in 0..50 {
            if !snapshot.is_empty() {
                break;
            }
            thread::yield_now();
            snapshot = Snapshot::take();
        }
        let arena = self.arena;
        let waited = self.handle.synchronize(|| {
            // The sections that cannot end by themselves.
            if !arena.bury() && !arena.receive() {
                thread::yield_now();
            }
        });
        if waited.is_err() {
            return BOOKS.violation(|| "synchronize has no reason to refuse".into());
        }
        snapshot.check("synchronize");
        add_one(&arena.counts.synchronized);
        let guard = self.handle.enter();
        if self.handle.synchronize(|| ()).is_ok() {
            BOOKS.violation(|| "synchronize ended inside a section".into());
        }
        drop(guard);
    }

    /// Empties the cells, when no other thread runs.
    pub fn clear(self) {
        // One more of each, so that a short run has one.
        self.arena.die(&self.arena.cells[0], false);
        while self.arena.bury() || self.arena.receive() {}
        with_panic_after(0, || {
            self.hands().replace(&self.arena.cells[0]);
            self.hands().replace(&self.arena.cells[0]);
            self.handle.flush();
        });
        for cell in &self.arena.cells {
            // Acquire: the object's contents.
            self.hands()
                .retire(cell.swap(ptr::null_mut(), Ordering::Acquire));
        }
        self.handle.flush();
    }
}

/// The same, many times.
fn burst(operation: impl Fn()) -> u64 {
    for _ in 0..BURST {
        operation();
    }
    BURST as u64
}
