//! The shared self-test on QEMU's RV32 virt board, with or without the A extension.

#![no_std]
#![no_main]

mod timer;

use selftest::Preempt;

selftest::semihosted!(Virt);

impl Preempt for Virt {
    fn interrupt_after(&self, instructions: u32) {
        timer::start(instructions);
    }

    fn cancel(&self) {
        timer::stop();
    }
}

#[riscv_rt::entry]
fn main() -> ! {
    timer::init();
    // SAFETY: the board runs with one hart.
    unsafe { selftest::single_core(&Virt) };
    semihosting::process::exit(0)
}

/// The default handler loops forever, which looks like a hang from outside.
#[unsafe(export_name = "ExceptionHandler")]
fn exception(_: &riscv_rt::TrapFrame) -> ! {
    semihosting::println!(
        "exception {:?} at {:#x}",
        riscv::register::mcause::read().cause(),
        riscv::register::mepc::read()
    );
    semihosting::process::exit(3)
}
