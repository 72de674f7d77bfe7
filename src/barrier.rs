//! The two barriers that keep readers and reclaimers apart, chosen by type.
//!
//! A reader stores "I am active" and then loads pointers. A reclaimer unlinks
//! objects and then loads "is anyone active?". Both store first and load
//! second, so without a barrier in between each may miss the other's store.
//! The reader executes [`light`](Barrier::light), the reclaimer
//! [`heavy`](Barrier::heavy); with both, at least one of them sees the other.
//!
//! | type | cost of `light` | cost of `heavy` | where it is right |
//! |---|---|---|---|
//! | [`Fences`] | a fence | a fence | everywhere |
//! | [`SingleCore`] | nothing | nothing | all users on one core |
//! | `Membarrier` (feature `std`) | a load and a predicted branch | a system call | Linux, read-mostly data |
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
/// A call of `light()` by a thread R and one of `heavy()` by a thread W must
/// order the two threads as two `SeqCst` fences do. The algorithm relies on
/// these clauses:
///
/// 1. *Stores.* If R stores to `x`, calls `light()` and loads `y`, and W stores
///    to `y`, calls `heavy()` and loads `x`, then at least one of the loads sees
///    the other thread's store. (`x` is a section, `y` a pointer.)
/// 2. *Loads.* If R loads `z`, calls `light()` and loads `y`, and W stores to
///    `y`, calls `heavy()` and loads `z`, then R sees W's store, or W reads the
///    value of `z` that R read, or a later one. (`z` is the clock of robust
///    mode.)
/// 3. *Other threads.* Both hold too if the stores and loads before `light()`
///    or `heavy()` are made by other threads that synchronise with the caller
///    before the call, and those after `heavy()` by others that the caller
///    synchronises with afterwards. (A slot may be registered in one thread and
///    used in another.)
/// 4. `heavy()` orders its own thread as a `SeqCst` fence does, and two calls
///    of `heavy()` order two threads as two such fences do.
///
/// Two `SeqCst` fences satisfy all of them. So does an asymmetric pair: `light()`
/// is a compiler fence, and `heavy()` makes every core that may run a reader
/// execute a full barrier between its call and its return.
///
/// Neither uses a handle that is in a call: what it opened there would not be
/// protected.
///
/// `light` may be called in any context in which the collector is used, `heavy`
/// in any in which an operation is called that executes it; in interrupts and
/// with interrupts masked that is restricted by
/// [`HEAVY_IN_INTERRUPTS`](Self::HEAVY_IN_INTERRUPTS). Neither may unwind.
///
/// # Examples
///
/// A kernel's barrier; the interrupt to the other cores is left out:
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
/// // some point between the stores before the call and the return of `heavy`.
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
    /// Whether `light` is cheaper than the branch that skips it when guards
    /// nest.
    const LIGHT_IS_FREE: bool = false;

    /// Whether all users of the collector run on one core. Then plain stores
    /// and fences for the compiler stand in for Release stores.
    ///
    /// An implementation that sets it promises exactly that.
    const SINGLE_CORE: bool = false;

    /// Whether [`heavy`](Self::heavy) may be called in interrupts, in NMIs, and
    /// with interrupts masked. A barrier that waits for other cores must leave
    /// it false. Deferred and per-CPU handles then reclaim less when a pool is
    /// exhausted, and
    /// [`start_grace_period`](crate::Handle::start_grace_period), which executes
    /// the heavy barrier, must not be called there.
    const HEAVY_IN_INTERRUPTS: bool = false;

    /// Calls a reclaimer. Only the C ABI overrides it: its reclaimers are C
    /// functions, stored as if they were of this type, since a header has no
    /// word to tell them apart.
    ///
    /// # Safety
    ///
    /// `by` was passed to `retire` with the object of `link`, nothing can hold
    /// the object, and its reclaimer was not called before.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn reclaim(by: crate::Reclaimer, link: *mut crate::Link) {
        // SAFETY: "`by` was passed to `retire` with the object", is called once,
        // and "nothing can hold the object" (# Safety).
        unsafe { by(link) };
    }

    /// The light barrier, between a reader's store of its section and its first
    /// load of a pointer.
    fn light();
    /// The heavy barrier, between a reclaimer's unlinking and its check of the
    /// sections.
    fn heavy();
}

/// A sequentially consistent fence on both sides: right on any target with
/// any number of cores. The default.
///
/// ```
/// use hyaline::{Basic, Collector, Fences};
///
/// // The same as `Collector<2>`.
/// static C: Collector<2, Basic<Fences>> = Collector::new();
/// # assert!(C.register().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Fences;

// SAFETY: SeqCst fences have a single total order. What follows the second one
// sees what was stored before the first (clause 1), and is coherent with what
// was loaded before it (2). Happens-before extends both to other threads (3).
// Both functions are such fences (4).
unsafe impl Barrier for Fences {
    const HEAVY_IN_INTERRUPTS: bool = true;

    #[inline(always)]
    fn light() {
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
    /// A token that the requirement was checked.
    ///
    /// # Safety
    ///
    /// All handles of every collector that is built with this value must be
    /// used on one core, always the same.
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

// SAFETY: one core sees its own accesses in program order, also across an
// interrupt or a context switch; the fences order the compiler (clauses 1 to
// 4). `SingleCore::new` requires that all handles are "used on one core".
unsafe impl Barrier for SingleCore {
    const LIGHT_IS_FREE: bool = true;
    const SINGLE_CORE: bool = true;
    const HEAVY_IN_INTERRUPTS: bool = true;

    #[inline(always)]
    fn light() {
        // SeqCst: the compiler must not move the reader's loads above its
        // store. Otherwise an interrupt in between would not see it active.
        compiler_fence(Ordering::SeqCst);
    }

    #[inline(always)]
    fn heavy() {
        // SeqCst: as in `light`, for the reclaimer's loads.
        compiler_fence(Ordering::SeqCst);
    }
}
