//! A collector of any size and scheme, as a domain names it.

use crate::{Collector, Deferred, Scheme, SlotsExhausted};

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
    fn claim(&'static self) -> Result<crate::Handle<'static, Self::Scheme>, SlotsExhausted>;
    #[doc(hidden)]
    fn claim_deferred(
        &'static self,
    ) -> Result<crate::Handle<'static, Self::Scheme, Deferred>, SlotsExhausted>;
    #[doc(hidden)]
    fn claim_per_cpu(&'static self)
    -> Result<crate::PerCpu<'static, Self::Scheme>, SlotsExhausted>;
}

impl<const N: usize, S: Scheme> sealed::Sealed for Collector<N, S> {}

impl<const N: usize, S: Scheme> AnyCollector for Collector<N, S>
where
    Self: Sync,
{
    type Scheme = S;

    fn claim(&'static self) -> Result<crate::Handle<'static, S>, SlotsExhausted> {
        self.register()
    }

    fn claim_deferred(
        &'static self,
    ) -> Result<crate::Handle<'static, S, Deferred>, SlotsExhausted> {
        self.register_deferred()
    }

    fn claim_per_cpu(&'static self) -> Result<crate::PerCpu<'static, S>, SlotsExhausted> {
        self.register_per_cpu()
    }
}
