//! The shared self-test on four AArch64 cores, at EL1 or EL2.

#![no_std]
#![no_main]

use aarch64::{CORES, exception_level, start_others};
use aarch64_rt::entry;

selftest::semihosted!(Virt);

entry!(main);
fn main(_: u64, _: u64, _: u64, _: u64) -> ! {
    semihosting::println!("at EL{}", exception_level());
    start_others(|core| selftest::multi_core(&Virt, core, CORES));
    selftest::multi_core(&Virt, 0, CORES);
    semihosting::process::exit(0)
}
