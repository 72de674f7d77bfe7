//! A collector of any size and scheme, as a domain names it.

use crate::{Collector, CollectorView, Scheme};

mod sealed {
    pub trait Sealed {}
}

/// A [`Collector`], whatever its number of slots and its scheme.
///
/// ```
/// use hyaline::{Collector, Robust, safe::AnyCollector};
///
/// fn is_robust<C: AnyCollector>() -> bool {
///     core::any::TypeId::of::<C::Scheme>() == core::any::TypeId::of::<Robust>()
/// }
/// assert!(is_robust::<Collector<8, Robust>>());
/// assert!(!is_robust::<Collector<8>>());
/// ```
pub trait AnyCollector: sealed::Sealed + Sync + 'static {
    /// The collector's scheme.
    type Scheme: Scheme;
    #[doc(hidden)]
    fn view(&'static self) -> &'static CollectorView<Self::Scheme>;
}

impl<const N: usize, S: Scheme> sealed::Sealed for Collector<N, S> {}

impl<const N: usize, S: Scheme> AnyCollector for Collector<N, S>
where
    Self: Sync,
{
    type Scheme = S;

    fn view(&'static self) -> &'static CollectorView<S> {
        self
    }
}
