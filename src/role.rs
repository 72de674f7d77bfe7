//! Roles: whether a handle runs reclaimers or leaves them to others, and
//! whether contexts that preempt each other share it.

use core::mem::needs_drop;

mod sealed {
    pub trait Sealed {}

    /// The role of `collect` and its siblings. Not their `impl`'s: there a handle of
    /// another role has no such method, and the compiler suggests `Iterator::collect`.
    #[diagnostic::on_unimplemented(
        message = "a deferred or per-CPU handle reclaims nothing",
        label = "not an eager handle",
        note = "call `collect` on an eager handle, which reclaims what all handles have retired",
        note = "an erased handle may be eager: `as_eager` returns it"
    )]
    pub trait Reclaims {}
}

pub(crate) use sealed::Reclaims;

/// What a handle does with objects that no section can hold: [`Eager`],
/// [`Deferred`] or [`Nested`], or [`Erased`] if that is known only at run time.
///
/// ```
/// use hyaline::{Guard, Role, Scheme};
///
/// /// Called by tasks and by interrupts.
/// fn read<S: Scheme, R: Role>(guard: &Guard<'_, S, R>) {
///     let _ = guard;
/// }
/// ```
pub trait Role: sealed::Sealed + 'static {
    /// Whether reclaimers may run in the handle's calls. `None`: the slot
    /// knows whether an eager handle claimed it.
    #[doc(hidden)]
    const RECLAIMS: Option<bool>;
    /// Whether calls leave the slot's owner-only state alone, because another
    /// call on the same slot may interrupt them. `None`: they do unless an
    /// eager handle claimed the slot.
    #[doc(hidden)]
    const NESTED: Option<bool>;
}

/// The handle runs reclaimers: when its sections end, when it retires or
/// allocates, and in `flush` and `collect`.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let handle: hyaline::Handle<'_, hyaline::Basic, hyaline::Eager> = collector.register()?;
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Debug)]
pub struct Eager;

/// No reclaimer that runs user code ever runs in the handle's calls. For
/// interrupts, code with a deadline, and contexts that must not free. See
/// [`Collector::register_deferred`](crate::CollectorView::register_deferred).
///
/// An allocation that finds no free block reclaims objects without a
/// destructor that the [safe layer](crate::safe) or
/// [`Pool::retire`](crate::Pool::retire) retired.
///
/// ```
/// use hyaline::{Basic, Collector, Deferred, Handle};
///
/// let collector = Collector::<1>::new();
/// let handle: Handle<'_, Basic, Deferred> = collector.register_deferred()?;
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Debug)]
pub struct Deferred;

/// The handle of a CPU, used by a task and by the interrupts that preempt it.
/// Like [`Deferred`] it leaves reclaimers to eager handles. See
/// [`PerCpu`](crate::PerCpu).
///
/// ```
/// use hyaline::{Basic, Collector, Nested, PerCpu};
///
/// let collector = Collector::<1>::new();
/// let cpu: PerCpu<'_, Basic> = collector.register_per_cpu()?;
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Debug)]
pub struct Nested;

/// One of the other roles, known at run time: for tables of handles, and for
/// the C interface. See [`Handle::erase`](crate::Handle::erase).
///
/// A handle that was eager stays eager. A handle that was deferred is treated
/// as a per-CPU one.
///
/// ```
/// use hyaline::{Basic, Collector, Erased, Handle};
///
/// let collector = Collector::<2>::new();
/// let handles: [Handle<'_, Basic, Erased>; 2] =
///     [collector.register()?.erase(), collector.register_deferred()?.erase()];
/// assert!(handles[0].as_eager().is_some() && handles[1].as_eager().is_none());
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Debug)]
pub struct Erased;

impl sealed::Sealed for Eager {}
impl sealed::Sealed for Deferred {}
impl sealed::Sealed for Nested {}
impl sealed::Sealed for Erased {}

impl Reclaims for Eager {}

impl Role for Eager {
    const RECLAIMS: Option<bool> = Some(true);
    const NESTED: Option<bool> = Some(false);
}

impl Role for Deferred {
    const RECLAIMS: Option<bool> = Some(false);
    const NESTED: Option<bool> = Some(false);
}

impl Role for Nested {
    const RECLAIMS: Option<bool> = Some(false);
    const NESTED: Option<bool> = Some(true);
}

impl Role for Erased {
    const RECLAIMS: Option<bool> = None;
    const NESTED: Option<bool> = None;
}

/// Whether a call of that role may drop such a value: the handle runs user code, or
/// there is none.
pub(crate) const fn may_drop<T, R: Role>() -> bool {
    matches!(R::RECLAIMS, Some(true)) || !needs_drop::<T>()
}
