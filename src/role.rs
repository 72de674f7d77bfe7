//! Who reclaims: a handle that does its share, or one that leaves it to others.

mod sealed {
    pub trait Sealed {}
}

/// What a handle does with objects that nobody can reach any more: [`Eager`]
/// or [`Deferred`].
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
    #[doc(hidden)]
    const RECLAIMS: bool;
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
/// [`Collector::register_deferred`](crate::Collector::register_deferred).
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

impl sealed::Sealed for Eager {}
impl sealed::Sealed for Deferred {}

impl Role for Eager {
    const RECLAIMS: bool = true;
}

impl Role for Deferred {
    const RECLAIMS: bool = false;
}
