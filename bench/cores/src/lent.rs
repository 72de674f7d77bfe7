//! Thread-local storage for coroutines.
//!
//! The contestants keep state in `thread_local!`, which coroutines on one thread
//! would share. Threads that pass a baton would have it right, but a switch takes
//! two system calls and a wake-up, and there are millions. So each coroutine
//! borrows the storage of a thread of its own, which sleeps as long as it is
//! borrowed: a switch sets the register that points to it, as the kernel does. Each
//! coroutine always runs with the same storage, so the compiler may keep addresses
//! in it across a switch.

use std::{
    arch::asm,
    sync::atomic::{AtomicU64, Ordering::*},
    thread,
};

/// A thread's storage: the value of `fs`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Storage(u64);

/// Whether the processor and the kernel let programs set `fs`.
pub fn possible() -> bool {
    /// `HWCAP2_FSGSBASE` of the kernel's `asm/hwcap2.h`.
    const BIT: u64 = 2;
    // SAFETY: only reads the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & BIT != 0 }
}

/// Whether the process has one thread.
pub fn alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// The storage of the running thread.
pub fn own() -> Storage {
    let value;
    // SAFETY: the first word of the storage is its own address (ELF's TLS for
    // x86-64).
    unsafe { asm!("mov {}, fs:0", out(reg) value, options(nostack, readonly, preserves_flags)) };
    Storage(value)
}

/// The storage of a thread that sleeps until the process ends.
pub fn borrow() -> Storage {
    let cell: &AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
    thread::spawn(move || {
        // Release: pairs with the Acquire below. What the thread stored in its
        // storage comes before what the borrower does with it.
        cell.store(own().0, Release);
        // Nothing from here on may use the storage: no `park`, no `errno`.
        loop {
            // SAFETY: waits for a signal.
            unsafe { system_call(libc::SYS_pause, [0; 6]) };
        }
    });
    loop {
        // Acquire: see above.
        match cell.load(Acquire) {
            0 => thread::yield_now(),
            value => return Storage(value),
        }
    }
}

impl Storage {
    /// Makes it the running thread's.
    ///
    /// # Safety
    ///
    /// [`possible`], and it is this thread's own or borrowed; no other thread runs with it.
    #[inline(always)]
    pub unsafe fn enter(self) {
        // SAFETY: "possible"; the value is a thread's storage, and no other thread
        // runs with it (# Safety).
        unsafe { asm!("wrfsbase {}", in(reg) self.0, options(nostack, preserves_flags)) };
    }
}

/// A system call, without the C library: the result, or the error negated.
///
/// # Safety
///
/// As for the system call.
pub unsafe fn system_call(number: i64, [a, b, c, d, e, f]: [i64; 6]) -> i64 {
    let result: i64;
    // SAFETY: the call is sound (# Safety); the kernel changes no other
    // registers.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f,
            out("rcx") _, out("r11") _,
            options(nostack),
        )
    };
    result
}
