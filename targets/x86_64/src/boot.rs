//! From the PVH entry, and from real mode on the second core, to 64-bit Rust.
//!
//! No start-up crate exists for this machine, so the stub is here: an identity
//! map of the first 4 GiB in 2 MiB pages, long mode, a stack for each core.

use core::arch::global_asm;

/// Where the real-mode code of the other cores is copied; a SIPI vector is a
/// page number below 1 MiB.
const TRAMPOLINE: usize = 0x8000;
const LOCAL_APIC: usize = 0xFEE0_0000;
const COMMAND: usize = LOCAL_APIC + 0x300;

/// Bytes of stack of one core.
const STACK: usize = 64 * 1024;

global_asm!(
    // The note that makes QEMU load the image: type 18, the 32-bit entry point.
    ".section .note.pvh, \"a\", @note",
    ".long 4, 8, 18",
    ".asciz \"Xen\"",
    ".quad pvh_start",
    ".section .boot, \"ax\"",
    ".code32",
    ".global pvh_start",
    "pvh_start:",
    "cli",
    "movl $page_directories, %edi",
    "movl $0x83, %eax", // 2 MiB page, writable, present
    "movl $2048, %ecx",
    "2: movl %eax, (%edi)",
    "addl $8, %edi",
    "addl $0x200000, %eax",
    "decl %ecx",
    "jnz 2b",
    "movl $page_directories + 3, %eax",
    "movl $pdpt, %edi",
    "movl $4, %ecx",
    "2: movl %eax, (%edi)",
    "addl $8, %edi",
    "addl $0x1000, %eax",
    "decl %ecx",
    "jnz 2b",
    "movl $pdpt + 3, pml4",
    "lgdt gdt_pointer",
    // Both cores: 32-bit protected mode, flat segments, page tables ready.
    "enter_long_mode:",
    "movl $pml4, %eax",
    "movl %eax, %cr3",
    "movl %cr4, %eax",
    "orl $0x20, %eax", // PAE
    "movl %eax, %cr4",
    "movl $0xC0000080, %ecx", // EFER
    "rdmsr",
    "orl $0x100, %eax", // LME
    "wrmsr",
    "movl %cr0, %eax",
    "orl $0x80000001, %eax", // PG, PE
    "movl %eax, %cr0",
    "ljmpl $8, $long_mode",
    ".code64",
    "long_mode:",
    "movl $0x18, %eax",
    "movl %eax, %ds",
    "movl %eax, %es",
    "movl %eax, %ss",
    // The core's number is its order of arrival; the boot core's is 0.
    "movl $1, %edi",
    "lock xaddl %edi, arrived",
    "movl %edi, %eax",
    "incl %eax",
    "imull ${stack}, %eax",
    "leaq stacks(%rax), %rsp",
    "xorl %ebp, %ebp",
    "call {main}",
    "ud2",
    ".code16",
    ".global trampoline_start, trampoline_end",
    "trampoline_start:",
    "cli",
    "xorw %ax, %ax",
    "movw %ax, %ds",
    "lgdtl {trampoline} + gdt_pointer - trampoline_start",
    "movl %cr0, %eax",
    "orl $1, %eax",
    "movl %eax, %cr0",
    "ljmpl $0x10, $protected_mode",
    ".balign 8",
    "gdt_pointer:",
    ".word 31",
    ".long gdt",
    "trampoline_end:",
    ".code32",
    "protected_mode:",
    "movl $0x18, %eax",
    "movl %eax, %ds",
    "movl %eax, %es",
    "movl %eax, %ss",
    "jmp enter_long_mode",
    ".balign 8",
    "gdt:",
    ".quad 0",
    ".quad 0x00AF9A000000FFFF", // 64-bit code
    ".quad 0x00CF9A000000FFFF", // 32-bit code
    ".quad 0x00CF92000000FFFF", // data
    ".code64",
    ".section .data.arrived, \"aw\"",
    ".balign 4",
    "arrived: .long 0",
    ".section .bss.boot, \"aw\", @nobits",
    ".balign 4096",
    "pml4: .skip 4096",
    "pdpt: .skip 4096",
    "page_directories: .skip 4 * 4096",
    "stacks: .skip {cores} * {stack}",
    main = sym super::main,
    stack = const STACK,
    cores = const super::CORES,
    trampoline = const TRAMPOLINE,
    options(att_syntax),
);

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
}

/// Starts all other cores with INIT and SIPI.
pub fn start_others() {
    // SAFETY: the trampoline page is free memory below 1 MiB and
    // identity-mapped; the command register is the local APIC's own. A core
    // runs the trampoline, which needs only that page, and waits for no other
    // core.
    unsafe {
        let start = &raw const trampoline_start;
        let bytes = (&raw const trampoline_end).offset_from_unsigned(start);
        core::ptr::copy_nonoverlapping(start, TRAMPOLINE as *mut u8, bytes);
        let command = COMMAND as *mut u32;
        command.write_volatile(0x000C_4500);
        for _ in 0..100_000 {
            core::hint::spin_loop();
        }
        command.write_volatile(0x000C_4600 | (TRAMPOLINE >> 12) as u32);
    }
}
