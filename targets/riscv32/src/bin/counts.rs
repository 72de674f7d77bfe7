//! Instructions of each operation, read from `minstret` under `-icount
//! shift=0`.

#![no_std]
#![no_main]

use core::fmt;
use selftest::{Board, counts::Counter};

struct Virt;

impl Board for Virt {
    fn print(&self, line: fmt::Arguments<'_>) {
        semihosting::println!("{line}");
    }
}

impl Counter for Virt {
    #[inline(always)]
    fn read() -> u32 {
        riscv::register::minstret::read() as u32
    }

    fn instructions(from: u32, to: u32) -> u32 {
        to.wrapping_sub(from)
    }
}

#[riscv_rt::entry]
fn main() -> ! {
    // SAFETY: the machine is started with one hart.
    unsafe { selftest::counts::count::<Virt>(&Virt) };
    semihosting::process::exit(0)
}
