//! One core and a timer: an interrupt strikes at every instruction of every
//! operation, and itself reads and writes.

use crate::{Preempt, api, node::shelve, pool, world::World};
use core::{cell::Cell, ptr};
use hyaline::{Handle, Scheme};
use portable_atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// Every access to the statics here is Relaxed: there is one core, and an interrupt
/// sees its stores in program order.
const LOCAL: Ordering = Ordering::Relaxed;

/// What the interrupt does: a function and the thing it works on.
struct Hook {
    run: fn(*const ()),
    with: *const (),
}

static HOOK: AtomicPtr<Hook> = AtomicPtr::new(ptr::null_mut());
static STRUCK: AtomicUsize = AtomicUsize::new(0);
static COUNTING: AtomicBool = AtomicBool::new(false);
static POINTS: Points = Points([const { AtomicU32::new(0) }; 1024]);

/// A bit for each halfword of 64 KiB of code.
struct Points([AtomicU32; 1024]);

impl Points {
    fn set(&self, pc: usize) {
        let bit = pc / 2 % (1024 * 32);
        let word = &self.0[bit / 32];
        word.store(word.load(LOCAL) | 1 << (bit % 32), LOCAL);
    }

    fn count(&self) -> u32 {
        self.0
            .iter()
            .map(|word| word.load(LOCAL).count_ones())
            .sum()
    }
}

/// The timer's interrupt handler calls this with the interrupted program counter.
pub fn interrupt(pc: usize) {
    STRUCK.store(STRUCK.load(LOCAL) + 1, LOCAL);
    if COUNTING.load(LOCAL) {
        POINTS.set(pc);
    }
    let hook = HOOK.load(LOCAL);
    // SAFETY: whoever sets the hook keeps it alive until it is cleared, and the
    // interrupt cannot be interrupted by the code it interrupted.
    if let Some(hook) = unsafe { hook.as_ref() } {
        (hook.run)(hook.with);
    }
}

pub fn report(board: &impl Preempt) {
    board.print(format_args!(
        "{} interrupts at {} distinct instructions",
        STRUCK.load(LOCAL),
        POINTS.count()
    ));
}

/// What the interrupt does besides reading.
#[derive(Clone, Copy, PartialEq)]
enum Writes {
    Nothing,
    /// Replaces the node and retires the old one.
    Retires,
    /// The control: reclaims the old node at once, which must be caught.
    Reclaims,
}

/// The interrupt's own handle and what it does with it.
struct Irq<S: Scheme, const W: usize> {
    handle: Handle<'static, S>,
    world: &'static World<S, W>,
    writes: Writes,
}

impl<S: Scheme, const W: usize> Irq<S, W> {
    fn run(this: *const ()) {
        // SAFETY: `with_irq` passes an `Irq` that lives until the hook is cleared;
        // the main loop uses it only while the timer is stopped.
        let this = unsafe { &*this.cast::<Self>() };
        this.world.read(&this.handle, 2);
        let written = match this.writes {
            Writes::Nothing => true,
            Writes::Retires => this.world.replace(&this.handle, 1),
            Writes::Reclaims => this.world.replace_rashly(&this.handle, 1),
        };
        if !written {
            this.handle.flush();
        }
    }
}

/// Runs the body while interrupts strike. The body gets a function that flushes the
/// interrupt's handle; it may call it while the timer is stopped.
fn with_irq<S: Scheme, const W: usize>(
    world: &'static World<S, W>,
    writes: Writes,
    body: impl FnOnce(&dyn Fn()),
) {
    let irq = Irq {
        handle: world.register(),
        world,
        writes,
    };
    let hook = Hook {
        run: Irq::<S, W>::run,
        with: (&raw const irq).cast(),
    };
    HOOK.store((&raw const hook).cast_mut(), LOCAL);
    body(&|| {
        irq.handle.flush();
    });
    HOOK.store(ptr::null_mut(), LOCAL);
    irq.handle.flush();
}

/// Runs a job in an interrupt, and returns when the interrupt is over.
pub fn once(board: &impl Preempt, job: &dyn Fn()) {
    fn run(with: *const ()) {
        // SAFETY: it is what `hook` below has, which lives until the hook is cleared.
        let job = unsafe { &*with.cast::<&dyn Fn()>() };
        job();
    }
    let hook = Hook {
        run,
        with: (&raw const job).cast(),
    };
    HOOK.store((&raw const hook).cast_mut(), LOCAL);
    let before = STRUCK.load(LOCAL);
    board.interrupt_after(50);
    while STRUCK.load(LOCAL) == before {
        core::hint::spin_loop();
    }
    HOOK.store(ptr::null_mut(), LOCAL);
}

/// Repeats `operation` with an interrupt one instruction later each time, until it
/// ends before the interrupt comes. Returns how many instructions that took.
fn sweep(board: &impl Preempt, mut prepare: impl FnMut(), operation: impl Fn()) -> u32 {
    /// Far more than any operation has.
    const LIMIT: u32 = 20_000;
    for after in 1..LIMIT {
        prepare();
        let before = STRUCK.load(LOCAL);
        board.interrupt_after(after);
        COUNTING.store(true, LOCAL);
        operation();
        COUNTING.store(false, LOCAL);
        let struck = STRUCK.load(LOCAL) != before;
        board.cancel();
        if !struck {
            return after;
        }
    }
    panic!("an operation did not end within {LIMIT} instructions");
}

pub fn suite<S: Scheme, B: Preempt, const W: usize>(
    world: &'static World<S, W>,
    board: &B,
    label: &str,
) {
    api::suite(world);
    pool::runs_dry_and_recovers(world);
    board.print(format_args!("{label}: interface and pool ok"));

    for writes in [Writes::Nothing, Writes::Retires] {
        let kind = match writes {
            Writes::Nothing => "reads",
            _ => "writes",
        };
        with_irq(world, writes, |flush_irq| {
            let [read, retire, publish, leave, collect] = operations(world, board, flush_irq);
            board.print(format_args!(
                "{label}: interrupt {kind} at each instruction of read {read}, \
                 retire {retire}, publish {publish}, leave {leave}, collect {collect}"
            ));
        });
    }
    with_irq(world, Writes::Retires, |_| storm(world, board));
    world.settle(label, shelve);
    board.print(format_args!(
        "{label}: {} objects, each reclaimed once",
        world.ledger.made()
    ));
}

/// Sweeps every operation; the interrupt uses a handle of its own.
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
        main.flush();
        world.replace(&main, 0);
        main.flush();
    };
    // Enter, protect, read, leave.
    let read = sweep(board, tidy, || world.read(&main, 2));
    // Retire while nobody is active: reclaims at once.
    let retire = sweep(board, tidy, || {
        world.replace(&main, 0);
    });
    // Retire and publish while another section is active: pushes to its inbox.
    let publish = sweep(board, tidy, || {
        let guard = other.enter();
        world.replace(&main, 0);
        main.flush();
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
            main.flush();
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
fn storm<S: Scheme, const W: usize>(world: &'static World<S, W>, board: &impl Preempt) {
    let main = world.register();
    let mut random = 1u32;
    for _ in 0..1000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let before = STRUCK.load(LOCAL);
        board.interrupt_after(1 + (random >> 24));
        while STRUCK.load(LOCAL) == before {
            if !world.replace(&main, 0) {
                main.flush();
            }
            world.read(&main, 2);
        }
    }
}

/// The control: an interrupt that reclaims under the main loop's guard is caught.
pub fn control<S: Scheme, B: Preempt, const W: usize>(world: &'static World<S, W>, board: &B) {
    with_irq(world, Writes::Reclaims, |_| {
        let main = world.register();
        world.replace_rashly(&main, 0);
        sweep(board, || (), || world.read(&main, 2));
    });
    let torn = world.ledger.torn();
    assert!(torn > 0, "reclaiming under a guard goes unnoticed");
    board.print(format_args!(
        "control: reclaiming at once is caught at {torn} offsets"
    ));
}
