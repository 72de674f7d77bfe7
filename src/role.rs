//! Who reclaims: a handle that does its share, or one that leaves it to
//! others; and whether contexts that preempt each other share it.

mod sealed {
    pub trait Sealed {}
}

/// What a handle does with objects that nobody can reach any more: [`Eager`],
/// [`Deferred`] or [`Nested`].
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
    /// Whether reclaimers may run in the handle's calls; `None` if its slot
    /// tells, which is claimed by an eager handle or by another.
    #[doc(hidden)]
    const RECLAIMS: Option<bool>;
    /// Whether the slot's owner-only state is left alone, because a call may
    /// be interrupted by another one on the same slot; `None` if it is for all
    /// slots but those of eager handles.
    #[doc(hidden)]
    const NESTED: Option<bool>;
}

/// The handle runs reclaimers: at the end of its sections, when it retires,
/// and in flush and collect.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let handle: hyaline::Handle<'_, hyaline::Basic, hyaline::Eager> = collector.register()?;
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Debug)]
pub struct Eager;

/// No reclaimer ever runs in the handle's context: for interrupts, for code
/// with a deadline, for contexts that must not free. See
/// [`Collector::register_deferred`](crate::CollectorView::register_deferred).
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
/// No reclaimer runs in its context, and what it retires goes to the others
/// object by object. See [`PerCpu`](crate::PerCpu).
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

/// One of the others, known at run time: for tables of handles, and for the
/// ABI of C. See [`Handle::erase`](crate::Handle::erase).
///
/// A handle that was eager stays so. One that was deferred is treated as one
/// of a CPU.
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
