//! One slot for a task and the interrupts that preempt it: a per-CPU handle on
//! one core.
//!
//! The interrupt strikes at every instruction of the task's operations, and on
//! the same handle enters, protects, reads, replaces the object and retires the
//! old one. In the second round a task of high priority follows it and collects
//! at once, so that an object which the interrupted task may still hold is not
//! saved by chance. In the third round that task also runs first: it replaces
//! the object, retires the old one and collects, and then the interrupt
//! protects the new one on the task's own slot.
//!
//! At the end one collect leaves nothing, and every grace period that was
//! started in the interrupt is over.

use crate::{
    board::Preempt,
    interrupts::{interrupted_by, sweep},
    node::Node,
    world::{BLOCKS, World},
};
use core::{array, cell::Cell, mem};
use hyaline::{Guard, Handle, Nested, PerCpu, Scheme, Token, reclaim};
use portable_atomic::{AtomicUsize, Ordering};

/// Which context reclaims what the two have retired.
#[derive(Clone, Copy, PartialEq)]
enum Collects {
    /// The idle task, between the repetitions.
    Between,
    /// Also a task that the interrupt wakes, before the interrupted one
    /// continues.
    AtOnce,
    /// That task also runs before the interrupt: it replaces and retires the
    /// object that the interrupted task has just loaded, and collects.
    Twice,
}

/// What the interrupt does wrong, in the controls.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    /// It reclaims the old object at once.
    Reclaims,
    /// It forgets its guard.
    Forgets,
}

struct Cpu<S: Scheme, const W: usize> {
    world: &'static World<S, W>,
    cpu: PerCpu<'static, S>,
    /// The handles of the idle task and of the task of high priority.
    idle: Handle<'static, S>,
    high: Handle<'static, S>,
    collects: Collects,
    wrong: Wrong,
    /// How often an interrupt left a different number of guards than it found.
    unbalanced: AtomicUsize,
    /// A grace period that an interrupt started.
    token: Cell<Option<Token>>,
}

/// The lengths of the repetitions, for the report.
type Lengths = [u32; 7];

impl<S: Scheme, const W: usize> Cpu<S, W> {
    fn new(world: &'static World<S, W>, collects: Collects, wrong: Wrong) -> Self {
        let cpu = world.collector.register_per_cpu();
        Self {
            world,
            cpu: cpu.expect("a slot is free"),
            idle: world.register(),
            high: world.register(),
            collects,
            wrong,
            unbalanced: AtomicUsize::new(0),
            token: Cell::new(None),
        }
    }

    /// The handle that task and interrupt share.
    fn shared(&self) -> &Handle<'static, S, Nested> {
        // SAFETY: there is one core. The interrupt drops its guard before it
        // returns; the control that forgets it loads no pointer afterwards, and
        // evicts the slot.
        unsafe { self.cpu.get() }
    }

    /// Open guards of the shared slot.
    fn guards(&self) -> usize {
        let slot = self.world.collector.slots().nth(self.cpu.slot());
        slot.expect("the slot is there").guards
    }

    fn interrupt(&self) {
        if self.collects == Collects::Twice {
            self.world.replace_pooled(&self.high);
            self.world.flush(&self.high);
        }
        let before = self.guards();
        let handle = self.shared();
        let mut guard = handle.enter();
        self.world.look(&guard, 2);
        if self.token.get().is_none() {
            self.token.set(Some(handle.start_grace_period()));
        }
        if self.wrong == Wrong::Reclaims {
            self.world.replace_rashly(handle, 1);
        } else {
            self.world.swing_pooled(handle, &guard);
        }
        // A quiescent point, unless the task has a guard as well.
        guard.refresh();
        self.world.look(&guard, 2);
        if self.wrong == Wrong::Forgets {
            mem::forget(guard);
        } else {
            drop(guard);
        }
        if self.guards() != before {
            // Relaxed: one core.
            self.unbalanced.fetch_add(1, Ordering::Relaxed);
        }
        if self.collects != Collects::Between {
            self.world.flush(&self.high);
        }
    }

    /// Each repetition starts from the same state: no guard, and one fresh
    /// object.
    fn tidy(&self) {
        assert_eq!(self.guards(), 0, "a guard is left over");
        self.world.flush(&self.idle);
        if let Some(mut token) = self.token.take() {
            assert!(token.poll(&self.idle), "a grace period does not end");
        }
        let alive = self.world.alive();
        assert!(alive <= 1, "{alive} objects are left, one is in use");
        assert!(self.world.replace_pooled(&self.idle), "the pool has room");
        self.world.flush(&self.idle);
        assert_eq!(self.world.alive(), 1, "the one in use");
        let free = self.world.pool.available();
        assert_eq!(free, BLOCKS - 1, "each block comes back once");
    }

    /// Every operation of a task on its CPU's handle.
    fn operations(&self, board: &impl Preempt) -> Lengths {
        let (world, task) = (self.world, self.shared());
        let tidy = || self.tidy();
        let look = |guard: &Guard<'_, S, Nested>| world.look(guard, 2);
        // Enter, protect, read, leave.
        let read = sweep(board, tidy, || look(&task.enter()));
        let nest = sweep(board, tidy, || {
            let (outer, inner) = (task.enter(), task.enter());
            world.watch(&inner, || drop(outer));
            look(&inner);
        });
        // Swap and retire.
        let write = sweep(board, tidy, || {
            let guard = task.enter();
            world.watch(&guard, || {
                world.swing_pooled(task, &guard);
            });
            look(&guard);
        });
        let alloc = sweep(board, tidy, || {
            if let Ok(node) = world.pool.alloc(task, Node::new(&world.ledger)) {
                // SAFETY: of this pool, and never published.
                unsafe { world.pool.free(node) };
            }
        });
        // A quiescent point with an object in the inbox, which the idle task
        // puts there.
        let refresh = sweep(board, tidy, || {
            let mut guard = task.enter();
            world.watch(&guard, || {
                world.replace_pooled(&self.idle);
                world.flush(&self.idle);
            });
            guard.refresh();
            look(&guard);
        });
        // An object that is younger than the section, so that its era has to
        // advance.
        let young = sweep(board, tidy, || {
            let guard = task.enter();
            world.replace_pooled(&self.idle);
            world.watch(&guard, || look(&guard));
        });
        // The idle task collects, and is interrupted itself.
        let collect = sweep(board, tidy, || {
            world.swing_pooled(task, &task.enter());
            self.idle.collect();
        });
        self.tidy();
        [read, nest, write, alloc, refresh, young, collect]
    }
}

pub fn suite<S: Scheme, B: Preempt, const W: usize>(
    world: &'static World<S, W>,
    board: &B,
    label: &str,
) {
    let lengths = [Collects::Between, Collects::AtOnce, Collects::Twice].map(|collects| {
        let cpu = Cpu::new(world, collects, Wrong::Nothing);
        let mut lengths = Lengths::default();
        interrupted_by(&|| cpu.interrupt(), || lengths = cpu.operations(board));
        // Relaxed: one core.
        let unbalanced = cpu.unbalanced.load(Ordering::Relaxed);
        assert_eq!(unbalanced, 0, "{label}: an interrupt changed the count");
        lengths
    });
    world.check_all_reclaimed(label, reclaim::pooled::<Node>);
    assert_eq!(world.pool.available(), BLOCKS, "{label}: blocks are lost");
    let [read, nest, write, alloc, refresh, young, collect] =
        array::from_fn(|at| lengths.iter().map(|lengths| lengths[at]).max().unwrap_or(0));
    board.print(format_args!(
        "{label}: per CPU: interrupt on the task's own slot at each instruction of \
         read {read}, nest {nest}, write {write}, alloc {alloc}, refresh {refresh}, \
         young {young}, collect {collect}"
    ));
}

/// The controls: an interrupt that reclaims under the task's guard, and one
/// that forgets its own.
pub fn controls<S: Scheme, B: Preempt, const W: usize>(world: &'static World<S, W>, board: &B) {
    let forgetful = Cpu::new(world, Collects::Between, Wrong::Forgets);
    let id = forgetful.cpu.id();
    interrupted_by(&|| forgetful.interrupt(), || {
        sweep(board, || (), || world.read(forgetful.shared(), 2));
    });
    // Relaxed: one core.
    let unbalanced = forgetful.unbalanced.load(Ordering::Relaxed);
    let open = forgetful.guards();
    assert!(
        unbalanced > 0 && open > 0,
        "a forgotten guard goes unnoticed"
    );
    // What the interrupts retired waits for guards that will never be dropped.
    world.flush(&forgetful.idle);
    assert_eq!(world.pool.available(), 0, "a forgotten guard holds nothing");
    drop(forgetful);
    // SAFETY: the handle is gone, its guards are forgotten.
    unsafe { world.collector.evict(id) }.expect("its slot is still active");
    world.check_all_reclaimed("forgotten guards", reclaim::pooled::<Node>);
    assert_eq!(world.pool.available(), BLOCKS, "evicted: nothing is held");

    let rash = Cpu::new(world, Collects::Between, Wrong::Reclaims);
    world.replace_rashly(&rash.idle, 0);
    interrupted_by(&|| rash.interrupt(), || {
        sweep(board, || (), || world.read(rash.shared(), 2));
    });
    let torn = world.ledger.torn();
    assert!(torn > 0, "reclaiming under the task's guard goes unnoticed");
    board.print(format_args!(
        "control: per CPU: {open} forgotten guards and {torn} torn reads are caught"
    ));
}
