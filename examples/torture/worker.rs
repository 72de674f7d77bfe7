//! One thread that does everything a user may do, in random order.

use std::hint;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hyaline::{AtomicPtr, Collector, Guard, Handle, Scheme};

use crate::SLOTS;
use crate::objects::{BOOKS, Block, alloc, free, mark_retired, poison};
use crate::rng::Rng;

/// Pointers that all threads read and replace; few, so that they meet.
pub const CELLS: usize = 4;

/// What the threads share.
pub struct Arena<S: Scheme + 'static> {
    pub collector: &'static Collector<SLOTS, S>,
    pub cells: [AtomicPtr<Block>; CELLS],
    pub stop: AtomicBool,
}

/// A cache line that all threads write to.
#[repr(align(128))]
struct Line(AtomicU64);

/// Stores to lines that another core has just written take long to complete,
/// and later stores of the same core wait behind them. A reader that has no
/// barrier between its "I am active" and its loads is found out that way: its
/// flag is still on the way when it holds a pointer.
static SLOW_LINES: [Line; 8] = [const { Line(AtomicU64::new(0)) }; 8];

/// Makes the lines slow for other cores, and this core's next stores late.
fn use_slow_lines() {
    for line in &SLOW_LINES {
        // Relaxed: nothing is read through it.
        line.0.store(1, Ordering::Relaxed);
    }
}

/// Steps of a burst: two threads are often in theirs at the same time.
const BURST: usize = 64;

/// Looks at a protected object while the guard lives.
const LOOKS: usize = 16;

/// A thread with its handle.
pub struct Worker<'a, S: Scheme + 'static> {
    arena: &'a Arena<S>,
    handle: Handle<'a, S>,
    rng: Rng,
}

/// A slot, when one is free.
fn register<S: Scheme>(collector: &Collector<SLOTS, S>) -> Handle<'_, S> {
    loop {
        if let Ok(handle) = collector.register() {
            return handle;
        }
        // All slots in use: some thread has two for a moment.
        thread::yield_now();
    }
}

/// An object under a guard. It must stay in the life that it was found in.
struct Held<'g> {
    block: *mut Block,
    life: u64,
    what: &'static str,
    guard: PhantomData<&'g ()>,
}

impl<'g> Held<'g> {
    /// Protects what `cell` points to.
    fn protect<S: Scheme>(
        guard: &'g Guard<'_, S>,
        cell: &AtomicPtr<Block>,
        what: &'static str,
    ) -> Option<Self> {
        // Acquire: the object's contents.
        Self::new(guard, guard.protect(cell, Ordering::Acquire), what)
    }

    /// Takes note of an object that `guard` protects.
    fn new<S: Scheme>(_: &'g Guard<'_, S>, block: *mut Block, what: &'static str) -> Option<Self> {
        let mut held = Self {
            block,
            life: 0,
            what,
            guard: PhantomData,
        };
        if block.is_null() {
            return None;
        }
        held.life = held.look()?;
        Some(held)
    }

    /// Looks at the object now.
    fn look(&self) -> Option<u64> {
        // SAFETY: not null, and from the static pool: readable, whatever the
        // collector does.
        let block = unsafe { &*self.block };
        let life = block.life();
        if let Err(reason) = life {
            let what = self.what;
            BOOKS.violation(|| format!("{what}: an object is protected, but {reason}"));
        }
        life.ok()
    }

    /// Looks again, several times.
    fn verify(&self, looks: usize) {
        for _ in 0..looks {
            match self.look() {
                None => return,
                Some(life) if life != self.life => {
                    let (what, before) = (self.what, self.life);
                    return BOOKS.violation(|| {
                        format!(
                            "{what}: life {before} is protected, but its block is in life {life}"
                        )
                    });
                }
                Some(_) => hint::spin_loop(),
            }
        }
    }
}

impl<'a, S: Scheme + 'static> Worker<'a, S> {
    pub fn new(arena: &'a Arena<S>, rng: Rng) -> Self {
        Self {
            arena,
            handle: register(arena.collector),
            rng,
        }
    }

    /// Works until it is told to stop, or something was found. Returns the
    /// number of operations.
    pub fn run(mut self) -> u64 {
        let mut ops = 0;
        // Relaxed: a flag, nothing is read through it.
        while !self.arena.stop.load(Ordering::Relaxed) {
            ops += self.step();
            if BOOKS.violations() > 0 {
                self.arena.stop.store(true, Ordering::Relaxed);
            }
        }
        ops
    }

    fn step(&mut self) -> u64 {
        match self.rng.below(64) {
            0..24 => return self.burst(Self::read),
            24..40 => return self.burst(Self::replace),
            40..44 => self.replace_and_defer(),
            44..48 => self.shift(),
            48..52 => self.nest(),
            52..55 => self.refresh(),
            55..57 => self.change_of_mind(),
            57 => _ = self.handle.flush(),
            58 => _ = self.handle.collect(),
            59..61 => self.register_again(),
            61..63 => self.second_handle(),
            _ => self.linger(),
        }
        1
    }

    /// The same on one cell, many times.
    fn burst(&mut self, op: fn(&Self, &AtomicPtr<Block>)) -> u64 {
        let cell = self.any_cell();
        for _ in 0..BURST {
            op(self, cell);
        }
        BURST as u64
    }

    fn any_cell(&mut self) -> &'a AtomicPtr<Block> {
        // One cell is as busy as all others together.
        let index = self.rng.below(2 * CELLS as u32 - 1) as usize;
        &self.arena.cells[index.saturating_sub(CELLS - 1)]
    }

    fn read(&self, cell: &AtomicPtr<Block>) {
        use_slow_lines();
        let guard = self.handle.enter();
        if let Some(held) = Held::protect(&guard, cell, "read") {
            held.verify(LOOKS);
        }
    }

    /// Replaces an object and retires the old one with no guard: it may be
    /// reclaimed at once.
    fn replace(&self, cell: &AtomicPtr<Block>) {
        use_slow_lines();
        let Some(new) = self.alloc() else { return };
        // AcqRel: publishes the new object, acquires the old one.
        self.retire(cell.swap(new, Ordering::AcqRel));
    }

    /// Replaces an object and uses the old one on, under a guard.
    fn replace_and_defer(&mut self) {
        let cell = self.any_cell();
        let Some(new) = self.alloc() else { return };
        let guard = self.handle.enter();
        let held = Held::protect(&guard, cell, "replace");
        let old = held.as_ref().map_or(ptr::null_mut(), |held| held.block);
        // AcqRel, as in `replace`; Relaxed: a failure is given up.
        if guard
            .compare_exchange(cell, old, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return free(new);
        }
        if let Some(held) = held {
            mark_retired(old);
            // SAFETY: the exchange unlinked it, so it is retired here only; it
            // is of the pool, as is the reclaimer.
            unsafe { guard.defer_retire(old, poison) };
            held.verify(LOOKS);
        }
    }

    /// Moves an object from one cell to another, so that it is not the
    /// youngest that readers find there.
    fn shift(&mut self) {
        let (from, to) = (self.any_cell(), self.any_cell());
        let Some(new) = self.alloc() else { return };
        let old = {
            let guard = self.handle.enter();
            // AcqRel, as in `replace`.
            let moved = guard.swap(from, new, Ordering::AcqRel);
            let held = Held::new(&guard, moved, "shift");
            let old = guard.swap(to, moved, Ordering::AcqRel);
            if let Some(held) = held {
                held.verify(1);
            }
            old
        };
        self.retire(old);
    }

    /// Two guards, dropped in any order.
    fn nest(&mut self) {
        let (first, second) = (self.any_cell(), self.any_cell());
        let inner_ends_first = self.rng.below(2) == 0;
        let outer = self.handle.enter();
        let in_outer = Held::protect(&outer, first, "outer guard");
        let inner = self.handle.enter();
        let in_inner = Held::protect(&inner, second, "inner guard");
        let look = |held: &Option<Held<'_>>| held.iter().for_each(|held| held.verify(LOOKS));
        if inner_ends_first {
            look(&in_inner);
            drop(inner);
            look(&in_outer);
        } else {
            look(&in_outer);
            drop(outer);
            look(&in_inner);
        }
    }

    /// A guard that is used for several sections.
    fn refresh(&mut self) {
        let cell = self.any_cell();
        let mut guard = self.handle.enter();
        for _ in 0..4 {
            if let Some(held) = Held::protect(&guard, cell, "refresh") {
                held.verify(LOOKS);
            }
            guard.refresh();
        }
    }

    /// Makes an object and gives it back unused.
    fn change_of_mind(&mut self) {
        if let Some(block) = self.alloc() {
            free(block);
        }
    }

    /// Leaves and comes back, perhaps in another slot.
    fn register_again(&mut self) {
        // The new one first, if there is a slot: then the slot changes.
        self.handle = match self.arena.collector.register() {
            Ok(handle) => handle,
            Err(_) => return,
        };
    }

    /// Two handles of one thread: what one retires, the other still holds.
    fn second_handle(&mut self) {
        let cell = self.any_cell();
        let Ok(second) = self.arena.collector.register() else {
            return;
        };
        let guard = second.enter();
        let held = Held::protect(&guard, cell, "second handle");
        self.replace(cell);
        self.replace(cell);
        if let Some(held) = held {
            held.verify(LOOKS);
        }
    }

    /// A reader that stays for long.
    fn linger(&mut self) {
        let cell = self.any_cell();
        let end = Instant::now() + Duration::from_micros(u64::from(self.rng.below(200)));
        let guard = self.handle.enter();
        let held = Held::protect(&guard, cell, "long section");
        while Instant::now() < end {
            if let Some(held) = &held {
                held.verify(LOOKS);
            }
        }
    }

    fn alloc(&self) -> Option<*mut Block> {
        let block = alloc(&self.handle);
        if block.is_none() {
            // Everything is pinned by readers that do not run: let them.
            thread::yield_now();
        }
        block
    }

    /// Retires what the caller unlinked, if anything.
    fn retire(&self, block: *mut Block) {
        if !block.is_null() {
            mark_retired(block);
            // SAFETY: unlinked by the caller's exchange, and so retired here
            // only; no guard of this handle uses it; it is of the pool, as is
            // the reclaimer.
            unsafe { self.handle.retire(block, poison) };
        }
    }

    /// Empties the cells, when no other thread works.
    pub fn clear(self) {
        for cell in &self.arena.cells {
            // Acquire: the object's contents.
            self.retire(cell.swap(ptr::null_mut(), Ordering::Acquire));
        }
        self.handle.flush();
    }
}
