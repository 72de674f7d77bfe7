/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A guest of Xen: starts all its CPUs, each of which reads frame after frame of a
   region that test.c emulates. What it reads must be of that frame, or 0.
   It runs with its MMU and its caches off. */

        .equ    FRAMES, 64
        .equ    CPUS, 4
        .equ    CPU_ON, 0xc4000003      /* PSCI */
        .equ    CONSOLE_IO, 18          /* hypercalls */
        .equ    SCHED_OP, 29

        /* The header of an arm64 image of Linux, which Xen looks for. */
        b       start
        .word   0
        .quad   0                       /* anywhere */
        .quad   4096
        .quad   0, 0, 0, 0
        .ascii  "ARM\x64"
        .word   0

start:
        mov     x0, #0                  /* CONSOLEIO_write */
        mov     x1, #words_end - words
        adr     x2, words
        mov     x16, #CONSOLE_IO
        hvc     #0xea1

        mov     x19, #1
1:      ldr     x0, =CPU_ON
        mov     x1, x19
        adr     x2, work
        hvc     #0
        add     x19, x19, #1
        cmp     x19, #CPUS
        b.lo    1b

work:
        adr     x0, vectors
        msr     vbar_el1, x0
        isb
        mov     x20, #0x200000000       /* the region: GUEST_BASE */
frames:
        mov     x21, #0
frame:
        add     x22, x20, x21, lsl #12
        ldr     x0, [x22]
        cbz     x0, next
        lsr     x0, x0, #32
        cmp     x0, x21
        b.eq    next
        str     x0, [x22]               /* a complaint */
next:
        add     x21, x21, #1
        cmp     x21, #FRAMES
        b.lo    frame
        wfi                             /* test.c unblocks it */
        b       frames

yield:
        mov     x0, #0                  /* SCHEDOP_yield */
        mov     x1, #0
        mov     x16, #SCHED_OP
        hvc     #0xea1
        ret

words:  .ascii  "hyaline: the guest runs\n"
words_end:
        .ltorg

        /* The region is not there yet. */
        .balign 2048
vectors:
        .rept   16
        bl      yield
        b       frames
        .balign 128
        .endr
