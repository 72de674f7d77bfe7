//! A claimed slot.

use core::{
    fmt,
    marker::PhantomData,
    mem::{ManuallyDrop, needs_drop},
    num::NonZeroU16,
};

use crate::{
    AsLink, Basic, Eager, Erased, HandleId, Link, Linked, Reclaimer, Role, Scheme, raw::Local,
    role::Reclaims, sync::Cell,
};

/// A claimed slot, through which a task, an interrupt or a CPU uses a
/// collector.
///
/// A handle can be sent to another thread, but not shared between threads:
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// let collector = hyaline::Collector::<1>::new();
/// share(collector.register().unwrap());
/// ```
///
/// Dropping it releases the slot. The objects that it retired and that are
/// still pending stay where the other handles find them. A forgotten handle
/// keeps its slot until it is [evicted](crate::CollectorView::evict); and on
/// 64-bit targets, while it has a guard open, the free blocks in its magazine: at
/// most 64, and at most one in 32 of the pool's. (Handles of another collector that
/// allocate from this pool do not find these blocks at all.)
///
/// Unless stated otherwise, its methods are lock-free, need a constant amount
/// of stack, and may be called in a task and in an interrupt that has a handle
/// of its own.
#[repr(C)] // the same layout for each role, see `as_eager`
pub struct Handle<'c, S: Scheme = Basic, R: Role = Eager> {
    local: Local<'c, S>,
    /// The slot's owner that this handle is, see `raw::owner`.
    owner: usize,
    /// Not `Sync`: the slot's owner is one thread at a time.
    not_sync: PhantomData<(R, Cell<()>)>,
}

// SAFETY: the slot's fields are not bound to a thread, and the handle is their
// only user; so the thread that has the handle is the slot's owner.
unsafe impl<S: Scheme, R: Role> Send for Handle<'_, S, R> {}

impl<'c, S: Scheme, R: Role> Handle<'c, S, R> {
    pub(crate) fn new(local: Local<'c, S>) -> Self {
        Self {
            local,
            owner: local.slot.owner(),
            not_sync: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn local(&self) -> &Local<'c, S> {
        &self.local
    }

    /// The number of the slot, below the collector's capacity; the capacity in
    /// [`with_unprotected`](crate::CollectorView::with_unprotected), which uses no
    /// slot of the collector.
    ///
    /// ```
    /// let collector = hyaline::Collector::<2>::new();
    /// assert_eq!(collector.register()?.slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn slot(&self) -> usize {
        self.local.number()
    }

    /// Identifies this handle to
    /// [`Collector::evict`](crate::CollectorView::evict), also after the handle
    /// is gone. Keep it where a supervisor finds it. Wait-free; any context.
    ///
    /// ```
    /// let collector = hyaline::Collector::<2>::new();
    /// let handle = collector.register()?;
    /// let id = handle.id();
    /// assert_eq!(id.slot(), handle.slot());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> HandleId {
        HandleId {
            slot: self.slot(),
            owner: self.owner,
        }
    }

    /// Whether [`Collector::evict`](crate::CollectorView::evict) has taken the
    /// slot from this handle. Such a handle is inert.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert!(!handle.is_evicted());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_evicted(&self) -> bool {
        self.local.slot.owner() != self.owner
    }

    /// Turns the handle into one whose role is known at run time.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?.erase();
    /// drop(handle.enter());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn erase(self) -> Handle<'c, S, Erased> {
        let this = ManuallyDrop::new(self);
        Handle {
            local: this.local,
            owner: this.owner,
            not_sync: PhantomData,
        }
    }

    /// Makes a header with the current era as birth era, for a type that has
    /// its own [`Link`] field. Wait-free.
    ///
    /// The object may be shared only with users of the same collector.
    ///
    /// ```
    /// use hyaline::{AsLink, Collector, Link};
    ///
    /// #[repr(C)]
    /// struct Route {
    ///     link: Link,
    ///     port: u16,
    /// }
    ///
    /// // SAFETY: `repr(C)`, and the link comes first.
    /// unsafe impl AsLink for Route {}
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let route = Route { link: handle.stamp(), port: 80 };
    /// # assert_eq!(route.port, 80);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn stamp(&self) -> Link {
        let link = Link::new();
        self.local.stamp::<R>(&link);
        link
    }

    /// Gives a value a header with the current era as birth era. Wait-free.
    ///
    /// In robust mode, a section that uses the object after others could find
    /// it must call [`Guard::protect_own`] before it shares the object.
    ///
    /// The object may be shared only with users of the same collector.
    ///
    /// ```
    /// use hyaline::Collector;
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let seven = handle.link(7);
    /// assert_eq!(*seven, 7);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    ///
    /// [`Guard::protect_own`]: crate::Guard::protect_own
    #[inline]
    pub fn link<T>(&self, value: T) -> Linked<T> {
        let linked = Linked::new(value);
        self.local.stamp::<R>(&linked.link);
        linked
    }

    /// Retires an object. `reclaim` is called when no other handle can hold a
    /// pointer to it: at once if no other handle has an open guard.
    ///
    /// Guards of this handle do not count, unless the section of another slot
    /// holds the object first: it may then wait for them too. Use
    /// [`Guard::defer_retire`] if one of them may still use the object. May run
    /// reclaimers. Costs a
    /// [heavy barrier](crate::guide::glossary#heavy-barrier) and a scan of all
    /// slots.
    ///
    /// On a deferred or per-CPU handle it does the same as
    /// [`Guard::defer_retire`]. In a reclaimer, the call that runs the reclaimer
    /// reclaims the object, too: reclaimers that retire in this way each time
    /// keep that call busy without end. What a reclaimer retires by
    /// [`Guard::defer_retire`](crate::Guard::defer_retire) is for the next call,
    /// unless something publishes it before this one ends: an allocation from an
    /// exhausted pool, or a call of another handle.
    ///
    /// # Safety
    ///
    /// - `ptr` is valid, without a tag, and no section that is entered from now on
    ///   can find it: it was unlinked from every shared place, and every reader that
    ///   could find it uses this collector.
    /// - It is retired once, and this thread does not use it any more.
    /// - `reclaim` is sound to call with it, once, on any thread that uses the
    ///   collector or drops it, now or at any later time.
    /// - In robust mode it was made with a handle of this collector, by
    ///   [`link`](Self::link), with a [`stamp`](Self::stamp) or by a pool, or
    ///   it has a [`Link::new`].
    /// - In robust mode it is reached only through [`Guard::protect`] and its
    ///   siblings, and once it is unlinked no pointer in it is followed, not
    ///   even through `protect`: the object that the pointer leads to may have
    ///   been unlinked and reclaimed since, and the pointer does not change.
    ///
    /// ```
    /// use hyaline::{Collector, Linked, reclaim};
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let object = Box::into_raw(Box::new(handle.link(7)));
    /// // SAFETY: it was never shared, and it comes from a `Box`.
    /// unsafe { handle.retire(object, reclaim::boxed::<Linked<i32>>) };
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    ///
    /// [`Guard::defer_retire`]: crate::Guard::defer_retire
    /// [`Guard::protect`]: crate::Guard::protect
    pub unsafe fn retire<T: AsLink + ?Sized>(&self, ptr: *mut T, reclaim: Reclaimer) {
        // SAFETY: "`ptr` is valid", unlinked, "is retired once" and not used any more
        // (# Safety); by `AsLink` a `Link` comes first.
        unsafe { self.retire_link(ptr.cast::<Link>(), reclaim, false) };
    }

    /// Retires an object whose reclaimer runs no user code except the value's
    /// destructor. If the value has none, contexts in which no reclaimer may run
    /// can reclaim the object too.
    ///
    /// # Safety
    ///
    /// As for [`retire`](Self::retire), and `reclaim` runs no user code except
    /// `T`'s destructor.
    pub(crate) unsafe fn retire_value<T>(&self, object: *mut Linked<T>, reclaim: Reclaimer) {
        // SAFETY: the contract of `retire` (# Safety); the link comes first. If the
        // object is plain, `reclaim` runs no user code, which is at most `T`'s
        // destructor.
        unsafe { self.retire_link(object.cast::<Link>(), reclaim, !needs_drop::<T>()) };
    }

    /// # Safety
    ///
    /// As for `retire`. If `plain`, `reclaim` runs no user code.
    unsafe fn retire_link(&self, link: *mut Link, reclaim: Reclaimer, plain: bool) {
        // SAFETY: valid, unlinked, retired once, and this thread does not use it
        // any more (# Safety).
        unsafe {
            if self.is_evicted() {
                self.local
                    .global()
                    .retire_evicted(self.local.slot, link, reclaim, plain);
            } else {
                self.local.retire_unused::<R>(link, reclaim, plain);
            }
        }
    }

    /// On an eager handle [`collect`](Handle::collect): publishes what all handles
    /// have retired, and reclaims what no open section can hold. Returns the number
    /// of objects reclaimed.
    ///
    /// On a deferred or per-CPU handle it does nothing and returns 0: eager
    /// handles find what such a handle has retired.
    ///
    /// ```
    /// use hyaline::{Collector, Linked, reclaim};
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let guard = handle.enter();
    /// let object = Box::into_raw(Box::new(handle.link(7)));
    /// // SAFETY: it was never shared, and it comes from a `Box`.
    /// unsafe { guard.defer_retire(object, reclaim::boxed::<Linked<i32>>) };
    /// drop(guard);
    /// assert_eq!(handle.flush(), 1);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn flush(&self) -> usize {
        if !self.local.reclaims::<R>() || self.is_evicted() {
            return 0;
        }
        self.local.collect_limited()
    }
}

impl<'c, S: Scheme> Handle<'c, S, Erased> {
    /// Returns the handle if it is eager and was not evicted.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?.erase();
    /// assert_eq!(handle.as_eager().unwrap().collect(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn as_eager(&self) -> Option<&Handle<'c, S>> {
        if self.is_evicted() || !self.local.reclaims::<Erased>() {
            return None;
        }
        // SAFETY: with `repr(C)` the layout is the same for each role, which
        // is in no field; the slot says that the handle was registered eager.
        Some(unsafe { &*core::ptr::from_ref(self).cast() })
    }
}

/// Of eager handles only.
impl<S: Scheme, R: Role> Handle<'_, S, R> {
    /// Publishes what all handles have retired, and reclaims what no open
    /// section can hold. Returns the number of objects reclaimed.
    /// [`flush`](Handle::flush) is the same, and exists for each role.
    ///
    /// The objects may have been retired by any handle: one that sleeps, that
    /// was dropped, forgotten or evicted, a deferred one, or one with a limit.
    /// Only objects that another call is about to publish or reclaim are left
    /// out.
    ///
    /// Costs a heavy barrier and a scan of all slots. Inside a reclaimer it
    /// reclaims nothing and returns 0.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert_eq!(handle.collect(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn collect(&self) -> usize
    where
        R: Reclaims,
    {
        if self.is_evicted() {
            return 0;
        }
        self.local.collect_limited()
    }

    /// Like [`collect`](Self::collect), but runs at most `reclaimers`
    /// reclaimers. Later calls of any eager handle reclaim what is left over.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert_eq!(handle.collect_at_most(10), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn collect_at_most(&self, reclaimers: usize) -> usize
    where
        R: Reclaims,
    {
        if self.is_evicted() {
            return 0;
        }
        self.local.collect(reclaimers)
    }

    /// Limits the number of reclaimers that a single call on this handle runs,
    /// for example the drop of a guard or `flush`. `None` is no limit, the
    /// initial state.
    ///
    /// The limit is one for each step that reclaims: an allocation that finds no
    /// block, each object that is retired, each section that ends. A call of the
    /// [safe layer](crate::safe) that retires one object has four at most,
    /// `push_or_replace_oldest` seven, for its pushes and its pop. A map's calls retire each removed node that they pass; `clear` and `retain` retire
    /// many. Three calls may reclaim more. The drop of the handle has no limit, nor
    /// has the drop of an [`OwnedGuard`](crate::OwnedGuard), which drops its handle.
    /// [`collect_at_most`](Handle::collect_at_most) has its own. An allocation that
    /// finds no free block, once the limit is used up, also reclaims objects that run
    /// no code of the user's: those without a destructor that the safe layer or
    /// [`Pool::retire`](crate::Pool::retire) retired. It stops when it has found a
    /// block.
    ///
    /// In robust mode, a section whose objects a limit leaves over counts as a
    /// [stall](crate::bound) until they are reclaimed.
    ///
    /// Any eager handle reclaims what is left over when it collects or
    /// publishes, the latest objects first: if each period retires as many as the
    /// limits allow to reclaim, older ones wait until a call has no limit or finds
    /// fewer. While anything is left over by a call of this handle, each
    /// [`Guard::defer_retire`] on it publishes and reclaims up to the limit, so that
    /// it does not grow. Wait-free.
    ///
    /// ```
    /// use core::num::NonZeroU16;
    ///
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// handle.limit_reclaims(NonZeroU16::new(4));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    ///
    /// [`Guard::defer_retire`]: crate::Guard::defer_retire
    pub fn limit_reclaims(&self, reclaimers: Option<NonZeroU16>)
    where
        R: Reclaims,
    {
        if !self.is_evicted() {
            self.local.slot.limit.set(reclaimers);
        }
    }
}

impl<S: Scheme, R: Role> Drop for Handle<'_, S, R> {
    fn drop(&mut self) {
        let local = self.local;
        if self.is_evicted() {
            return;
        }
        local.release_as::<R>();
    }
}

impl<S: Scheme, R: Role> fmt::Debug for Handle<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("slot", &self.slot())
            .finish_non_exhaustive()
    }
}
