//! The barriers of the kinds of collectors, which call C reclaimers.

use core::mem::transmute;

use hyaline::{Barrier, Link, Reclaimer, SingleCore};

use crate::types::CReclaimer;

/// A C reclaimer, as what a header keeps. It must not be called as that.
pub(crate) fn as_kept(reclaim: CReclaimer) -> Reclaimer {
    // SAFETY: function pointers of one size; a barrier below turns it back
    // before it is called.
    unsafe { transmute::<CReclaimer, Reclaimer>(reclaim) }
}

/// Calls what [`as_kept`] made.
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

/// [`SingleCore`], for C: who makes a collector of this kind promises that all
/// its users run on one core.
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
// fence between the caller's stores and the hook's return.
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
        // the core is made to fence by `heavy`.
        core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    }

    #[inline(never)]
    fn heavy() {
        use core::sync::atomic::{Ordering, fence};
        unsafe extern "C" {
            fn hyaline_platform_heavy();
        }
        // SeqCst: orders this thread, and two calls of two threads, as the
        // trait asks, whatever the hook does for its own core.
        fence(Ordering::SeqCst);
        // SAFETY: it takes nothing and may be called in any context in which
        // the collector is used (its contract).
        unsafe { hyaline_platform_heavy() };
        // SeqCst: as above, for the loads that follow.
        fence(Ordering::SeqCst);
    }
}
