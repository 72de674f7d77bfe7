//! The barriers of the kinds of collectors, which call C reclaimers.

use core::mem::transmute;

use hyaline::{Barrier, Link, Reclaimer, SingleCore};

use crate::types::CReclaimer;

/// A C reclaimer, in the type that a header keeps. It must not be called
/// through this type.
pub(crate) fn as_kept(reclaim: CReclaimer) -> Reclaimer {
    // SAFETY: function pointers of one size; a barrier below converts it back
    // before it is called.
    unsafe { transmute::<CReclaimer, Reclaimer>(reclaim) }
}

/// Calls the reclaimer that [`as_kept`] converted.
///
/// # Safety
///
/// As for the reclaimer.
#[inline(always)]
unsafe fn call(kept: Reclaimer, link: *mut Link) {
    // SAFETY: all reclaimers of collectors with these barriers come from
    // `as_kept`; the rest is the fn contract.
    unsafe { transmute::<Reclaimer, CReclaimer>(kept)(link) };
}

/// [`hyaline::Fences`], for C.
#[derive(Clone, Copy)]
pub struct Fences;

// SAFETY: it does what `hyaline::Fences` does.
unsafe impl Barrier for Fences {
    const HEAVY_IN_INTERRUPTS: bool = hyaline::Fences::HEAVY_IN_INTERRUPTS;

    unsafe fn reclaim(by: Reclaimer, link: *mut Link) {
        // SAFETY: the fn contract.
        unsafe { call(by, link) };
    }

    #[inline(always)]
    fn light() {
        hyaline::Fences::light();
    }

    #[inline(always)]
    fn heavy() {
        hyaline::Fences::heavy();
    }
}

/// [`SingleCore`], for C: a collector of this kind may only be made if all its
/// users run on one core.
#[derive(Clone, Copy)]
pub struct Single;

// SAFETY: it does what `SingleCore` does, under the same promise.
unsafe impl Barrier for Single {
    const LIGHT_IS_FREE: bool = SingleCore::LIGHT_IS_FREE;
    const SINGLE_CORE: bool = SingleCore::SINGLE_CORE;
    const HEAVY_IN_INTERRUPTS: bool = SingleCore::HEAVY_IN_INTERRUPTS;

    unsafe fn reclaim(by: Reclaimer, link: *mut Link) {
        // SAFETY: the fn contract.
        unsafe { call(by, link) };
    }

    #[inline(always)]
    fn light() {
        SingleCore::light();
    }

    #[inline(always)]
    fn heavy() {
        SingleCore::heavy();
    }
}

/// The platform's: `hyaline_platform_heavy`.
#[cfg(feature = "platform-barrier")]
#[derive(Clone, Copy)]
pub struct Platform;

// SAFETY: the hook's contract: every core that may run a reader executes a full
// fence between the stores before the call and the hook's return.
#[cfg(feature = "platform-barrier")]
unsafe impl Barrier for Platform {
    const LIGHT_IS_FREE: bool = true;

    unsafe fn reclaim(by: Reclaimer, link: *mut Link) {
        // SAFETY: the fn contract.
        unsafe { call(by, link) };
    }

    #[inline(always)]
    fn light() {
        // SeqCst: the compiler must not move a reader's loads above its store;
        // `heavy` makes the core execute the fence.
        core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    }

    #[inline(never)]
    fn heavy() {
        use core::sync::atomic::{Ordering, fence};
        unsafe extern "C" {
            fn hyaline_platform_heavy();
        }
        // SeqCst: orders this thread, and two calls of two threads, as the
        // trait requires, whatever the hook does for its own core.
        fence(Ordering::SeqCst);
        // SAFETY: it has no arguments and may be called in any context in which
        // the collector is used (its contract).
        unsafe { hyaline_platform_heavy() };
        // SeqCst: as above, for the loads that follow.
        fence(Ordering::SeqCst);
    }
}
