//! The shared self-test on two ARMv7-A cores.

#![no_std]
#![no_main]

use core::arch::{asm, naked_asm};

const CORES: usize = 2;
const PSCI_CPU_ON: u32 = 0x8400_0003;

selftest::semihosted!(Virt);

unsafe extern "C" {
    fn _start();
}

/// A secondary core only runs after PSCI started it, which is after core 0
/// initialised the memory: there is nothing to wait for.
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _asm_secondary_core_park() {
    naked_asm!("bx lr")
}

#[unsafe(no_mangle)]
extern "C" fn kmain_secondary(core: usize) -> ! {
    selftest::multi_core(&Virt, core, CORES);
    loop {
        core::hint::spin_loop();
    }
}

fn start_core(core: u32) {
    let error: i32;
    // SAFETY: CPU_ON takes the core and a physical address; the calling
    // convention preserves r4 and up. `_start` gives the core its own stack.
    unsafe {
        asm!(
            ".arch_extension virt",
            "hvc #0",
            inlateout("r0") PSCI_CPU_ON => error,
            inlateout("r1") core => _,
            inlateout("r2") _start as *const () => _,
            inlateout("r3") 0 => _,
        );
    }
    assert!(error == 0, "core {core} does not start: PSCI error {error}");
}

#[aarch32_rt::entry]
fn main() -> ! {
    for core in 1..CORES {
        start_core(core as u32);
    }
    selftest::multi_core(&Virt, 0, CORES);
    semihosting::process::exit(0)
}
