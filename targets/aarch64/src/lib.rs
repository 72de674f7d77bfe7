//! Start-up of the AArch64 machines: memory, exceptions, secondary cores. One
//! image serves EL1 and EL2: it runs at the level at which QEMU enters it.

#![no_std]

use aarch64_rt::{ExceptionHandlers, InitialPagetable, Stack, exception_handlers};
use aarch64_rt::{initial_pagetable, start_core};
use core::{arch::asm, ptr::addr_of_mut};
use smccc::{Hvc, Smc};

pub const CORES: usize = 4;
const STACK_PAGES: usize = 16;

/// Descriptor bits of a 1 GiB block: valid, accessed. The bit that forbids
/// execution at EL0 under EL1 forbids it at EL2 altogether, so it stays clear.
const BLOCK: usize = 1 | 1 << 10;
/// Index 1 of the default MAIR: write-back memory, inner shareable. The atomics of
/// several cores need cacheable shareable memory.
const NORMAL: usize = BLOCK | 1 << 2 | 3 << 8;

initial_pagetable!({
    let mut identity = [0; 512];
    identity[0] = BLOCK;
    identity[1] = NORMAL | 0x4000_0000;
    InitialPagetable(identity)
});

struct Exceptions;
impl ExceptionHandlers for Exceptions {}
exception_handlers!(Exceptions);

static mut STACKS: [Stack<STACK_PAGES>; CORES - 1] = [const { Stack::new() }; CORES - 1];

/// 1 at EL1, 2 at EL2.
pub fn exception_level() -> u64 {
    let level: u64;
    // SAFETY: reads a register that every exception level may read.
    unsafe { asm!("mrs {}, CurrentEL", out(reg) level, options(nomem, nostack)) };
    level >> 2 & 3
}

/// Starts cores 1 to 3 in `body`, which gets the core's number. Core 0 calls it
/// once.
pub fn start_others(body: fn(usize)) {
    let level = exception_level();
    for core in 1..CORES {
        let run = move || -> () {
            aarch64_rt::set_exception_vector();
            body(core);
            loop {
                core::hint::spin_loop();
            }
        };
        // SAFETY: each core gets its own stack, which lives forever and is
        // mapped the same way on all cores.
        let started = unsafe {
            let stack = addr_of_mut!(STACKS[core - 1]);
            // At EL2 the hypervisor call is our own; the firmware is called by
            // SMC.
            match level {
                1 => start_core::<Hvc, _, _>(core as u64, stack, run),
                _ => start_core::<Smc, _, _>(core as u64, stack, run),
            }
        };
        started.expect("PSCI starts the core");
    }
}
