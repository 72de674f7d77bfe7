//! A section that owns its handle, for async code.

use core::{fmt, mem::ManuallyDrop, ops::Deref};

use super::{Domain, Guard, Handle};
use crate::{Eager, Role};

/// A handle and an open section in one. It can be sent, so a task that moves
/// between threads can keep what it read under it across an `await`.
///
/// Made by [`Handle::enter_owned`]. Dereferences to the [`Guard`] that reads
/// take; the references live as long as the section is borrowed. A [`Guard`]
/// itself stays on its thread, because its handle may have other guards there.
/// A section owns its handle, so there are none.
///
/// ```
/// #![forbid(unsafe_code)]
/// use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
///
/// domain!(App: Collector<8> = Collector::new());
/// static NAME: RcuCell<String, 4, App> = RcuCell::new(String::new());
///
/// async fn print() -> Result<(), hyaline::SlotsExhausted> {
///     let section = App::register()?.enter_owned();
///     let name = NAME.read(&section);
///     std::future::ready(()).await; // on another thread, perhaps
///     println!("{name}");
///     Ok(())
/// }
///
/// fn spawn(_: impl Future + Send) {}
/// spawn(print());
/// ```
///
/// What was read does not outlive the section:
///
/// ```compile_fail,E0505
/// # use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
/// # domain!(App: Collector<8> = Collector::new());
/// # static NAME: RcuCell<String, 4, App> = RcuCell::new(String::new());
/// let section = App::register().unwrap().enter_owned();
/// let name = NAME.read(&section);
/// drop(section.leave());
/// println!("{name}");
/// ```
///
/// A task that is cancelled drops its section, and the slot is free again.
///
/// Do not keep one in a value of a structure of the same domain: once that is
/// retired, its own section holds it back, as a cycle of `Rc`s holds itself.
pub struct OwnedGuard<D: Domain, R: Role = Eager> {
    /// The guard that `enter_owned` opened. It is dropped by `close` alone,
    /// and not lent mutably: it must stay with its handle.
    guard: ManuallyDrop<Guard<'static, D, R>>,
    handle: Handle<D, R>,
}

// SAFETY: a `Guard` is bound to its thread because its handle may be used there.
// Here the handle moves along. References that were made through the guard
// borrow the section: it moves when there are none, or together with them, in a
// future.
unsafe impl<D: Domain, R: Role> Send for OwnedGuard<D, R> {}

impl<D: Domain, R: Role> Handle<D, R> {
    /// Opens a section that owns the handle, and can be sent. As
    /// [`enter`](Self::enter): wait-free, any context.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
    ///
    /// let section = App::register()?.enter_owned();
    /// let limit = LIMIT.read(&section);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| LIMIT.replace(&App::register().unwrap(), 20));
    /// });
    /// assert_eq!(*limit, 10);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn enter_owned(self) -> OwnedGuard<D, R> {
        let guard = ManuallyDrop::new(self.enter_for_section());
        OwnedGuard {
            guard,
            handle: self,
        }
    }
}

impl<D: Domain, R: Role> OwnedGuard<D, R> {
    /// The handle, for calls that take one: to write, or to open another guard,
    /// which cannot be held across an `await`.
    ///
    /// The section holds back what is retired through its own handle as well as
    /// through others: a structure needs a block for each change until the
    /// section is left or refreshed.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Queue}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// static QUEUE: Queue<u32, 4, App> = Queue::new();
    /// let section = App::register()?.enter_owned();
    /// QUEUE.push(section.handle(), 7)?;
    /// assert_eq!(QUEUE.pop(section.handle()), Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn handle(&self) -> &Handle<D, R> {
        &self.handle
    }

    /// A quiescent point, as [`Guard::refresh`]. No reference that was read
    /// before can be used after it:
    ///
    /// ```compile_fail,E0502
    /// # use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
    /// let mut section = App::register().unwrap().enter_owned();
    /// let limit = LIMIT.read(&section);
    /// section.refresh();
    /// assert_eq!(*limit, 10);
    /// ```
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::Domain};
    /// # domain!(App: Collector<2> = Collector::new());
    /// let mut section = App::register()?.enter_owned();
    /// section.refresh();
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn refresh(&mut self) {
        self.guard.refresh();
    }

    /// Ends the section, once. May run reclaimers.
    ///
    /// # Safety
    ///
    /// `guard` is not used or dropped again.
    unsafe fn close(guard: &mut ManuallyDrop<Guard<'static, D, R>>, handle: &Handle<D, R>) {
        // An eviction has ended the section.
        if !handle.is_evicted() {
            // SAFETY: not used or dropped again (fn contract).
            unsafe { ManuallyDrop::drop(guard) };
        }
    }

    /// Ends the section and gives the handle back.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::Domain};
    /// # domain!(App: Collector<1> = Collector::new());
    /// let handle = App::register()?.enter_owned().leave();
    /// assert_eq!(handle.slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn leave(self) -> Handle<D, R> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, and its handle not used again.
        let handle = unsafe { core::ptr::read(&raw const this.handle) };
        // If a reclaimer panics, the handle is dropped and releases its slot.
        // SAFETY: `this` is not dropped, and its guard not used again.
        unsafe { Self::close(&mut this.guard, &handle) };
        handle
    }
}

impl<D: Domain, R: Role> Deref for OwnedGuard<D, R> {
    type Target = Guard<'static, D, R>;

    /// The guard, for all that reads.
    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.guard
    }
}

impl<D: Domain, R: Role> Drop for OwnedGuard<D, R> {
    fn drop(&mut self) {
        // SAFETY: the section is dropped, so nobody uses the guard again.
        unsafe { Self::close(&mut self.guard, &self.handle) };
    }
}

impl<D: Domain, R: Role> fmt::Debug for OwnedGuard<D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedGuard")
            .field("slot", &self.slot())
            .finish_non_exhaustive()
    }
}
