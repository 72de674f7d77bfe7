//! The shared self-test on one Cortex-M board; a cargo feature names the board.

#![no_std]
#![no_main]

mod timer;

use selftest::Preempt;

selftest::semihosted!(CortexM);

impl Preempt for CortexM {
    fn interrupt_after(&self, instructions: u32) {
        timer::start(instructions);
    }

    fn cancel(&self) {
        timer::stop();
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    // SAFETY: these boards have one core.
    unsafe { selftest::single_core(&CortexM) };
    semihosting::process::exit(0)
}

/// The default handler loops forever, which looks like a hang from outside.
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::println!("hard fault at {:#x}", frame.pc());
    semihosting::process::exit(3)
}
