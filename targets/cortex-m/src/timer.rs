//! A one-shot SysTick that counts in instructions of `-icount shift=10`.

use core::arch::naked_asm;
use cortex_m::peripheral::SYST;

/// Under `-icount shift=10` an instruction takes 1024 ns of guest time.
const NS_PER_INSTRUCTION_X10: u32 = 10240;

/// One SysTick count in tenths of a nanosecond, from the clock that QEMU gives
/// the board.
const NS_PER_TICK_X10: u32 = if cfg!(feature = "microbit") {
    625
} else if cfg!(feature = "lm3s6965evb") {
    800
} else if cfg!(feature = "mps2-an386") {
    400
} else {
    500
};

const ENABLE: u32 = 1;
const TICKINT: u32 = 1 << 1;
const CORE_CLOCK: u32 = 1 << 2;

/// Fires the SysTick exception once, `instructions` from now.
pub fn start(instructions: u32) {
    let ticks = (instructions.max(1) * NS_PER_INSTRUCTION_X10).div_ceil(NS_PER_TICK_X10);
    let syst = SYST::PTR;
    // SAFETY: the firmware has one thread and the handler only stops the timer;
    // these are the SysTick registers of the core.
    unsafe {
        (*syst).csr.write(0);
        (*syst).rvr.write(ticks);
        (*syst).cvr.write(0);
        (*syst).csr.write(ENABLE | TICKINT | CORE_CLOCK);
    }
}

/// Stops the timer; a pending exception still arrives.
pub fn stop() {
    // SAFETY: a SysTick register of the core; the thread and the handler may both stop
    // the timer, as that is idempotent.
    unsafe { (*SYST::PTR).csr.write(0) };
}

/// Passes the interrupted program counter, the seventh word of the exception
/// frame, to [`fired`].
///
/// # Safety
/// Only the exception entry may call it, with the frame on the main stack.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn SysTick() {
    naked_asm!("ldr r0, [sp, #24]", "ldr r1, ={fired}", "bx r1", fired = sym fired)
}

extern "C" fn fired(pc: usize) {
    stop();
    selftest::interrupt(pc);
}
