//! QEMU's virt board with one RV32 hart. The kernel handles all traps, and
//! masks them all: the interrupt of the test is that of the tick.

use core::arch::asm;

unsafe extern "C" {
    fn freertos_risc_v_trap_handler();
}

#[riscv_rt::entry]
fn main() -> ! {
    let handler = freertos_risc_v_trap_handler as unsafe extern "C" fn();
    // SAFETY: the kernel's handler, aligned as the direct mode requires;
    // nothing is enabled before the scheduler runs.
    unsafe { asm!("csrw mtvec, {}", in(reg) handler) };
    super::test()
}

/// The kernel calls it for exceptions that it does not handle.
#[unsafe(no_mangle)]
extern "C" fn freertos_risc_v_application_exception_handler() -> ! {
    semihosting::println!(
        "exception {:?} at {:#x}",
        riscv::register::mcause::read().cause(),
        riscv::register::mepc::read()
    );
    semihosting::process::exit(3)
}
