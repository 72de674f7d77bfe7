//! A claimed slot.

use core::{fmt, marker::PhantomData, num::NonZeroU16};

use crate::{
    AsLink, Basic, Eager, Erased, Guard, HandleId, Link, Linked, Reclaimer, Role, Scheme,
    raw::Local, sync::Cell,
};

/// A claimed slot: what a task, an interrupt or a CPU uses a collector through.
///
/// A handle can be sent to another thread, but not shared between threads:
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// let collector = hyaline::Collector::<1>::new();
/// share(collector.register().unwrap());
/// ```
///
/// Dropping it releases the slot; what it retired and is still waiting is
/// taken over by the others. A forgotten handle keeps its slot, and nothing
/// else goes wrong.
///
/// Unless said otherwise its methods are lock-free, need a constant amount of
/// stack and may be called in a task and in an interrupt that has a handle of
/// its own.
#[repr(C)] // whatever the role, see `as_eager`
pub struct Handle<'c, S: Scheme = Basic, R: Role = Eager> {
    local: Local<'c, S>,
    /// The slot's owner that this handle is, see `raw::owner`.
    owner: usize,
    /// Not `Sync`: the slot's owner is one thread at a time.
    not_sync: PhantomData<(R, Cell<()>)>,
}

// SAFETY: the slot's fields are not bound to a thread, and the handle is its
// only user.
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

    /// The number of the slot, below the collector's capacity.
    ///
    /// ```
    /// let collector = hyaline::Collector::<2>::new();
    /// assert_eq!(collector.register()?.slot(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn slot(&self) -> usize {
        self.local.index()
    }

    /// Names this handle for good: what
    /// [`Collector::evict`](crate::CollectorView::evict) needs, kept where a
    /// supervisor finds it.
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

    /// Whether the slot was taken from this handle by
    /// [`Collector::evict`](crate::CollectorView::evict). Such a handle is inert.
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

    /// Opens a section: pointers loaded through the guard stay valid until it
    /// is dropped.
    ///
    /// Wait-free: two plain stores and a
    /// [light barrier](crate::guide::glossary#light-barrier) in all, with the
    /// drop. Guards nest, and may be dropped in any order; the section lasts
    /// until the last is dropped.
    ///
    /// # Panics
    ///
    /// If more guards were forgotten than a word can count. In debug builds
    /// if the handle was evicted, which is misuse of `evict`.
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
        debug_assert!(
            !self.is_evicted(),
            "the slot of this handle was evicted; register again"
        );
        self.local.enter::<R>();
        Guard::new(self.local)
    }

    /// Closes a section whose guard was forgotten: what the drop of a guard
    /// does. For code that enters at one place and leaves at another, as C
    /// does.
    ///
    /// # Safety
    ///
    /// A guard of this handle was forgotten in this context, and the section is
    /// not closed for it in any other way. Pointers that were loaded through it
    /// are not used any more.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// core::mem::forget(handle.enter());
    /// // SAFETY: the guard was forgotten just now.
    /// unsafe { handle.leave_unchecked() };
    /// assert_eq!(collector.slots().next().unwrap().guards, 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub unsafe fn leave_unchecked(&self) {
        self.local.leave_in_place::<R>();
    }

    /// The guard of a section that is open, and whose own guard was forgotten:
    /// for code that does not keep it, as C does not.
    ///
    /// Wait-free; no access to memory.
    ///
    /// # Safety
    ///
    /// A guard of this handle was forgotten in this context, and what is made
    /// here takes its place: of the two, and of all that are made here for it,
    /// one is dropped, if [`leave_unchecked`](Self::leave_unchecked) is not
    /// called for it. Pointers that were loaded through it are not used any
    /// more then.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// core::mem::forget(handle.enter());
    /// // SAFETY: the guard was forgotten just now.
    /// drop(unsafe { handle.make_guard_unchecked() });
    /// assert_eq!(collector.slots().next().unwrap().guards, 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    #[must_use]
    pub unsafe fn make_guard_unchecked(&self) -> Guard<'_, S, R> {
        Guard::new(self.local)
    }

    /// The handle, with a role that is known at run time.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?.erase();
    /// drop(handle.enter());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn erase(self) -> Handle<'c, S, Erased> {
        let this = core::mem::ManuallyDrop::new(self);
        Handle {
            local: this.local,
            owner: this.owner,
            not_sync: PhantomData,
        }
    }

    /// A header with the birth era of now, for an object with a header of its
    /// own. Constant time.
    ///
    /// The object is to be shared with users of the same collector only.
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

    /// Gives a value its header, with the birth era of now.
    ///
    /// In robust mode a section that uses the object after others could find it
    /// must protect it first: [`Guard::protect_own`].
    ///
    /// The object is to be shared with users of the same collector only.
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
    #[inline]
    pub fn link<T>(&self, value: T) -> Linked<T> {
        let linked = Linked::new(value);
        self.local.stamp::<R>(&linked.link);
        linked
    }

    /// Retires an object: `reclaim` is called when no other handle can hold a
    /// pointer to it; at once if none has an open guard.
    ///
    /// Guards of this handle do not count, unless the section of another slot
    /// holds the object first: it may then wait for them, too. Use
    /// [`Guard::defer_retire`] if one may still use the object. May run
    /// reclaimers. Costs a
    /// [heavy barrier](crate::guide::glossary#heavy-barrier) and a look at each
    /// slot.
    ///
    /// # Safety
    ///
    /// - `ptr` is valid, and no section that is entered from now on can find
    ///   it: it was unlinked from every shared place, and those who could
    ///   find it use this collector.
    /// - It is retired once, and this thread does not use it any more.
    /// - `reclaim` is sound to be called with it, once, on any thread that
    ///   uses the collector or drops it, then or at any later time.
    /// - In robust mode it was made by [`link`](Self::link), with a
    ///   [`stamp`](Self::stamp), or by a pool, with a handle of this collector,
    ///   or has a [`Link::new`]; it is reached only through [`Guard::protect`]
    ///   and its siblings; and no pointer in it is followed once it is
    ///   unlinked, not even through `protect`: what it leads to may have been
    ///   unlinked and reclaimed since, and its pointer does not tell.
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
    pub unsafe fn retire<T: AsLink + ?Sized>(&self, ptr: *mut T, reclaim: Reclaimer) {
        let link = ptr.cast::<Link>();
        // SAFETY: the caller's; `AsLink` makes the cast right.
        unsafe {
            if self.is_evicted() {
                self.local
                    .global()
                    .retire_evicted(self.local.slot, link, reclaim);
            } else if self.local.slot.reclaims::<R>() {
                self.local.retire_now(link, reclaim, false);
            } else {
                self.local.retire::<R>(link, reclaim, false);
            }
        }
    }

    /// Publishes what was retired, by all handles, and reclaims what can be
    /// reclaimed. Returns how many objects it reclaimed: on an eager handle
    /// this is [`collect`](Handle::collect).
    ///
    /// On a deferred or per-CPU handle it does nothing, and returns 0: what
    /// such a handle retired lies where the others find it.
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
        if !self.local.slot.reclaims::<R>() || self.is_evicted() {
            return 0;
        }
        self.local.collect_limited()
    }
}

impl<'c, S: Scheme> Handle<'c, S, Erased> {
    /// The handle, if it is an eager one and was not evicted.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?.erase();
    /// assert_eq!(handle.as_eager().unwrap().collect(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn as_eager(&self) -> Option<&Handle<'c, S>> {
        if self.is_evicted() || !self.local.slot.reclaims::<Erased>() {
            return None;
        }
        // SAFETY: `repr(C)`, and the role is in no field; the slot says that
        // the handle was registered as an eager one.
        Some(unsafe { &*core::ptr::from_ref(self).cast() })
    }
}

impl<S: Scheme> Handle<'_, S> {
    /// Publishes what was retired, by all handles, and reclaims what no open
    /// section can hold. Returns how many objects it reclaimed.
    ///
    /// It does not matter who retired them: a handle that sleeps, was dropped
    /// or forgotten, an evicted one, a deferred one, one with a limit. Only
    /// what another call has in its hands is left out.
    ///
    /// Costs the heavy barrier and a look at each slot. Called inside a
    /// reclaimer it reclaims nothing and returns 0.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert_eq!(handle.collect(), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn collect(&self) -> usize {
        if self.is_evicted() {
            return 0;
        }
        self.local.collect_limited()
    }

    /// [`collect`](Self::collect), but runs at most so many reclaimers. What is
    /// left over anyone reclaims who has no limit, or the next call here.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert_eq!(handle.collect_at_most(10), 0);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn collect_at_most(&self, reclaimers: usize) -> usize {
        if self.is_evicted() {
            return 0;
        }
        self.local.collect(reclaimers)
    }

    /// Sets how many reclaimers a single call on this handle may run, from the
    /// drop of a guard to `flush`; `None`, as at the start, is any number.
    /// Dropping the handle is not limited.
    ///
    /// What is left over anyone reclaims who collects or publishes. While
    /// there is something left over, each [`Guard::defer_retire`] on this
    /// handle publishes and reclaims up to the limit, so it does not grow.
    ///
    /// ```
    /// use core::num::NonZeroU16;
    ///
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// handle.limit_reclaims(NonZeroU16::new(4));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn limit_reclaims(&self, reclaimers: Option<NonZeroU16>) {
        let limit = reclaimers.map_or(0, NonZeroU16::get);
        if !self.is_evicted() {
            self.local.slot.limit.set(limit);
        }
    }
}

impl<S: Scheme, R: Role> Drop for Handle<'_, S, R> {
    fn drop(&mut self) {
        let local = self.local;
        if self.is_evicted() {
            return;
        }
        if local.slot.reclaims::<R>() {
            local.release();
        } else {
            local.release_passive();
        }
    }
}

impl<S: Scheme, R: Role> fmt::Debug for Handle<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("slot", &self.slot())
            .finish_non_exhaustive()
    }
}
