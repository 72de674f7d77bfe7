//! The self-test that every machine runs: test bodies without an operating
//! system, an allocator or a test harness.
//!
//! A firmware calls [`single_core`] from its one thread, or [`multi_core`] from
//! every core at once. A failed check panics; the firmware's panic handler
//! turns that into an exit code. A host test calls [`multi_core`] from threads.
//!
//! Every suite may run once in a program: its statics are not reset.

#![no_std]

mod api;
mod board;
mod control;
pub mod counts;
mod interrupts;
mod mixed;
mod nested;
mod node;
mod pool;
mod preempt;
mod rendezvous;
mod stalled;
mod structures;
mod supervise;
mod torture;
mod world;

use hyaline::{Basic, Collector, Config, Fences, Robust, Scheme, SingleCore};
use stalled::Scene;

pub use board::{Board, PASSED, Preempt};
pub use interrupts::interrupt;

/// A build to test the wrap of the eras, which only robust mode has.
const LATE_ERA: bool = cfg!(hyaline_late_era);

/// Declares the statics of one scheme and runs a suite over them.
macro_rules! with_world {
    ($scheme:ty, $writers:literal, $config:expr, |$world:ident| $run:expr) => {{
        static WORLD: world::World<$scheme, $writers> = world::World::new($config);
        let $world = &WORLD;
        $run
    }};
}

/// Declares one of each structure, in a domain of one scheme, and runs a suite over them.
macro_rules! with_structures {
    ($scheme:ty, $config:expr, |$all:ident| $run:expr) => {{
        hyaline::domain!(
            Here: Collector<{ structures::SLOTS }, $scheme> = Collector::with_config($config)
        );
        static ALL: structures::Structures<Here> = structures::Structures::new();
        let $all = &ALL;
        $run
    }};
}

/// The suites that share a world, one after another.
#[inline(never)]
fn one_core<S: Scheme>(
    world: &'static world::World<S, 2>,
    board: &impl Preempt,
    label: &'static str,
) {
    preempt::suite(world, board, label);
    nested::suite(world, board, label);
}

/// Runs everything that one core with a timer can run.
///
/// # Safety
///
/// The machine has one core, or no other core ever calls into this crate.
pub unsafe fn single_core<B: Preempt>(board: &B) {
    // SAFETY: the machine has one core, or no other core calls into this crate
    // (`# Safety`).
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
            |world| {
                one_core(world, board, "Basic<SingleCore>");
                supervise::suite(world, board, "Basic<SingleCore>");
            }
        );
    }
    with_world!(
        Robust<SingleCore>,
        2,
        Config::new().barrier(SINGLE).era_step::<1>(),
        |world| one_core(world, board, "Robust<SingleCore>")
    );
    // 256 KiB are full without these, unless those in basic mode are left out.
    if !cfg!(feature = "tight") || LATE_ERA {
        with_world!(Robust<Fences>, 2, Config::new(), |world| {
            one_core(world, board, "Robust<Fences>");
            supervise::suite(world, board, "Robust<Fences>");
        });
    }
    with_world!(Basic<Fences>, 2, Config::new(), |world| {
        if !LATE_ERA {
            one_core(world, board, "Basic<Fences>");
        }
        // Last, because they leave the world broken.
        nested::controls(world, board);
        preempt::control(world, board);
    });
    // Small batches, for structures that have few blocks.
    const FEW: Config<SingleCore> = Config::new().barrier(SINGLE).batch::<1>();
    if !LATE_ERA {
        with_structures!(Basic<SingleCore>, FEW, |all| {
            for handles in structures::HANDLES {
                structures::by_interrupt(all, board, "Basic<SingleCore>", handles);
            }
        });
    }
    with_structures!(Robust<SingleCore>, FEW.era_step::<1>(), |all| {
        for handles in structures::HANDLES {
            structures::by_interrupt(all, board, "Robust<SingleCore>", handles);
        }
    });
    interrupts::report(board);
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
        static MIXED: mixed::Mixed = mixed::Mixed::new();
        torture::suite(world, board, &team, "Basic<Fences>");
        mixed::suite(world, &MIXED, board, &team, "Basic<Fences>");
        control::suite(world, board, &team, "Basic<Fences>");
    });
    with_world!(Robust<Fences>, 4, Config::new().era_step::<4>(), |world| {
        static MIXED: mixed::Mixed = mixed::Mixed::new();
        torture::suite(world, board, &team, "Robust<Fences>");
        mixed::suite(world, &MIXED, board, &team, "Robust<Fences>");
        control::suite(world, board, &team, "Robust<Fences>");
    });
    const FEW: Config = Config::new().batch::<1>();
    with_structures!(Basic<Fences>, FEW, |all| {
        structures::by_core(all, board, &team, "Basic<Fences>");
    });
    with_structures!(Robust<Fences>, FEW.era_step::<1>(), |all| {
        structures::by_core(all, board, &team, "Robust<Fences>");
    });
    if core == 0 {
        board.print(format_args!("{PASSED}"));
    }
}
