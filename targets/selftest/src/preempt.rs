//! One core and a timer: an interrupt strikes at every instruction of every
//! operation, and itself reads and writes.

use crate::{
    api,
    board::Preempt,
    interrupts::{self, interrupted_by, sweep},
    node::shelve,
    pool,
    world::World,
};
use core::cell::Cell;
use hyaline::{Deferred, Handle, Role, Scheme};

/// What the interrupt does besides reading.
#[derive(Clone, Copy, PartialEq)]
enum Writes {
    Nothing,
    /// Replaces the node and retires the old one.
    Retires,
    /// The control: reclaims the old node at once, which must be caught.
    Reclaims,
}

/// Runs the body while interrupts read and write on this handle. The body gets
/// a function that flushes it; it may call it while the timer is stopped.
fn with_irq<S: Scheme, R: Role, const W: usize>(
    world: &'static World<S, W>,
    handle: Handle<'static, S, R>,
    writes: Writes,
    body: impl FnOnce(&dyn Fn()),
) {
    let job = || {
        world.read(&handle, 2);
        let written = match writes {
            Writes::Nothing => true,
            Writes::Retires => world.replace(&handle, 1),
            Writes::Reclaims => world.replace_rashly(&handle, 1),
        };
        if !written {
            world.flush(&handle);
        }
    };
    interrupted_by(&job, || {
        body(&|| {
            world.flush(&handle);
        });
    });
    world.flush(&handle);
}

pub fn suite<S: Scheme, B: Preempt, const W: usize>(
    world: &'static World<S, W>,
    board: &B,
    label: &str,
) {
    api::suite(world);
    pool::runs_dry_and_recovers(world);
    board.print(format_args!("{label}: interface and pool ok"));

    let says = |kind: &str, lengths: [u32; 5]| {
        let [read, retire, publish, leave, collect] = lengths;
        board.print(format_args!(
            "{label}: interrupt {kind} at each instruction of read {read}, \
             retire {retire}, publish {publish}, leave {leave}, collect {collect}"
        ));
    };
    with_irq(world, world.register(), Writes::Nothing, |flush| {
        says("reads", operations(world, board, flush));
    });
    with_irq(world, world.register(), Writes::Retires, |flush| {
        says("writes", operations(world, board, flush));
    });
    // No reclaimer runs in the interrupt.
    with_irq(world, deferred(world), Writes::Retires, |flush| {
        says("defers", operations(world, board, flush));
    });
    // A task that it wakes replaces the node again, and collects.
    let high = world.register();
    let handle = deferred(world);
    let job = || {
        world.read(&handle, 2);
        world.replace(&handle, 1);
        world.replace(&high, 1);
        world.flush(&high);
    };
    interrupted_by(&job, || {
        says(
            "defers and wakes a collector",
            operations(world, board, &|| {
                world.flush(&high);
            }),
        );
    });
    drop((handle, high));
    with_irq(world, world.register(), Writes::Retires, |_| {
        storm(world, board);
    });
    world.check_all_reclaimed(label, shelve);
    board.print(format_args!(
        "{label}: {} objects, each reclaimed once",
        world.ledger.made()
    ));
}

fn deferred<S: Scheme, const W: usize>(
    world: &'static World<S, W>,
) -> Handle<'static, S, Deferred> {
    let deferred = world.collector.register_deferred();
    deferred.expect("a slot is free")
}

/// Sweeps every operation; the interrupt uses its own handle.
#[inline(never)]
fn operations<S: Scheme, const W: usize>(
    world: &'static World<S, W>,
    board: &impl Preempt,
    flush_irq: &dyn Fn(),
) -> [u32; 5] {
    let main = world.register();
    let other = world.register();
    // Each repetition starts from the same state.
    let tidy = || {
        flush_irq();
        world.flush(&main);
        world.replace(&main, 0);
        world.flush(&main);
    };
    // Enter, protect, read, leave.
    let read = sweep(board, tidy, || world.read(&main, 2));
    // Retire while no section is open: reclaims at once.
    let retire = sweep(board, tidy, || {
        world.replace(&main, 0);
    });
    // Retire and publish while another section is open: pushes to its inbox.
    let publish = sweep(board, tidy, || {
        let guard = other.enter();
        world.replace(&main, 0);
        world.flush(&main);
        drop(guard);
    });
    let held = Cell::new(None);
    // Leave with a batch in the inbox: the leaving reader reclaims it.
    let leave = sweep(
        board,
        || {
            tidy();
            let guard = other.enter();
            world.replace(&main, 0);
            world.flush(&main);
            held.set(Some(guard));
        },
        || drop(held.take()),
    );
    let collect = sweep(board, tidy, || {
        world.replace(&main, 0);
        main.collect();
    });
    [read, retire, publish, leave, collect]
}

/// The main loop replaces objects while interrupts come at irregular distances.
#[inline(never)]
fn storm<S: Scheme, const W: usize>(world: &'static World<S, W>, board: &impl Preempt) {
    let main = world.register();
    let mut random = 1u32;
    for _ in 0..1000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let before = interrupts::count();
        board.interrupt_after(1 + (random >> 24));
        while interrupts::count() == before {
            if !world.replace(&main, 0) {
                world.flush(&main);
            }
            world.read(&main, 2);
        }
    }
}

/// The control: an interrupt that reclaims under the main loop's guard is caught.
pub fn control<S: Scheme, B: Preempt, const W: usize>(world: &'static World<S, W>, board: &B) {
    let before = world.ledger.torn();
    with_irq(world, world.register(), Writes::Reclaims, |_| {
        let main = world.register();
        world.replace_rashly(&main, 0);
        sweep(board, || (), || world.read(&main, 2));
    });
    let torn = world.ledger.torn() - before;
    assert!(torn > 0, "reclaiming under a guard goes unnoticed");
    board.print(format_args!(
        "control: reclaiming at once is caught at {torn} offsets"
    ));
}
