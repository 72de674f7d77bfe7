//! Objects that are linked, protected and retired manually.

use std::{
    cell::{Cell, UnsafeCell},
    mem::MaybeUninit,
    ptr::{dangling_mut, null_mut},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::*},
};

use hyaline::{
    AtomicPtr, Deferred, Link, Linked, Nested, Pool, Role, Stats, Token, reclaim,
    safe::{Domain, Guard, Handle, PerCpu},
};

use super::{Context, Tokens, contexts};

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
    stats: fn() -> Stats,
    first: AtomicPtr<Object>,
    second: AtomicPtr<Object>,
    /// What the task's outer section holds.
    third: AtomicPtr<Object>,
    pool: Pool<Canary, 2>,
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

/// The reclaimer of objects that are not pooled.
unsafe fn kill(link: *mut Link) {
    // SAFETY: all of them are such objects, whose memory stays.
    unsafe { (*Link::cast::<Object>(link)).die() };
}

impl<D: Domain> World<D> {
    pub fn new(stats: fn() -> Stats) -> &'static Self {
        let twice = Box::leak(Box::default());
        Box::leak(Box::new(Self {
            cpu: D::register_per_cpu().unwrap(),
            high: D::register().unwrap(),
            deferred: D::register_deferred().unwrap(),
            idle: D::register().unwrap(),
            stats,
            first: AtomicPtr::new(null_mut()),
            second: AtomicPtr::new(null_mut()),
            third: AtomicPtr::new(null_mut()),
            pool: Pool::new(),
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

    fn canary(&self) -> Canary {
        Canary {
            state: AtomicUsize::new(ALIVE),
            twice: self.twice,
        }
    }

    fn make<R: Role>(&self, handle: &Handle<D, R>) -> *mut Object {
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

    /// Unlinks and retires everything.
    fn clear(&self, handle: &Handle<D>) {
        for cell in [&self.first, &self.second, &self.third] {
            self.put(cell, handle, null_mut());
        }
    }
}

impl<D: Domain> super::World for World<D> {
    const TASKS: &'static [Context<Self>] = contexts! {
        reads nests swaps exchanges_well exchanges_badly exchanges_weakly retires
        retires_own links refreshes is_refreshed leaves_with_work allocates starves polls
        idle_collects idle_retires
    };
    const NESTED: &'static [Context<Self>] = contexts! {
        reads swaps exchanges_badly retires_own refreshes starves polls ticks
    };
    const OTHERS: &'static [Context<Self>] = contexts! {
        high_unlinks high_replaces high_defers high_polls deferred_swaps
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
        if let Some((guard, held)) = self.outer.take() {
            self.look(held);
            drop(guard);
        }
        self.clear(&self.high);
    }

    fn check(&self) -> Result<(), String> {
        self.idle.collect();
        let pending = (self.stats)().pending();
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
        if pending > 0 || !over || alive > 0 || free < 2 {
            return Err(format!(
                "{pending} objects are pending, {alive} alive, {free} blocks of 2 free; \
                 all grace periods are over: {over}"
            ));
        }
        Ok(())
    }
}

// What the contexts of the CPU do, as the task and as interrupts.

fn reads<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    w.look(first);
    let second = guard.protect(&w.second, Acquire);
    w.look(first);
    w.look(second);
}

fn nests<D: Domain>(w: &World<D>) {
    let outer = w.cpu().enter();
    let first = outer.protect(&w.first, Acquire);
    let inner = w.cpu().enter();
    drop(outer);
    let second = inner.protect(&w.second, Acquire);
    w.look(first);
    w.look(second);
}

fn swaps<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let second = guard.protect(&w.second, Acquire);
    let new = w.make(w.cpu());
    let old = guard.swap(&w.first, new, AcqRel);
    w.look(old);
    if !old.is_null() {
        // SAFETY: unlinked by the swap.
        unsafe { guard.defer_retire(old, kill) };
        w.look(old);
    }
    w.look(second);
}

fn exchanges_well<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let seen = guard.protect(&w.first, Acquire);
    let new = w.make(w.cpu());
    match guard.compare_exchange(&w.first, seen, new, AcqRel, Acquire) {
        Ok(old) if !old.is_null() => {
            w.look(old);
            // SAFETY: unlinked by the exchange.
            unsafe { guard.defer_retire(old, kill) };
            w.look(old);
        }
        Ok(_) => {}
        Err(found) => {
            w.look(found);
            w.look(seen);
            // SAFETY: it was not published.
            unsafe { guard.defer_retire(new, kill) };
        }
    }
}

fn exchanges_badly<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let wrong = dangling_mut();
    if let Err(found) = guard.compare_exchange(&w.first, wrong, null_mut(), AcqRel, Acquire) {
        w.look(found);
        let second = guard.protect(&w.second, Acquire);
        w.look(second);
        w.look(found);
    }
}

fn exchanges_weakly<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let mut seen = dangling_mut();
    loop {
        match guard.compare_exchange_weak(&w.first, seen, null_mut(), AcqRel, Acquire) {
            Ok(old) => {
                if !old.is_null() {
                    // SAFETY: unlinked by the exchange.
                    unsafe { guard.defer_retire(old, kill) };
                }
                w.look(old);
                return;
            }
            Err(found) => {
                w.look(found);
                seen = found;
            }
        }
    }
}

/// Without its own section.
fn retires<D: Domain>(w: &World<D>) {
    w.put(&w.first, w.cpu(), null_mut());
    w.put(&w.second, w.cpu(), w.make(w.cpu()));
}

/// Publishes its own object, which it reads until the end.
fn retires_own<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let own = w.make(w.cpu());
    // SAFETY: not shared yet.
    unsafe { guard.protect_own(own) };
    let old = guard.swap(&w.second, own, AcqRel);
    if !old.is_null() {
        // SAFETY: unlinked by the swap.
        unsafe { guard.defer_retire(old, kill) };
    }
    w.look(own);
    let unshared = w.make(w.cpu());
    // SAFETY: never shared.
    unsafe { guard.defer_retire(unshared, kill) };
    w.look(unshared);
    w.look(own);
    w.look(old);
}

fn links<D: Domain>(w: &World<D>) {
    let object = w.make(w.cpu());
    let _ = w.cpu().stamp();
    // SAFETY: never shared.
    unsafe { w.cpu().retire(object, kill) };
}

fn refreshes<D: Domain>(w: &World<D>) {
    let mut guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    w.look(first);
    guard.refresh();
    let second = guard.protect(&w.second, Acquire);
    w.look(second);
    guard.refresh();
    let first = guard.protect(&w.first, Acquire);
    w.look(first);
}

/// A refresh for which a chain waits.
fn is_refreshed<D: Domain>(w: &World<D>) {
    let mut guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    w.clear(&w.idle);
    w.idle.collect();
    w.look(first);
    let mut token = w.idle.start_grace_period();
    let over = token.poll(&w.idle);
    w.tokens.keep(0, token);
    if over {
        w.early.fetch_add(1, SeqCst);
    }
    guard.refresh();
    let second = guard.protect(&w.second, Acquire);
    w.look(second);
}

fn leaves_with_work<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    w.clear(&w.idle);
    w.idle.collect();
    w.look(first);
    drop(guard);
}

fn allocates<D: Domain>(w: &World<D>) {
    if let Ok(object) = w.pool.alloc(w.cpu(), w.canary()) {
        w.look(object);
        // SAFETY: never shared.
        unsafe { w.cpu().retire(object, reclaim::pooled::<Canary>) };
    }
}

/// Takes what the pool has, and asks for more.
fn starves<D: Domain>(w: &World<D>) {
    for _ in 0..3 {
        allocates(w);
    }
}

/// Frees an object manually when a grace period is over, or leaves it to a
/// later call.
fn polls<D: Domain>(w: &World<D>) {
    polls_with(w, w.cpu());
}

fn polls_with<D: Domain, R: Role>(w: &World<D>, handle: &Handle<D, R>) {
    let going_on: Option<Token> = w.tokens.take(1);
    let mut token = match going_on {
        Some(token) => token,
        // Another context is using the token.
        None if w.polling.swap(true, SeqCst) => return,
        None => {
            w.waiting.set(w.first.swap(null_mut(), AcqRel));
            handle.start_grace_period()
        }
    };
    if token.poll(handle) {
        let waiting = w.waiting.replace(null_mut());
        if !waiting.is_null() {
            // SAFETY: unlinked before the grace period.
            unsafe { kill(waiting.cast()) };
        }
        w.polling.store(false, SeqCst);
    } else {
        w.tokens.keep(1, token);
    }
}

/// The clock advances, and then the CPU reads.
fn ticks<D: Domain>(w: &World<D>) {
    for _ in 0..w.round.get() / 4 / PHASES % TICKS {
        let _ = w.high.link(0);
    }
    reads(w);
}

// What a task of higher priority does, with its own handle.

fn high_unlinks<D: Domain>(w: &World<D>) {
    w.clear(&w.high);
    w.high.collect();
}

fn high_replaces<D: Domain>(w: &World<D>) {
    for _ in 0..2 {
        w.put(&w.first, &w.high, w.make(&w.high));
    }
    w.put(&w.second, &w.high, null_mut());
    w.high.collect();
}

fn high_defers<D: Domain>(w: &World<D>) {
    let guard = w.high.enter();
    for cell in [&w.first, &w.second, &w.third] {
        let old = guard.swap(cell, null_mut(), AcqRel);
        if !old.is_null() {
            // SAFETY: unlinked by the swap.
            unsafe { guard.defer_retire(old, kill) };
            w.look(old);
        }
    }
    drop(guard);
    w.high.flush();
}

fn high_polls<D: Domain>(w: &World<D>) {
    polls_with(w, &w.high);
}

/// An interrupt with its own handle, and then one that collects.
fn deferred_swaps<D: Domain>(w: &World<D>) {
    let guard = w.deferred.enter();
    let old = guard.swap(&w.first, null_mut(), AcqRel);
    w.look(old);
    if !old.is_null() {
        // SAFETY: unlinked by the swap.
        unsafe { guard.defer_retire(old, kill) };
        w.look(old);
    }
    drop(guard);
    w.high.collect();
}

// Both, one after the other.

fn unlinked_then_reads<D: Domain>(w: &World<D>) {
    high_unlinks(w);
    reads(w);
}

fn swaps_then_collected<D: Domain>(w: &World<D>) {
    swaps(w);
    w.high.collect();
}

// What the idle task does, which is also interrupted.

fn idle_collects<D: Domain>(w: &World<D>) {
    // SAFETY: never shared.
    unsafe { w.cpu().retire(w.make(w.cpu()), kill) };
    retires(w);
    w.idle.collect();
}

fn idle_retires<D: Domain>(w: &World<D>) {
    w.put(&w.first, &w.idle, w.make(&w.idle));
    let guard = w.idle.enter();
    let second = guard.swap(&w.second, null_mut(), AcqRel);
    w.look(second);
    if !second.is_null() {
        // SAFETY: unlinked by the swap.
        unsafe { guard.defer_retire(second, kill) };
    }
    w.look(second);
    drop(guard);
    w.idle.flush();
}
