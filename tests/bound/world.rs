//! A collector with users of all roles that respects the assumptions of the
//! bound: a step that would break one is skipped.
//!
//! Calls are preempted in their reclaimers, and at their barriers (`Op::PreemptAt`).
//! What the page counts until the calls that are under way have returned is counted so
//! for the latter. A call that is preempted in a reclaimer has forwarded what it took
//! from an inbox, so there an ended section is counted only while objects wait for it.

// The macros first.
#[macro_use]
#[path = "users.rs"]
mod users;
#[path = "accounts.rs"]
mod accounts;
#[path = "more.rs"]
mod more;
#[path = "steps.rs"]
mod steps;

use std::{
    cell::{Cell, RefCell},
    mem,
    panic::resume_unwind,
    rc::Rc,
    sync::atomic::Ordering,
    thread::panicking,
};

use hyaline::{AtomicPtr, Collector, Config, Link, Linked, Pool};

pub use users::Preempting;
use users::{Open, Scheme, User, here};

/// What may happen.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub batch: usize,
    pub step: usize,
    pub stalls: usize,
    pub live: usize,
    /// The peak is reached inside a reclaimer.
    pub inside: bool,
}

/// One step: operation, seat, count.
pub type Step = [u8; 3];

/// The operations; a step selects one by its first byte. A search has a list of
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
pub enum Op {
    Make, Retire, RetireNew, RetireNow, Enter, Leave, Protect, Swap, Exchange, Refresh, Collect,
    CollectAtMost, Limit, Flush, Register, Evict, Synchronize, Starve, Preempt, PreemptAt,
    Weak, Failing, Unprotected, Forget, Own, Panic, Block,
}

#[rustfmt::skip]
pub const ALL: &[Op] = &[
    Op::Make, Op::Retire, Op::RetireNew, Op::RetireNow, Op::Enter, Op::Leave, Op::Protect, Op::Swap,
    Op::Exchange, Op::Refresh, Op::Collect, Op::CollectAtMost, Op::Limit, Op::Flush, Op::Register,
    Op::Evict, Op::Synchronize, Op::Starve, Op::Preempt, Op::PreemptAt,
    Op::Weak, Op::Failing, Op::Unprotected, Op::Forget, Op::Own, Op::Panic, Op::Block,
];

type Object = Linked<usize>;

/// The payload of a reclaimer's panic.
struct OnPurpose;

/// How a section counts as a stall.
#[derive(Clone, Copy)]
struct Section {
    number: usize,
    /// The number of objects retired before it.
    since: usize,
    /// What it counts more for the later eras in which it loaded.
    advanced: usize,
}

/// A call under way.
#[derive(Clone)]
struct Call {
    seat: usize,
    /// The number of objects retired before it.
    since: usize,
    /// The reclaimers that it may run, and those that it ran.
    limit: usize,
    ran: usize,
    /// It loads pointers under a guard: at a light barrier its section raises its era.
    loads: bool,
    /// The number of objects retired before its first light barrier.
    lit: Option<usize>,
    /// A reclaimer panicked in it.
    panicked: bool,
    /// It was preempted at a barrier. What it took then it holds until it returns.
    stopped: bool,
    /// It is at a barrier: the objects in use on each slot that it may have taken.
    taken: Option<Vec<usize>>,
}

#[derive(Default)]
struct Seat {
    user: Option<Rc<User>>,
    limit: usize,
    guards: Vec<Open>,
    /// Guards in use by calls under way, forgotten, and owned ones.
    lent: usize,
    section: Option<Section>,
    /// Sections that are over and have not been noticed yet.
    over: Vec<Section>,
    /// The objects that the section loaded.
    held: Vec<usize>,
    /// Objects that were retired on this slot where no reclaimer may run, and
    /// how many of them an eager call has published, with nothing left over.
    deferred: usize,
    cleared: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    Retired,
    Gone,
}

pub struct World<const N: usize> {
    collector: *mut Collector<N, Scheme>,
    limits: Limits,
    pool: Pool<u32, 1>,
    /// A pool in which handles keep blocks, and those that are allocated.
    blocks: Pool<u32, 64>,
    allocated: RefCell<Vec<*mut Linked<u32>>>,
    seats: RefCell<Vec<Seat>>,
    states: RefCell<Vec<State>>,
    /// Objects that are in no cell.
    private: RefCell<Vec<*mut Object>>,
    cells: Vec<AtomicPtr<Object>>,
    calls: RefCell<Vec<Call>>,
    /// Something may be left over.
    left_over: Cell<bool>,
    live: Cell<usize>,
    retired: Cell<usize>,
    reclaimed: Cell<usize>,
    peak: Cell<usize>,
    /// Steps that the next reclaimer performs.
    armed: Cell<usize>,
    /// Barriers until one at which steps run, and how many steps.
    armed_at: Cell<(usize, usize)>,
    /// So many of the calls are preempted at a barrier, and their users do nothing.
    locked: Cell<usize>,
    /// The next reclaimer panics.
    panics: Cell<bool>,
    /// An assumption was broken where the step could not be skipped.
    void: Cell<bool>,
    sections: Cell<usize>,
    /// The remaining steps.
    script: RefCell<std::vec::IntoIter<Step>>,
    ops: &'static [Op],
    /// Whether to print each step.
    log: bool,
}

trait Reclaims {
    fn reclaim(&self, object: Box<Object>);
    fn at_barrier(&self, light: bool);
}

thread_local!(static WORLD: Cell<Option<*const dyn Reclaims>> = const { Cell::new(None) });

/// A call executes a barrier.
fn at_barrier(light: bool) {
    if let Some(world) = WORLD.get() {
        // SAFETY: the world of this thread outlives its collector.
        unsafe { (*world).at_barrier(light) };
    }
}

unsafe fn reclaim(link: *mut Link) {
    // SAFETY: all objects are boxed, and retired once.
    let object = unsafe { Box::from_raw(Link::cast::<Object>(link)) };
    // SAFETY: the world of this thread outlives its collector.
    unsafe { (*WORLD.get().expect("a world")).reclaim(object) };
}

impl<const N: usize> Reclaims for World<N> {
    fn reclaim(&self, object: Box<Object>) {
        let id = **object;
        drop(object);
        for seat in &*self.seats.borrow() {
            assert!(!seat.held.contains(&id), "reclaimed while held");
        }
        let state = mem::replace(&mut self.states.borrow_mut()[id], State::Gone);
        assert!(state == State::Retired, "reclaimed once");
        self.reclaimed.set(self.reclaimed.get() + 1);
        if let Some(call) = self.calls.borrow_mut().last_mut() {
            call.ran += 1;
        }
        for _ in 0..self.armed.take() {
            self.next();
        }
        if !panicking() && self.panics.take() {
            resume_unwind(Box::new(OnPurpose));
        }
    }

    fn at_barrier(&self, light: bool) {
        self.passes_barrier(light);
    }
}

impl<const N: usize> World<N> {
    /// Runs a script to its end and returns the peak number of pending objects.
    pub fn run(
        config: Config<Preempting>,
        limits: Limits,
        ops: &'static [Op],
        script: Vec<Step>,
        log: bool,
    ) -> usize {
        let other = Collector::<1>::new();
        let world = Self {
            collector: Box::into_raw(Box::new(Collector::with_config(config))),
            limits,
            pool: Pool::new(),
            blocks: Pool::new(),
            allocated: RefCell::default(),
            seats: RefCell::new((0..N).map(|_| Seat::default()).collect()),
            states: RefCell::default(),
            private: RefCell::default(),
            cells: (0..limits.live.min(4))
                .map(|_| AtomicPtr::default())
                .collect(),
            calls: RefCell::default(),
            left_over: Cell::new(false),
            live: Cell::new(0),
            retired: Cell::new(0),
            reclaimed: Cell::new(0),
            peak: Cell::new(0),
            armed: Cell::new(0),
            armed_at: Cell::new((0, 0)),
            locked: Cell::new(0),
            panics: Cell::new(false),
            void: Cell::new(false),
            sections: Cell::new(0),
            script: RefCell::new(script.into_iter()),
            ops,
            log,
        };
        // The one block is taken, so that an allocation flushes.
        let keeper = other.register().unwrap();
        world.pool.alloc(&keeper, 0).unwrap();
        let this: *const (dyn Reclaims + '_) = &raw const world;
        // SAFETY: only the lifetime changes, and the pointer is removed below.
        let this: *const (dyn Reclaims + 'static) = unsafe { mem::transmute(this) };
        WORLD.set(Some(this));
        for seat in 0..N {
            world.register(seat, 0);
        }
        while world.next() {}
        world.armed.set(0);
        world.armed_at.set((0, 0));
        world.panics.set(false);
        world.end();
        WORLD.set(None);
        world.peak.get()
    }

    fn end(&self) {
        for seat in 0..N {
            while self.leave(seat) {}
            // The forgotten guards are not used any more.
            self.seats.borrow_mut()[seat].held.clear();
        }
        for seat in 0..N {
            let user = self.seats.borrow_mut()[seat].user.take();
            drop(user);
        }
        // SAFETY: made in `run`, and no handle is left.
        drop(unsafe { Box::from_raw(self.collector) });
        assert_eq!(
            self.reclaimed.get(),
            self.retired.get(),
            "everything is reclaimed in the end"
        );
        let cells = self.cells.iter().map(|cell| cell.load(Ordering::Relaxed));
        for object in self.private.take().into_iter().chain(cells) {
            if !object.is_null() {
                // SAFETY: boxed, never retired.
                drop(unsafe { Box::from_raw(object) });
            }
        }
    }

    fn collector(&self) -> &'static Collector<N, Scheme> {
        // SAFETY: it lives until `end`, when all that borrow it are gone.
        unsafe { &*self.collector }
    }

    fn pending(&self) -> usize {
        self.retired.get() - self.reclaimed.get()
    }

    /// Performs the next step. False if there is none.
    fn next(&self) -> bool {
        let next = self.script.borrow_mut().next();
        let Some([what, who, count]) = next else {
            return false;
        };
        if self.void.get() {
            return true;
        }
        let op = self.ops[usize::from(what) % self.ops.len()];
        let seat = usize::from(who) % N;
        let Limits {
            batch, step, live, ..
        } = self.limits;
        let often = [
            1,
            step,
            2,
            batch - 1,
            batch,
            N * (batch - 1),
            N * batch,
            live,
        ];
        let times = often[usize::from(count) % 8].max(1);
        let indent = "  ".repeat(2 + self.calls.borrow().len());
        if self.step(op, seat, who, count, times) && self.log {
            println!(
                "{indent}{seat}: {op:?} {times} ({who} {count}), {} pending",
                self.pending()
            );
        }
        true
    }

    fn step(&self, op: Op, seat: usize, who: u8, count: u8, times: usize) -> bool {
        let oldest = count & 8 != 0;
        let cell = &self.cells[usize::from(count) / 16 % self.cells.len()];
        if self.is_locked(seat) {
            return false;
        }
        let repeat = |f: &dyn Fn() -> bool| (0..times).take_while(|_| f()).count() > 0;
        match op {
            Op::Make => repeat(&|| self.make(seat)),
            Op::Retire => repeat(&|| self.retire_private(seat, oldest, false)),
            Op::RetireNow => repeat(&|| self.retire_private(seat, oldest, true)),
            Op::RetireNew => repeat(&|| {
                self.may_retire(1) && self.make(seat) && self.retire_private(seat, false, false)
            }),
            Op::Enter => self.enter(seat),
            Op::Leave => self.leave(seat),
            Op::Protect => self.protect(seat, cell),
            Op::Swap => repeat(&|| self.exchange(seat, cell, op)),
            Op::Exchange | Op::Weak | Op::Failing => self.exchange(seat, cell, op),
            Op::Unprotected => self.unprotected(times),
            Op::Forget => self.forget(seat),
            Op::Own => self.own(seat, usize::from(count) % 16),
            Op::Block => self.block(seat, oldest),
            Op::Panic => {
                self.panics.set(true);
                true
            }
            Op::Refresh => self.refresh(seat),
            Op::Collect | Op::Flush => self.collect(seat, op == Op::Flush, None),
            Op::CollectAtMost => self.collect(seat, false, Some(times - usize::from(oldest))),
            Op::Limit => self.limit(seat, if oldest { times } else { 0 }),
            Op::Register => self.retake(seat, usize::from(who) / N, false),
            Op::Evict => self.retake(seat, usize::from(who) / N, true),
            Op::Synchronize => self.synchronize(seat),
            Op::Starve => self.starve(seat),
            Op::Preempt => {
                self.armed.set(usize::from(count) % 32);
                true
            }
            Op::PreemptAt => {
                self.armed_at
                    .set((usize::from(who) / N % 4 + 1, usize::from(count) % 32));
                true
            }
        }
    }
}
