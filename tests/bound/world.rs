//! A collector with users of all roles that respects the assumptions of the
//! bound: a step that would break one is skipped.
//!
//! Sections in reclaimers are counted less strictly than the page does. The
//! page counts an ended section until the calls that were under way at its end
//! have returned, because a call may be preempted with what it took from an
//! inbox. Here a call is preempted in its reclaimers only, when it has forwarded
//! that. So an ended section is counted while objects wait for it, and those
//! of a slot whose call is under way count as one.

use std::{
    cell::{Cell, RefCell},
    mem,
    num::NonZeroU16,
    ptr,
    rc::Rc,
    sync::atomic::Ordering,
};

use hyaline::{
    AtomicPtr, Collector, Config, Deferred, Eager, Guard, Handle, Link, Linked, Nested, PerCpu,
    Pool, Robust,
};

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
    CollectAtMost, Limit, Flush, Register, Evict, Synchronize, Starve, Preempt,
}

#[rustfmt::skip]
pub const ALL: &[Op] = &[
    Op::Make, Op::Retire, Op::RetireNew, Op::RetireNow, Op::Enter, Op::Leave, Op::Protect, Op::Swap,
    Op::Exchange, Op::Refresh, Op::Collect, Op::CollectAtMost, Op::Limit, Op::Flush, Op::Register,
    Op::Evict, Op::Synchronize, Op::Starve, Op::Preempt,
];

type Object = Linked<usize>;

/// A user of a slot.
enum User {
    Eager(Handle<'static, Robust>),
    Deferred(Handle<'static, Robust, Deferred>),
    PerCpu(PerCpu<'static, Robust>),
}

fn here<'a>(cpu: &'a PerCpu<'static, Robust>) -> &'a Handle<'static, Robust, Nested> {
    // SAFETY: one thread.
    unsafe { cpu.get() }
}

/// Expands the expression for each kind of handle.
macro_rules! each {
    ($user:expr, $handle:ident => $do:expr) => {
        match &$user {
            User::Eager($handle) => $do,
            User::Deferred($handle) => $do,
            User::PerCpu(cpu) => {
                let $handle = here(cpu);
                $do
            }
        }
    };
}

enum Open {
    Eager(Guard<'static, Robust, Eager>),
    Deferred(Guard<'static, Robust, Deferred>),
    PerCpu(Guard<'static, Robust, Nested>),
}

macro_rules! each_open {
    ($open:expr, $guard:ident => $do:expr) => {
        match $open {
            Open::Eager($guard) => $do,
            Open::Deferred($guard) => $do,
            Open::PerCpu($guard) => $do,
        }
    };
}

/// How a section counts as a stall.
#[derive(Clone, Copy)]
struct Section {
    number: usize,
    /// The number of objects retired before it.
    since: usize,
    /// The number of eras in which it loaded.
    advanced: usize,
}

/// A call under way.
#[derive(Clone, Copy)]
struct Call {
    seat: usize,
    /// The number of objects retired before it.
    since: usize,
    /// The reclaimers that it may run, and those that it ran.
    limit: usize,
    ran: usize,
}

#[derive(Default)]
struct Seat {
    user: Option<Rc<User>>,
    limit: usize,
    guards: Vec<Open>,
    /// Guards in use by calls under way.
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
    collector: *mut Collector<N, Robust>,
    limits: Limits,
    pool: Pool<u32, 1>,
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
    sections: Cell<usize>,
    /// The remaining steps.
    script: RefCell<std::vec::IntoIter<Step>>,
    ops: &'static [Op],
    /// Whether to print each step.
    log: bool,
}

trait Reclaims {
    fn reclaim(&self, object: Box<Object>);
}

thread_local!(static WORLD: Cell<Option<*const dyn Reclaims>> = const { Cell::new(None) });

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
    }
}

impl<const N: usize> World<N> {
    /// Runs a script to its end and returns the peak number of pending objects.
    pub fn run(
        config: Config,
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
        world.end();
        WORLD.set(None);
        world.peak.get()
    }

    fn end(&self) {
        for seat in 0..N {
            while self.leave(seat) {}
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

    fn collector(&self) -> &'static Collector<N, Robust> {
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
            Op::Swap => repeat(&|| self.exchange(seat, cell, true)),
            Op::Exchange => self.exchange(seat, cell, false),
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
        }
    }

    // What the page on the bound counts.

    /// The stalls that a section or a call counts as when `more` objects have
    /// been retired.
    fn count_of(&self, section: &Section, more: usize) -> usize {
        let during = self.retired.get() + more - section.since;
        if during < N * self.limits.batch {
            0
        } else {
            1 + section.advanced
        }
    }

    fn stalls(&self, more: usize, except: Option<usize>) -> usize {
        let calls = self.calls.borrow();
        let calls = calls
            .iter()
            .filter(|call| self.retired.get() + more - call.since >= N);
        let seats = self.seats.borrow();
        let sections = seats.iter().enumerate().flat_map(|(index, seat)| {
            let open = seat.section.iter().filter(move |_| except != Some(index));
            open.chain(&seat.over)
        });
        calls.count()
            + sections
                .map(|section| self.count_of(section, more))
                .sum::<usize>()
    }

    fn may_retire(&self, more: usize) -> bool {
        self.stalls(more, None) <= self.limits.stalls
    }

    fn in_use(&self) -> usize {
        let seats = self.seats.borrow();
        let deferred = seats.iter().map(|seat| seat.deferred - seat.cleared);
        self.live.get() + deferred.sum::<usize>()
    }

    fn age(&self, seat: usize) -> u64 {
        let state = self.collector().slots().nth(seat).unwrap();
        state.since_read.unwrap_or(0)
    }

    /// Performs what may move the seat's access era, unless that would be one
    /// stall too many.
    fn advancing<T>(&self, seat: usize, f: impl FnOnce() -> T) -> Option<T> {
        let before = self.age(seat);
        let more = 2 + self.stalls(0, Some(seat));
        let counted = {
            let seats = self.seats.borrow();
            let section = seats[seat].section.as_ref();
            section.is_some_and(|section| self.count_of(section, 0) > 0)
        };
        if before > 0 && counted && self.stalls(0, None) + more > self.limits.stalls {
            return None;
        }
        let result = f();
        if self.age(seat) < before {
            let mut seats = self.seats.borrow_mut();
            seats[seat].section.as_mut().unwrap().advanced += more;
        }
        Some(result)
    }

    fn is_busy(&self, seat: usize) -> bool {
        self.calls.borrow().iter().any(|call| call.seat == seat)
    }

    /// A call that may run reclaimers, `limit` at most.
    fn call(&self, seat: usize, limit: usize, f: impl FnOnce()) -> Call {
        let runs = self.runs_reclaimers(seat);
        let waited: Vec<_> = (0..N).filter(|&slot| self.waits_at(slot)).collect();
        self.calls.borrow_mut().push(Call {
            seat,
            since: self.retired.get(),
            limit,
            ran: 0,
        });
        f();
        let call = self.calls.borrow_mut().pop().expect("pushed above");
        if runs && (1..limit).contains(&call.ran) {
            self.nothing_left_over();
        } else if call.ran >= limit || !runs && waited.iter().any(|&slot| !self.waits_at(slot)) {
            self.left_over.set(true);
        }
        self.section_over(seat);
        self.forget_over(|_| true);
        call
    }

    /// Whether objects wait at a slot.
    fn waits_at(&self, slot: usize) -> bool {
        self.collector().slots().nth(slot).unwrap().waiting
    }

    /// Whether reclaimers may run in the seat's calls.
    fn runs_reclaimers(&self, seat: usize) -> bool {
        let user = self.user(seat);
        let eager = user.is_none_or(|user| matches!(*user, User::Eager(_)));
        eager && !self.is_busy(seat)
    }

    /// A call left nothing over. One with a limit that is under way may still do
    /// so, with what is in its hand. False if there is one.
    fn nothing_left_over(&self) -> bool {
        let left = (self.calls.borrow().iter()).any(|call| call.limit < usize::MAX);
        self.left_over.set(left);
        !left
    }

    /// Forgets the sections that are over and of which nothing waits or is left
    /// over.
    fn forget_over(&self, keeps: impl Fn(&Section) -> bool) {
        for (state, seat) in self.collector().slots().zip(&mut *self.seats.borrow_mut()) {
            let left = state.waiting || self.left_over.get();
            seat.over.retain(|section| left && keeps(section));
        }
    }

    /// The deferred objects on each slot that a call publishes: a collect those
    /// of all slots, a publish those of its own and of owners that do not
    /// publish.
    fn deferred(&self, publisher: Option<usize>) -> Vec<usize> {
        let seats = self.seats.borrow();
        let takes = |(index, seat): (usize, &Seat)| {
            let passive =
                (seat.user.as_deref()).is_some_and(|user| !matches!(user, User::Eager(_)));
            let taken = passive || publisher.is_none_or(|publisher| publisher == index);
            if taken { seat.deferred } else { 0 }
        };
        seats.iter().enumerate().map(takes).collect()
    }

    /// So many of the deferred objects are published, and none is left over.
    fn clear(&self, deferred: Vec<usize>) {
        for (seat, deferred) in self.seats.borrow_mut().iter_mut().zip(deferred) {
            seat.cleared = seat.cleared.max(deferred);
        }
    }

    fn user(&self, seat: usize) -> Option<Rc<User>> {
        self.seats.borrow()[seat].user.clone()
    }

    fn idle_eager(&self, seat: usize) -> Option<Rc<User>> {
        let user = self.user(seat)?;
        (matches!(*user, User::Eager(_)) && !self.is_busy(seat)).then_some(user)
    }

    // The steps.

    fn make(&self, seat: usize) -> bool {
        let Some(user) = self.user(seat) else {
            return false;
        };
        if self.in_use() == self.limits.live {
            return false;
        }
        self.live.set(self.live.get() + 1);
        let id = self.states.borrow().len();
        self.states.borrow_mut().push(State::Live);
        let object = Box::into_raw(Box::new(each!(*user, handle => handle.link(id))));
        self.private.borrow_mut().push(object);
        true
    }

    /// Retires an object that is in no cell.
    fn retire(&self, seat: usize, object: *mut Object, now: bool) {
        let user = self.user(seat).expect("looked before");
        // SAFETY: unlinked, and retired once.
        let id = unsafe { **object };
        let later = !matches!(*user, User::Eager(_)) || self.is_busy(seat);
        self.states.borrow_mut()[id] = State::Retired;
        self.live.set(self.live.get() - 1);
        self.seats.borrow_mut()[seat].deferred += usize::from(later);
        self.retired.set(self.retired.get() + 1);
        let deferred = self.deferred(Some(seat));
        if !self.limits.inside || !self.calls.borrow().is_empty() {
            self.peak.set(self.peak.get().max(self.pending()));
        }
        let call = self.call(seat, self.limit_of(seat), || {
            if now {
                // SAFETY: unlinked; no guard of the seat uses it.
                unsafe { each!(*user, handle => handle.retire(object, reclaim)) };
                return;
            }
            let mut seats = self.seats.borrow_mut();
            let guard = seats[seat].guards.pop().expect("the caller entered");
            seats[seat].lent += 1;
            drop(seats);
            // SAFETY: unlinked.
            unsafe { each_open!(&guard, guard => guard.defer_retire(object, reclaim)) };
            let seat = &mut self.seats.borrow_mut()[seat];
            seat.guards.push(guard);
            seat.lent -= 1;
        });
        // It published, and left nothing over.
        if !later && !now && (1..call.limit).contains(&call.ran) && self.nothing_left_over() {
            self.clear(deferred);
        }
    }

    fn retire_private(&self, seat: usize, oldest: bool, now: bool) -> bool {
        if self.user(seat).is_none() || self.private.borrow().is_empty() || !self.may_retire(1) {
            return false;
        }
        // Its own guards do not count.
        let held = |object: &*mut Object| {
            // SAFETY: not retired.
            let id = unsafe { ***object };
            self.seats.borrow()[seat].held.contains(&id)
        };
        if now && self.private.borrow().iter().any(held) {
            return false;
        }
        let take = || {
            let mut private = self.private.borrow_mut();
            let index = if oldest { 0 } else { private.len() - 1 };
            private.remove(index)
        };
        let eager = self
            .user(seat)
            .is_some_and(|user| matches!(*user, User::Eager(_)));
        if now && eager {
            self.retire(seat, take(), true);
            return true;
        }
        let was_open = !self.seats.borrow()[seat].guards.is_empty();
        if !was_open {
            self.enter(seat);
        }
        let object = take();
        let own = || {
            let seats = self.seats.borrow();
            let guard = seats[seat].guards.last().expect("open");
            // SAFETY: valid, and not shared any more.
            unsafe { each_open!(guard, guard => guard.protect_own(object)) };
        };
        let may = self.advancing(seat, own).is_some() && self.may_retire(1);
        if may {
            self.retire(seat, object, now);
        } else {
            self.private.borrow_mut().push(object);
        }
        if !was_open {
            self.leave(seat);
        }
        may
    }

    fn enter(&self, seat: usize) -> bool {
        let Some(user) = self.user(seat) else {
            return false;
        };
        if self.seats.borrow()[seat].guards.len() == 3 {
            return false;
        }
        // SAFETY: only the lifetimes change: the collector outlives all guards.
        let open = unsafe {
            match &*user {
                User::Eager(handle) => Open::Eager(mem::transmute::<
                    Guard<'_, _, _>,
                    Guard<'static, _, _>,
                >(handle.enter())),
                User::Deferred(handle) => Open::Deferred(mem::transmute::<
                    Guard<'_, _, _>,
                    Guard<'static, _, _>,
                >(handle.enter())),
                User::PerCpu(cpu) => Open::PerCpu(mem::transmute::<
                    Guard<'_, _, _>,
                    Guard<'static, _, _>,
                >(here(cpu).enter())),
            }
        };
        let seat = &mut self.seats.borrow_mut()[seat];
        seat.guards.push(open);
        let new = self.new_section();
        seat.section.get_or_insert(new);
        true
    }

    fn new_section(&self) -> Section {
        self.sections.set(self.sections.get() + 1);
        Section {
            number: self.sections.get(),
            since: self.retired.get(),
            advanced: 0,
        }
    }

    fn leave(&self, seat: usize) -> bool {
        let mut seats = self.seats.borrow_mut();
        let Some(guard) = seats[seat].guards.pop() else {
            return false;
        };
        if seats[seat].guards.is_empty() && seats[seat].lent == 0 {
            seats[seat].held.clear();
        }
        drop(seats);
        // An eager section lasts until the call is over.
        self.call(
            seat,
            self.limit_of(seat),
            || each_open!(guard, guard => drop(guard)),
        );
        true
    }

    /// Records the end of a section. What waits for it may wait until a scan
    /// notices the end.
    fn section_over(&self, seat: usize) {
        if self.is_busy(seat) {
            // A call under way uses its guard.
            return;
        }
        let waiting = self.waits_at(seat);
        let left = self.left_over.get();
        let mut seats = self.seats.borrow_mut();
        if seats[seat].guards.is_empty() {
            seats[seat].held.clear();
            if let Some(section) = seats[seat].section.take().filter(|_| waiting || left) {
                seats[seat].over.push(section);
            }
        }
    }

    fn protect(&self, seat: usize, cell: &AtomicPtr<Object>) -> bool {
        if self.seats.borrow()[seat].guards.is_empty() {
            return false;
        }
        let load = || {
            let seats = self.seats.borrow();
            let guard = seats[seat].guards.last().expect("open");
            each_open!(guard, guard => guard.protect(cell, Ordering::Acquire))
        };
        let Some(object) = self.advancing(seat, load) else {
            return false;
        };
        self.hold(seat, object);
        true
    }

    fn hold(&self, seat: usize, object: *mut Object) {
        if !object.is_null() {
            // SAFETY: protected.
            let id = unsafe { **object };
            self.seats.borrow_mut()[seat].held.push(id);
        }
    }

    /// Puts an object into a cell and retires the one that was there.
    fn exchange(&self, seat: usize, cell: &AtomicPtr<Object>, swap: bool) -> bool {
        if self.user(seat).is_none() || !self.may_retire(1) {
            return false;
        }
        let was_open = !self.seats.borrow()[seat].guards.is_empty();
        let new = if swap && self.make(seat) {
            self.private.borrow_mut().pop().expect("just made")
        } else if !swap {
            self.private.borrow_mut().pop().unwrap_or(ptr::null_mut())
        } else {
            ptr::null_mut()
        };
        if !was_open {
            self.enter(seat);
        }
        let exchange = || {
            let seats = self.seats.borrow();
            let guard = seats[seat].guards.last().expect("open");
            each_open!(guard, guard => if swap {
                guard.swap(cell, new, Ordering::AcqRel)
            } else {
                let seen = guard.protect(cell, Ordering::Acquire);
                guard.compare_exchange(cell, seen, new, Ordering::AcqRel, Ordering::Acquire).unwrap()
            })
        };
        let old = self.advancing(seat, exchange);
        if let Some(old) = old {
            if !old.is_null() {
                // Unlinked now, and retired when allowed.
                self.private.borrow_mut().push(old);
                self.retire_private(seat, false, false);
            }
        } else if !new.is_null() {
            self.private.borrow_mut().push(new);
        }
        if !was_open {
            self.leave(seat);
        }
        old.is_some()
    }

    fn refresh(&self, seat: usize) -> bool {
        let mut seats = self.seats.borrow_mut();
        if seats[seat].guards.len() != 1 || self.is_busy(seat) {
            return false;
        }
        let mut guard = seats[seat].guards.pop().unwrap();
        seats[seat].lent += 1;
        drop(seats);
        let waited = self.waits_at(seat);
        let eager = matches!(guard, Open::Eager(_));
        let age = self.age(seat);
        self.seats.borrow_mut()[seat].held.clear();
        self.call(seat, self.limit_of(seat), || {
            each_open!(&mut guard, guard => guard.refresh());
            let seat = &mut self.seats.borrow_mut()[seat];
            seat.guards.push(guard);
            seat.lent -= 1;
        });
        if eager && waited || self.age(seat) < age {
            let new = self.new_section();
            let seat = &mut self.seats.borrow_mut()[seat];
            let old = seat.section.replace(new);
            if !eager || self.left_over.get() {
                seat.over.extend(old);
            }
        }
        true
    }

    fn collect(&self, seat: usize, flush: bool, most: Option<usize>) -> bool {
        let Some(user) = self.idle_eager(seat) else {
            return false;
        };
        let User::Eager(handle) = &*user else {
            return false;
        };
        let deferred = self.deferred(None);
        let seats = self.seats.borrow();
        let over = seats.iter().flat_map(|seat| &seat.over);
        let over: Vec<_> = over.map(|section| section.number).collect();
        drop(seats);
        let limit = most.unwrap_or_else(|| self.limit_of(seat));
        let call = self.call(seat, limit, || {
            match most {
                None if flush => handle.flush(),
                None => handle.collect(),
                Some(most) => handle.collect_at_most(most),
            };
        });
        if call.ran < limit && self.nothing_left_over() {
            self.clear(deferred);
            // It saw that these were over.
            self.forget_over(|section| !over.contains(&section.number));
        }
        true
    }

    fn limit_of(&self, seat: usize) -> usize {
        match self.seats.borrow()[seat].limit {
            0 => usize::MAX,
            limit => limit,
        }
    }

    fn limit(&self, seat: usize, most: usize) -> bool {
        let Some(user) = self.idle_eager(seat) else {
            return false;
        };
        if let User::Eager(handle) = &*user {
            handle.limit_reclaims(NonZeroU16::new(most as u16));
        }
        self.seats.borrow_mut()[seat].limit = most;
        true
    }

    fn register(&self, seat: usize, role: usize) {
        self.seats.borrow_mut()[seat].limit = 0;
        let collector = self.collector();
        let user = match role % 4 {
            0 | 1 => collector.register().map(User::Eager),
            2 => collector.register_deferred().map(User::Deferred),
            _ => collector.register_per_cpu().map(User::PerCpu),
        };
        // A reclaimer may have registered in the slot meanwhile.
        if let Ok(user) = user {
            let slot = each!(user, handle => handle.slot());
            assert_eq!(slot, seat);
            self.seats.borrow_mut()[seat].user = Some(Rc::new(user));
        }
    }

    /// Gives the seat to another user.
    fn retake(&self, seat: usize, role: usize, evict: bool) -> bool {
        // Slots are claimed in order, so no other slot may be free.
        if self.is_busy(seat) || self.seats.borrow().iter().any(|seat| seat.user.is_none()) {
            return false;
        }
        if !evict {
            if !self.seats.borrow()[seat].guards.is_empty() {
                return false;
            }
            let user = self.seats.borrow_mut()[seat].user.take();
            self.call(seat, usize::MAX, || drop(user));
        } else {
            let (user, guards) = {
                let seat = &mut self.seats.borrow_mut()[seat];
                seat.held.clear();
                (seat.user.take().unwrap(), mem::take(&mut seat.guards))
            };
            let id = each!(*user, handle => handle.id());
            guards.into_iter().for_each(mem::forget);
            mem::forget(Rc::try_unwrap(user).ok().expect("no call is under way"));
            // SAFETY: forgotten, and the same thread.
            unsafe { self.collector().evict(id) }.unwrap();
            self.section_over(seat);
        }
        self.register(seat, role);
        true
    }

    fn synchronize(&self, seat: usize) -> bool {
        let Some(user) = self.idle_eager(seat) else {
            return false;
        };
        let User::Eager(handle) = &*user else {
            return false;
        };
        let mut token = handle.start_grace_period();
        token.poll(handle);
        if self.collector().slots().all(|slot| slot.guards == 0) {
            handle
                .synchronize(|| unreachable!("no section is open"))
                .unwrap();
        }
        true
    }

    fn starve(&self, seat: usize) -> bool {
        if self.is_busy(seat) {
            return false;
        }
        let Some(user) = self.user(seat) else {
            return false;
        };
        self.call(seat, self.limit_of(seat), || {
            each!(*user, handle => assert!(self.pool.alloc(handle, 0).is_err()));
        });
        true
    }
}
