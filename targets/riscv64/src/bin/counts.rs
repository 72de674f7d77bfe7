//! Instructions of each operation, read from `minstret` under `-icount
//! shift=0`.

#![no_std]
#![no_main]

// For its exception handler.
use riscv64 as _;
use selftest::counts::Counter;

selftest::semihosted!(Virt);

impl Counter for Virt {
    #[inline(always)]
    fn read() -> u32 {
        riscv::register::minstret::read() as u32
    }
}

#[riscv_rt::entry]
fn main() -> ! {
    // SAFETY: the machine is started with one hart.
    unsafe { selftest::counts::count::<Virt>(&Virt) };
    semihosting::process::exit(0)
}
