//! The shared self-test on four RV64 harts, in M-mode or S-mode.

#![no_std]
#![no_main]

use riscv64::{HARTS, arrive};

selftest::semihosted!(Virt);

#[riscv_rt::entry]
fn main(hart: usize) -> ! {
    let core = arrive(hart);
    selftest::multi_core(&Virt, core, HARTS);
    if core == 0 {
        semihosting::process::exit(0)
    }
    loop {
        core::hint::spin_loop();
    }
}
