//! The kernel's barrier. It is a property of the whole process, so each of
//! these tests runs in its own process.

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
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use hyaline::{
    AtomicPtr, Barrier, BarrierRefused, Basic, Collector, Config, Linked, Membarrier, reclaim,
};

const MEMBARRIER: u32 = if cfg!(target_arch = "x86_64") {
    324
} else {
    283
};
const SECCOMP: c_long = if cfg!(target_arch = "x86_64") {
    317
} else {
    277
};
const QUERY: c_int = 0;
const GLOBAL: c_int = 1;
const PRIVATE_EXPEDITED: c_int = 1 << 3;
const ABORTED: Option<i32> = Some(6);

unsafe extern "C" {
    safe fn syscall(number: c_long, ...) -> c_long;
    fn prctl(option: c_int, ...) -> c_int;
    safe fn __errno_location() -> *mut c_int;
}

fn membarrier(command: c_int) -> c_long {
    syscall(c_long::from(MEMBARRIER), command, 0 as c_int, 0 as c_int)
}

fn is_offered() -> bool {
    let offered = membarrier(QUERY);
    offered > 0 && offered & c_long::from(PRIVATE_EXPEDITED) != 0
}

/// The result of a test that ran in its own process.
struct Outcome {
    signal: Option<i32>,
    passed: bool,
    said: String,
}

/// Runs one test of this file again, in its own process.
fn alone(test: &str) -> Outcome {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads=1", "--nocapture"]);
    let output = command.env("ROLE", "alone").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("{}\n{said}", output.status);
    Outcome {
        signal: output.status.signal(),
        passed: output.status.success(),
        said,
    }
}

/// Runs the body in its own process, and expects that it passes.
fn passes_alone(test: &str, body: impl FnOnce()) {
    if !is_alone() {
        assert!(alone(test).passed);
    } else if is_offered() {
        body();
    }
}

fn is_alone() -> bool {
    env::var_os("ROLE").is_some()
}

/// What a sandbox refuses.
#[derive(Clone, Copy)]
enum Refuse {
    /// The whole system call.
    All,
    /// The barrier command, not the registration.
    Private,
}

/// From now on the kernel refuses the barrier to all threads of this process.
/// False if the filter cannot be installed.
fn sandbox(what: Refuse) -> bool {
    #[repr(C)]
    struct Instruction(c_ushort, u8, u8, u32);
    #[repr(C)]
    struct Program(c_ushort, *const Instruction);

    const LOAD: c_ushort = 0x20;
    const IS: c_ushort = 0x15;
    const RETURN: c_ushort = 0x06;
    let over_the_command = match what {
        Refuse::All => 2,
        Refuse::Private => 0,
    };
    let instructions = [
        Instruction(LOAD, 0, 0, 0), // the number of the call
        Instruction(IS, 0, 4, MEMBARRIER),
        Instruction(IS, over_the_command, 0, MEMBARRIER), // true
        Instruction(LOAD, 0, 0, 16),                      // its first argument
        Instruction(IS, 0, 1, PRIVATE_EXPEDITED as u32),
        Instruction(RETURN, 0, 0, 0x0005_0001), // the error EPERM
        Instruction(RETURN, 0, 0, 0x7fff_0000), // allowed
    ];
    let program = Program(instructions.len() as c_ushort, instructions.as_ptr());
    let no_new_privileges = 38;
    let (set_filter, all_threads) = (1 as c_ulong, 1 as c_ulong);
    let zero = 0 as c_ulong;
    // SAFETY: the arguments are integers.
    let done = unsafe { prctl(no_new_privileges, 1 as c_ulong, zero, zero, zero) };
    // The program lives until the call has copied it.
    done == 0 && syscall(SECCOMP, set_filter, all_threads, &raw const program) == 0
}

static C: Collector<4, Basic<Membarrier>> =
    Collector::with_config(Config::new().barrier(Membarrier));

/// Retires an object of `C`, which costs a heavy barrier.
fn retire() {
    let handle = C.register().unwrap();
    let object = Box::into_raw(Box::new(handle.link(1_u32)));
    // SAFETY: never shared, and boxed.
    unsafe { handle.retire(object, reclaim::boxed::<Linked<u32>>) };
}

/// The kernel refuses the barrier to a process that has not registered.
#[test]
fn the_first_use_registers_the_process() {
    passes_alone("the_first_use_registers_the_process", || {
        assert_ne!(membarrier(PRIVATE_EXPEDITED), 0, "registered before");
        Membarrier::light();
        assert_eq!(membarrier(PRIVATE_EXPEDITED), 0);
        assert!(Membarrier::prepare());
    });
}

#[test]
fn a_sandbox_before_the_first_use_means_fences() {
    passes_alone("a_sandbox_before_the_first_use_means_fences", || {
        if sandbox(Refuse::All) {
            // SAFETY: this thread's `errno`, which no other code accesses.
            unsafe { *__errno_location() = 1234 };
            Membarrier::light();
            // SAFETY: this thread's `errno`, which no other code accesses.
            let errno = unsafe { *__errno_location() };
            assert_eq!(errno, 1234, "a signal handler may use the collector");
            retire();
            assert!(!Membarrier::prepare());
            assert_eq!(Membarrier::use_fences(), Ok(()));
        }
    });
}

/// A filter may allow the registration and not the barrier.
#[test]
fn a_registration_without_a_barrier_means_fences() {
    passes_alone("a_registration_without_a_barrier_means_fences", || {
        if sandbox(Refuse::Private) {
            retire();
            assert!(!Membarrier::prepare());
        }
    });
}

/// A process to which the barrier is refused later prints what to do and
/// aborts, because no sound continuation exists.
#[test]
fn a_sandbox_in_the_middle_is_fatal() {
    if !is_alone() {
        let outcome = alone("a_sandbox_in_the_middle_is_fatal");
        let explained = outcome.said.contains("Call Membarrier::use_fences before");
        // It passes on a system that has nothing to refuse.
        assert!(outcome.passed || outcome.signal == ABORTED && explained);
    } else if is_offered() {
        retire();
        if sandbox(Refuse::All) {
            assert_eq!(Membarrier::use_fences(), Err(BarrierRefused), "too late");
            assert!(Membarrier::prepare());
            retire();
            panic!("it continued without the barrier");
        }
    }
}

/// The kernel's slow barrier replaces the fast one.
#[test]
fn the_global_barrier_is_the_second_choice() {
    if !is_alone() {
        let outcome = alone("the_global_barrier_is_the_second_choice");
        assert!(outcome.passed || outcome.signal == ABORTED && membarrier(GLOBAL) != 0);
    } else if is_offered() {
        retire();
        if sandbox(Refuse::Private) {
            retire();
            assert!(Membarrier::prepare());
        }
    }
}

/// Readers and a reclaimer are running when the process leaves the kernel's
/// barrier and enters the sandbox.
#[test]
fn fences_take_over_in_the_middle() {
    const READS: usize = 200_000;
    static SHARED: AtomicPtr<Linked<usize>> = AtomicPtr::new(std::ptr::null_mut());
    static READ: AtomicUsize = AtomicUsize::new(0);
    static REPLACED: AtomicUsize = AtomicUsize::new(0);
    /// How many there were at the change.
    static BEFORE: AtomicUsize = AtomicUsize::new(usize::MAX);
    /// Busy machines may run one of the threads only when the other is done.
    fn under_way() -> bool {
        READ.load(Ordering::Relaxed) < READS
            || REPLACED.load(Ordering::Relaxed) == BEFORE.load(Ordering::Relaxed)
    }
    /// Spoils what a reader must not see.
    unsafe fn spoil(link: *mut hyaline::Link) {
        let object = link.cast::<Linked<usize>>();
        // SAFETY: all objects with this reclaimer are boxed numbers.
        unsafe {
            (**object) = usize::MAX;
            reclaim::boxed::<Linked<usize>>(link);
        }
    }
    fn replace(value: usize) {
        let handle = C.register().unwrap();
        let new = Box::into_raw(Box::new(handle.link(value)));
        let old = SHARED.swap(new, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: the swap unlinked it, and it is a boxed number.
            unsafe { handle.retire(old, spoil) };
        }
    }
    passes_alone("fences_take_over_in_the_middle", || {
        replace(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let handle = C.register().unwrap();
                while READ.fetch_add(1, Ordering::Relaxed) < READS {
                    let guard = handle.enter();
                    let object = guard.protect(&SHARED, Ordering::Acquire);
                    // SAFETY: protected, and never null.
                    assert!(unsafe { **object } < usize::MAX);
                }
            });
            // Its barriers are refused at the moment of the change.
            scope.spawn(|| {
                while under_way() {
                    replace(0);
                    REPLACED.fetch_add(1, Ordering::Relaxed);
                }
            });
            while READ.load(Ordering::Relaxed) < READS / 2 {
                replace(1);
            }
            let handle = C.register().unwrap();
            let guard = handle.enter();
            assert!(Membarrier::prepare());
            assert_eq!(Membarrier::use_fences(), Ok(()));
            assert!(!Membarrier::prepare());
            let _ = sandbox(Refuse::All);
            drop(guard);
            BEFORE.store(REPLACED.load(Ordering::Relaxed), Ordering::Relaxed);
            while under_way() {
                replace(2);
            }
            assert!(REPLACED.load(Ordering::Relaxed) > BEFORE.load(Ordering::Relaxed));
        });
        assert_eq!(Membarrier::use_fences(), Ok(()), "a second time");
    });
}
