//! Supervisor mode: OpenSBI starts one hart of its choice and the others on request.

use core::arch::{asm, global_asm};
use riscv::register::{scause, sepc};

const EXTENSION_HSM: usize = 0x48_53_4D;
const HART_START: usize = 0;

global_asm!(
    ".section .init.mp_hook, \"ax\"",
    ".global _mp_hook",
    "_mp_hook:",
    // The first hart initialises memory. The word is in this section because it
    // protects .data and .bss.
    "la t0, 1f",
    "li t1, 1",
    // The assembler does not see the target's extensions.
    ".option push",
    ".option arch, +a",
    "amoswap.w t1, t1, (t0)",
    ".option pop",
    "seqz a0, t1",
    "ret",
    ".balign 4",
    "1: .word 0",
);

unsafe extern "C" {
    fn _start();
}

/// Asks the firmware to start all other harts.
pub fn start_others(own: usize, harts: usize) {
    for hart in (0..harts).filter(|hart| *hart != own) {
        let error: isize;
        // SAFETY: hart_start of the SBI takes the hart, a physical address and
        // a word for a1, and changes only a0 and a1. `_start` runs on its own
        // hart with its own stack and skips the memory initialisation.
        unsafe {
            asm!(
                "ecall",
                inlateout("a0") hart => error,
                inlateout("a1") _start as *const () as usize => _,
                in("a2") 0,
                in("a6") HART_START,
                in("a7") EXTENSION_HSM,
            );
        }
        assert!(error == 0, "hart {hart} does not start: SBI error {error}");
    }
}

/// Cause and program counter of the current exception.
pub fn trap() -> (usize, usize) {
    (scause::read().bits(), sepc::read())
}
