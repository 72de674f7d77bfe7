//! Instructions of each operation, read from SysTick under `-icount shift=10`.

#![no_std]
#![no_main]

use cortex_m::peripheral::SYST;
use selftest::counts::Counter;

selftest::semihosted!(CortexM);

/// One SysTick count in tenths of a nanosecond; an instruction takes 1024 ns.
const NS_PER_TICK_X10: u32 = if cfg!(feature = "microbit") { 625 } else { 400 };

impl Counter for CortexM {
    #[inline(always)]
    fn read() -> u32 {
        SYST::get_current()
    }

    fn instructions(from: u32, to: u32) -> u32 {
        let ticks = from.wrapping_sub(to) & 0xFF_FFFF;
        (ticks * NS_PER_TICK_X10 + 5120) / 10240
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    // SAFETY: starts the core's own timer, without interrupt, at its longest period.
    unsafe {
        (*SYST::PTR).rvr.write(0xFF_FFFF);
        (*SYST::PTR).cvr.write(0);
        (*SYST::PTR).csr.write(5);
    }
    // SAFETY: these boards have one core.
    unsafe { selftest::counts::count::<CortexM>(&CortexM) };
    semihosting::process::exit(0)
}
