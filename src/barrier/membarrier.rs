//! A barrier whose light side is free: Linux's `membarrier`.

use core::sync::atomic::AtomicU8;

use super::Barrier;
use crate::sync::{Ordering, compiler_fence, fence};

/// Readers pay nothing; each reclaimer asks the kernel to run a barrier on all
/// cores that run threads of this process.
///
/// For read-mostly data: `heavy` costs a system call, from half a microsecond
/// with one running thread to tens of them with many. Where the kernel does
/// not offer it, or on another system, both sides are fences; that is found
/// out once, at the first use in the process.
///
/// `membarrier(2)`, command `PRIVATE_EXPEDITED`; as liburcu uses it.
///
/// # Aborts
///
/// If the kernel refuses the barrier after it has accepted the registration,
/// which it does not do: there is no sound way to go on.
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

/// Not asked yet.
const UNKNOWN: u8 = 0;
/// The process is registered: `light` is free.
const KERNEL: u8 = 1;
/// Fences on both sides.
const FENCES: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// What the kernel offers; asks it at the first call.
fn mode() -> u8 {
    // Relaxed: the registration is the process's, not a thread's, and the
    // answer is the same for all who ask.
    match MODE.load(Ordering::Relaxed) {
        UNKNOWN => {
            let mode = if kernel::register() { KERNEL } else { FENCES };
            // Relaxed: as above.
            MODE.store(mode, Ordering::Relaxed);
            mode
        }
        known => known,
    }
}

// SAFETY: in mode FENCES both sides are full fences. In mode KERNEL the system
// call makes every core that runs a thread of the process execute a full
// barrier between its begin and its return, and a thread that does not run
// executes one when it is scheduled. A `light` that does not know the mode yet
// is a full fence, which is right with either kind of `heavy`.
unsafe impl Barrier for Membarrier {
    const LIGHT_IS_FREE: bool = true;

    #[inline(always)]
    fn light() {
        // Relaxed: see `mode`.
        if MODE.load(Ordering::Relaxed) == KERNEL {
            // SeqCst: the compiler keeps the order, the kernel does the rest.
            compiler_fence(Ordering::SeqCst);
        } else {
            unregistered();
        }
    }

    fn heavy() {
        if mode() == KERNEL {
            kernel::barrier();
        } else {
            // SeqCst: pairs with the one in `unregistered`.
            fence(Ordering::SeqCst);
        }
    }
}

#[cold]
#[inline(never)]
fn unregistered() {
    mode();
    // SeqCst: pairs with `heavy`, see the trait.
    fence(Ordering::SeqCst);
}

#[cfg(all(target_os = "linux", not(any(miri, hyaline_loom))))]
mod kernel {
    use libc::{
        MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
        SYS_membarrier, c_int, c_long,
    };

    fn membarrier(command: c_int) -> c_long {
        // SAFETY: takes three numbers and touches no memory of ours.
        unsafe { libc::syscall(SYS_membarrier, command, 0 as c_int, 0 as c_int) }
    }

    pub(super) fn register() -> bool {
        // A kernel without the private barrier refuses this.
        membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0
    }

    pub(super) fn barrier() {
        if membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 {
            std::process::abort();
        }
    }
}

#[cfg(not(all(target_os = "linux", not(any(miri, hyaline_loom)))))]
mod kernel {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn barrier() {}
}
