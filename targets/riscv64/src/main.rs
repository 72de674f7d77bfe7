//! The shared self-test on four RV64 harts, in M-mode or S-mode.

#![no_std]
#![no_main]

use core::fmt;
use riscv64::{HARTS, arrive};
use selftest::Board;

struct Virt;

impl Board for Virt {
    fn print(&self, line: fmt::Arguments<'_>) {
        semihosting::println!("{line}");
    }
}

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
