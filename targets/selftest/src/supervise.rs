//! What one context does to another on one core, at every instruction of the
//! other: requests a restart, makes it wait for a section, evicts the dead; and
//! what a limit allows.

use crate::{
    board::Preempt,
    interrupts::{interrupted_by, sweep},
    node::Node,
    world::{BLOCKS, World},
};
use core::{cell::Cell, mem, num::NonZeroU16};
use hyaline::{Handle, HandleId, Scheme, Token, reclaim};
use portable_atomic::{AtomicUsize, Ordering};

/// Every access to the counts here is Relaxed: there is one core.
const LOCAL: Ordering = Ordering::Relaxed;

pub fn suite<S: Scheme, B: Preempt, const W: usize>(
    world: &'static World<S, W>,
    board: &B,
    label: &str,
) {
    let restarts = restart(world, board);
    let waits = grace(world, board);
    let evictions = evict(world, board);
    let queued = budget(world, board);
    world.check_all_reclaimed(label, reclaim::pooled::<Node>);
    assert_eq!(world.pool.available(), BLOCKS, "{label}: blocks are lost");
    board.print(format_args!(
        "{label}: interrupt asks for {restarts} restarts, delays {waits} tokens, \
         evicts {evictions} dead tasks; budgets leave {queued} objects queued"
    ));
}

fn add(count: &AtomicUsize) {
    count.store(count.load(LOCAL) + 1, LOCAL);
}

/// The interrupt asks the task to restart; each request is seen once.
fn restart<S: Scheme, const W: usize>(world: &'static World<S, W>, board: &impl Preempt) -> usize {
    let task = world.register();
    let (asked, seen, inside) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let interrupt = || {
        if world.collector.request_restart(task.slot()) {
            add(&asked);
        }
    };
    let prepare = || {
        // A request that came after the last poll is for the next section.
        if task.enter().restart_requested() {
            add(&seen);
        }
        assert_eq!(asked.load(LOCAL), seen.load(LOCAL), "asked, seen");
        world.replace_pooled(&task);
    };
    let section = || {
        let mut guard = task.enter();
        world.look(&guard, 1);
        if guard.restart_requested() {
            add(&seen);
            add(&inside);
            drop(guard);
            guard = task.enter();
        }
        world.look(&guard, 1);
    };
    interrupted_by(&interrupt, || {
        sweep(board, prepare, section);
        prepare();
    });
    assert!(inside.load(LOCAL) > 0, "no request came in time");
    inside.load(LOCAL)
}

/// The task polls a token while the interrupt begins and ends its own section,
/// which lasts from one interrupt to the next.
fn grace<S: Scheme, const W: usize>(world: &'static World<S, W>, board: &impl Preempt) -> usize {
    let task = world.register();
    let irq = world.collector.register_deferred();
    let irq = irq.expect("a slot is free");
    let held = Cell::new(None);
    let (begun, ended, waits) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let toggle = || match held.take() {
        Some(guard) => {
            drop(guard);
            add(&ended);
        }
        None => {
            held.set(Some(irq.enter()));
            add(&begun);
        }
    };
    let pending: Cell<Option<Token>> = Cell::new(None);
    let poll = || {
        let before = begun.load(LOCAL);
        let mut token = task.start_grace_period();
        if token.poll(&task) || token.poll(&task) {
            let ended = ended.load(LOCAL);
            assert!(ended >= before, "a section from before the start is open");
        } else {
            pending.set(Some(token));
        }
    };
    let prepare = |open: bool| {
        if begun.load(LOCAL) != ended.load(LOCAL) {
            toggle();
        }
        if let Some(mut token) = pending.take() {
            assert!(token.poll(&task), "a token waits though no section is open");
            add(&waits);
        }
        if open {
            toggle();
        }
    };
    interrupted_by(&toggle, || {
        for open in [true, false] {
            sweep(board, || prepare(open), poll);
            prepare(false);
        }
    });
    assert!(waits.load(LOCAL) > 0, "no token had to wait");
    waits.load(LOCAL)
}

/// A task dies in its section, with objects that it retired; the interrupt
/// takes its slot at each instruction of another task's operations, and nothing
/// is lost.
fn evict<S: Scheme, const W: usize>(world: &'static World<S, W>, board: &impl Preempt) -> usize {
    let task = world.register();
    let dead: Cell<Option<HandleId>> = Cell::new(None);
    let evictions = AtomicUsize::new(0);
    let bury = || {
        let Some(id) = dead.take() else { return };
        // SAFETY, both: its guard and its handle are forgotten.
        let done = unsafe { world.collector.evict(id) };
        let again = unsafe { world.collector.evict(id) };
        assert!(done.is_ok() && again.is_err(), "a slot is taken once");
        add(&evictions);
    };
    let tidy = || {
        bury();
        world.flush(&task);
        world.replace_pooled(&task);
        world.flush(&task);
        let claimed = |slot: &hyaline::SlotState| slot.owner.is_some();
        let claimed = world.collector.slots().filter(claimed).count();
        assert_eq!(claimed, 1, "the task's own slot");
        let free = world.pool.available();
        assert_eq!(free, BLOCKS - 1, "the dead task's blocks are back");
    };
    let prepare = || {
        tidy();
        let dying = world.register();
        let guard = dying.enter();
        world.look(&guard, 1);
        for _ in 0..2 {
            world.swing_pooled(&dying, &guard);
        }
        dead.set(Some(dying.id()));
        mem::forget(guard);
        mem::forget(dying);
    };
    interrupted_by(&bury, || {
        sweep(board, prepare, || {
            world.read(&task, 2);
            world.replace_pooled(&task);
            world.flush(&task);
        });
        tidy();
    });
    evictions.load(LOCAL)
}

/// No call runs more reclaimers than its limit, whatever the interrupt retires
/// meanwhile. Returns how many objects a call left behind.
fn budget<S: Scheme, const W: usize>(world: &'static World<S, W>, board: &impl Preempt) -> usize {
    const WAITING: usize = 4;
    let task = world.register();
    let [irq, reader] = [(); 2].map(|()| {
        let handle = world.collector.register_deferred();
        handle.expect("a slot is free")
    });
    let left = AtomicUsize::new(0);
    let interrupt = || {
        world.swing_pooled(&irq, &irq.enter());
        world.flush(&irq);
    };
    let prepare = || {
        task.limit_reclaims(None);
        world.flush(&task);
        world.replace_pooled(&task);
        world.flush(&task);
        assert_eq!(world.alive(), 1, "the one in use");
        // What waits for a reader that has left, and does not reclaim itself.
        let guard = reader.enter();
        for _ in 0..WAITING {
            // In robust mode a guard holds only what it protected.
            world.look(&guard, 1);
            world.swing_pooled(&task, &task.enter());
            world.flush(&task);
        }
        assert_eq!(world.alive(), 1 + WAITING, "the reader holds them");
        drop(guard);
    };
    let within = |limit: usize, call: &dyn Fn(&Handle<'_, S>) -> usize| {
        let before = world.ledger.dropped();
        let counted = call(&task);
        let reclaimed = world.ledger.dropped() - before;
        assert_eq!(reclaimed, limit, "the limit is used up and not exceeded");
        assert!(counted == reclaimed, "the count is exact");
    };
    interrupted_by(&interrupt, || {
        sweep(board, prepare, || {
            within(2, &|task| task.collect_at_most(2));
            task.limit_reclaims(NonZeroU16::new(1));
            within(1, &|task| world.flush(task));
            within(0, &|task| task.collect_at_most(0));
            within(1, &|task| task.collect());
            add(&left);
        });
        task.limit_reclaims(None);
        world.flush(&task);
    });
    left.load(LOCAL)
}
