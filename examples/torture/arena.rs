//! What the threads share: the cells, the dead threads, and a moving section.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use hyaline::{AtomicPtr, Collector, Handle, HandleId, OwnedGuard, Scheme};

use crate::SLOTS;
use crate::hands::Hands;
use crate::held::{LOOKS, Seen};
use crate::objects::{BOOKS, Block};
use crate::rest::Rest;

/// Pointers that all threads read and replace; few, so that the threads meet.
pub const CELLS: usize = 4;

/// A section that moves from thread to thread, with what it protects.
struct Traveller<S: Scheme + 'static> {
    section: OwnedGuard<'static, S>,
    seen: Option<Seen>,
}

pub struct Arena<S: Scheme + 'static> {
    pub collector: &'static Collector<SLOTS, S>,
    pub cells: [AtomicPtr<Block>; CELLS],
    pub stop: AtomicBool,
    pub rest: Rest,
    /// Handles of threads that ended in a section.
    dead: Mutex<Vec<HandleId>>,
    traveller: Mutex<Option<Traveller<S>>>,
    pub counts: Counts,
}

/// What happened besides reading and writing.
#[derive(Default)]
pub struct Counts {
    pub evicted: AtomicU64,
    pub restarted: AtomicU64,
    pub periods: AtomicU64,
    pub synchronized: AtomicU64,
    pub travelled: AtomicU64,
    pub rests: AtomicU64,
}

pub fn add_one(count: &AtomicU64) {
    // Relaxed: read when all threads have ended.
    count.fetch_add(1, Ordering::Relaxed);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Scheme + 'static> Arena<S>
where
    Collector<SLOTS, S>: Sync,
{
    pub fn new(collector: &'static Collector<SLOTS, S>, threads: usize) -> Self {
        Self {
            collector,
            cells: Default::default(),
            stop: AtomicBool::new(false),
            rest: Rest::new(threads),
            dead: Mutex::default(),
            traveller: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// A thread is started, and dies in its section: it forgets its guard and
    /// its handle, and leaves retired objects behind.
    pub fn die(&self, cell: &AtomicPtr<Block>, deferred: bool) {
        let die = |id: HandleId| lock(&self.dead).push(id);
        let last_words = || {
            if deferred {
                let handle = self.collector.register_deferred().ok()?;
                Hands(&handle).replace_and_defer(cell);
                std::mem::forget((handle.enter(), handle.enter()));
                let id = handle.id();
                std::mem::forget(handle);
                return Some(id);
            }
            let handle = self.collector.register().ok()?;
            std::mem::forget(handle.enter());
            for _ in 0..3 {
                Hands(&handle).replace_and_defer(cell);
            }
            let id = handle.id();
            std::mem::forget(handle);
            Some(id)
        };
        // It is recorded as dead when it is known to have ended.
        let id = thread::scope(|scope| scope.spawn(last_words).join());
        id.expect("a thread panicked").map(die);
    }

    /// Evicts one of the dead threads, if any.
    pub fn bury(&self) -> bool {
        let Some(id) = lock(&self.dead).pop() else {
            return false;
        };
        // SAFETY: its thread was joined before the id was put there, and ended
        // between two calls of the crate; its guards and its handle are
        // forgotten.
        if unsafe { self.collector.evict(id) }.is_err() {
            BOOKS.violation(|| "a dead owner has already lost its slot".into());
        }
        // SAFETY: the same dead owner, whose guards and handle are forgotten.
        if unsafe { self.collector.evict(id) }.is_ok() {
            BOOKS.violation(|| "an owner was evicted twice".into());
        }
        add_one(&self.counts.evicted);
        true
    }

    /// Starts a moving section, if there is none.
    pub fn send(&self, cell: &AtomicPtr<Block>) {
        let mut place = lock(&self.traveller);
        if place.is_some() {
            return;
        }
        if let Ok(handle) = self.collector.register() {
            let section = handle.enter_owned();
            // Acquire: the object's contents.
            let block = section.protect(cell, Ordering::Acquire);
            let seen = Seen::new(block, "section that moves");
            *place = Some(Traveller { section, seen });
        }
    }

    /// Ends a section that another thread began.
    pub fn receive(&self) -> bool {
        let handle = self.end_section();
        let handle = handle.inspect(|handle| Hands(handle).read(&self.cells[0]));
        handle.is_some()
    }

    /// Ends the moving section, if there is one, and returns its handle.
    pub fn end_section(&self) -> Option<Handle<'static, S>> {
        let mut traveller = lock(&self.traveller).take()?;
        if let Some(seen) = &traveller.seen {
            seen.verify(LOOKS);
        }
        traveller.section.refresh();
        add_one(&self.counts.travelled);
        Some(traveller.section.leave())
    }
}
