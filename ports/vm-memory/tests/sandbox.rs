//! The first address space asks the kernel for its barrier: a sandbox that is entered
//! afterwards need not allow that. One test, since the answer is that of the process.
#![cfg(all(target_os = "linux", not(miri)))]

mod common;

use common::{Life, at_boot};
use hyaline_vm_memory::{GuestMemoryAtomic, Membarrier};

/// The command that the sandbox refuses; the other one's bit is beside it.
const REGISTER_PRIVATE_EXPEDITED: u32 = 1 << 4;
const PRIVATE_EXPEDITED: u32 = 1 << 3;

/// Refuses the command in this thread, from now on.
fn refuse_to_register() {
    let filter = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    // The number of the call, and the low half of its first argument.
    let argument = if cfg!(target_endian = "big") { 20 } else { 16 };
    let mut filter = [
        filter(load, 0, 0, 0),
        filter(equal, 0, 3, libc::SYS_membarrier as u32),
        filter(load, 0, 0, argument),
        filter(equal, 0, 1, REGISTER_PRIVATE_EXPEDITED),
        filter(
            libc::BPF_RET,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        ),
        filter(libc::BPF_RET, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and its filter are there until the calls return.
    let results = unsafe {
        [
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program),
        ]
    };
    assert_eq!(results, [0, 0], "a sandbox");
}

#[test]
fn the_first_address_space_registers() {
    // SAFETY: a query has no arguments.
    let known = unsafe { libc::syscall(libc::SYS_membarrier, 0, 0, 0) };
    let needed = i64::from(REGISTER_PRIVATE_EXPEDITED | PRIVATE_EXPEDITED);
    let offered = known > 0 && known & needed == needed;
    let space = GuestMemoryAtomic::new(at_boot(&Life::new(0))).unwrap();
    refuse_to_register();
    // It would be refused here, if it was not granted before.
    assert_eq!(Membarrier::prepare(), offered);
    space.lock().unwrap().replace(at_boot(&Life::new(1)));
}
