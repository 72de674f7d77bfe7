//! The intrusive header of every object that can be retired.

use core::{
    fmt,
    mem::offset_of,
    ops::{Deref, DerefMut},
    ptr,
};

use crate::{
    notes::Notes,
    sync::{Access, Cell, const_fn},
};

/// A function that reclaims a retired object: frees it, drops it, or returns it
/// to its pool.
///
/// It is called once for each retired object, when no section can hold a
/// pointer to it any more, by the handle that finds that out. It may use the
/// collector, through a handle that it obtains by itself; what it retires is
/// queued, so reclaimers do not nest.
///
/// # Panics
///
/// On a host a reclaimer may panic. Its own object is then leaked, and nothing
/// else. As in any destructor, a panic during unwinding aborts the process: the
/// drops of guards, handles and collectors run reclaimers, also when a panic drops
/// them, and a collector reclaims all the rest. A program with several reclaimers
/// that panic keeps its handles outside of the `catch_unwind`.
///
/// ```
/// use hyaline::{Link, Reclaimer};
///
/// /// For objects in static memory that need no cleaning up.
/// unsafe fn nothing(_: *mut Link) {}
/// const NOTHING: Reclaimer = nothing;
/// ```
pub type Reclaimer = unsafe fn(*mut Link);

/// The header: four words at the start of every object that can be retired.
///
/// The meaning of the words depends on the state of the object:
///
/// | word | live | retired | waiting at a slot | being reclaimed |
/// |---|---|---|---|---|
/// | `next` | | next in its list | next in its list | the reclaiming slot's magazine |
/// | `notes` (two words), basic | | | first of a chain: the section it waits for, and its last object | |
/// | `notes` (two words), robust | birth era | birth era | birth era and era of retirement | |
/// | `reclaim` | | reclaimer | reclaimer | |
///
/// All zeros is a valid header of an object that was never retired and has no
/// birth era.
/// Memory that is used again may keep the header of the object that was there. In
/// robust mode that object then counts as older than it is, which is safe, but not
/// covered by the [bound](crate::bound).
///
/// ```
/// assert_eq!(size_of::<hyaline::Link>(), 4 * size_of::<usize>());
/// ```
#[repr(C)]
pub struct Link {
    next: Cell<*mut Link>,
    pub(crate) notes: Notes,
    reclaim: Cell<Option<Reclaimer>>,
    /// Accesses that loom checks.
    access: Access,
}

// SAFETY: the fields are private. In each state of the object one thread owns
// its header (module `raw`, 6), and ownership passes by Release and Acquire. A
// live object's header is not accessed through shared references.
unsafe impl Send for Link {}
// SAFETY: only the thread that owns the header accesses the fields.
unsafe impl Sync for Link {}

#[cfg(not(hyaline_loom))]
const _: () = assert!(size_of::<Link>() == 4 * size_of::<usize>());

impl Link {
    const_fn! {
        /// A header without a birth era.
        ///
        /// In robust mode the object counts as older than every section, so a
        /// stalled section holds it even if the section cannot have seen it:
        /// safe, but not covered by the [bound](crate::bound). Use
        /// [`Handle::link`](crate::Handle::link) or
        /// [`Handle::stamp`](crate::Handle::stamp) for a stamped one.
        ///
        /// ```
        /// static LINK: hyaline::Link = hyaline::Link::new();
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            Self {
                next: Cell::new(ptr::null_mut()),
                notes: Notes::new(),
                reclaim: Cell::new(None),
                access: Access::new(),
            }
        }
    }

    /// The object that this header belongs to. A reclaimer calls it first.
    ///
    /// Nothing is accessed; the result is as valid as the pointer.
    ///
    /// ```
    /// use hyaline::{Link, Linked};
    ///
    /// unsafe fn print(link: *mut Link) {
    ///     let object = Link::cast::<Linked<u32>>(link);
    ///     // SAFETY: it is a reclaimer for `Linked<u32>`.
    ///     println!("{}", unsafe { **object });
    /// }
    /// # let _: hyaline::Reclaimer = print;
    /// ```
    #[must_use]
    pub const fn cast<T: AsLink>(link: *mut Link) -> *mut T {
        link.cast()
    }
}

impl Link {
    /// The next object in its list.
    #[inline(always)]
    pub(crate) fn next(&self) -> *mut Link {
        self.next.get()
    }

    #[inline(always)]
    pub(crate) fn set_next(&self, next: *mut Link) {
        self.next.set(next);
    }

    /// The next object, which is then in no list with this one.
    #[inline(always)]
    pub(crate) fn take_next(&self) -> *mut Link {
        self.next.replace(ptr::null_mut())
    }

    /// Notes how the object will be reclaimed. If `plain`, `reclaim` runs no user
    /// code.
    #[inline(always)]
    pub(crate) fn retire(&self, reclaim: Reclaimer, plain: bool) {
        self.notes.retire(plain);
        self.reclaim.set(Some(reclaim));
    }

    /// In a model, an access that conflicts with the reclaimer's.
    #[inline(always)]
    pub(crate) fn is_read(&self) {
        self.access.read();
    }

    /// What `retire` has noted. In a model, an access that conflicts with those of
    /// readers.
    #[inline(always)]
    pub(crate) fn reclaimer(&self) -> Option<Reclaimer> {
        self.access.write();
        self.reclaim.get()
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

/// Types that begin with a [`Link`].
///
/// # Safety
///
/// A pointer to `Self`, cast to `*mut Link`, must point to a valid `Link`: the
/// type is `#[repr(C)]` and its first field is a `Link` or a type that is
/// `AsLink` itself. Only the collector may access the link after the object was
/// shared.
///
/// # Examples
///
/// ```
/// use hyaline::{AsLink, Link};
///
/// #[repr(C)]
/// struct Route {
///     link: Link,
///     port: u16,
/// }
///
/// // SAFETY: `repr(C)`, and the link comes first.
/// unsafe impl AsLink for Route {}
/// ```
///
/// An unsized type; the reclaimer reads the length from the object:
///
/// ```
/// # extern crate alloc; use std::alloc::{Layout, alloc, dealloc};
/// use core::ptr;
/// use hyaline::{AsLink, Collector, Link};
///
/// #[repr(C)]
/// struct Packet<B: ?Sized = [u8]> {
///     link: Link,
///     len: usize,
///     bytes: B,
/// }
///
/// // SAFETY: `repr(C)`, and the link comes first.
/// unsafe impl AsLink for Packet {}
///
/// unsafe fn reclaim(link: *mut Link) {
///     // SAFETY: only packets made below are retired with this reclaimer.
///     unsafe {
///         let len = (*link.cast::<Packet<[u8; 0]>>()).len;
///         let packet = ptr::slice_from_raw_parts_mut(link.cast::<u8>(), len) as *mut Packet;
///         drop(Box::from_raw(packet));
///     }
/// }
///
/// let collector = Collector::<1>::new();
/// let handle = collector.register()?;
/// let packet: Box<Packet> = Box::new(Packet { link: Link::new(), len: 3, bytes: *b"abc" });
/// // SAFETY: the packet was never shared, and `reclaim` is its reclaimer.
/// unsafe { handle.retire(Box::into_raw(packet), reclaim) };
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub unsafe trait AsLink {}

// SAFETY: "a pointer to `Self`, cast to `*mut Link`" is the same pointer.
unsafe impl AsLink for Link {}

/// A value with its header. Returned by [`Handle::link`](crate::Handle::link) and
/// [`Pool::alloc`](crate::Pool::alloc); dereferences to the value.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let mut seven = collector.register()?.link(7);
/// *seven += 1;
/// assert_eq!(*seven, 8);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
///
/// Through a raw pointer write `(&**p).field`, or use `p.as_ref()`: `(**p).field`
/// makes the reference implicitly, which the compiler may refuse
/// (`dangerous_implicit_autorefs`).
#[repr(C)]
#[derive(Debug)]
pub struct Linked<T> {
    pub(crate) link: Link,
    pub(crate) value: T,
}

// SAFETY: `repr(C)`, and the link comes first.
unsafe impl<T> AsLink for Linked<T> {}

impl<T> Linked<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            link: Link::new(),
            value,
        }
    }

    /// The pointer to an object's value, for code that knows the value alone: a
    /// C function, a DMA descriptor. Null for null. Nothing is accessed; the
    /// result is as valid as the object, and as protected.
    ///
    /// ```
    /// use hyaline::{Collector, Linked, Pool};
    ///
    /// static BUFFERS: Pool<[u8; 64], 4> = Pool::new();
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// let buffer = BUFFERS.alloc(&handle, [0; 64]).unwrap();
    /// let bytes: *mut [u8; 64] = Linked::value_ptr(buffer); // given to a driver
    /// // ... which gives it back:
    /// let buffer = Linked::from_value_ptr(bytes);
    /// // SAFETY: from this pool; no driver has it any more.
    /// unsafe { BUFFERS.free(buffer) };
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub const fn value_ptr(object: *mut Self) -> *mut T {
        if object.is_null() {
            return ptr::null_mut();
        }
        // Not a place expression, so that a pointer that dangles may be passed.
        object.wrapping_byte_add(offset_of!(Self, value)).cast()
    }

    /// The object with this value: the inverse of
    /// [`value_ptr`](Self::value_ptr). Null for null. Nothing is accessed.
    ///
    /// The pointer must come from `value_ptr`, or the result must not be used. A
    /// pointer that was made of a reference to the value, as `&raw mut *value`,
    /// does not reach the header.
    ///
    /// ```
    /// use core::ptr;
    /// use hyaline::Linked;
    ///
    /// let mut object = hyaline::Collector::<1>::new().register()?.link(7);
    /// let value = Linked::value_ptr(&raw mut object);
    /// assert_eq!(Linked::from_value_ptr(value), &raw mut object);
    /// assert!(Linked::from_value_ptr(ptr::null_mut::<u32>()).is_null());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[must_use]
    pub const fn from_value_ptr(value: *mut T) -> *mut Self {
        if value.is_null() {
            return ptr::null_mut();
        }
        value.wrapping_byte_sub(offset_of!(Self, value)).cast()
    }

    /// The value, for an object that was never shared.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// assert_eq!(collector.register()?.link(7).into_inner(), 7);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Linked<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Linked<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
