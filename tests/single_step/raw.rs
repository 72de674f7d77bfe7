//! Objects that are linked, protected and retired manually.

#[path = "raw/cpu.rs"]
mod cpu;
#[path = "raw/grace.rs"]
mod grace;
#[path = "raw/lives.rs"]
mod lives;
#[path = "raw/others.rs"]
mod others;

use std::{
    cell::{Cell, UnsafeCell},
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::*},
};

use hyaline::{
    AtomicPtr, Callback, CollectorView, Deferred, Link, Linked, Nested, Pool, Role,
    safe::{AnyCollector, Domain, Guard, Handle, PerCpu},
};

use super::{Context, Tokens, contexts};
use cpu::*;
use grace::*;
use lives::*;
use others::*;

type SchemeOf<D> = <<D as Domain>::Collector as AnyCollector>::Scheme;

const FRESH: usize = 0;
const ALIVE: usize = 1;
const DEAD: usize = 2;
/// The objects of one run, none of which is used twice.
const OBJECTS: usize = 96;

/// Eras that pass before a run, and when the clock `ticks`.
const PHASES: u64 = 8;
const TICKS: u64 = 14;

/// What is marked dead when it is reclaimed.
pub struct Canary {
    state: AtomicUsize,
    /// Counts objects that die twice.
    twice: &'static AtomicUsize,
}

type Object = Linked<Canary>;

impl Canary {
    fn is_alive(&self) -> bool {
        self.state.load(SeqCst) == ALIVE
    }

    fn die(&self) {
        if self.state.swap(DEAD, SeqCst) != ALIVE {
            self.twice.fetch_add(1, SeqCst);
        }
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.die();
    }
}

pub struct World<D: Domain> {
    cpu: PerCpu<D>,
    /// The handle of the task of higher priority, and a deferred one.
    high: Handle<D>,
    deferred: Handle<D, Deferred>,
    /// The handle of the idle task, which is also interrupted.
    idle: Handle<D>,
    first: AtomicPtr<Object>,
    second: AtomicPtr<Object>,
    /// What the task's outer section holds.
    third: AtomicPtr<Object>,
    /// Of the pool.
    pooled: AtomicPtr<Object>,
    pool: Pool<Canary, 2>,
    callback: Callback,
    /// How often the callback was registered.
    asked: AtomicUsize,
    objects: [UnsafeCell<MaybeUninit<Object>>; OBJECTS],
    used: AtomicUsize,
    round: Cell<u64>,
    /// The guard that is open around the operation, except in every fourth
    /// round, and the object that it holds.
    outer: Cell<Option<(Guard<'static, D, Nested>, *mut Object)>>,
    tokens: Tokens,
    /// Unlinked, and freed manually when the second token is over.
    waiting: Cell<*mut Object>,
    polling: AtomicBool,
    /// Objects that died while held, and objects that died twice.
    early: AtomicUsize,
    twice: &'static AtomicUsize,
    /// An error of the test itself.
    wrong: Cell<&'static str>,
}

thread_local! {
    /// How often the callback was called.
    static CALLED: Cell<usize> = const { Cell::new(0) };
}

/// The reclaimer of objects that are not pooled.
unsafe fn kill(link: *mut Link) {
    // SAFETY: all of them are such objects, whose memory stays.
    unsafe { (*Link::cast::<Object>(link)).die() };
}

impl<D: Domain> World<D> {
    pub fn new() -> &'static Self {
        let twice = Box::leak(Box::default());
        Box::leak(Box::new(Self {
            cpu: D::register_per_cpu().unwrap(),
            high: D::register().unwrap(),
            deferred: D::register_deferred().unwrap(),
            idle: D::register().unwrap(),
            first: AtomicPtr::new(null_mut()),
            second: AtomicPtr::new(null_mut()),
            third: AtomicPtr::new(null_mut()),
            pooled: AtomicPtr::new(null_mut()),
            pool: Pool::new(),
            callback: Callback::new(),
            asked: AtomicUsize::new(0),
            objects: [const { UnsafeCell::new(MaybeUninit::uninit()) }; OBJECTS],
            used: AtomicUsize::new(0),
            round: Cell::new(0),
            outer: Cell::new(None),
            tokens: Tokens::default(),
            waiting: Cell::new(null_mut()),
            polling: AtomicBool::new(false),
            early: AtomicUsize::new(0),
            twice,
            wrong: Cell::new(""),
        }))
    }

    /// The handle of the CPU, in a context that nests.
    fn cpu(&self) -> &Handle<D, Nested> {
        // SAFETY: one thread, and contexts that nest strictly.
        unsafe { self.cpu.get() }
    }

    fn collector(&self) -> &'static CollectorView<SchemeOf<D>> {
        self.high.collector()
    }

    fn callback(&self) -> &'static Callback {
        // SAFETY: the world is leaked.
        unsafe { &*std::ptr::from_ref(&self.callback) }
    }

    fn canary(&self) -> Canary {
        Canary {
            state: AtomicUsize::new(ALIVE),
            twice: self.twice,
        }
    }

    fn make<R: Role>(&self, handle: &hyaline::Handle<'_, SchemeOf<D>, R>) -> *mut Object {
        let at = self.used.fetch_add(1, SeqCst);
        let Some(place) = self.objects.get(at) else {
            self.wrong.set("too few objects");
            return null_mut();
        };
        let object = place.get().cast::<Object>();
        // SAFETY: only this call uses the cell.
        unsafe { object.write(handle.link(self.canary())) };
        object
    }

    /// In every second round the cell whose object the outer section holds.
    fn held_or_not(&self) -> &AtomicPtr<Object> {
        if self.round.get() % 2 == 0 {
            &self.third
        } else {
            &self.first
        }
    }

    /// Checks that the object is alive.
    fn look(&self, object: *mut Object) {
        // SAFETY: its memory is not reused in a run; that of pooled objects is,
        // but then an earlier check has failed.
        if !object.is_null() && !unsafe { &*object }.is_alive() {
            self.early.fetch_add(1, SeqCst);
        }
    }

    /// Puts an object into a cell, and retires the old one with the handle.
    fn put<R: Role>(&self, cell: &AtomicPtr<Object>, handle: &Handle<D, R>, new: *mut Object) {
        let old = cell.swap(new, AcqRel);
        if !old.is_null() {
            // SAFETY: unlinked by the swap.
            unsafe { handle.retire(old, kill) };
        }
    }

    /// Retires an object that was unlinked, under a guard that holds it.
    fn defer<R: Role>(&self, guard: &hyaline::Guard<'_, SchemeOf<D>, R>, old: *mut Object) {
        self.look(old);
        if !old.is_null() {
            // SAFETY: unlinked by the caller, who holds it.
            unsafe { guard.defer_retire(old, kill) };
            self.look(old);
        }
    }

    /// Ends the section that is open around the operation.
    fn end_outer(&self) {
        if let Some((guard, held)) = self.outer.take() {
            if CALLED.get() > 0 {
                self.wrong
                    .set("a callback was called in a section that it waits for");
            }
            self.look(held);
            drop(guard);
        }
    }

    /// Unlinks and retires everything.
    fn clear(&self, handle: &Handle<D>) {
        for cell in [&self.first, &self.second, &self.third] {
            self.put(cell, handle, null_mut());
        }
    }
}

impl<D: Domain> super::World for World<D> {
    const TASKS: &'static [Context<Self>] = contexts! {
        reads nests leaves_unchecked swaps exchanges_well exchanges_badly exchanges_weakly
        retires retires_own links refreshes is_refreshed leaves_with_work
        allocates starves frees retires_pooled defers_pooled
        flushes polls waits waits_for_token calls_later is_hurried observes
        unprotected lives lives_deferred lives_per_cpu lives_erased moves moves_deferred evicts
        idle_collects idle_limits idle_retires
    };
    const NESTED: &'static [Context<Self>] = contexts! {
        reads swaps exchanges_badly retires_own refreshes starves defers_pooled polls calls_later
        lives_deferred ticks
    };
    const OTHERS: &'static [Context<Self>] = contexts! {
        high_unlinks high_replaces high_defers high_polls high_hurries deferred_swaps
        unlinked_then_reads swaps_then_collected
    };
    const TEAR: (&'static [Context<Self>], u64) =
        (contexts! { ticks high_unlinks }, PHASES * TICKS * 4);

    fn prepare(&self, round: u64) {
        self.round.set(round);
        for _ in 0..round / 4 % PHASES {
            let _ = self.high.link(0); // an era later
        }
        for cell in [&self.first, &self.second, &self.third] {
            cell.store(self.make(&self.high), Release);
        }
        if round % 4 != 0 {
            // SAFETY: the world is leaked.
            let cpu: &'static Handle<D, Nested> = unsafe { &*std::ptr::from_ref(self.cpu()) };
            let guard = cpu.enter();
            let held = guard.protect(&self.third, Acquire);
            self.outer.set(Some((guard, held)));
            let _ = self.high.link(0);
            if round % 4 > 1 {
                // Younger than the section.
                self.put(&self.first, &self.high, self.make(&self.high));
                self.put(&self.second, &self.high, self.make(&self.high));
            }
        }
    }

    fn close(&self) {
        self.end_outer();
        self.clear(&self.high);
        let pooled = self.pooled.swap(null_mut(), AcqRel);
        if !pooled.is_null() {
            // SAFETY: unlinked by the swap.
            unsafe { self.pool.retire(&self.high, pooled) };
        }
    }

    fn check(&self) -> Result<(), String> {
        self.idle.collect();
        let pending = self.collector().stats().pending();
        let uncalled = self.asked.swap(0, SeqCst) - CALLED.take();
        let mut over = true;
        for at in 0..2 {
            if let Some(mut token) = self.tokens.take(at) {
                over &= token.poll(&self.high);
            }
        }
        let waiting = self.waiting.replace(null_mut());
        if !waiting.is_null() {
            // SAFETY: unlinked, and no section is open.
            unsafe { kill(waiting.cast()) };
        }
        self.polling.store(false, SeqCst);
        let used = self.used.swap(0, SeqCst);
        let mut alive = 0;
        for place in &self.objects[..used.min(OBJECTS)] {
            // SAFETY: it was made, and is not used any more.
            let object = unsafe { (*place.get()).assume_init_ref() };
            alive += usize::from(object.is_alive());
            object.state.store(FRESH, SeqCst);
        }
        let (early, twice) = (self.early.swap(0, SeqCst), self.twice.swap(0, SeqCst));
        let wrong = self.wrong.replace("");
        if early > 0 {
            return Err(format!(
                "{early} objects were reclaimed while they were held"
            ));
        }
        if twice > 0 {
            return Err(format!("{twice} objects were reclaimed twice"));
        }
        if !wrong.is_empty() {
            return Err(wrong.to_string());
        }
        let free = self.pool.available();
        let slots = self.collector().slots();
        let claimed = slots.filter(|slot| slot.owner.is_some()).count();
        if pending > 0 || !over || alive > 0 || free < 2 || uncalled > 0 || claimed != 4 {
            return Err(format!(
                "{pending} objects are pending, {alive} alive, {free} blocks of 2 free, \
                 {uncalled} callbacks not called, {claimed} slots of 4 claimed; \
                 all grace periods are over: {over}"
            ));
        }
        Ok(())
    }
}
