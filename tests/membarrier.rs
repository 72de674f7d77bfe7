//! The kernel's barrier. It is a matter of the whole process, so these tests
//! have processes of their own.

#![cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    ),
    not(any(hyaline_loom, miri))
))]

use std::{
    env,
    ffi::{c_int, c_long, c_ulong, c_ushort},
    os::unix::process::ExitStatusExt,
    process::Command,
};

use hyaline::{Barrier, Membarrier};

const MEMBARRIER: u32 = if cfg!(target_arch = "x86_64") {
    324
} else {
    283
};
const QUERY: c_int = 0;
const PRIVATE_EXPEDITED: c_int = 1 << 3;

unsafe extern "C" {
    safe fn syscall(number: c_long, ...) -> c_long;
    fn prctl(option: c_int, ...) -> c_int;
}

fn membarrier(command: c_int) -> c_long {
    syscall(c_long::from(MEMBARRIER), command, 0 as c_int, 0 as c_int)
}

fn is_offered() -> bool {
    let offered = membarrier(QUERY);
    offered > 0 && offered & c_long::from(PRIVATE_EXPEDITED) != 0
}

/// Runs one test of this file again, in a process of its own, with `ROLE` set.
/// Returns the signal that ended it, if one did, and whether it passed.
fn alone(test: &str) -> (Option<i32>, bool) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads=1"]);
    let output = command.env("ROLE", "alone").output().unwrap();
    let passed = output.status.success();
    let text = String::from_utf8_lossy(&output.stderr);
    println!("{}\n{text}", output.status);
    (output.status.signal(), passed)
}

fn is_alone() -> bool {
    env::var_os("ROLE").is_some()
}

/// The kernel refuses the barrier to a process that has not registered.
#[test]
fn the_first_use_registers_the_process() {
    if !is_alone() {
        assert!(alone("the_first_use_registers_the_process").1);
    } else if is_offered() {
        assert_ne!(membarrier(PRIVATE_EXPEDITED), 0, "registered before");
        Membarrier::light();
        assert_eq!(membarrier(PRIVATE_EXPEDITED), 0);
    }
}

/// From now on the kernel refuses the barrier to this thread; false if it
/// cannot be told to.
fn refuse() -> bool {
    #[repr(C)]
    struct Instruction(c_ushort, u8, u8, u32);
    #[repr(C)]
    struct Program(c_ushort, *const Instruction);

    const LOAD: c_ushort = 0x20;
    const IS: c_ushort = 0x15;
    const RETURN: c_ushort = 0x06;
    let instructions = [
        Instruction(LOAD, 0, 0, 0), // the number of the call
        Instruction(IS, 0, 3, MEMBARRIER),
        Instruction(LOAD, 0, 0, 16), // its first argument
        Instruction(IS, 0, 1, PRIVATE_EXPEDITED as u32),
        Instruction(RETURN, 0, 0, 0x0005_0001), // the error EPERM
        Instruction(RETURN, 0, 0, 0x7fff_0000), // allowed
    ];
    let program = Program(instructions.len() as c_ushort, instructions.as_ptr());
    let (no_new_privileges, seccomp, filter) = (38, 22, 2 as c_ulong);
    // SAFETY: numbers, and a program that lives until the call has copied it.
    unsafe {
        prctl(
            no_new_privileges,
            1 as c_ulong,
            0 as c_ulong,
            0 as c_ulong,
            0 as c_ulong,
        ) == 0
            && prctl(seccomp, filter, &raw const program) == 0
    }
}

/// `heavy` is the kernel's barrier each time: a process to which it is refused
/// later on ends, as there is no sound way to go on.
#[test]
fn heavy_asks_the_kernel_each_time() {
    const ABORTED: Option<i32> = Some(6);
    if !is_alone() {
        let (signal, passed) = alone("heavy_asks_the_kernel_each_time");
        // It passes where there is nothing to be refused.
        assert!(signal == ABORTED || passed);
    } else if is_offered() {
        Membarrier::heavy();
        if refuse() {
            Membarrier::heavy();
            panic!("it went on without the barrier");
        }
    }
}
