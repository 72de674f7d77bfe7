//! The processor's trap flag: a signal after each instruction.
//!
//! The kernel clears the flag while the handler runs and sets it again when the
//! handler returns, unless the handler has cleared it in the context that it
//! returns to.

use std::{
    arch::asm,
    cell::Cell,
    ffi::{c_int, c_void},
    mem, ptr,
    sync::Once,
};

/// The bit in the flags register.
const TRAP: i64 = 0x100;

/// The handler's state for the thread's body.
struct Running<'a> {
    /// Instructions until the next call of `interrupt`.
    left: Cell<u64>,
    /// Instructions so far.
    done: Cell<u64>,
    /// Runs in the handler; returns the number of instructions until its next
    /// call.
    interrupt: &'a dyn Fn() -> Option<u64>,
}

thread_local! {
    /// Const, so that the handler initializes nothing.
    static RUNNING: Cell<*const Running<'static>> = const { Cell::new(ptr::null()) };
}

extern "C" fn trapped(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: `stepped` keeps it until the flag is clear again.
    let running = unsafe { RUNNING.get().as_ref() };
    let next = running.and_then(|running| {
        running.done.set(running.done.get() + 1);
        match running.left.get() {
            1 => (running.interrupt)(),
            left => Some(left - 1),
        }
    });
    match (running, next) {
        (Some(running), Some(left)) => running.left.set(left.max(1)),
        // SAFETY: the kernel passes the context that it will return to.
        _ => unsafe {
            let context = &mut *context.cast::<libc::ucontext_t>();
            context.uc_mcontext.gregs[libc::REG_EFL as usize] &= !TRAP;
        },
    }
}

/// Runs `f` without stops, if they are on.
pub fn unstepped<T>(f: impl FnOnce() -> T) -> T {
    let flags: i64;
    // SAFETY: only reads the flags; the stack is used as `asm!` allows.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags) };
    if flags & TRAP == 0 {
        return f();
    }
    stops(false);
    let result = f();
    stops(true);
    result
}

/// Turns the stops on or off. The compiler moves no access to memory across it.
#[inline(always)]
fn stops(on: bool) {
    // SAFETY: only the flag is changed; the stack is used as `asm!` allows.
    unsafe {
        if on {
            asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq");
        } else {
            asm!("pushfq", "and qword ptr [rsp], ~0x100", "popfq");
        }
    }
}

/// Runs the body, and `interrupt` between two of its instructions: the first
/// time after `first` instructions, then after as many as it returns, until it
/// returns `None`. Returns how many instructions were stepped.
///
/// `interrupt` runs in a signal handler: it may not allocate, lock or panic.
pub fn stepped(first: u64, interrupt: &dyn Fn() -> Option<u64>, body: &dyn Fn()) -> u64 {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: plain data, for which zero is empty, and a handler that lives
        // as long as the program.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = trapped;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO;
            assert_eq!(
                libc::sigaction(libc::SIGTRAP, &raw const action, ptr::null_mut()),
                0
            );
        }
    });
    let running = Running {
        left: Cell::new(first.max(1)),
        done: Cell::new(0),
        interrupt,
    };
    RUNNING.set((&raw const running).cast());
    stops(true);
    body();
    stops(false);
    RUNNING.set(ptr::null());
    running.done.get()
}

/// The stack of a task that dies.
const STACK: usize = 256 << 10;

thread_local! {
    /// What such a task runs.
    static BODY: Cell<Option<&'static dyn Fn()>> = const { Cell::new(None) };
    /// The number of its instructions, if it has ended.
    static LENGTH: Cell<Option<u64>> = const { Cell::new(None) };
    /// Where the thread continues.
    static SURVIVOR: Cell<*mut libc::ucontext_t> = const { Cell::new(ptr::null_mut()) };
}

/// The thread continues where `mortal` was called, and never comes back here.
fn die() -> ! {
    RUNNING.set(ptr::null());
    let mut dead = mem::MaybeUninit::<libc::ucontext_t>::uninit();
    // SAFETY: `mortal` keeps the survivor's context, with its signal mask.
    unsafe { libc::swapcontext(dead.as_mut_ptr(), SURVIVOR.get()) };
    unreachable!("nobody has the dead task's context")
}

extern "C" fn live() {
    BODY.get().expect("`mortal` put it there")();
}

/// As [`stepped`], with the body on a stack of its own, which is left permanently at
/// the interrupt that returns `None`. Returns the number of its instructions if
/// it ended before.
///
/// No destructor runs. So what the body borrows must stay, and what it owns is
/// forgotten.
pub fn mortal(first: u64, interrupt: &dyn Fn() -> Option<u64>, body: &dyn Fn()) -> Option<u64> {
    let mut stack = vec![0_u8; STACK];
    let or_die = || interrupt().or_else(|| die());
    let task = || LENGTH.set(Some(stepped(first, &or_die, body)));
    // SAFETY: the task is over when this returns: it has ended, or is not
    // continued. `makecontext` gets the context that `getcontext` has made, and
    // a stack.
    unsafe {
        BODY.set(Some(mem::transmute::<&dyn Fn(), &'static dyn Fn()>(&task)));
        let mut survivor = mem::MaybeUninit::<libc::ucontext_t>::uninit();
        SURVIVOR.set(survivor.as_mut_ptr());
        let mut task = mem::MaybeUninit::<libc::ucontext_t>::uninit();
        assert_eq!(libc::getcontext(task.as_mut_ptr()), 0);
        let task = task.assume_init_mut();
        task.uc_stack.ss_sp = stack.as_mut_ptr().cast();
        task.uc_stack.ss_size = STACK;
        task.uc_link = survivor.as_mut_ptr();
        libc::makecontext(task, live, 0);
        assert_eq!(libc::swapcontext(survivor.as_mut_ptr(), task), 0);
    }
    BODY.set(None);
    LENGTH.take()
}
