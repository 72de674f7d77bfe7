//! Instructions of each operation, read from the performance monitor under
//! `-icount shift=0`.

#![no_std]
#![no_main]

// For its page table and exception vectors.
use aarch64 as _;
use aarch64_rt::entry;
use core::arch::asm;
use selftest::counts::Counter;

selftest::semihosted!(Virt);

impl Counter for Virt {
    #[inline(always)]
    fn read() -> u32 {
        let count: u64;
        // SAFETY: reads an event counter. It must not be moved across what is
        // counted, so it is not declared free of side effects.
        unsafe { asm!("mrs {}, pmevcntr0_el0", out(reg) count) };
        count as u32
    }
}

entry!(main);
fn main(_: u64, _: u64, _: u64, _: u64) -> ! {
    // SAFETY: programs the performance monitor of this core: counter 0 counts retired
    // instructions (event 8).
    unsafe {
        asm!(
            "msr pmevtyper0_el0, {event}",
            "msr pmcntenset_el0, {one}",
            "msr pmcr_el0, {one}",
            "isb",
            event = in(reg) 8u64,
            one = in(reg) 1u64,
        );
    }
    // SAFETY: the machine is started with one core.
    unsafe { selftest::counts::count::<Virt>(&Virt) };
    semihosting::process::exit(0)
}
