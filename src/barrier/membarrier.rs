//! A barrier whose light side is free: Linux's `membarrier`.
//!
//! # The mode
//!
//! Both sides read the mode of the process:
//!
//! | mode | `light` | `heavy` |
//! |---|---|---|
//! | `UNKNOWN` | asks the kernel, then a fence | asks the kernel first |
//! | `KERNEL` | compiler fence | the kernel's barrier |
//! | `LEAVING` | fence | the kernel's barrier |
//! | `FENCES` | fence | fence |
//!
//! It changes from `UNKNOWN` to `KERNEL` or `FENCES` once, by an exchange:
//! threads may get different answers, as seccomp filters are per thread. From
//! `KERNEL` it changes to `LEAVING` and then to `FENCES`, never back.
//!
//! 1. *A reader's fence is right with either `heavy`.* So only readers that
//!    saw `KERNEL` need an argument.
//! 2. *In `KERNEL` and `LEAVING`* `heavy` makes each core execute a full barrier
//!    between its call and its return. If a reader's accesses before `light` lie
//!    before that barrier, `heavy`'s thread sees them, and is coherent with
//!    them. Otherwise the reader's later loads lie after it, and see what was
//!    unlinked.
//! 3. *In `FENCES`* no such reader is left. The mode was set after a barrier
//!    that came after `LEAVING`. A reader that saw `KERNEL` read the mode
//!    before its core executed that barrier, or it would have seen `LEAVING`.
//!    Its store precedes the read of the mode in program order, so it lies
//!    before the barrier too. A thread that reads `FENCES` (Acquire) sees it.
//! 4. *A refusal in `KERNEL` or `LEAVING` cannot be repaired* by the thread that
//!    gets it: a reader's store may be in another core's store buffer, which no
//!    fence on this core drains. The ways to reach the other cores are not
//!    available everywhere. `mprotect` interrupts them on some processors
//!    only (arm64 broadcasts, and so do newer x86-64). Moving the thread to
//!    each CPU in turn needs a system call that a sandbox refuses as well,
//!    and the CPUs of other threads. A signal to each thread needs an unused
//!    signal and the list of the threads.
//!
//! `tests/membarrier_modes.rs` tries each interleaving with store buffers, and
//! leaves out each step once.

use core::sync::atomic::AtomicU8;

use super::Barrier;
use crate::sync::{Ordering, compiler_fence, fence};

/// Readers execute no fence; each reclaimer asks the kernel to execute a barrier
/// on all cores that run threads of this process.
///
/// For read-mostly data: `heavy` costs a system call, from half a microsecond
/// with one running thread to tens of microseconds with many. Where the kernel
/// does not offer it, and on other systems, both sides are fences. This is
/// determined once, at the first use in the process or in
/// [`prepare`](Self::prepare).
///
/// `errno` is preserved, so both sides may be used in signal handlers.
///
/// The system call is `membarrier(2)`, command `PRIVATE_EXPEDITED`, as in
/// liburcu. The barrier reaches the threads of one process: a collector in memory that
/// several processes share needs [`Fences`](crate::Fences).
///
/// # Sandboxes
///
/// A filter of system calls (seccomp) may refuse `membarrier`. The program, not a
/// library, chooses one of three ways:
///
/// - Allow it: system call `membarrier` with the commands
///   `REGISTER_PRIVATE_EXPEDITED` and `PRIVATE_EXPEDITED`.
/// - Enter the sandbox before the first use. The refusal is noticed, and both
///   sides are fences. A filter that kills instead of refusing needs
///   [`use_fences`](Self::use_fences) before.
/// - Call [`use_fences`](Self::use_fences) right before the sandbox is entered.
///   Collectors, handles, guards and other threads may be in use.
///
/// [`prepare`](Self::prepare) tells which barrier is used.
///
/// # Aborts
///
/// `heavy` aborts the process, with a message on standard error, if the kernel
/// refuses the barrier after it granted it and
/// [`use_fences`](Self::use_fences) was not called. Readers rely on the barrier,
/// so there is no sound way to continue.
///
/// ```
/// use hyaline::{Basic, Collector, Config, Membarrier};
///
/// static C: Collector<4, Basic<Membarrier>> =
///     Collector::with_config(Config::new().barrier(Membarrier));
/// # assert!(C.register().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Membarrier;

impl Membarrier {
    /// Whether the kernel's barrier is used, not fences. Asks the kernel if it
    /// was not asked before. Only [`use_fences`](Self::use_fences) changes the
    /// answer.
    ///
    /// Called at the start of a program, it spares the first reader the
    /// registration, which takes some milliseconds in a process with threads.
    ///
    /// ```
    /// use hyaline::Membarrier;
    ///
    /// if !Membarrier::prepare() {
    ///     println!("no membarrier here: reading costs a fence");
    /// }
    /// ```
    pub fn prepare() -> bool {
        matches!(mode(), KERNEL | LEAVING)
    }

    /// Switches both sides to fences permanently, for all collectors of the
    /// process. To be called before the process, or a thread of it that
    /// retires, enters a sandbox that refuses `membarrier`. Costs one last
    /// kernel barrier, or nothing if the kernel's was not in use.
    ///
    /// May be called by any thread at any time, also under guards.
    ///
    /// # Errors
    ///
    /// [`BarrierRefused`] if the kernel refuses that last barrier. It is too late
    /// then: the next `heavy`, in a retire or collect, aborts the process.
    ///
    /// ```
    /// use hyaline::Membarrier;
    ///
    /// Membarrier::use_fences()?;
    /// assert!(!Membarrier::prepare());
    /// // Enter the sandbox here.
    /// # Ok::<(), hyaline::BarrierRefused>(())
    /// ```
    pub fn use_fences() -> Result<(), BarrierRefused> {
        // Relaxed, all three: a failure means that the mode has already left
        // that state. `LEAVING` is ordered by the barrier that follows (3).
        let relaxed = Ordering::Relaxed;
        let _ = MODE.compare_exchange(UNKNOWN, FENCES, relaxed, relaxed);
        let _ = MODE.compare_exchange(KERNEL, LEAVING, relaxed, relaxed);
        // Acquire: as in `heavy`.
        if MODE.load(Ordering::Acquire) == FENCES {
            return Ok(());
        }
        if kernel::barrier() {
            // Release: pairs with the Acquire in `heavy` (3).
            MODE.store(FENCES, Ordering::Release);
            return Ok(());
        }
        // Acquire: as above. Another thread may have succeeded.
        match MODE.load(Ordering::Acquire) {
            FENCES => Ok(()),
            _ => Err(BarrierRefused),
        }
    }
}

/// The kernel was not asked yet.
const UNKNOWN: u8 = 0;
/// The process is registered: `light` is free.
const KERNEL: u8 = 1;
/// As `KERNEL`, but readers already execute fences.
const LEAVING: u8 = 2;
/// Fences on both sides.
const FENCES: u8 = 3;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// The mode; asks the kernel at the first call.
fn mode() -> u8 {
    // Acquire: pairs with the Release in `use_fences` (3), and with the one below.
    match MODE.load(Ordering::Acquire) {
        UNKNOWN => {
            // A trial barrier: a filter may allow only the registration.
            let offered = kernel::register() && kernel::expedited();
            let asked = if offered { KERNEL } else { FENCES };
            // Release: pairs with the Acquire above, so that no thread asks for
            // the barrier before the registration. Acquire on failure: as
            // above; another thread was first.
            match MODE.compare_exchange(UNKNOWN, asked, Ordering::Release, Ordering::Acquire) {
                Ok(_) => asked,
                Err(known) => known,
            }
        }
        known => known,
    }
}

// SAFETY: clauses 1 to 3 of `Barrier` follow from facts 1, 2 and 3 of the
// module; a full barrier orders loads as well as stores, and is cumulative.
// The system call begins and ends with a full barrier of the calling thread, as
// a fence does, so two `heavy` order two threads in any mode (clause 4).
unsafe impl Barrier for Membarrier {
    const LIGHT_IS_FREE: bool = true;

    #[inline(always)]
    fn light() {
        // SeqCst: the compiler must not move the read of the mode above the
        // reader's store (3).
        compiler_fence(Ordering::SeqCst);
        // Relaxed: the barriers order it, see (3).
        if MODE.load(Ordering::Relaxed) == KERNEL {
            // SeqCst: orders the compiler; the kernel's barrier orders the core.
            compiler_fence(Ordering::SeqCst);
        } else {
            fenced();
        }
    }

    fn heavy() {
        if mode() == FENCES {
            // SeqCst: pairs with the one in `fenced`.
            fence(Ordering::SeqCst);
        } else if !kernel::barrier() {
            refused();
        }
    }
}

#[cold]
#[inline(never)]
fn fenced() {
    mode();
    // SeqCst: pairs with `heavy`, see the trait.
    fence(Ordering::SeqCst);
}

/// The kernel refused. Fences do if `use_fences` was called in the meantime.
#[cold]
fn refused() {
    // Acquire: pairs with the Release in `use_fences` (3).
    if MODE.load(Ordering::Acquire) == FENCES {
        // SeqCst: as in `heavy`.
        fence(Ordering::SeqCst);
    } else {
        kernel::give_up();
    }
}

/// The kernel granted the barrier and now refuses it. Returned by
/// [`Membarrier::use_fences`].
///
/// ```
/// let error = hyaline::BarrierRefused;
/// assert!(error.to_string().starts_with("the kernel now refuses membarrier"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BarrierRefused;

impl core::fmt::Display for BarrierRefused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(
            "the kernel now refuses membarrier; call Membarrier::use_fences before \
             the sandbox is entered, or allow the system call in its filter",
        )
    }
}

impl core::error::Error for BarrierRefused {}

#[cfg(all(target_os = "linux", not(any(miri, hyaline_loom))))]
mod kernel {
    use libc::{
        MEMBARRIER_CMD_GLOBAL, MEMBARRIER_CMD_PRIVATE_EXPEDITED,
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, SYS_membarrier, c_int,
    };

    fn membarrier(command: c_int) -> bool {
        // SAFETY: the call takes three numbers and accesses no memory of the
        // process; `__errno_location` is this thread's `errno`. It is restored,
        // as `light` and `heavy` may run in a signal handler.
        unsafe {
            let errno = libc::__errno_location();
            let kept = *errno;
            let granted = libc::syscall(SYS_membarrier, command, 0 as c_int, 0 as c_int) == 0;
            *errno = kept;
            granted
        }
    }

    pub(super) fn register() -> bool {
        // A kernel without the private barrier refuses this.
        membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    /// Whether each core that runs a thread of the process executed a barrier.
    pub(super) fn expedited() -> bool {
        membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    }

    /// The same, at any cost.
    pub(super) fn barrier() -> bool {
        // The expedited barrier allocates on machines with many CPUs, and fails
        // without memory. The global one takes milliseconds and needs none.
        expedited() || membarrier(MEMBARRIER_CMD_GLOBAL)
    }

    pub(super) fn give_up() -> ! {
        let text = b"hyaline: the kernel refuses membarrier after it granted it, and readers \
            rely on it. Call Membarrier::use_fences before entering a sandbox, or allow \
            membarrier in its filter. Aborting.\n";
        // SAFETY: the pointer and the length are those of `text`. `eprintln` is
        // not async-signal-safe. A failed write is ignored.
        unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        std::process::abort();
    }
}

#[cfg(not(all(target_os = "linux", not(any(miri, hyaline_loom)))))]
mod kernel {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn expedited() -> bool {
        false
    }

    pub(super) fn barrier() -> bool {
        false
    }

    pub(super) fn give_up() -> ! {
        unreachable!("the mode is FENCES")
    }
}
