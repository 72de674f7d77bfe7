//! A place that leads to an object.

mod tags;

use core::{fmt, marker::PhantomData, ptr};

use super::{
    Domain, Guard, Origin, Owned, Pointer, Shared, SharedPool, domain::Brand, tag::untagged,
};
use crate::{
    Linked, Role,
    sync::{AtomicPtr, Ordering, const_fn},
};

/// A pointer to an object, or null, that can be loaded and changed by several
/// threads: what linked structures are made of.
///
/// Loads acquire, and changes also release: a weaker ordering could show an
/// object before its contents, which would be unsound. The
/// [raw layer](crate::Guard::protect) has other orderings.
///
/// All methods may be called in any context. `load`, `swap` and
/// `compare_exchange` are wait-free in basic mode, and lock-free in robust mode,
/// where they repeat if the era changes meanwhile.
///
/// Dropping an `Atomic` leaks the object it leads to, as others may have it
/// too. See [`into_owned`](Self::into_owned).
///
/// ```
/// use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned, Shared}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static POOL: Pool<&str, 8> = Pool::new();
/// static GREETING: Atomic<&str, App> = Atomic::null();
///
/// let handle = App::register()?;
/// let hello = Owned::new(&POOL, &handle, "hello").expect("there is room");
/// let guard = handle.enter();
/// assert!(GREETING.compare_exchange(Shared::null(), hello, &guard).is_ok());
/// assert_eq!(GREETING.load(&guard).as_ref(), Some(&"hello"));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub struct Atomic<T, D: Domain, P: Origin = SharedPool> {
    /// Null, or an object that was an `Owned<T, D, P>`, and is not retired; with
    /// a tag.
    pointer: AtomicPtr<Linked<T>>,
    of: PhantomData<(T, Brand<D>, P)>,
}

// SAFETY: it gives `&T` to several threads, and `T` to any of them.
unsafe impl<T: Send + Sync, D: Domain, P: Origin> Send for Atomic<T, D, P> {}
// SAFETY: a `&Atomic` gives `&T` and, by a swap, `T` to any thread.
unsafe impl<T: Send + Sync, D: Domain, P: Origin> Sync for Atomic<T, D, P> {}

impl<T, D: Domain, P: Origin> Atomic<T, D, P> {
    const_fn! {
        /// Leads to nothing.
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::{Atomic, Domain}};
        ///
        /// domain!(App: Collector<2> = Collector::new());
        /// static PLACE: Atomic<u32, App> = Atomic::null();
        /// assert!(PLACE.load(&App::register()?.enter()).is_null());
        /// # Ok::<(), hyaline::SlotsExhausted>(())
        /// ```
        #[must_use]
        pub const fn null() -> Self {
            Self {
                pointer: AtomicPtr::new(ptr::null_mut()),
                of: PhantomData,
            }
        }
    }

    /// Leads to an object.
    ///
    /// ```
    /// # use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static POOL: Pool<u32, 1> = Pool::new();
    /// # let handle = App::register()?;
    /// let place = Atomic::new(Owned::<_, App>::new(&POOL, &handle, 7).unwrap());
    /// assert_eq!(place.load(&handle.enter()).as_ref(), Some(&7));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn new(object: Owned<T, D, P>) -> Self {
        Self {
            pointer: AtomicPtr::new(object.into_raw()),
            of: PhantomData,
        }
    }

    /// Loads the pointer.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Atomic, Domain}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// static PLACE: Atomic<u32, App> = Atomic::null();
    /// let handle = App::register()?;
    /// assert!(PLACE.load(&handle.enter()).is_null());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn load<'g, R: Role>(&self, guard: &'g Guard<'_, D, R>) -> Shared<'g, T, D, P> {
        // Acquire: pairs with the Release of the exchanges below; without it
        // the object's contents might not be there yet.
        let object = guard.protect(&self.pointer, Ordering::Acquire);
        // SAFETY: protected by a guard of the collector to which such objects
        // are retired.
        unsafe { Shared::from_object(object) }
    }

    /// Loads the pointer without a guard: while a lock, or an exclusive borrow,
    /// keeps the object. Wait-free, any context.
    ///
    /// # Safety
    ///
    /// For as long as the result, a copy of it, or a reference from it is used the
    /// object is neither freed, retired nor borrowed exclusively, by this context or
    /// another.
    ///
    /// ```
    /// # use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static POOL: Pool<u32, 1> = Pool::new();
    /// # let handle = App::register()?;
    /// let place = Atomic::new(Owned::<_, App>::new(&POOL, &handle, 7).unwrap());
    /// // SAFETY: nobody else has the place.
    /// assert_eq!(unsafe { place.load_unguarded() }.as_ref(), Some(&7));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub unsafe fn load_unguarded<'g>(&self) -> Shared<'g, T, D, P> {
        // Acquire: as in `load`; a caller need not be ordered after the
        // stores to this pointer.
        let object = self.pointer.load(Ordering::Acquire);
        // SAFETY: neither freed nor retired while it is used (fn contract).
        unsafe { Shared::from_object(object) }
    }

    /// Puts another pointer, and returns the old one.
    ///
    /// ```
    /// # use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static POOL: Pool<u32, 1> = Pool::new();
    /// # static PLACE: Atomic<u32, App> = Atomic::null();
    /// # let handle = App::register()?;
    /// let seven = Owned::new(&POOL, &handle, 7).unwrap();
    /// assert!(PLACE.swap(seven, &handle.enter()).is_null());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn swap<'g, N: Pointer<T, D, P>, R: Role>(
        &self,
        new: N,
        guard: &'g Guard<'_, D, R>,
    ) -> Shared<'g, T, D, P> {
        // AcqRel. Release: pairs with the Acquire in `load`. Acquire: we may
        // look at the old object.
        let old = guard.swap(&self.pointer, new.into_raw(), Ordering::AcqRel);
        // SAFETY: protected by a guard of the collector to which such objects are
        // retired.
        unsafe { Shared::from_object(old) }
    }

    /// Puts another pointer if this one is `current`, which it returns.
    ///
    /// # Errors
    ///
    /// [`Changed`], with the pointer found and with `new`, if it is not.
    ///
    /// ```
    /// use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned, Shared}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static POOL: Pool<u32, 2> = Pool::new();
    /// static PLACE: Atomic<u32, App> = Atomic::null();
    ///
    /// let handle = App::register()?;
    /// let seven = Owned::new(&POOL, &handle, 7).unwrap();
    /// let guard = handle.enter();
    /// assert!(PLACE.compare_exchange(Shared::null(), seven, &guard).is_ok());
    /// let eight = Owned::new(&POOL, &handle, 8).unwrap();
    /// let refused = PLACE.compare_exchange(Shared::null(), eight, &guard).unwrap_err();
    /// assert_eq!(refused.current.as_ref(), Some(&7));
    /// assert_eq!(*refused.new, 8);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    #[allow(clippy::type_complexity)] // an alias would say less
    pub fn compare_exchange<'g, N: Pointer<T, D, P>, R: Role>(
        &self,
        current: Shared<'g, T, D, P>,
        new: N,
        guard: &'g Guard<'_, D, R>,
    ) -> Result<Shared<'g, T, D, P>, Changed<'g, T, D, N, P>> {
        let new = new.into_raw();
        // AcqRel and Acquire: as in `swap` and `load`.
        let result = guard.compare_exchange(
            &self.pointer,
            current.as_tagged(),
            new,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match result {
            // SAFETY: protected, as `current` was.
            Ok(old) => Ok(unsafe { Shared::from_object(old) }),
            Err(found) => Err(Changed {
                // SAFETY: protected by a guard of the collector to which such objects
                // are retired.
                current: unsafe { Shared::from_object(found) },
                // SAFETY: it was not published.
                new: unsafe { N::from_raw(new) },
            }),
        }
    }

    /// The object, or `None` for null.
    ///
    /// # Safety
    ///
    /// As of [`Shared::into_owned`]: the object is not retired, and no context, this
    /// one included, can find it or uses another pointer or reference to it again.
    ///
    /// ```
    /// # use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static POOL: Pool<u32, 1> = Pool::new();
    /// # let handle = App::register()?;
    /// let place = Atomic::new(Owned::<_, App>::new(&POOL, &handle, 7).unwrap());
    /// // SAFETY: nobody ever saw it.
    /// let seven = unsafe { place.into_owned() };
    /// assert_eq!(seven.as_deref(), Some(&7));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub unsafe fn into_owned(self) -> Option<Owned<T, D, P>> {
        // Relaxed: we own the place, which orders us after all earlier
        // accesses.
        let object = untagged(self.pointer.load(Ordering::Relaxed));
        // SAFETY: not retired, and used by nobody else (fn contract).
        (!object.is_null()).then(|| unsafe { Owned::from_object(object) })
    }
}

/// Leads to the same object: for a copy of a node whose successor stays the
/// same.
///
/// ```
/// # use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned}};
/// # domain!(App: Collector<2> = Collector::new());
/// # static POOL: Pool<u32, 1> = Pool::new();
/// # let handle = App::register()?;
/// let place = Atomic::new(Owned::<_, App>::new(&POOL, &handle, 7).unwrap());
/// let guard = handle.enter();
/// let copy = Atomic::from(place.load(&guard));
/// assert_eq!(copy.load(&guard), place.load(&guard));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
impl<T, D: Domain, P: Origin> From<Shared<'_, T, D, P>> for Atomic<T, D, P> {
    fn from(object: Shared<'_, T, D, P>) -> Self {
        Self {
            pointer: AtomicPtr::new(object.as_tagged()),
            of: PhantomData,
        }
    }
}

impl<T, D: Domain, P: Origin> Default for Atomic<T, D, P> {
    fn default() -> Self {
        Self::null()
    }
}

impl<T, D: Domain, P: Origin> fmt::Debug for Atomic<T, D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Atomic").finish_non_exhaustive()
    }
}

/// An [`Atomic`] did not have the pointer that was expected.
///
/// ```
/// use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned, Shared}};
///
/// domain!(App: Collector<2> = Collector::new());
/// static POOL: Pool<u32, 2> = Pool::new();
/// static PLACE: Atomic<u32, App> = Atomic::null();
///
/// let handle = App::register()?;
/// let guard = handle.enter();
/// PLACE.swap(Owned::new(&POOL, &handle, 7).unwrap(), &guard);
/// let eight = Owned::new(&POOL, &handle, 8).unwrap();
/// let changed = PLACE.compare_exchange(Shared::null(), eight, &guard).unwrap_err();
/// assert_eq!(changed.current.as_ref(), Some(&7));
/// assert_eq!(*changed.new, 8); // not lost
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub struct Changed<'g, T, D: Domain, N, P: Origin = SharedPool> {
    /// The pointer that it has.
    pub current: Shared<'g, T, D, P>,
    /// The pointer that was to be put.
    pub new: N,
}

impl<T, D: Domain, N, P: Origin> fmt::Debug for Changed<'_, T, D, N, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed").finish_non_exhaustive()
    }
}

impl<T, D: Domain, N, P: Origin> fmt::Display for Changed<'_, T, D, N, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pointer is not the expected one; look at the current one and try again")
    }
}

impl<T, D: Domain, N, P: Origin> core::error::Error for Changed<'_, T, D, N, P> {}

impl<D: Domain, R: Role> Guard<'_, D, R> {
    /// Retires an object that is unlinked. Its value is dropped and its memory
    /// goes back where it came from when no section can hold it, and not before
    /// this guard is dropped. Null is ignored.
    ///
    /// Lock-free; costs and contexts as
    /// [`Guard::defer_retire`](crate::Guard::defer_retire).
    ///
    /// # Safety
    ///
    /// - No [`Atomic`](super::Atomic) that a section entered from now on can
    ///   find leads to the object, and nobody stores it into one again.
    /// - In robust mode a reader may stand on an object that was retired before, and
    ///   follow an `Atomic` in it to this one without protection. So one of these
    ///   holds:
    ///   - no `Atomic` leads to the object, not even one in an object that was
    ///     retired before;
    ///   - those that lead to it are in objects that do not change after they are
    ///     published, such as nodes of a tree that are copied and never written to.
    ///     They are younger, and a section that holds the younger object also
    ///     protects the older one;
    ///   - readers check each step: they use what they loaded from an object only
    ///     after they have shown that the object was linked then, as the list of
    ///     [`fetch_or`](super::Atomic::fetch_or) does.
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
    pub unsafe fn retire<T: Send + 'static, P: Origin>(&self, object: Shared<'_, T, D, P>) {
        let object = object.as_raw();
        if !object.is_null() {
            // SAFETY: unlinked and retired once (fn contract). It came from an
            // `Owned`, so it was made with a handle of this collector, is from
            // this storage, in a static if that is a pool, and may be dropped on
            // any thread.
            unsafe { P::retire(self, object) };
        }
    }
}
