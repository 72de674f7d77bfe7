//! A one-shot machine timer that counts in instructions of `-icount shift=10`.

use riscv::register::{mepc, mie, mstatus};

const MTIMECMP: *mut u32 = 0x0200_4000 as *mut u32;
const MTIME: *const u32 = 0x0200_BFF8 as *const u32;

/// Under `-icount shift=10` an instruction takes 1024 ns; mtime counts 100 ns.
const NS_PER_INSTRUCTION: u32 = 1024;
const NS_PER_TICK: u32 = 100;

/// Enables the timer interrupt; it does not fire before [`start`].
pub fn init() {
    stop();
    // SAFETY: the handler is linked in and the compare register is at its maximum.
    unsafe {
        mie::set_mtimer();
        mstatus::set_mie();
    }
}

/// Fires the timer interrupt once, `instructions` from now.
pub fn start(instructions: u32) {
    let ticks = (instructions.max(1) * NS_PER_INSTRUCTION).div_ceil(NS_PER_TICK);
    // SAFETY: CLINT registers of the only hart. The run is far shorter than the
    // 2^32 ticks (7 minutes of guest time) after which the high word moves, and
    // a carry out of the low word fires the interrupt at once instead of never.
    unsafe {
        let high = MTIME.add(1).read_volatile();
        let low = MTIME.read_volatile();
        let (low, carry) = low.overflowing_add(ticks);
        MTIMECMP.write_volatile(low);
        MTIMECMP.add(1).write_volatile(high + u32::from(carry));
    }
}

/// Silences the timer.
pub fn stop() {
    // SAFETY: a CLINT register of the only hart.
    unsafe { MTIMECMP.add(1).write_volatile(u32::MAX) };
}

#[riscv_rt::core_interrupt(riscv::interrupt::Interrupt::MachineTimer)]
fn fired() {
    stop();
    selftest::interrupt(mepc::read());
}
