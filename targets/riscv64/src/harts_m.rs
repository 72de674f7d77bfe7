//! Machine mode: all harts come out of reset together; the others sleep until a
//! software interrupt from hart 0.

use core::arch::global_asm;
use riscv::register::{mcause, mepc};

const MSIP: *mut u32 = 0x0200_0000 as *mut u32;

global_asm!(
    ".section .init.mp_hook, \"ax\"",
    ".global _mp_hook",
    "_mp_hook:",
    "beqz a0, 3f",
    // Only the software interrupt is enabled, and globally masked: wfi returns
    // on it.
    "li t0, 8",
    "csrw mie, t0",
    "1: wfi",
    "csrr t0, mip",
    "andi t0, t0, 8",
    "beqz t0, 1b",
    // Clear the request, so that the hart can sleep again later.
    "slli t0, a0, 2",
    "li t1, 0x02000000",
    "add t0, t0, t1",
    "sw zero, 0(t0)",
    "csrw mie, zero",
    "li a0, 0",
    "ret",
    "3: li a0, 1",
    "ret",
);

/// Wakes all other harts.
pub fn start_others(own: usize, harts: usize) {
    for hart in (0..harts).filter(|hart| *hart != own) {
        // SAFETY: the software interrupt register of an existing hart; the hart
        // sleeps in `_mp_hook`, the only place that waits for it.
        unsafe { MSIP.add(hart).write_volatile(1) };
    }
}

/// Cause and program counter of the current exception.
pub fn trap() -> (usize, usize) {
    (mcause::read().bits(), mepc::read())
}
