//! Types that name a collector.

use super::{Handle, PerCpu};
use crate::{Collector, Deferred, Eager, Scheme, SlotsExhausted};

mod sealed {
    pub trait Sealed {}
}

/// A [`Collector`], whatever its number of slots and its scheme.
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

/// A type that names one collector: those who use it, and what they share.
///
/// The macro [`domain!`](crate::domain) makes one. By hand it is
///
/// ```
/// use hyaline::{Collector, safe::Domain};
///
/// static COLLECTOR: Collector<8> = Collector::new();
///
/// struct App;
///
/// impl Domain for App {
///     type Collector = Collector<8>;
///     const COLLECTOR: &'static Collector<8> = &COLLECTOR;
/// }
/// # assert!(App::register().is_ok());
/// ```
///
/// The trait is safe: a constant is the same wherever it is used, and a
/// collector can only be borrowed from a `static` in one. A new collector does
/// not compile:
///
/// ```compile_fail,E0492
/// use hyaline::{Collector, safe::Domain};
///
/// struct App;
///
/// impl Domain for App {
///     type Collector = Collector<8>;
///     const COLLECTOR: &'static Collector<8> = &Collector::new();
/// }
/// ```
pub trait Domain: Sized + 'static {
    /// The type of the collector.
    type Collector: AnyCollector;

    /// The collector.
    #[cfg(not(hyaline_loom))]
    const COLLECTOR: &'static Self::Collector;

    /// The collector. Loom's are made at run time; models return the same one
    /// throughout an execution.
    #[cfg(hyaline_loom)]
    fn collector() -> &'static Self::Collector;

    /// Claims a slot, as [`Collector::register`](crate::Collector::register).
    /// Wait-free: at most as many attempts as there are slots. An interrupt
    /// may call it.
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all slots are claimed.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::Domain};
    ///
    /// domain!(App: Collector<1> = Collector::new());
    ///
    /// let handle = App::register()?;
    /// assert!(App::register().is_err());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    fn register() -> Result<Handle<Self, Eager>, SlotsExhausted> {
        Ok(Handle::new(collector::<Self>().claim()?))
    }

    /// Claims a slot for a context in which no reclaimer may run and so no
    /// value is dropped: an interrupt, as a rule. See
    /// [`Collector::register_deferred`](crate::Collector::register_deferred).
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all slots are claimed.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, Queue}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static EVENTS: Queue<u32, 8, App> = Queue::new();
    ///
    /// let interrupt = App::register_deferred()?;
    /// assert!(EVENTS.push(&interrupt, 7).is_ok());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    fn register_deferred() -> Result<Handle<Self, Deferred>, SlotsExhausted> {
        Ok(Handle::new(collector::<Self>().claim_deferred()?))
    }

    /// Claims a slot for a CPU, which a task and the interrupts that preempt
    /// it there use together, without masking anything. No value is dropped
    /// in their calls. See
    /// [`Collector::register_per_cpu`](crate::Collector::register_per_cpu).
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all slots are claimed.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static ROUTE: RcuCell<[u8; 4], 4, App> = RcuCell::new([10, 0, 0, 1]);
    ///
    /// let cpu = App::register_per_cpu()?;
    /// // SAFETY: one thread, without signal handlers.
    /// let handle = unsafe { cpu.get() };
    /// ROUTE.replace(handle, [10, 0, 0, 2])?;
    /// assert_eq!(ROUTE.snapshot(handle), [10, 0, 0, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn register_per_cpu() -> Result<PerCpu<Self>, SlotsExhausted> {
        Ok(PerCpu::new(collector::<Self>().claim_per_cpu()?))
    }
}

/// The collector of a domain.
fn collector<D: Domain>() -> &'static D::Collector {
    #[cfg(not(hyaline_loom))]
    return D::COLLECTOR;
    #[cfg(hyaline_loom)]
    D::collector()
}

/// What a type is marked with that belongs to a domain: it has no `D`, and is
/// `Send` and `Sync` whatever `D` is.
///
/// `D` is both an argument and a result, so the type is invariant: a domain
/// that is a subtype of another one may name another collector.
pub(super) type Brand<D> = fn(D) -> D;

/// The scheme of a domain's collector.
pub(super) type SchemeOf<D> = <<D as Domain>::Collector as AnyCollector>::Scheme;

/// Makes a type that names a collector, and the collector.
///
/// ```
/// use hyaline::{Collector, Config, Robust, domain, safe::Domain};
///
/// domain!(
///     /// Tasks and interrupts that use the routing table.
///     pub Routes: Collector<4, Robust> = Collector::with_config(Config::new().batch::<8>())
/// );
/// # assert!(Routes::register().is_ok());
/// ```
#[macro_export]
macro_rules! domain {
    ($(#[$attribute:meta])* $vis:vis $name:ident: $collector:ty = $new:expr) => {
        $(#[$attribute])*
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        $vis struct $name;

        impl $crate::safe::Domain for $name {
            type Collector = $collector;
            const COLLECTOR: &'static $collector = {
                // `$new` sees this name, so it is none that a caller has.
                static __HYALINE_COLLECTOR_OF_A_DOMAIN: $collector = $new;
                &__HYALINE_COLLECTOR_OF_A_DOMAIN
            };
        }
    };
}
