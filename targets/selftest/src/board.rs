//! What a machine gives to the tests.

use core::fmt;

/// The last line of a run in which every check passed.
pub const PASSED: &str = "selftest passed";

/// What the tests need from a machine.
pub trait Board: Sync {
    /// Prints one line.
    fn print(&self, line: fmt::Arguments<'_>);

    /// Waits a moment for another core. A hosted program yields here.
    fn relax(&self) {
        core::hint::spin_loop();
    }
}

/// Declares a board that prints over semihosting, with the firmware's own crate of
/// this name.
#[macro_export]
macro_rules! semihosted {
    ($board:ident) => {
        struct $board;

        impl $crate::Board for $board {
            fn print(&self, line: core::fmt::Arguments<'_>) {
                semihosting::println!("{line}");
            }
        }
    };
}

/// A one-shot timer whose interrupt calls [`interrupt`](crate::interrupt).
pub trait Preempt: Board {
    /// Fires the interrupt after about this many instructions.
    fn interrupt_after(&self, instructions: u32);

    /// Stops the timer; an interrupt that is already pending may still arrive.
    fn cancel(&self);
}
