//! A section: how a handle opens one, and what its guard does.

mod unchecked;

use core::{fmt, marker::PhantomData, mem::ManuallyDrop, ops::Deref};

use crate::{
    AsLink, AtomicPtr, Basic, Eager, Handle, Link, Reclaimer, Role, Scheme, raw::Local,
    sync::Ordering,
};

/// An active read-side critical section of a [`Handle`](crate::Handle).
///
/// Pointers that were loaded through the guard stay valid until it is dropped or
/// [refreshed](Self::refresh);
/// dereferencing them is `unsafe`. A guard stays on the thread that made it:
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let collector = hyaline::Collector::<1>::new();
/// let handle = collector.register().unwrap();
/// send(handle.enter());
/// ```
///
/// Dropping the last guard of a handle ends the section. On an eager handle it
/// then reclaims the objects that waited for this section alone. A forgotten
/// guard keeps its slot active: the objects that the section may hold stay
/// pending, and nothing is freed early.
#[must_use = "the section ends when the guard is dropped"]
pub struct Guard<'h, S: Scheme = Basic, R: Role = Eager> {
    local: Local<'h, S>,
    /// Neither `Send` nor `Sync`.
    bound: PhantomData<(R, *mut ())>,
}

impl<S: Scheme, R: Role> Handle<'_, S, R> {
    /// Opens a section. Pointers loaded through the guard stay valid until it
    /// is dropped.
    ///
    /// Wait-free. Enter and drop together cost two plain stores (in robust mode
    /// four, where an era has two words five or six) and a
    /// [light barrier](crate::guide::glossary#light-barrier). Guards nest, and
    /// may be dropped in any order; the section lasts until the last guard is
    /// dropped.
    ///
    /// # Panics
    ///
    /// If the handle has more guards, forgotten ones included, than its word
    /// can count. In debug builds also if the handle was evicted, which is
    /// misuse of `evict`.
    ///
    /// ```
    /// use hyaline::Collector;
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let outer = handle.enter();
    /// let inner = handle.enter();
    /// drop(outer); // still inside
    /// drop(inner);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn enter(&self) -> Guard<'_, S, R> {
        Guard::open(self)
    }
}

impl<'h, S: Scheme, R: Role> Guard<'h, S, R> {
    /// Opens a section. The caller keeps the handle for `'h`.
    #[inline(always)]
    pub(crate) fn open(handle: &Handle<'h, S, R>) -> Self {
        debug_assert!(
            !handle.is_evicted(),
            "the slot of this handle was evicted; register again"
        );
        // Not by `open_slot`: with a copy before the enter, guards in memory cost
        // a few instructions more.
        handle.local().enter::<R>();
        Self::new(*handle.local())
    }

    /// Opens a section of a slot.
    #[inline(always)]
    pub(crate) fn open_slot(local: Local<'h, S>) -> Self {
        local.enter::<R>();
        Self::new(local)
    }

    /// A guard of a section that is open. The caller keeps the handle for `'h`.
    #[inline]
    pub(crate) fn new(local: Local<'h, S>) -> Self {
        Self {
            local,
            bound: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn local(&self) -> &Local<'h, S> {
        &self.local
    }

    /// The handle whose section this is: to allocate, to collect, to open another
    /// guard. It stays on this thread. Wait-free, one load; any context.
    ///
    /// ```
    /// use hyaline::{Collector, Guard, Linked, Pool, PoolExhausted};
    ///
    /// /// A function that has only the guard.
    /// fn make(
    ///     pool: &Pool<u32, 4>,
    ///     guard: &Guard<'_>,
    /// ) -> Result<*mut Linked<u32>, PoolExhausted<u32>> {
    ///     pool.alloc(&guard.handle(), 7)
    /// }
    ///
    /// let (collector, pool) = (Collector::<1>::new(), Pool::new());
    /// let handle = collector.register()?;
    /// assert!(make(&pool, &handle.enter()).is_ok());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn handle(&self) -> impl Deref<Target = Handle<'h, S, R>> + use<'_, 'h, S, R> {
        // The owner of now is the handle that is borrowed: a guard of an evicted
        // one is not used (`CollectorView::evict`, # Safety).
        Lent::new(Handle::new(self.local))
    }

    /// The number of the slot.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// assert_eq!(collector.register()?.enter().slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn slot(&self) -> usize {
        self.local.number()
    }

    /// Loads a pointer that stays valid until the guard is dropped or
    /// refreshed.
    ///
    /// The load has the given ordering, strengthened to at least `Acquire`. In
    /// basic mode it is wait-free and costs only the load. In robust mode it
    /// also compares eras, and repeats the load when the era has advanced,
    /// which makes it lock-free.
    ///
    /// The pointer is not followed, so its low bits may be a tag.
    ///
    /// In robust mode the result may be unprotected if `src` lies in an object that was
    /// unlinked before the load: what the pointer leads to may have been unlinked and
    /// reclaimed since, and the pointer does not change. If `src` may lie in such an
    /// object, use the result only after showing that the object was linked at the
    /// load, as the list of
    /// [`Atomic::fetch_or`](crate::safe::Atomic::fetch_or) does, and start over
    /// otherwise.
    ///
    /// # Panics
    ///
    /// Never. `Release` and `AcqRel`, which a load cannot have, become
    /// `Acquire`.
    ///
    /// ```
    /// use core::sync::atomic::Ordering;
    /// use hyaline::{AtomicPtr, Collector, Linked, reclaim};
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let shared = AtomicPtr::new(Box::into_raw(Box::new(handle.link(7))));
    ///
    /// let guard = handle.enter();
    /// let object = guard.protect(&shared, Ordering::Acquire);
    /// // SAFETY: not null, and protected while the guard lives.
    /// assert_eq!(unsafe { **object }, 7);
    /// drop(guard);
    /// # // SAFETY: nobody else has it.
    /// # unsafe { handle.retire(shared.into_inner(), reclaim::boxed::<Linked<i32>>) };
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn protect<T>(&self, src: &AtomicPtr<T>, order: Ordering) -> *mut T {
        self.local.protect(src, order)
    }

    /// Swaps a pointer and protects the old one, as [`protect`](Self::protect).
    /// `order` is strengthened to at least `Acquire`. Lock-free.
    ///
    /// ```
    /// use core::{ptr, sync::atomic::Ordering};
    /// use hyaline::{AtomicPtr, Collector, Linked, reclaim};
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let shared = AtomicPtr::new(Box::into_raw(Box::new(handle.link(7))));
    ///
    /// let guard = handle.enter();
    /// let old = guard.swap(&shared, ptr::null_mut(), Ordering::AcqRel);
    /// // SAFETY: unlinked by the swap, and it comes from a `Box`.
    /// unsafe { guard.defer_retire(old, reclaim::boxed::<Linked<i32>>) };
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn swap<T>(&self, src: &AtomicPtr<T>, new: *mut T, order: Ordering) -> *mut T {
        self.local.swap(src, new, order)
    }

    /// Stores `new` if the pointer is `current`. On failure, the pointer found
    /// is protected, as by [`protect`](Self::protect). On success, the result is
    /// `current`, protected if it was before. `failure` is strengthened to at least
    /// `Acquire`. No pointer is followed, so low bits may be a tag. Lock-free.
    ///
    /// # Errors
    ///
    /// The pointer found, if it was not `current`.
    ///
    /// ```
    /// use core::{ptr, sync::atomic::Ordering::{AcqRel, Acquire}};
    /// use hyaline::{AtomicPtr, Collector};
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let shared = AtomicPtr::<u8>::new(ptr::null_mut());
    /// let guard = handle.enter();
    /// let new = ptr::dangling_mut();
    /// assert!(guard.compare_exchange(&shared, ptr::null_mut(), new, AcqRel, Acquire).is_ok());
    /// assert_eq!(guard.compare_exchange(&shared, ptr::null_mut(), new, AcqRel, Acquire), Err(new));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn compare_exchange<T>(
        &self,
        src: &AtomicPtr<T>,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.local.compare_exchange_with(failure, |failure| {
            src.compare_exchange(current, new, success, failure)
        })
    }

    /// Like [`compare_exchange`](Self::compare_exchange), but may fail
    /// spuriously, which makes a loop cheaper on some targets.
    ///
    /// # Errors
    ///
    /// The pointer found.
    ///
    /// ```
    /// use core::{ptr, sync::atomic::Ordering::{AcqRel, Acquire}};
    /// use hyaline::{AtomicPtr, Collector};
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let shared = AtomicPtr::<u8>::new(ptr::null_mut());
    /// let guard = handle.enter();
    /// let new = ptr::dangling_mut();
    /// while guard.compare_exchange_weak(&shared, ptr::null_mut(), new, AcqRel, Acquire).is_err() {}
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn compare_exchange_weak<T>(
        &self,
        src: &AtomicPtr<T>,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.local.compare_exchange_with(failure, |failure| {
            src.compare_exchange_weak(current, new, success, failure)
        })
    }

    /// Retires an object that this guard may still use: `reclaim` is not
    /// called before this guard is dropped or refreshed, nor while another section can hold
    /// the object.
    ///
    /// Costs a few stores and a push onto the slot's stack. On an eager handle,
    /// a full batch also costs a
    /// [heavy barrier](crate::guide::glossary#heavy-barrier) and a scan of all
    /// slots, and reclaimers may run.
    ///
    /// # Safety
    ///
    /// As for [`Handle::retire`](crate::Handle::retire), but this thread may
    /// use the object until the guard is dropped or [refreshed](Self::refresh).
    ///
    /// ```
    /// use hyaline::{Collector, Linked, reclaim};
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let object = Box::into_raw(Box::new(handle.link(7)));
    /// let guard = handle.enter();
    /// // SAFETY: it was never shared, and it comes from a `Box`.
    /// unsafe { guard.defer_retire(object, reclaim::boxed::<Linked<i32>>) };
    /// // SAFETY: the guard is still there.
    /// assert_eq!(unsafe { **object }, 7);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub unsafe fn defer_retire<T: AsLink + ?Sized>(&self, ptr: *mut T, reclaim: Reclaimer) {
        // SAFETY: the object is valid, unlinked and retired once (fn contract);
        // by `AsLink` a `Link` comes first.
        unsafe { self.local.retire::<R>(ptr.cast::<Link>(), reclaim, false) };
    }

    /// Retires an object whose reclaimer runs no user code except the value's
    /// destructor. If the value has none, contexts in which no reclaimer may run
    /// can reclaim the object too.
    ///
    /// # Safety
    ///
    /// As for [`defer_retire`](Self::defer_retire), and `reclaim` runs no user
    /// code except `T`'s destructor.
    #[inline]
    pub(crate) unsafe fn retire_value<T>(&self, object: *mut crate::Linked<T>, reclaim: Reclaimer) {
        let (link, plain) = (object.cast::<Link>(), !core::mem::needs_drop::<T>());
        // SAFETY: the object is valid, unlinked and retired once, and if it is
        // plain, `reclaim` runs no user code (fn contract).
        unsafe { self.local.retire::<R>(link, reclaim, plain) };
    }

    /// Makes the section protect an object that the caller made and is about to
    /// share, and will use after others could have found and retired it.
    ///
    /// In robust mode a section protects what it loaded through the guard. An
    /// object that the caller made was not loaded, and may be younger than
    /// every object that was. In basic mode there is nothing to do. Wait-free;
    /// a few loads.
    ///
    /// # Safety
    ///
    /// `object` is valid, which a pointer with a tag is not, and has not been shared
    /// yet.
    ///
    /// ```
    /// use core::{ptr, sync::atomic::Ordering::{AcqRel, Acquire}};
    /// use hyaline::{AtomicPtr, Collector, Linked, Robust, reclaim};
    ///
    /// let collector = Collector::<1, Robust>::new();
    /// let handle = collector.register()?;
    /// let head = AtomicPtr::<Linked<u32>>::new(ptr::null_mut());
    ///
    /// let guard = handle.enter();
    /// let mine = Box::into_raw(Box::new(handle.link(7)));
    /// // SAFETY: just made.
    /// unsafe { guard.protect_own(mine) };
    /// guard.compare_exchange(&head, ptr::null_mut(), mine, AcqRel, Acquire).unwrap();
    /// // SAFETY: protected, whatever others do with it now.
    /// assert_eq!(unsafe { **mine }, 7);
    /// # // SAFETY: nobody else has it.
    /// # unsafe { guard.defer_retire(head.into_inner(), reclaim::boxed::<Linked<u32>>) };
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub unsafe fn protect_own<T: AsLink + ?Sized>(&self, object: *mut T) {
        // SAFETY: valid and not shared (fn contract).
        unsafe { self.local.protect_own(object.cast::<Link>()) };
    }

    /// A quiescent point: if another call waits for the section, or in robust mode if
    /// the era has advanced since it began, ends it and begins a new one. Costs one
    /// load otherwise, in robust mode four (where an era has two words seven). Nothing
    /// is protected any longer that was loaded, made or retired under the guard before.
    ///
    /// Does nothing if the handle has other guards. May run reclaimers on an
    /// eager handle, and runs none on a deferred or per-CPU one.
    ///
    /// A guard that is kept and refreshed at intervals is quiescent-state-based
    /// reclamation (QSBR): a read costs only the load.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let mut guard = handle.enter();
    /// for _packet in 0..1000 {
    ///     guard.refresh();
    /// }
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[doc(alias = "quiescent")]
    #[inline]
    pub fn refresh(&mut self) {
        self.local.refresh::<R>();
    }

    /// Whether this reader was asked to end its section, by
    /// [`Collector::request_restart`](crate::CollectorView::request_restart).
    /// True once for each request. Any context; costs a load. On a
    /// [`PerCpu`](crate::PerCpu) the request is for whichever context asks first, so
    /// only the task asks, not its interrupts.
    ///
    /// A reader that finds it true drops its guard and every pointer it has
    /// loaded, enters again and starts over.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let reader = collector.register()?;
    /// let guard = reader.enter();
    /// assert!(!guard.restart_requested());
    /// collector.request_restart(reader.slot());
    /// assert!(guard.restart_requested());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn restart_requested(&self) -> bool {
        self.local.take_restart()
    }
}

/// A copy of a handle, which does not release the slot. It borrows the guard that
/// it came from, and stays on its thread: neither `Send` nor `Sync`.
pub(crate) struct Lent<H>(ManuallyDrop<H>, PhantomData<*mut ()>);

impl<H> Lent<H> {
    #[inline]
    pub(crate) fn new(handle: H) -> Self {
        Self(ManuallyDrop::new(handle), PhantomData)
    }
}

impl<H> Deref for Lent<H> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        &self.0
    }
}

impl<S: Scheme, R: Role> Drop for Guard<'_, S, R> {
    #[inline]
    fn drop(&mut self) {
        self.local.leave::<R>();
    }
}

impl<S: Scheme, R: Role> fmt::Debug for Guard<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("slot", &self.slot())
            .finish_non_exhaustive()
    }
}
