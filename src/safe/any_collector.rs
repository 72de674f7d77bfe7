//! A collector of any size and scheme, as a domain names it.

use core::{fmt, ops::Deref, ptr};

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

/// A reference to a collector in a `static`, as a constant can have it.
///
/// It is a pointer because constants of Rust before 1.90 may not refer to a `static` that
/// changes, and may point to one.
///
/// ```
/// use hyaline::{Collector, safe::CollectorRef};
///
/// static COLLECTOR: Collector<8> = Collector::new();
/// const APP: CollectorRef<Collector<8>> = CollectorRef::new(&COLLECTOR);
///
/// assert_eq!(APP.capacity(), 8);
/// ```
pub struct CollectorRef<C: 'static>(*const C);

impl<C: 'static> CollectorRef<C> {
    /// Refers to a collector.
    ///
    /// ```
    /// use hyaline::{Collector, safe::CollectorRef};
    ///
    /// static COLLECTOR: Collector<8> = Collector::new();
    /// const APP: CollectorRef<Collector<8>> = CollectorRef::new(&COLLECTOR);
    /// # assert_eq!(APP.capacity(), 8);
    /// ```
    #[must_use]
    pub const fn new(collector: &'static C) -> Self {
        Self(ptr::from_ref(collector))
    }

    /// The collector.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::Domain};
    ///
    /// domain!(App: Collector<8> = Collector::new());
    /// let collector: &'static Collector<8> = App::COLLECTOR.get();
    /// # assert_eq!(collector.capacity(), 8);
    /// ```
    #[must_use]
    pub fn get(self) -> &'static C {
        // SAFETY: `new` had a reference to it that is valid for `'static`.
        unsafe { &*self.0 }
    }
}

impl<C: 'static> Deref for CollectorRef<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.get()
    }
}

impl<C: 'static> Clone for CollectorRef<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: 'static> Copy for CollectorRef<C> {}

impl<C: 'static + fmt::Debug> fmt::Debug for CollectorRef<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

// SAFETY: it gives out `&'static C` and nothing else, and so is as a reference.
unsafe impl<C: 'static + Sync> Send for CollectorRef<C> {}
// SAFETY: as for `Send`.
unsafe impl<C: 'static + Sync> Sync for CollectorRef<C> {}
