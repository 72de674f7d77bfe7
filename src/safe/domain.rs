//! Types that name a collector, and the handles of the named one.

use core::{fmt, marker::PhantomData, ops::Deref};

use super::AnyCollector;
#[cfg(not(hyaline_loom))]
use super::CollectorRef;
use crate::{CollectorView, Deferred, Eager, HandleId, Nested, Role, SlotsExhausted};

/// A type that names one collector: its users, and what they share.
///
/// The macro [`domain!`](crate::domain) makes one. Without it:
///
/// ```
/// use hyaline::{Collector, safe::{CollectorRef, Domain}};
///
/// static COLLECTOR: Collector<8> = Collector::new();
///
/// struct App;
///
/// impl Domain for App {
///     type Collector = Collector<8>;
///     const COLLECTOR: CollectorRef<Collector<8>> = CollectorRef::new(&COLLECTOR);
/// }
/// # assert!(App::register().is_ok());
/// ```
///
/// The trait is safe: a constant has the same value wherever it is used, and it
/// can borrow a collector only from a `static`. A new collector does not
/// compile:
///
/// ```compile_fail,E0493
/// use hyaline::{Collector, safe::{CollectorRef, Domain}};
///
/// struct App;
///
/// impl Domain for App {
///     type Collector = Collector<8>;
///     const COLLECTOR: CollectorRef<Collector<8>> = CollectorRef::new(&Collector::new());
/// }
/// ```
pub trait Domain: Sized + 'static {
    /// The type of the collector.
    type Collector: AnyCollector;

    /// The collector.
    #[cfg(not(hyaline_loom))]
    const COLLECTOR: CollectorRef<Self::Collector>;

    /// The collector. Loom's are made at run time; models return the same one
    /// throughout an execution.
    #[cfg(hyaline_loom)]
    fn collector() -> &'static Self::Collector;

    /// Claims a slot, as [`Collector::register`](crate::CollectorView::register), with
    /// as many steps. An interrupt may call it.
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
        Ok(Handle::new(collector::<Self>().register()?))
    }

    /// Claims a slot for a context in which no reclaimer may run, so that no
    /// value is dropped in it: usually an interrupt. See
    /// [`Collector::register_deferred`](crate::CollectorView::register_deferred).
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
        Ok(Handle::new(collector::<Self>().register_deferred()?))
    }

    /// Claims a slot for a CPU, which a task and the interrupts that preempt
    /// it there share without masking interrupts. No value is dropped in their
    /// calls. See
    /// [`Collector::register_per_cpu`](crate::CollectorView::register_per_cpu).
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
        Ok(PerCpu::new(collector::<Self>().register_per_cpu()?))
    }
}

/// The collector of a domain.
pub(super) fn collector<D: Domain>() -> &'static CollectorView<SchemeOf<D>> {
    #[cfg(not(hyaline_loom))]
    return D::COLLECTOR.get().view();
    #[cfg(hyaline_loom)]
    D::collector().view()
}

/// The mark of a type that belongs to a domain. It contains no `D`, and is
/// `Send` and `Sync` whatever `D` is.
///
/// `D` is both an argument and a result, so the type is invariant: a domain
/// that is a subtype of another may name another collector.
pub(super) type Brand<D> = fn(D) -> D;

/// The scheme of a domain's collector.
pub(super) type SchemeOf<D> = <<D as Domain>::Collector as AnyCollector>::Scheme;

/// A claimed slot of a domain's collector, through which a task, an interrupt or
/// a CPU uses the domain's structures.
///
/// Made by [`Domain::register`] and [`Domain::register_deferred`], or borrowed
/// from a [`PerCpu`](super::PerCpu).
///
/// Dereferences to the [`Handle`](crate::Handle) of the collector, for
/// `collect`, `flush` and the like.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, Handle}};
///
/// domain!(App: Collector<2> = Collector::new());
///
/// fn idle_task(handle: &Handle<App>) {
///     handle.collect();
/// }
/// # idle_task(&App::register()?);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub struct Handle<D: Domain, R: Role = Eager> {
    /// Of the collector that `D` names. All of this module's safety rests on it.
    raw: crate::Handle<'static, SchemeOf<D>, R>,
    of: PhantomData<Brand<D>>,
}

impl<D: Domain, R: Role> Handle<D, R> {
    /// `raw` is of the collector that `D` names.
    pub(super) fn new(raw: crate::Handle<'static, SchemeOf<D>, R>) -> Self {
        let of = PhantomData;
        Self { raw, of }
    }
}

impl<D: Domain, R: Role> Deref for Handle<D, R> {
    type Target = crate::Handle<'static, SchemeOf<D>, R>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.raw
    }
}

impl<D: Domain, R: Role> fmt::Debug for Handle<D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

/// A [`PerCpu`](crate::PerCpu) of a domain's collector: a claimed slot that
/// belongs to a CPU, and is used by a task and by the interrupts that preempt it
/// there.
///
/// Made by [`Domain::register_per_cpu`], and kept where both find it. No
/// reclaimer runs in its context, so no value is dropped there: others reclaim,
/// for example an idle task with a handle of its own.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, PerCpu, Queue, RcuCell}};
/// use spin::Once;
///
/// domain!(App: Collector<4> = Collector::new());
/// static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
/// static ALARMS: Queue<u32, 8, App> = Queue::new();
/// static CPU0: Once<PerCpu<App>> = Once::new();
///
/// fn interrupt(reading: u32) {
///     let cpu = CPU0.get().unwrap();
///     // SAFETY: on CPU 0, and the guards are dropped before this returns.
///     let handle = unsafe { cpu.get() };
///     if reading > *LIMIT.read(&handle.enter()) {
///         _ = ALARMS.push(handle, reading); // full: earlier alarms are waiting
///     }
/// }
///
/// fn task() {
///     let cpu = CPU0.get().unwrap();
///     // SAFETY: on CPU 0, in its one task; interrupts drop their guards.
///     let handle = unsafe { cpu.get() };
///     let guard = handle.enter();
///     let limit = LIMIT.read(&guard);
///     interrupt(11); // at any point
///     assert_eq!((*limit, ALARMS.pop(handle)), (10, Some(11)));
/// }
///
/// CPU0.call_once(|| App::register_per_cpu().unwrap());
/// task();
/// ```
pub struct PerCpu<D: Domain> {
    handle: Handle<D, Nested>,
}

// SAFETY: the handle is reached only through `get`, whose contract keeps its
// callers on one CPU.
unsafe impl<D: Domain> Sync for PerCpu<D> {}

impl<D: Domain> PerCpu<D> {
    /// `raw` is of the collector that `D` names.
    pub(super) fn new(raw: crate::PerCpu<'static, SchemeOf<D>>) -> Self {
        let handle = Handle::new(raw.into_handle());
        Self { handle }
    }

    /// The number of the slot. Wait-free, any context, any CPU.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::Domain};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// assert_eq!(App::register_per_cpu()?.slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn slot(&self) -> usize {
        self.handle.slot()
    }

    /// Identifies the handle, as [`Handle::id`](crate::Handle::id). Wait-free, any
    /// context, any CPU.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::Domain};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// assert_eq!(App::register_per_cpu()?.id().slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> HandleId {
        self.handle.id()
    }

    /// The handle, for the context that calls. Wait-free.
    ///
    /// # Safety
    ///
    /// As [`PerCpu::get`](crate::PerCpu::get). Until the reference and all
    /// guards made through it are gone:
    ///
    /// - the caller stays on one CPU (or thread), the same for all callers of
    ///   this `PerCpu`;
    /// - it is preempted only by contexts that nest strictly: each drops all
    ///   guards it made through the handle, and forgets none, before it
    ///   returns to what it preempted. Interrupts, NMIs and signal handlers
    ///   do; another task does not.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, Stack}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static FREE: Stack<u16, 4, App> = Stack::new();
    ///
    /// let cpu = App::register_per_cpu()?;
    /// // SAFETY: one thread, without signal handlers.
    /// let handle = unsafe { cpu.get() };
    /// FREE.push(handle, 1)?;
    /// assert_eq!(FREE.pop(handle), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub unsafe fn get(&self) -> &Handle<D, Nested> {
        &self.handle
    }
}

impl<D: Domain> fmt::Debug for PerCpu<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCpu")
            .field("slot", &self.slot())
            .finish_non_exhaustive()
    }
}

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
///
/// Attributes go to the type. Where a `cfg` is off nothing is made. (One inside of a
/// `cfg_attr` is not seen: write `cfg(all(..))`.)
///
/// ```
/// # use hyaline::{Collector, domain};
/// domain!(#[cfg(target_os = "none")] Board: Collector<4> = Collector::new());
/// ```
#[macro_export]
macro_rules! domain {
    ($(#[$($attribute:tt)*])* $vis:vis $name:ident: $collector:ty = $new:expr) => {
        $crate::domain!(@split {} {} $(#[$($attribute)*])* $vis $name: $collector = $new);
    };
    (@split { $($cfgs:tt)* } $others:tt #[cfg $when:tt] $($rest:tt)*) => {
        $crate::domain!(@split { $($cfgs)* #[cfg $when] } $others $($rest)*);
    };
    (@split $cfgs:tt { $($others:tt)* } #[$($other:tt)*] $($rest:tt)*) => {
        $crate::domain!(@split $cfgs { $($others)* #[$($other)*] } $($rest)*);
    };
    (
        @split { $($cfgs:tt)* } { $($others:tt)* }
        $vis:vis $name:ident: $collector:ty = $new:expr
    ) => {
        $($cfgs)*
        $($others)*
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        $vis struct $name;

        $($cfgs)*
        impl $crate::safe::Domain for $name {
            type Collector = $collector;
            const COLLECTOR: $crate::safe::CollectorRef<$collector> = {
                // `$new` sees this name, so no caller may have it.
                static __HYALINE_COLLECTOR_OF_A_DOMAIN: $collector = $new;
                $crate::safe::CollectorRef::new(&__HYALINE_COLLECTOR_OF_A_DOMAIN)
            };
        }
    };
}
