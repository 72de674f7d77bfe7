//! The collector: a `static` array of slots.

mod error;
mod membership;
mod unprotected;
mod view;

use core::{fmt, ops::Deref};

pub use error::{MemoryError, SlotsExhausted};
pub use view::CollectorView;

use crate::{
    Basic, Config, Fences, Scheme,
    raw::{Global, Slot},
    sync::const_fn,
};

/// Tells when retired objects may be reused, for up to `N` users at a time.
///
/// Each task, interrupt or CPU that reads or retires claims a slot with
/// [`register`](CollectorView::register), and uses the collector through the
/// [`Handle`](crate::Handle) that it gets. `N` is the number of slots. `S` is
/// the [`Scheme`], [`Basic`] by default.
///
/// A collector can be a `static` and needs no initialisation. A collector whose
/// number of slots is known only at run time is a [`CollectorView`]; a
/// `Collector` dereferences to one, which has most of the methods. The drop of
/// a collector reclaims every object that is still pending.
///
/// ```
/// use hyaline::Collector;
///
/// static C: Collector<8> = Collector::new();
///
/// let handle = C.register()?;
/// assert_eq!(handle.slot(), 0);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
///
/// A collector without slots does not compile:
///
/// ```compile_fail
/// static C: hyaline::Collector<0> = hyaline::Collector::new();
/// ```
pub struct Collector<const N: usize, S: Scheme = Basic> {
    global: Global<S, [Slot<S>; N]>,
}

impl<const N: usize, S: Scheme<Barrier = Fences>> Collector<N, S> {
    const_fn! {
        /// A collector with the default [`Config`], of the default scheme unless
        /// another one is named.
        ///
        /// ```
        /// use hyaline::{Collector, Robust};
        ///
        /// static BASIC: Collector<8> = Collector::new();
        /// static ROBUST: Collector<8, Robust> = Collector::new();
        /// # assert!(BASIC.register().is_ok());
        /// # assert!(ROBUST.register().is_ok());
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            Self::with_config(Config::new())
        }
    }
}

impl<const N: usize, S: Scheme> Collector<N, S> {
    const_fn! {
        /// A collector of any scheme and barrier.
        ///
        /// ```
        /// use hyaline::{Collector, Config, Robust};
        ///
        /// static C: Collector<2, Robust> = Collector::with_config(Config::new().batch::<8>());
        /// # assert!(C.register().is_ok());
        /// ```
        #[must_use]
        pub const fn with_config(config: Config<S::Barrier>) -> Self {
            const { assert!(N > 0, "a collector has at least one slot") };
            const {
                assert!(
                    usize::BITS > 16 || !S::ROBUST,
                    "`Robust` needs words of 32 bits or more for its clock; use `Basic`"
                );
            };
            Self {
                global: Global::new(config.settings),
            }
        }
    }

    /// The number of slots, `N`.
    ///
    /// ```
    /// assert_eq!(hyaline::Collector::<8>::new().capacity(), 8);
    /// ```
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }
}

impl<const N: usize, S: Scheme<Barrier = Fences>> Default for Collector<N, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, S: Scheme> Deref for Collector<N, S> {
    type Target = CollectorView<S>;

    #[inline]
    fn deref(&self) -> &CollectorView<S> {
        let global: &Global<S> = &self.global;
        CollectorView::from_global(global)
    }
}

impl<const N: usize, S: Scheme> Drop for Collector<N, S> {
    fn drop(&mut self) {
        let global: &mut Global<S> = &mut self.global;
        global.reclaim_all();
    }
}

impl<const N: usize, S: Scheme> fmt::Debug for Collector<N, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("capacity", &N)
            .finish_non_exhaustive()
    }
}
