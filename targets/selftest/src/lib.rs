//! The self-test that every machine runs: test bodies without an operating system,
//! an allocator or a test harness.
//!
//! A firmware calls [`single_core`] from its one thread, or [`multi_core`] from every
//! core at once. A check that fails panics; the firmware's panic handler turns that
//! into an exit code. A host test calls [`multi_core`] from threads.
//!
//! Every suite may run once in a program: its statics are not reset.

#![no_std]

mod api;
mod broken;
pub mod counts;
mod node;
mod pool;
mod preempt;
mod rendezvous;
mod stalled;
mod torture;
mod world;

use core::fmt;
use hyaline::{Basic, Config, Fences, Robust, SingleCore};
use stalled::Scene;

pub use preempt::interrupt;

/// The last line of a run in which every check held.
pub const PASSED: &str = "selftest passed";

/// A build to test the wrap of the eras, which only robust mode has.
const LATE_ERA: bool = cfg!(hyaline_late_era);

/// What the tests need of a machine.
pub trait Board: Sync {
    /// Prints one line.
    fn print(&self, line: fmt::Arguments<'_>);

    /// Whether each core is there for the test alone. If not, the broken barrier
    /// need not be caught: the threads seldom meet.
    fn owns_its_cores(&self) -> bool {
        true
    }

    /// Waits a moment for another core. A hosted program yields here.
    fn relax(&self) {
        core::hint::spin_loop();
    }
}

/// A one-shot timer whose interrupt calls [`interrupt`].
pub trait Preempt: Board {
    /// Fires the interrupt after about this many instructions.
    fn interrupt_after(&self, instructions: u32);

    /// Stops the timer; an interrupt that is pending already may still arrive.
    fn cancel(&self);
}

/// Declares the statics of one scheme and runs a suite over them.
macro_rules! with_world {
    ($scheme:ty, $writers:literal, $config:expr, |$world:ident| $run:expr) => {{
        static WORLD: world::World<$scheme, $writers> = world::World::new($config);
        let $world = &WORLD;
        $run
    }};
}

/// Runs everything that one core with a timer can run.
///
/// # Safety
///
/// The machine has one core, or no other core ever calls into this crate.
pub unsafe fn single_core<B: Preempt>(board: &B) {
    // SAFETY: the caller vouches for the one core.
    const SINGLE: SingleCore = unsafe { SingleCore::new() };
    static BASIC: Scene<Basic<SingleCore>> = Scene::new(stalled::CONFIG.barrier(SINGLE));
    static ROBUST: Scene<Robust<SingleCore>> = Scene::new(stalled::CONFIG.barrier(SINGLE));
    let most = Some(stalled::MOST_PENDING);
    stalled::by_interrupt(&ROBUST, board, "Robust<SingleCore>", most);
    stalled::by_interrupt(&BASIC, board, "Basic<SingleCore>", None);
    if !LATE_ERA {
        with_world!(
            Basic<SingleCore>,
            2,
            Config::new().barrier(SINGLE),
            |world| preempt::suite(world, board, "Basic<SingleCore>")
        );
        with_world!(Basic<Fences>, 2, Config::new(), |world| {
            preempt::suite(world, board, "Basic<Fences>");
        });
    }
    with_world!(
        Robust<SingleCore>,
        2,
        Config::new().barrier(SINGLE).era_step::<1>(),
        |world| preempt::suite(world, board, "Robust<SingleCore>")
    );
    with_world!(Robust<Fences>, 2, Config::new(), |world| {
        preempt::suite(world, board, "Robust<Fences>");
    });
    with_world!(Basic<Fences>, 2, Config::new(), |world| {
        preempt::control(world, board);
    });
    preempt::report(board);
    board.print(format_args!("{PASSED}"));
}

/// Runs everything that `cores` cores can run together; each core calls it with
/// its own number, and number 0 returns last.
pub fn multi_core<B: Board>(board: &B, core: usize, cores: usize) {
    static MEET: rendezvous::Rendezvous = rendezvous::Rendezvous::new();
    let team = rendezvous::Team {
        core,
        cores,
        meet: &MEET,
    };
    static BASIC: Scene<Basic<Fences>> = Scene::new(stalled::CONFIG);
    static ROBUST: Scene<Robust<Fences>> = Scene::new(stalled::CONFIG);
    let most = Some(stalled::MOST_PENDING);
    stalled::by_core(&ROBUST, board, &team, "Robust<Fences>", most);
    stalled::by_core(&BASIC, board, &team, "Basic<Fences>", None);
    with_world!(Basic<Fences>, 4, Config::new(), |world| {
        torture::suite(world, board, &team, "Basic<Fences>");
    });
    with_world!(Robust<Fences>, 4, Config::new().era_step::<4>(), |world| {
        torture::suite(world, board, &team, "Robust<Fences>");
    });
    broken::suite(board, &team);
    if core == 0 {
        board.print(format_args!("{PASSED}"));
    }
}
