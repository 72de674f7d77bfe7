//! Handles and guards that say which collector they are of.

use core::{fmt, marker::PhantomData, ops::Deref};

use super::{
    Domain, Shared,
    domain::{Brand, SchemeOf},
    node::pooled,
};
use crate::{Eager, Role};

/// A claimed slot of a domain's collector: what a task, an interrupt or a CPU
/// uses the domain's structures through.
///
/// Made by [`Domain::register`] and [`Domain::register_deferred`], or lent by
/// a [`PerCpu`](super::PerCpu).
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
    /// Of the collector that `D` names: what all that is safe here rests on.
    raw: crate::Handle<'static, SchemeOf<D>, R>,
    of: PhantomData<Brand<D>>,
}

impl<D: Domain, R: Role> Handle<D, R> {
    /// `raw` is of the collector that `D` names.
    pub(super) fn new(raw: crate::Handle<'static, SchemeOf<D>, R>) -> Self {
        let of = PhantomData;
        Self { raw, of }
    }

    /// Opens a section: what is read under the guard stays valid until it is
    /// dropped. As [`Handle::enter`](crate::Handle::enter): wait-free, any
    /// context, guards nest.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
    ///
    /// let handle = App::register()?;
    /// let guard = handle.enter();
    /// assert_eq!(*LIMIT.read(&guard), 10);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn enter(&self) -> Guard<'_, D, R> {
        Guard {
            raw: self.raw.enter(),
            of: PhantomData,
        }
    }
}

impl<D: Domain, R: Role> Handle<D, R> {
    /// As `enter`, not bound to a borrow of the handle: the caller keeps the
    /// two together.
    pub(super) fn enter_for_section(&self) -> Guard<'static, D, R> {
        core::mem::forget(self.raw.enter());
        Guard {
            raw: crate::Guard::new(*self.raw.local()),
            of: PhantomData,
        }
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

/// An open section of a domain's collector.
///
/// References that are read under a guard cannot outlive it:
///
/// ```compile_fail,E0505
/// use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
///
/// domain!(App: Collector<2> = Collector::new());
/// static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
///
/// let handle = App::register().unwrap();
/// let guard = handle.enter();
/// let limit = LIMIT.read(&guard);
/// drop(guard);
/// assert_eq!(*limit, 10);
/// ```
///
/// Dereferences to the [`Guard`](crate::Guard) of the collector, for what is
/// built on raw pointers.
pub struct Guard<'h, D: Domain, R: Role = Eager> {
    /// Of the collector that `D` names.
    raw: crate::Guard<'h, SchemeOf<D>, R>,
    of: PhantomData<Brand<D>>,
}

impl<D: Domain, R: Role> Guard<'_, D, R> {
    /// A quiescent point, as [`Guard::refresh`](crate::Guard::refresh): ends
    /// the section and begins a new one, for the price of a load when nothing
    /// waits. May run reclaimers.
    ///
    /// No reference that was read before can be used after it:
    ///
    /// ```compile_fail,E0502
    /// # use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
    /// # let handle = App::register().unwrap();
    /// let mut guard = handle.enter();
    /// let limit = LIMIT.read(&guard);
    /// guard.refresh();
    /// assert_eq!(*limit, 10);
    /// ```
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
    /// # let handle = App::register().unwrap();
    /// let mut guard = handle.enter();
    /// for packet in 0..10 {
    ///     assert!(packet < *LIMIT.read(&guard));
    ///     guard.refresh();
    /// }
    /// ```
    #[inline]
    pub fn refresh(&mut self) {
        self.raw.refresh();
    }

    /// Retires an object: nobody can reach it any more. Its value is dropped
    /// and its block goes back to its pool when no section can hold it, and
    /// not before this guard is dropped. Null is ignored.
    ///
    /// Lock-free; costs and contexts as
    /// [`Guard::defer_retire`](crate::Guard::defer_retire).
    ///
    /// # Safety
    ///
    /// - No [`Atomic`](super::Atomic) that a section entered from now on can
    ///   find leads to the object, and nobody stores it into one again.
    /// - In robust mode no `Atomic` at all leads to it, also none in an object
    ///   that was retired before: a reader that stands there would follow it
    ///   without protection. Unless none of these objects changed after it was
    ///   published, as in a tree whose nodes are copied and never written to:
    ///   what leads there is younger, and who holds the younger one was
    ///   protected from the reclaim of the older one, too. A structure for
    ///   which neither can be said, such as a list, has to check each step it
    ///   takes, as [`Map`](super::Map) does, and that is for raw pointers.
    /// - It is retired once.
    ///
    /// ```
    /// use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned, Shared}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static POOL: Pool<u32, 4> = Pool::new();
    /// static PLACE: Atomic<u32, App> = Atomic::null();
    ///
    /// let handle = App::register()?;
    /// let new = Owned::new(&POOL, &handle, 7).unwrap();
    /// let guard = handle.enter();
    /// PLACE.swap(new, &guard);
    /// let old = PLACE.swap(Shared::null(), &guard);
    /// // SAFETY: nobody stores what they load from `PLACE`, which was the one
    /// // way to the object.
    /// unsafe { guard.retire(old) };
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub unsafe fn retire<T: Send + 'static>(&self, object: Shared<'_, T, D>) {
        let object = object.as_raw();
        if !object.is_null() {
            // SAFETY: the caller's: unlinked, retired once. It came from an
            // `Owned`: it was made with a handle of this collector, is in a
            // pool that is a static, and may be dropped on any thread.
            unsafe { self.raw.retire_value(object, pooled::<T>) };
        }
    }
}

impl<'h, D: Domain, R: Role> Deref for Guard<'h, D, R> {
    type Target = crate::Guard<'h, SchemeOf<D>, R>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.raw
    }
}

impl<D: Domain, R: Role> fmt::Debug for Guard<'_, D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}
