//! Pointers to objects: owned ones, and shared ones that a guard protects.

use core::{
    fmt,
    marker::PhantomData,
    mem,
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
};

use super::{
    Domain, Guard, Handle, Origin, SharedPool, domain::Brand, node::VacantBlock, tag::untagged,
};
#[cfg(feature = "alloc")]
use super::{Full, Heap};
use crate::{
    Linked, Pool, PoolExhausted, Role,
    sync::{AtomicPtr, Ordering},
};

/// An object in a pool or on the heap, with a single owner. Dereferences to its
/// value.
///
/// Its drop drops the value and gives the memory back: lock-free, in any context
/// in which the value may be dropped (and, from the heap, the allocator be
/// called).
///
/// ```
/// use hyaline::{Collector, Pool, domain, safe::{Domain, Owned}};
///
/// domain!(App: Collector<2> = Collector::new());
/// static POOL: Pool<u32, 4> = Pool::new();
///
/// let handle = App::register()?;
/// let mut seven: Owned<u32, App> = Owned::new(&POOL, &handle, 7).unwrap();
/// *seven += 1;
/// assert_eq!(*seven, 8);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub struct Owned<T, D: Domain, P: Origin = SharedPool> {
    /// Valid, from storage `P`, in a static if that is a pool, made with a handle
    /// of `D`, and with no other owner.
    object: NonNull<Linked<T>>,
    of: PhantomData<(T, Brand<D>, P)>,
}

// SAFETY: it is the value's only owner, on any thread.
unsafe impl<T: Send, D: Domain, P: Origin> Send for Owned<T, D, P> {}
// SAFETY: a shared one gives out `&T`.
unsafe impl<T: Sync, D: Domain, P: Origin> Sync for Owned<T, D, P> {}

impl<T, D: Domain> Owned<T, D> {
    /// Puts a value into a pool. Costs and contexts as
    /// [`Pool::alloc`](crate::Pool::alloc): lock-free, and an exhausted
    /// pool flushes the handle, which may run reclaimers.
    ///
    /// # Errors
    ///
    /// [`PoolExhausted`], with the value.
    ///
    /// ```
    /// use hyaline::{Collector, Pool, domain, safe::{Domain, Owned}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static POOL: Pool<u32, 1> = Pool::new();
    ///
    /// let handle = App::register()?;
    /// let seven: Owned<u32, App> = Owned::new(&POOL, &handle, 7).unwrap();
    /// assert_eq!(*seven, 7);
    /// assert!(Owned::new(&POOL, &handle, 8).is_err());
    /// drop(seven);
    /// assert!(Owned::new(&POOL, &handle, 9).is_ok());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn new<const K: usize, R: Role>(
        pool: &'static Pool<T, K>,
        handle: &Handle<D, R>,
        value: T,
    ) -> Result<Self, PoolExhausted<T>>
    where
        T: Send,
    {
        let object = pool.alloc(handle, value)?;
        // SAFETY: `alloc` returns an object that is valid and ours.
        Ok(unsafe { Self::from_object(object) })
    }
}

#[cfg(feature = "alloc")]
impl<T, D: Domain> Owned<T, D, Heap> {
    /// Puts a value on the heap. Contexts: as the global allocator. If it has no
    /// memory, the handle is flushed, which may run reclaimers, and asks again.
    ///
    /// # Errors
    ///
    /// [`Full`], with the value, if there is still none.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Atomic, Domain, Heap, Owned}};
    ///
    /// domain!(App: Collector<2> = Collector::new());
    /// static PLACE: Atomic<String, App, Heap> = Atomic::null();
    ///
    /// let handle = App::register()?;
    /// let seven = Owned::in_heap(&handle, "seven".into())?;
    /// let guard = handle.enter();
    /// PLACE.swap(seven, &guard);
    /// assert_eq!(PLACE.load(&guard).as_ref().unwrap(), "seven");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_heap<R: Role>(handle: &Handle<D, R>, value: T) -> Result<Self, Full<T>>
    where
        T: Send,
    {
        let Some(blank) = VacantBlock::<mem::MaybeUninit<_>, Heap>::claim::<0, D, R>(&(), handle)
        else {
            return Err(Full(value));
        };
        // SAFETY: it is valid and ours, and made with this handle.
        Ok(unsafe { Self::from_object(blank.fill(value)) })
    }
}

impl<T, D: Domain, P: Origin> Owned<T, D, P> {
    /// # Safety
    ///
    /// As the field says.
    pub(super) unsafe fn from_object(object: *mut Linked<T>) -> Self {
        Self {
            // SAFETY: valid, so not null (fn contract).
            object: unsafe { NonNull::new_unchecked(object) },
            of: PhantomData,
        }
    }

    /// The object, without dropping it.
    pub(super) fn into_object(self) -> *mut Linked<T> {
        let object = self.object.as_ptr();
        mem::forget(self);
        object
    }

    /// The value. The memory goes back where it came from. Costs and contexts as
    /// [`Pool::free`](crate::Pool::free), or those of the global allocator.
    ///
    /// ```
    /// # use hyaline::{Collector, Pool, domain, safe::{Domain, Owned}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static POOL: Pool<u32, 1> = Pool::new();
    /// # let handle = App::register()?;
    /// let seven: Owned<u32, App> = Owned::new(&POOL, &handle, 7).unwrap();
    /// assert_eq!(seven.into_inner(), 7);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub fn into_inner(self) -> T {
        let object = self.into_object();
        // SAFETY: the object is ours (field), and not used again.
        unsafe {
            let _memory = VacantBlock::<T, P>::of(object);
            ptr::read(&raw const (*object).value)
        }
    }

    /// Makes it shared, protected by the guard. It leaks unless it is put into
    /// an [`Atomic`](super::Atomic) or retired. Wait-free in basic mode,
    /// lock-free in robust mode.
    ///
    /// ```
    /// # use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned, Shared}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static POOL: Pool<u32, 1> = Pool::new();
    /// # static PLACE: Atomic<u32, App> = Atomic::null();
    /// # let handle = App::register()?;
    /// let seven = Owned::new(&POOL, &handle, 7).unwrap();
    /// let guard = handle.enter();
    /// let seven = seven.into_shared(&guard);
    /// PLACE.swap(seven, &guard);
    /// assert_eq!(seven.as_ref(), Some(&7)); // whatever others do with it
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn into_shared<'g, R: Role>(self, guard: &'g Guard<'_, D, R>) -> Shared<'g, T, D, P> {
        // In robust mode it may be younger than the section's era, and others
        // may retire it once it is published, so `protect` extends the era.
        // Acquire: as a load of the section; nothing is stored here.
        let place = AtomicPtr::new(self.into_object());
        let object = guard.protect(&place, Ordering::Acquire);
        // SAFETY: valid, as the field says, and protected.
        unsafe { Shared::from_object(object) }
    }
}

impl<T, D: Domain, P: Origin> Deref for Owned<T, D, P> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: valid, and borrowed with its owner.
        unsafe { &(*self.object.as_ptr()).value }
    }
}

impl<T, D: Domain, P: Origin> DerefMut for Owned<T, D, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: valid, and borrowed exclusively with its owner.
        unsafe { &mut (*self.object.as_ptr()).value }
    }
}

impl<T, D: Domain, P: Origin> Drop for Owned<T, D, P> {
    fn drop(&mut self) {
        let object = self.object.as_ptr();
        // SAFETY: the object is ours and from this storage (field). The memory
        // goes back after the drop of the value, also if that panics.
        unsafe {
            let _memory = VacantBlock::<T, P>::of(object);
            ptr::drop_in_place(&raw mut (*object).value);
        }
    }
}

impl<T: fmt::Debug, D: Domain, P: Origin> fmt::Debug for Owned<T, D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owned").field(&**self).finish()
    }
}

/// A pointer to an object, or null, that a guard protects. `Copy`; two are
/// equal if they point to the same object and have the same [tag](Self::tag).
///
/// ```
/// use hyaline::{Collector, Pool, domain, safe::{Atomic, Domain, Owned}};
///
/// domain!(App: Collector<2> = Collector::new());
/// static POOL: Pool<u32, 4> = Pool::new();
/// static PLACE: Atomic<u32, App> = Atomic::null();
///
/// let handle = App::register()?;
/// let guard = handle.enter();
/// PLACE.swap(Owned::new(&POOL, &handle, 7).unwrap(), &guard);
/// let shared = PLACE.load(&guard);
/// assert_eq!(shared.as_ref(), Some(&7));
/// assert_eq!(shared, PLACE.load(&guard));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub struct Shared<'g, T, D: Domain, P: Origin = SharedPool> {
    /// Null, or an object that was an `Owned<T, D, P>` and is protected for
    /// `'g`; with a tag.
    object: *mut Linked<T>,
    of: PhantomData<(&'g T, Brand<D>, P)>,
}

impl<'g, T, D: Domain, P: Origin> Shared<'g, T, D, P> {
    /// The pointer to nothing.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Shared}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// assert!(Shared::<u32, App>::null().is_null());
    /// ```
    #[must_use]
    pub const fn null() -> Self {
        Self {
            object: ptr::null_mut(),
            of: PhantomData,
        }
    }

    /// Whether it points to nothing.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Atomic, Domain}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// static PLACE: Atomic<u32, App> = Atomic::null();
    /// assert!(PLACE.load(&App::register()?.enter()).is_null());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_null(self) -> bool {
        self.as_raw().is_null()
    }

    /// The value; `None` for null.
    ///
    /// This is safe because the caller of [`Guard::retire`] promises that the
    /// object cannot be found without protection.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Atomic, Domain}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// static PLACE: Atomic<u32, App> = Atomic::null();
    /// let handle = App::register()?;
    /// assert_eq!(PLACE.load(&handle.enter()).as_ref(), None);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn as_ref(self) -> Option<&'g T> {
        let object = self.as_raw();
        if object.is_null() {
            return None;
        }
        // SAFETY: valid and protected for 'g (field; first and second clause
        // of `Guard::retire`). A shared value is never borrowed mutably.
        Some(unsafe { &(*object).value })
    }

    /// The object, or `None` for null, as its one owner. Wait-free.
    ///
    /// # Safety
    ///
    /// The object is not retired, and no context, this one included, can find it or
    /// uses another pointer or reference to it again: it was not published yet, or a
    /// lock excluded all others.
    ///
    /// ```
    /// # use hyaline::{Collector, Pool, domain, safe::{Domain, Owned}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// # static POOL: Pool<u32, 1> = Pool::new();
    /// # let handle = App::register()?;
    /// let guard = handle.enter();
    /// let seven: Owned<_, App> = Owned::new(&POOL, &handle, 7).unwrap();
    /// let seven = seven.into_shared(&guard);
    /// // SAFETY: it was not published.
    /// let seven = unsafe { seven.into_owned() };
    /// assert_eq!(seven.as_deref(), Some(&7));
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub unsafe fn into_owned(self) -> Option<Owned<T, D, P>> {
        // SAFETY: no other pointer to it is used again (fn contract).
        (!self.is_null()).then(|| unsafe { Owned::from_object(self.as_raw()) })
    }

    /// The raw pointer, without its tag, for the collector's own interface.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Shared}};
    /// # domain!(App: Collector<2> = Collector::new());
    /// assert!(Shared::<u32, App>::null().as_raw().is_null());
    /// ```
    #[inline]
    #[must_use]
    pub fn as_raw(self) -> *mut Linked<T> {
        untagged(self.object)
    }

    /// The raw pointer with its tag.
    #[inline]
    pub(super) fn as_tagged(self) -> *mut Linked<T> {
        self.object
    }

    /// # Safety
    ///
    /// As the field says.
    #[inline]
    pub(super) unsafe fn from_object(object: *mut Linked<T>) -> Self {
        Self {
            object,
            of: PhantomData,
        }
    }
}

impl<T, D: Domain, P: Origin> Clone for Shared<'_, T, D, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, D: Domain, P: Origin> Copy for Shared<'_, T, D, P> {}

impl<T, D: Domain, P: Origin> PartialEq for Shared<'_, T, D, P> {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.object, other.object)
    }
}

impl<T, D: Domain, P: Origin> Eq for Shared<'_, T, D, P> {}

impl<T: fmt::Debug, D: Domain, P: Origin> fmt::Debug for Shared<'_, T, D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.as_ref()).finish()
    }
}

mod sealed {
    pub trait Sealed {}
}

impl<T, D: Domain, P: Origin> sealed::Sealed for Owned<T, D, P> {}
impl<T, D: Domain, P: Origin> sealed::Sealed for Shared<'_, T, D, P> {}

/// A pointer that an [`Atomic`](super::Atomic) can be set to: an [`Owned`] or a
/// [`Shared`].
///
/// ```
/// use hyaline::safe::{Atomic, Domain, Guard, Pointer};
///
/// /// Puts either.
/// fn put<T, D: Domain>(place: &Atomic<T, D>, new: impl Pointer<T, D>, guard: &Guard<'_, D>) {
///     place.swap(new, guard);
/// }
/// ```
pub trait Pointer<T, D: Domain, P: Origin = SharedPool>: sealed::Sealed {
    #[doc(hidden)]
    fn into_raw(self) -> *mut Linked<T>;
    /// # Safety
    ///
    /// `object` came from `into_raw` of the same type and lifetime, once, and was
    /// not used in another way.
    #[doc(hidden)]
    unsafe fn from_raw(object: *mut Linked<T>) -> Self;
}

impl<T, D: Domain, P: Origin> Pointer<T, D, P> for Owned<T, D, P> {
    fn into_raw(self) -> *mut Linked<T> {
        self.into_object()
    }

    unsafe fn from_raw(object: *mut Linked<T>) -> Self {
        // SAFETY: it came from `into_raw` of this type, once (fn contract).
        unsafe { Self::from_object(object) }
    }
}

impl<T, D: Domain, P: Origin> Pointer<T, D, P> for Shared<'_, T, D, P> {
    fn into_raw(self) -> *mut Linked<T> {
        self.object
    }

    unsafe fn from_raw(object: *mut Linked<T>) -> Self {
        // SAFETY: it came from `into_raw` of this type, once (fn contract).
        unsafe { Self::from_object(object) }
    }
}
