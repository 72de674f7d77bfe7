//! Executed instructions of each operation, on machines that can count them.

use crate::{
    board::{Board, PASSED},
    node::shelve,
    world::World,
};
use core::hint::black_box;
use hyaline::{Basic, Config, Fences, Robust, Scheme, SingleCore};
use portable_atomic::Ordering;

/// A free-running counter from which instructions can be computed.
pub trait Counter {
    fn read() -> u32;

    /// Instructions between two readings.
    fn instructions(from: u32, to: u32) -> u32 {
        to.wrapping_sub(from)
    }
}

/// The program of a RISC-V machine with one hart, which reads `minstret`; with the
/// firmware's own crates.
#[macro_export]
macro_rules! count_by_minstret {
    () => {
        $crate::semihosted!(Virt);

        impl $crate::counts::Counter for Virt {
            #[inline(always)]
            fn read() -> u32 {
                riscv::register::minstret::read() as u32
            }
        }

        #[riscv_rt::entry]
        fn main() -> ! {
            // SAFETY: the machine is started with one hart.
            unsafe { $crate::counts::count::<Virt>(&Virt) };
            semihosting::process::exit(0)
        }
    };
}

/// Prints a line for each operation of each scheme.
///
/// # Safety
///
/// As for [`single_core`](crate::single_core).
pub unsafe fn count<C: Counter>(board: &impl Board) {
    // SAFETY: the machine has one core (`# Safety`).
    const SINGLE: SingleCore = unsafe { SingleCore::new() };
    static SINGLE_WORLD: World<Basic<SingleCore>, 1> = World::new(Config::new().barrier(SINGLE));
    static BASIC: World<Basic<Fences>, 1> = World::new(Config::new());
    static ROBUST: World<Robust<Fences>, 1> = World::new(Config::new());
    operations::<C, _>(&SINGLE_WORLD, board, "Basic<SingleCore>");
    operations::<C, _>(&BASIC, board, "Basic<Fences>");
    operations::<C, _>(&ROBUST, board, "Robust<Fences>");
    board.print(format_args!("{PASSED}"));
}

#[inline(never)]
fn operations<C: Counter, S: Scheme>(world: &'static World<S, 1>, board: &impl Board, label: &str) {
    /// Counts an expression and yields its value.
    macro_rules! counted {
        ($name:literal, $operation:expr) => {{
            let (start, empty) = (C::read(), C::read());
            let from = C::read();
            let value = black_box($operation);
            let to = C::read();
            // All arithmetic stays after the last reading.
            let [start, empty, from, to] = black_box([start, empty, from, to]);
            // Two consecutive readings show the cost of reading.
            let own = C::instructions(start, empty);
            let count = C::instructions(from, to).saturating_sub(own);
            board.print(format_args!("{label} {}: {count}", $name));
            value
        }};
    }
    let [reader, writer] = core::array::from_fn(|_| world.register());
    let (reader, writer) = (&reader, &writer);
    let make = || {
        black_box(
            world.shelves[0]
                .make(writer, &world.ledger)
                .expect("a node"),
        )
    };
    // The first use of everything may take a slower path.
    world.replace(writer, 0);
    world.read(reader, 1);

    let guard = counted!("enter", reader.enter());
    // Acquire: as every reader.
    counted!("protect", guard.protect(&world.cell, Ordering::Acquire));
    counted!("leave", drop(guard));
    counted!("enter and leave", drop(reader.enter()));
    // SAFETY, here and below: nodes of the shelf that were never published, each
    // retired once.
    let node = make();
    counted!("retire, nobody active", unsafe {
        writer.retire(node, shelve)
    });

    let guard = reader.enter();
    let node = make();
    world.look(&guard, 1);
    counted!("retire, one active reader", unsafe {
        writer.retire(node, shelve)
    });
    drop(guard);

    let (own, node) = (writer.enter(), make());
    counted!("defer_retire", unsafe { own.defer_retire(node, shelve) });
    drop(own);
    counted!("publish, nobody active", writer.flush());

    let guard = reader.enter();
    let node = make();
    world.look(&guard, 1);
    // SAFETY: a node of the shelf that was never published, retired once.
    unsafe { writer.enter().defer_retire(node, shelve) };
    counted!("publish, one active reader", writer.flush());
    counted!("leave and reclaim one", drop(guard));

    // A reader that leaves the work to others: a later collect does it.
    let passive = world.collector.register_deferred();
    let passive = passive.expect("a slot is free");
    let guard = passive.enter();
    let node = make();
    world.look(&guard, 1);
    // SAFETY: a node of the shelf that was never published, retired once.
    unsafe { writer.retire(node, shelve) };
    drop(guard);
    counted!("collect one", writer.collect());
    counted!("collect nothing", writer.collect());
}
