//! Guards of a domain's collector.

use core::{fmt, marker::PhantomData, ops::Deref};

use super::{
    Domain, Handle,
    domain::{Brand, SchemeOf, collector},
};
use crate::{Eager, Role, guard::Lent};

impl<D: Domain, R: Role> Handle<D, R> {
    /// Opens a section: what is read under the guard stays valid until the guard
    /// is dropped. As [`Handle::enter`](crate::Handle::enter): wait-free, any
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
        self.enter_for_section()
    }

    /// As `enter`, but without a borrow of the handle: the caller keeps the two
    /// together.
    #[inline]
    pub(super) fn enter_for_section<'h>(&self) -> Guard<'h, D, R> {
        Guard {
            raw: crate::Guard::open(self),
            of: PhantomData,
        }
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
#[must_use = "the section ends when the guard is dropped"]
pub struct Guard<'h, D: Domain, R: Role = Eager> {
    /// Of the collector that `D` names. Its handle is borrowed for `'h`, also when the
    /// guard is dropped: the lifetime is that of a type with a `Drop`.
    raw: crate::Guard<'h, SchemeOf<D>, R>,
    of: PhantomData<Brand<D>>,
}

impl<'h, D: Domain, R: Role> Guard<'h, D, R> {
    /// The handle whose section this is, for calls that take one. It stays on this
    /// thread. Wait-free, one load; any context.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, Full, Guard, Queue}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static LOG: Queue<u32, 4, App> = Queue::new();
    ///
    /// /// A function that has only the guard.
    /// fn log(event: u32, guard: &Guard<'_, App>) -> Result<(), Full<u32>> {
    ///     LOG.push(&guard.handle(), event)
    /// }
    ///
    /// let handle = App::register()?;
    /// log(7, &handle.enter())?;
    /// assert_eq!(LOG.pop(&handle), Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn handle(&self) -> impl Deref<Target = Handle<D, R>> + use<'_, 'h, D, R> {
        // As in `crate::Guard::handle`.
        // SAFETY: it is lent for as long as the guard is borrowed, and the collector
        // is a static.
        let local = unsafe { self.raw.local().extend() };
        Lent::new(Handle::new(crate::Handle::new(local)))
    }

    /// A quiescent point, as [`Guard::refresh`](crate::Guard::refresh): ends
    /// the section and begins a new one, for the price of a load (in robust mode four)
    /// when nothing waits and the era is the same. May run reclaimers.
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
}

impl<D: Domain> Guard<'_, D> {
    /// Calls `f` with a guard that protects nothing, as
    /// [`CollectorView::with_unprotected`](crate::CollectorView::with_unprotected):
    /// for `Drop`, and for calls that take `&mut self`, where code that wants a guard
    /// is used without a handle. What is retired through it is reclaimed before the
    /// call returns.
    ///
    /// # Panics
    ///
    /// If `f` or a reclaimer does. A second panic aborts.
    ///
    /// # Safety
    ///
    /// As there.
    ///
    /// ```
    /// use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Guard, Owned, Shared}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static POOL: Pool<u32, 4> = Pool::new();
    ///
    /// struct Place(Atomic<u32, App>);
    ///
    /// impl Drop for Place {
    ///     fn drop(&mut self) {
    ///         let clear = |guard: &Guard<'_, App>| {
    ///             let old = self.0.swap(Shared::null(), guard);
    ///             // SAFETY: this place was the one way to it.
    ///             unsafe { guard.retire(old) };
    ///         };
    ///         // SAFETY: nobody else has the place.
    ///         unsafe { Guard::<App>::with_unprotected(clear) };
    ///     }
    /// }
    ///
    /// let seven = Owned::new(&POOL, &App::register()?, 7).unwrap();
    /// drop(Place(Atomic::new(seven)));
    /// assert_eq!(POOL.available(), 4);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub unsafe fn with_unprotected<T>(f: impl FnOnce(&Guard<'_, D>) -> T) -> T {
        let open = |raw: &crate::Guard<'_, SchemeOf<D>>| {
            let raw = crate::Guard::open_slot(*raw.local());
            let of = PhantomData;
            f(&Guard { raw, of })
        };
        // SAFETY: the caller has the objects alone (# Safety, which is that of
        // `CollectorView::with_unprotected`).
        unsafe { collector::<D>().with_unprotected(open) }
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
