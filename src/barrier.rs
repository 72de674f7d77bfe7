//! The two barriers that keep readers and reclaimers apart, chosen by type.
//!
//! A reader stores "I am active" and then loads pointers; a reclaimer unlinks
//! objects and then loads "is anyone active?". Both store first and load
//! second, so without a barrier in between each may miss the other's store.
//! The reader executes [`light`](Barrier::light), the reclaimer
//! [`heavy`](Barrier::heavy); the pair must make at least one of them see the
//! other.
//!
//! | type | cost of `light` | cost of `heavy` | where it is right |
//! |---|---|---|---|
//! | [`Fences`] | a fence | a fence | everywhere |
//! | [`SingleCore`] | nothing | nothing | all users on one core |
//! | `Membarrier` (feature `std`) | a load that is predicted | a system call | Linux, read-mostly data |
//! | your own | nothing | an IPI to every core | a kernel |

#[cfg(feature = "std")]
mod membarrier;

#[cfg(feature = "std")]
pub use membarrier::{BarrierRefused, Membarrier};

use crate::sync::{Ordering, compiler_fence, fence};

/// A pair of barriers, one for readers and one for reclaimers.
///
/// # Safety
///
/// For a thread R that stores to `x`, calls `light()` and loads `y`, and a
/// thread W that stores to `y`, calls `heavy()` and loads `x`, at least one of
/// the loads must see the other thread's store. The same holds if what is
/// stored before `heavy()` or loaded after it is done by other threads that
/// synchronise with W. Two `SeqCst` fences do that. An asymmetric pair does it when
/// `light()` is a compiler fence and `heavy()` makes every core that may run a
/// reader execute a full barrier before it returns. `heavy()` must also order
/// its own thread like a `SeqCst` fence, and two `heavy()` calls must order
/// two threads as two such fences do.
///
/// Both may be called in any context in which the collector is used; neither
/// may unwind.
///
/// # Examples
///
/// A kernel's barrier, with the interrupt to the other cores left out:
///
/// ```
/// use core::sync::atomic::{Ordering, compiler_fence, fence};
/// use hyaline::Barrier;
///
/// fn interrupt_all_other_cores_and_wait() { /* each runs a full fence */ }
///
/// #[derive(Clone, Copy)]
/// struct Ipi;
///
/// // SAFETY: the interrupt makes every other core execute a full fence at
/// // some point between the caller's stores and the return of `heavy`.
/// unsafe impl Barrier for Ipi {
///     fn light() {
///         compiler_fence(Ordering::SeqCst);
///     }
///     fn heavy() {
///         fence(Ordering::SeqCst);
///         interrupt_all_other_cores_and_wait();
///         fence(Ordering::SeqCst);
///     }
/// }
/// # Ipi::light(); Ipi::heavy();
/// ```
pub unsafe trait Barrier: Copy + 'static {
    /// Whether `light` costs so little that it is not worth a branch to skip
    /// it when guards nest.
    const LIGHT_IS_FREE: bool = false;

    /// Whether all users of the collector run on one core. Then plain stores
    /// and fences for the compiler stand in for Release stores.
    ///
    /// An implementation that sets it promises just that.
    const SINGLE_CORE: bool = false;

    /// Whether [`heavy`](Self::heavy) may be called where memory must not be
    /// waited for: in interrupts and with interrupts masked. A barrier that
    /// waits for other cores must leave it false. Deferred and per-CPU handles
    /// then give back less when a pool is exhausted.
    const HEAVY_IN_INTERRUPTS: bool = false;

    /// Calls a reclaimer. For the ABI of C alone, whose reclaimers are C
    /// functions that are kept as if they were of this type: a header has no
    /// word to tell them apart.
    ///
    /// # Safety
    ///
    /// As for the reclaimer: `retire` says what may be done with it.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn reclaim(by: crate::Reclaimer, link: *mut crate::Link) {
        // SAFETY: the fn contract.
        unsafe { by(link) };
    }

    /// Between a reader's store of its section and its first load.
    fn light();
    /// Between a reclaimer's unlinking and its look at the active flags.
    fn heavy();
}

/// A sequentially consistent fence on both sides: right on any target with
/// any number of cores. The default.
///
/// ```
/// use hyaline::{Basic, Collector, Config, Fences};
///
/// // The same as `Collector<2>`.
/// static C: Collector<2, Basic<Fences>> = Collector::with_config(Config::new());
/// # assert!(C.register().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Fences;

// SAFETY: two SeqCst fences have a single total order, and whichever comes
// second sees what was stored before the first.
unsafe impl Barrier for Fences {
    const HEAVY_IN_INTERRUPTS: bool = true;

    #[inline(always)]
    fn light() {
        crate::sync::step();
        // SeqCst: pairs with `heavy`, see the trait.
        fence(Ordering::SeqCst);
    }

    #[inline(always)]
    fn heavy() {
        // SeqCst: pairs with `light`, and with itself.
        fence(Ordering::SeqCst);
    }
}

/// Compiler fences only, for programs whose readers and writers all run on
/// one core: tasks and the interrupts that preempt them.
///
/// ```
/// use hyaline::{Basic, Collector, Config, SingleCore};
///
/// // SAFETY: this program has one core.
/// static C: Collector<4, Basic<SingleCore>> =
///     Collector::with_config(Config::new().barrier(unsafe { SingleCore::new() }));
/// # assert!(C.register().is_ok());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SingleCore(());

impl SingleCore {
    /// The proof that somebody looked.
    ///
    /// # Safety
    ///
    /// All handles of every collector that is built with this value must be
    /// used on one and the same core.
    ///
    /// ```
    /// // SAFETY: this program has one core.
    /// const BARRIER: hyaline::SingleCore = unsafe { hyaline::SingleCore::new() };
    /// # let _ = BARRIER;
    /// ```
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }
}

// SAFETY: one core sees its own stores in program order, also across an
// interrupt or a switch of tasks; the compiler is held by the fences. That
// there is one core only is the promise made to `SingleCore::new`.
unsafe impl Barrier for SingleCore {
    const LIGHT_IS_FREE: bool = true;
    const SINGLE_CORE: bool = true;
    const HEAVY_IN_INTERRUPTS: bool = true;

    #[inline(always)]
    fn light() {
        // SeqCst: the compiler must not move the reader's loads above its
        // store, else an interrupt in between would not see it as active.
        compiler_fence(Ordering::SeqCst);
    }

    #[inline(always)]
    fn heavy() {
        // SeqCst: as in `light`, for the reclaimer's loads.
        compiler_fence(Ordering::SeqCst);
    }
}
