//! What takes the place of the C library's functions in the program, whose standard
//! library calls them. A thread that waits for another one gives the others time instead
//! of the processor; and clocks and random numbers are the same in each run.

use crate::{cost, lent, machine};

/// `std::thread::yield_now`.
#[unsafe(no_mangle)]
extern "C" fn sched_yield() -> i32 {
    if !machine::pass(cost::SYSTEM_CALL, 0) {
        std::hint::spin_loop();
    }
    0
}

/// The seed of the standard library's hash maps.
///
/// # Safety
///
/// As for the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _: u32) -> isize {
    // SAFETY: `length` bytes may be written there (# Safety).
    unsafe { buffer.write_bytes(0x5a, length) };
    length as isize
}

/// Any clock, a second after its epoch when a run begins: haphazard reclaims every two
/// seconds, too.
///
/// # Safety
///
/// As for the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(_: libc::clockid_t, to: *mut libc::timespec) -> i32 {
    const SECOND: cost::Time = 1_000_000_000_000;
    let now = SECOND + machine::time();
    let time = libc::timespec {
        tv_sec: (now / SECOND) as _,
        tv_nsec: (now % SECOND / 1000) as _,
    };
    // SAFETY: a time may be written there (# Safety).
    unsafe { to.write(time) };
    0
}

/// The standard library's locks wait by futexes, which it calls through this. A
/// wait may return early, so it is enough to let time pass. A barrier on all cores is
/// one of the model's, whatever the kernel offers.
///
/// # Safety
///
/// As for the system call.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(number: i64, a: i64, b: i64, c: i64, d: i64, e: i64, f: i64) -> i64 {
    if number == libc::SYS_futex && machine::pass(cost::SYSTEM_CALL, 0) {
        return 0;
    }
    if number == libc::SYS_membarrier {
        return membarrier(a as i32);
    }
    // SAFETY: the call is sound (# Safety).
    let result = unsafe { lent::system_call(number, [a, b, c, d, e, f]) };
    if (-4095..0).contains(&result) {
        // SAFETY: the thread's own.
        unsafe { *libc::__errno_location() = -result as i32 };
        return -1;
    }
    result
}

/// The private expedited barrier, which needs no registration here.
fn membarrier(command: i32) -> i64 {
    const OFFERED: i32 =
        libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED | libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
    match command {
        libc::MEMBARRIER_CMD_QUERY => OFFERED.into(),
        libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED => {
            machine::barrier(0);
            0
        }
        libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED => 0,
        // SAFETY: the thread's own.
        _ => unsafe {
            *libc::__errno_location() = libc::EINVAL;
            -1
        },
    }
}
