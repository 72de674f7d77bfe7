//! Reclaimers: functions that dispose of an object that no section can hold.
//!
//! Any `unsafe fn(*mut Link)` is a [`Reclaimer`](crate::Reclaimer). These are
//! the common ones. Pass them to `retire`; do not call them.

use core::ptr;

use crate::{AsLink, Link};

pub use crate::pool::pooled;

/// Drops the object and frees its `Box`.
///
/// # Safety
///
/// The object was made by `Box<T>`, where `T` begins with the link.
///
/// ```
/// use hyaline::{Collector, Linked, reclaim};
///
/// let collector = Collector::<1>::new();
/// let handle = collector.register()?;
/// let object = Box::into_raw(Box::new(handle.link(String::from("seven"))));
/// // SAFETY: it was never shared, and it comes from a `Box`.
/// unsafe { handle.retire(object, reclaim::boxed::<Linked<String>>) };
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[cfg(feature = "alloc")]
pub unsafe fn boxed<T: AsLink>(link: *mut Link) {
    // SAFETY: the object was made by `Box<T>` and is reclaimed once; `T` begins
    // with the link (fn contract), so the pointer is the box's.
    drop(unsafe { alloc::boxed::Box::from_raw(Link::cast::<T>(link)) });
}

/// Drops the object and returns its block to heapless's pool `P`.
///
/// # Safety
///
/// The pointer came from `into_raw` of a `heapless::pool::boxed::Box<P>`.
///
/// ```
/// use heapless::pool::boxed::{Box, BoxBlock};
/// use hyaline::{Collector, Linked, reclaim};
///
/// heapless::box_pool!(Numbers: Linked<u32>);
/// static mut BLOCK: BoxBlock<Linked<u32>> = BoxBlock::new();
/// // SAFETY: the one reference to it, taken once.
/// Numbers.manage(unsafe { &mut *(&raw mut BLOCK) });
///
/// let collector = Collector::<1>::new();
/// let handle = collector.register()?;
/// let object = Box::into_raw(Numbers.alloc(handle.link(7)).ok().unwrap());
/// // SAFETY: it was never shared, and it comes from the pool `Numbers`.
/// unsafe { handle.retire(object, reclaim::heapless_boxed::<Numbers>) };
/// assert!(Numbers.alloc(handle.link(8)).is_ok());
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[cfg(feature = "heapless")]
pub unsafe fn heapless_boxed<P>(link: *mut Link)
where
    P: heapless::pool::boxed::BoxPool,
    P::Data: AsLink,
{
    let object = Link::cast::<P::Data>(link);
    // SAFETY: the pointer came from `into_raw` of a box of this pool (fn
    // contract), and is reclaimed once.
    drop(unsafe { heapless::pool::boxed::Box::<P>::from_raw(object) });
}

/// Drops the object in place. The memory is not freed: it is a `static`, or an
/// arena that is freed as a whole.
///
/// # Safety
///
/// The object is a valid `T` that is not dropped again.
///
/// ```
/// use core::mem::MaybeUninit;
/// use hyaline::{Collector, Linked, reclaim};
///
/// let mut memory = MaybeUninit::uninit();
/// let collector = Collector::<1>::new();
/// let handle = collector.register()?;
/// let object: *mut Linked<String> = memory.write(handle.link(String::from("seven")));
/// // SAFETY: it was never shared, and `memory` does not drop it.
/// unsafe { handle.retire(object, reclaim::in_place::<Linked<String>>) };
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
pub unsafe fn in_place<T: AsLink>(link: *mut Link) {
    // SAFETY: a valid `T` that is not dropped again (fn contract).
    unsafe { ptr::drop_in_place(Link::cast::<T>(link)) };
}
