//! MPS2 with a Cortex-M3: a timer whose interrupt the kernel never masks.

use cortex_m::register::basepri;

/// The first timer of the CMSDK: control, value, reload, clear.
const TIMER: *mut u32 = 0x4000_0000 as *mut u32;
const TIMER_IRQ: i16 = 8;
/// More urgent than configMAX_SYSCALL_INTERRUPT_PRIORITY.
const PRIORITY: u8 = 0x40;
/// Counts of 40 ns between interrupts: a prime, so that they drift through the tick.
const PERIOD: u32 = 10_007;

const ENABLE_WITH_INTERRUPT: u32 = 1 | 1 << 3;

const NVIC_ENABLE: *mut u32 = 0xe000_e100 as *mut u32;
const NVIC_PRIORITY: *mut u8 = 0xe000_e400 as *mut u8;

unsafe extern "C" {
    safe fn strike(masked: bool);
}

#[cortex_m_rt::entry]
fn main() -> ! {
    // SAFETY: registers of the interrupt controller; the handler is linked in.
    unsafe {
        NVIC_PRIORITY
            .add(TIMER_IRQ as usize)
            .write_volatile(PRIORITY);
        NVIC_ENABLE.write_volatile(1 << TIMER_IRQ);
    }
    super::test()
}

#[unsafe(no_mangle)]
extern "C" fn timer(run: bool) {
    // SAFETY: registers of the timer, which is the test's.
    unsafe {
        TIMER.add(2).write_volatile(PERIOD);
        TIMER.add(1).write_volatile(PERIOD);
        TIMER.write_volatile(if run { ENABLE_WITH_INTERRUPT } else { 0 });
    }
}

/// All interrupts except the kernel's.
#[cortex_m_rt::exception]
unsafe fn DefaultHandler(irq: i16) {
    if irq != TIMER_IRQ {
        semihosting::println!("unexpected interrupt {irq}");
        semihosting::process::exit(3);
    }
    // SAFETY: a register of the timer, which is the test's.
    unsafe { TIMER.add(3).write_volatile(1) };
    // The kernel's critical sections set BASEPRI, and nothing else does.
    strike(basepri::read() != 0);
}

/// The default handler loops forever, which looks like a hang from outside.
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::println!("hard fault at {:#x}", frame.pc());
    semihosting::process::exit(3)
}
