//! A barrier whose light side is free: Linux's `membarrier`.
//!
//! # The mode
//!
//! Both sides read the mode of the process:
//!
//! | mode | `light` | `heavy` |
//! |---|---|---|
//! | `UNKNOWN` | fence, after it was found out | finds out first |
//! | `KERNEL` | compiler fence | the kernel's barrier |
//! | `LEAVING` | fence | the kernel's barrier |
//! | `FENCES` | fence | fence |
//!
//! It goes from `UNKNOWN` to `KERNEL` or `FENCES` once, by an exchange: threads
//! may get different answers, as a filter of system calls is a thread's. From
//! `KERNEL` it goes to `LEAVING` and on to `FENCES`, never back.
//!
//! 1. *A fence of a reader is right with either `heavy`.* So only readers that
//!    saw `KERNEL` need an argument.
//! 2. *In `KERNEL` and `LEAVING`* `heavy` makes each core execute a full barrier
//!    between its begin and its return. A reader's store lies before that
//!    barrier, and `heavy`'s thread sees it; or its loads lie after, and see
//!    what was unlinked.
//! 3. *In `FENCES`* no such reader is left. The mode was set after a barrier
//!    that came after `LEAVING`. A reader that saw `KERNEL` read the mode
//!    before its core executed that barrier, else it would have seen `LEAVING`;
//!    its store comes before the read of the mode in program order, so it lies
//!    before the barrier, too. Whoever reads `FENCES` (Acquire) sees that store.
//! 4. *A refusal in `KERNEL` or `LEAVING` cannot be repaired* by the thread that
//!    gets it: a store of a reader may wait in another core's buffer, and no
//!    fence of ours empties that. What would reach the other cores is not
//!    available everywhere. `mprotect` interrupts them on some processors
//!    only (arm64 broadcasts, and so do newer x86-64). Moving the thread to
//!    each CPU in turn needs a system call that a sandbox refuses as well,
//!    and the CPUs of other threads. A signal to each thread needs a signal
//!    that nobody else uses, and the list of the threads.
//!
//! `tests/membarrier_modes.rs` tries each interleaving with store buffers, and
//! leaves out each step once.

use core::sync::atomic::AtomicU8;

use super::Barrier;
use crate::sync::{Ordering, compiler_fence, fence};

/// Readers pay nothing; each reclaimer asks the kernel to run a barrier on all
/// cores that run threads of this process.
///
/// For read-mostly data: `heavy` costs a system call, from half a microsecond
/// with one running thread to tens of them with many. Where the kernel does
/// not offer it, or on another system, both sides are fences; that is found
/// out once, at the first use in the process or in [`prepare`](Self::prepare).
///
/// `membarrier(2)`, command `PRIVATE_EXPEDITED`; as liburcu uses it. The
/// barrier reaches the threads of one process: a collector in memory that
/// several processes share needs [`Fences`](crate::Fences).
///
/// # Sandboxes
///
/// A filter of system calls (seccomp) may refuse `membarrier`. There are three
/// ways, for the program, not for a library, to choose from:
///
/// - Allow it: system call `membarrier` with the commands
///   `REGISTER_PRIVATE_EXPEDITED` and `PRIVATE_EXPEDITED`.
/// - Enter the sandbox before the first use: the refusal is seen then, and both
///   sides are fences. A filter that kills instead of refusing needs
///   [`use_fences`](Self::use_fences) before.
/// - Call [`use_fences`](Self::use_fences) right before the sandbox is entered.
///   Collectors, handles, guards and other threads may be in use.
///
/// Which one it is can be checked: [`prepare`](Self::prepare) says what is used.
///
/// # Aborts
///
/// If the kernel refuses the barrier after it has granted it, and
/// [`use_fences`](Self::use_fences) was not called: readers rely on the barrier,
/// and there is no sound way to go on. The process says so on standard error,
/// and aborts.
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
    /// Whether the kernel's barrier is used, and not fences. Asks the kernel
    /// now if it was not asked before. The answer changes only by
    /// [`use_fences`](Self::use_fences).
    ///
    /// At the start of a program this takes the registration, some
    /// milliseconds in a process with threads, away from the first reader.
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

    /// From now on both sides are fences, for all collectors of the process,
    /// and for good: to be called before the process, or a thread of it that
    /// retires, enters a sandbox that refuses `membarrier`. Costs one last
    /// barrier of the kernel's, or nothing if there was none before.
    ///
    /// Any thread, any time, also under guards.
    ///
    /// # Errors
    ///
    /// [`BarrierRefused`] if the kernel refuses that last barrier: it is too
    /// late, and retiring aborts the process.
    ///
    /// ```
    /// use hyaline::Membarrier;
    ///
    /// Membarrier::use_fences()?;
    /// assert!(!Membarrier::prepare());
    /// // Here the sandbox is entered.
    /// # Ok::<(), hyaline::BarrierRefused>(())
    /// ```
    pub fn use_fences() -> Result<(), BarrierRefused> {
        // Relaxed, all three: a failure says that the mode is known, and what
        // it is. `LEAVING` is ordered by the barrier that follows (3).
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
        // Acquire: as above. Another thread may have been in time.
        match MODE.load(Ordering::Acquire) {
            FENCES => Ok(()),
            _ => Err(BarrierRefused),
        }
    }
}

/// Not asked yet.
const UNKNOWN: u8 = 0;
/// The process is registered: `light` is free.
const KERNEL: u8 = 1;
/// As `KERNEL`, but readers execute fences already.
const LEAVING: u8 = 2;
/// Fences on both sides.
const FENCES: u8 = 3;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// What is used; asks the kernel at the first call.
fn mode() -> u8 {
    // Acquire: pairs with the Release in `use_fences` (3), and with the one below.
    match MODE.load(Ordering::Acquire) {
        UNKNOWN => {
            // A barrier on trial: a filter may grant the registration alone.
            let offered = kernel::register() && kernel::expedited();
            let asked = if offered { KERNEL } else { FENCES };
            // Release: pairs with the Acquire above, so that nobody asks for the
            // barrier before the registration. Acquire, the failure: as above;
            // somebody else was asked first.
            match MODE.compare_exchange(UNKNOWN, asked, Ordering::Release, Ordering::Acquire) {
                Ok(_) => asked,
                Err(known) => known,
            }
        }
        known => known,
    }
}

// SAFETY: at least one of the two threads sees the other's store by facts 1, 2
// and 3 of the module. The system call begins and ends with a full barrier of
// the calling thread, as does a fence; so two `heavy` order two threads in any
// mode.
unsafe impl Barrier for Membarrier {
    const LIGHT_IS_FREE: bool = true;

    #[inline(always)]
    fn light() {
        // SeqCst: the compiler must not read the mode before the store (3).
        compiler_fence(Ordering::SeqCst);
        // Relaxed: the barriers order it, see (3).
        if MODE.load(Ordering::Relaxed) == KERNEL {
            // SeqCst: the compiler keeps the order, the kernel does the rest.
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

/// The kernel refused. Right if `use_fences` was called in the meantime.
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

/// The kernel refuses the barrier by now, from
/// [`Membarrier::use_fences`].
///
/// ```
/// let error = hyaline::BarrierRefused;
/// assert!(error.to_string().starts_with("the kernel refuses membarrier by now"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BarrierRefused;

impl core::fmt::Display for BarrierRefused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(
            "the kernel refuses membarrier by now; call Membarrier::use_fences before \
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
        // SAFETY: takes three numbers and touches no memory of ours.
        unsafe { libc::syscall(SYS_membarrier, command, 0 as c_int, 0 as c_int) == 0 }
    }

    pub(super) fn register() -> bool {
        // A kernel without the private barrier refuses this.
        membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    /// Whether each core that runs a thread of the process executed a barrier.
    pub(super) fn expedited() -> bool {
        membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    }

    /// The same, at any price.
    pub(super) fn barrier() -> bool {
        // The expedited one needs memory on machines with many CPUs, and fails
        // if there is none. The other takes milliseconds and needs nothing.
        expedited() || membarrier(MEMBARRIER_CMD_GLOBAL)
    }

    pub(super) fn give_up() -> ! {
        let text = b"hyaline: the kernel refuses membarrier after it granted it, and readers \
            rely on it. Call Membarrier::use_fences before entering a sandbox, or allow \
            membarrier in its filter. Aborting.\n";
        // SAFETY: a text and its length. Not `eprintln`: this may be a signal
        // handler. That it is not written changes nothing.
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
