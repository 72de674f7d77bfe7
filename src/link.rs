//! The intrusive header of every object that can be retired.

use core::{
    fmt,
    ops::{Deref, DerefMut},
    ptr,
};

#[cfg(any(not(target_pointer_width = "64"), hyaline_narrow_era))]
use crate::sync::Ordering;
use crate::sync::{AtomicPtr, Cell, const_fn};

/// A function that takes a retired object back: frees it, drops it, returns it
/// to its pool.
///
/// It is called once for each retired object, when nobody can hold a pointer
/// to it any more, by whichever handle finds that out. It may use the
/// collector, through a handle that it finds by itself: what it retires is
/// queued, not nested. It may panic on a host: its own object is then leaked
/// and nothing else.
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
/// What the words mean depends on where the object is in its life:
///
/// | word | live | retired, in a batch | published | being reclaimed |
/// |---|---|---|---|---|
/// | `next` | birth era | birth era | next in an inbox | the reclaiming slot's cache |
/// | `refs` | birth era, upper half | birth era, upper half | the batch's counting object; there, the count | |
/// | `chain` | | next in the batch | next in the batch | |
/// | `reclaim` | | reclaimer | reclaimer | |
///
/// The upper half of the birth era exists on 32-bit targets only. `refs` is
/// always accessed atomically: the count lives in it.
#[repr(C)]
pub struct Link {
    pub(crate) next: Cell<*mut Link>,
    pub(crate) refs: AtomicPtr<Link>,
    pub(crate) chain: Cell<*mut Link>,
    pub(crate) reclaim: Cell<Reclaimer>,
}

// SAFETY: the fields are private and accessed by whoever owns the object in
// its current state, as the module `raw` lays down; a live object's header is
// not accessed through shared references.
unsafe impl Send for Link {}
// SAFETY: as above.
unsafe impl Sync for Link {}

#[cfg(not(hyaline_loom))]
const _: () = assert!(size_of::<Link>() == 4 * size_of::<usize>());

/// The reclaimer of an object that has not been retired.
///
/// # Safety
///
/// None: it does nothing.
unsafe fn not_retired(_: *mut Link) {}

impl Link {
    const_fn! {
        /// A header without a birth era: in robust mode the object counts as
        /// older than any reader, which is right and never skipped. Use
        /// [`Handle::link`](crate::Handle::link) for a stamped one.
        ///
        /// ```
        /// static LINK: hyaline::Link = hyaline::Link::new();
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            Self {
                next: Cell::new(ptr::null_mut()),
                refs: AtomicPtr::new(ptr::null_mut()),
                chain: Cell::new(ptr::null_mut()),
                reclaim: Cell::new(not_retired),
            }
        }
    }

    /// The object that this header belongs to: what a reclaimer does first.
    ///
    /// No access is made; using the result is as safe as the pointer is.
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

    /// Sets the birth era.
    pub(crate) fn set_birth(&self, birth: u64) {
        self.next.set(ptr::without_provenance_mut(birth as usize));
        #[cfg(any(not(target_pointer_width = "64"), hyaline_narrow_era))]
        // Relaxed: the object is ours alone until its owner publishes it.
        self.refs.store(
            ptr::without_provenance_mut((birth >> 32) as usize),
            Ordering::Relaxed,
        );
    }

    /// The birth era of an object that is not published yet.
    pub(crate) fn birth(&self) -> u64 {
        let low = self.next.get().addr() as u64;
        #[cfg(any(not(target_pointer_width = "64"), hyaline_narrow_era))]
        // Relaxed: as in `set_birth`.
        let low = low & 0xffff_ffff | (self.refs.load(Ordering::Relaxed).addr() as u64) << 32;
        low
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
/// `AsLink` itself. Nothing but the collector may touch the link after the
/// object was shared.
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
/// A type of no fixed size: the reclaimer finds the length in the object.
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

// SAFETY: it is one.
unsafe impl AsLink for Link {}

/// A value with its header. Made by [`Handle::link`](crate::Handle::link) and
/// [`Pool::alloc`](crate::Pool::alloc); dereferences to the value.
///
/// ```
/// let collector = hyaline::Collector::<1>::new();
/// let mut seven = collector.register()?.link(7);
/// *seven += 1;
/// assert_eq!(*seven, 8);
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
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
