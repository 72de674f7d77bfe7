//! The machine: a core for each thread, and the order in which they run.
//!
//! The thread with the least virtual time makes the next access; of two, the one
//! with the lower number. So a run depends on nothing but the program and the
//! seed.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicPtr, Ordering::Relaxed},
};

use corosensei::{Coroutine, CoroutineResult, Yielder, stack::DefaultStack};

use crate::{
    caches::{Caches, Kind, Part, Site},
    cost::{self, Time},
    lent::{self, Storage},
    noise::{self, Random},
    record::{Counts, Moves},
};

/// What to run.
#[repr(C)]
pub struct Plan {
    pub threads: u32,
    /// A class for each thread.
    pub classes: *const u8,
    /// Operations of each class before counting begins, and while it lasts.
    pub warm: u64,
    pub operations: u64,
    /// Accesses before counting begins, and while it lasts. Once they are made, one
    /// in [`ENOUGH`] of the operations is enough; a run that has not done these when it has
    /// made [`PATIENCE`] times as many is stuck.
    pub budget: u64,
    /// Of the noise; 0 is none but [`cost::JITTER`].
    pub seed: u64,
    /// What each thread runs. It asks [`next`] before each operation.
    pub entry: extern "C" fn(*const c_void, u32),
    pub data: *const c_void,
}

/// Classes of threads at most.
pub const CLASSES: usize = 2;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All classes have done their operations.
    Done,
    /// The budget is spent. The thread and what it was at.
    Stuck(usize, Site),
    /// All threads have returned.
    Returned,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warm,
    Counting,
    Over,
}

struct Thread {
    class: usize,
    clock: Time,
    random: Random,
    /// The part of the clock in which it rested, or began late.
    rested: Time,
    /// Since the run began.
    counts: Counts,
    /// What they were when the thread first began an operation that counts, and
    /// when it last did: so whole operations are counted.
    first: Option<Counts>,
    last: Counts,
    yielder: *const Yielder<(), ()>,
    storage: Storage,
}

pub struct Machine {
    caches: Caches,
    threads: Vec<Thread>,
    /// The thread that runs, and the time at which another one must.
    current: usize,
    limit: (Time, usize),
    phase: Phase,
    done: [u64; CLASSES],
    wanted: [(u64, u64); CLASSES],
    steps: u64,
    budget: u64,
    /// Whether threads rest.
    rests: bool,
    end: End,
    /// Those of each class.
    moves: [Moves; CLASSES],
}

/// The machine, while one of its threads runs. Only one thread of the process
/// does, so relaxed accesses suffice.
static RUNNING: AtomicPtr<Machine> = AtomicPtr::new(ptr::null_mut());

/// See [`Plan::budget`].
pub const ENOUGH: u64 = 32;
/// See [`Plan::budget`].
const PATIENCE: u64 = 40;

/// Bytes of stack for each thread.
const STACK: usize = 8 << 20;

type Routine = Coroutine<(), (), (), DefaultStack>;

/// Runs the plan. The coroutines that have not returned stay as they are: the
/// process is expected to end.
///
/// # Safety
///
/// The plan's pointers are valid, no other run is in progress, and
/// [`lent::possible`].
pub unsafe fn run(plan: &Plan) -> (End, [Counts; CLASSES], [Moves; CLASSES]) {
    let number = plan.threads as usize;
    // SAFETY: a class for each thread (# Safety).
    let classes = unsafe { std::slice::from_raw_parts(plan.classes, number) };
    let mut machine = Box::new(Machine::new(plan, classes));
    let machine: *mut Machine = &mut *machine;
    let mut routines: Vec<Routine> = (0..number)
        .map(|index| routine(machine, plan, index))
        .collect();
    let mut waiting: BinaryHeap<_> = (0..number).map(|index| Reverse((0, index))).collect();
    let own = lent::own();
    let mut entered = own;
    // Below, `machine` is accessed only while none of its threads runs.
    while let Some(Reverse((_, index))) = waiting.pop() {
        let limit = waiting.peek().map_or((Time::MAX, 0), |next| next.0);
        // SAFETY: alive until this function returns, and no thread runs.
        let now = unsafe { &mut *machine };
        now.current = index;
        now.limit = limit;
        let storage = now.threads[index].storage;
        if storage != entered {
            // SAFETY: the caller checked that it is possible (# Safety); borrowed
            // for this coroutine alone. This function, too, runs
            // with it until the next one's.
            unsafe { storage.enter() };
            entered = storage;
        }
        RUNNING.store(machine, Relaxed);
        let result = routines[index].resume(());
        RUNNING.store(ptr::null_mut(), Relaxed);
        // SAFETY: alive until this function returns, and no thread runs.
        let now = unsafe { &*machine };
        if now.phase == Phase::Over {
            break;
        }
        if let CoroutineResult::Yield(()) = result {
            waiting.push(Reverse((now.threads[index].clock, index)));
        }
    }
    // SAFETY: this thread's own.
    unsafe { own.enter() };
    // Unwinding them would run the contestants further.
    routines.into_iter().for_each(std::mem::forget);
    // SAFETY: alive until this function returns, and no thread runs.
    let machine = unsafe { &mut *machine };
    (
        machine.end,
        machine.sums(),
        std::mem::take(&mut machine.moves),
    )
}

fn routine(machine: *mut Machine, plan: &Plan, index: usize) -> Routine {
    let (entry, data) = (plan.entry, plan.data);
    let stack = DefaultStack::new(STACK).expect("memory for a stack");
    Coroutine::with_stack(stack, move |yielder, ()| {
        // SAFETY: alive as long as its threads run.
        let machine = unsafe { &mut *machine };
        machine.threads[index].yielder = yielder;
        entry(data, index as u32);
    })
}

/// The machine, if one of its threads runs.
#[inline(always)]
fn running() -> Option<&'static mut Machine> {
    // SAFETY: `run` keeps it alive while it is set; only the thread that runs
    // has this reference, and gives it up before it lets another one run.
    unsafe { RUNNING.load(Relaxed).as_mut() }
}

/// Lets other threads run until it is this one's turn again.
fn wait_for_turn() {
    while let Some(machine) = running() {
        let thread = &machine.threads[machine.current];
        if machine.phase != Phase::Over && (thread.clock, machine.current) <= machine.limit {
            return;
        }
        let yielder = thread.yielder;
        // SAFETY: the coroutine's own, which is running.
        unsafe { (*yielder).suspend(()) };
    }
}

/// An access of the thread that runs, or nothing if none does. Returns when it
/// is its turn.
pub fn access(kind: Kind, address: u64, size: u64, site: Site) {
    if let (Kind::Locked, Some(machine)) = (kind, running()) {
        let core = machine.current;
        let thread = &mut machine.threads[core];
        thread.clock = machine.caches.drained(core, thread.clock);
    }
    wait_for_turn();
    let Some(machine) = running() else { return };
    machine.step(site);
    for part in Part::of(address, size) {
        machine.one(kind, part, site);
    }
}

pub fn fence(site: Site) {
    wait_for_turn();
    let Some(machine) = running() else { return };
    machine.step(site);
    let core = machine.current;
    let thread = &mut machine.threads[core];
    thread.clock = machine.caches.fence(core, thread.clock);
    thread.counts.accesses += 1;
}

/// A barrier on all cores: the running thread waits for their answers, and each of the
/// others loses the time of an interrupt. Nothing if no thread runs.
pub fn barrier(site: Site) {
    wait_for_turn();
    let Some(machine) = running() else { return };
    machine.step(site);
    let alone = machine.threads.len() == 1;
    for (core, thread) in machine.threads.iter_mut().enumerate() {
        let time = match core == machine.current {
            true if alone => cost::ALONE,
            true => cost::BARRIER,
            false => cost::INTERRUPT,
        };
        // Those that wait for their turn find that it is later.
        thread.clock = machine.caches.drained(core, thread.clock) + time;
    }
    wait_for_turn();
}

/// The running thread's number.
pub fn current() -> Option<usize> {
    running().map(|machine| machine.current)
}

/// The running thread's time; 0 if none runs.
pub fn time() -> Time {
    running().map_or(0, |machine| machine.threads[machine.current].clock)
}

/// Time passes without an access. Returns whether a thread runs.
pub fn pass(time: Time, site: Site) -> bool {
    let Some(machine) = running() else {
        return false;
    };
    machine.step(site);
    machine.threads[machine.current].clock += time;
    wait_for_turn();
    true
}

/// The running thread begins an operation, and has ended the previous one.
pub fn next() {
    if let Some(machine) = running() {
        machine.next();
        wait_for_turn();
    }
}

impl Machine {
    fn new(plan: &Plan, classes: &[u8]) -> Self {
        let threads = classes.iter().enumerate().map(|(index, &class)| Thread {
            class: class as usize,
            clock: 0,
            rested: 0,
            random: Random::new(plan.seed, index as u64),
            counts: Counts::default(),
            first: None,
            last: Counts::default(),
            yielder: ptr::null(),
            storage: lent::borrow(),
        });
        let is_there = |class| classes.contains(&(class as u8));
        let wanted = |class| match is_there(class) {
            true => (plan.warm, plan.operations),
            false => (0, 0),
        };
        Self {
            caches: Caches::new(classes.len(), plan.seed),
            threads: threads.collect(),
            current: 0,
            limit: (0, 0),
            phase: Phase::Warm,
            done: [0; CLASSES],
            wanted: std::array::from_fn(wanted),
            steps: 0,
            budget: plan.budget,
            rests: plan.seed != 0,
            end: End::Returned,
            moves: Default::default(),
        }
    }

    fn step(&mut self, site: Site) {
        self.steps += 1;
        if self.steps > self.budget && self.phase != Phase::Over {
            if self.have_done(ENOUGH) {
                self.next_phase();
            } else if self.steps > PATIENCE * self.budget {
                self.end = End::Stuck(self.current, site);
                self.phase = Phase::Over;
            }
        }
    }

    /// Whether each class has done its operations, or a part of them.
    fn have_done(&self, part: u64) -> bool {
        let wanted = |(warm, counted): (u64, u64)| match self.phase {
            Phase::Warm => warm,
            _ => counted,
        };
        let all = |(done, goal): (&u64, &(u64, u64))| *done * part >= wanted(*goal);
        self.done.iter().zip(&self.wanted).all(all)
    }

    fn next_phase(&mut self) {
        self.steps = 0;
        if self.phase == Phase::Warm {
            self.phase = Phase::Counting;
            self.done = [0; CLASSES];
        } else {
            self.phase = Phase::Over;
            self.end = End::Done;
        }
    }

    fn one(&mut self, kind: Kind, part: Part, site: Site) {
        let core = self.current;
        let thread = &mut self.threads[core];
        let class = thread.class;
        let effect = self.caches.access(core, kind, part, thread.clock, site);
        thread.clock = effect.done;
        thread.counts.add(&effect);
        if self.phase == Phase::Counting {
            self.moves[class].add(part.line, site, &effect);
        }
    }

    fn next(&mut self) {
        if self.phase == Phase::Over {
            return;
        }
        let thread = &mut self.threads[self.current];
        thread.counts.operations += 1;
        let mut rest = thread.random.below(cost::JITTER);
        if self.rests {
            let mean = (thread.clock - thread.rested) / thread.counts.operations;
            rest += noise::rest(&mut thread.random, mean);
        }
        thread.clock += rest;
        thread.rested += rest;
        self.done[thread.class] += 1;
        if self.have_done(1) {
            self.next_phase();
        }
        let thread = &mut self.threads[self.current];
        thread.counts.time = thread.clock - thread.rested;
        if self.phase != Phase::Warm {
            thread.last = thread.counts;
            thread.first.get_or_insert(thread.counts);
        }
    }

    fn sums(&self) -> [Counts; CLASSES] {
        let mut sums = [Counts::default(); CLASSES];
        for thread in &self.threads {
            let first = thread.first.unwrap_or(thread.last);
            sums[thread.class].add_between(&first, &thread.last);
        }
        sums
    }
}
