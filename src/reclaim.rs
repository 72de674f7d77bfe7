//! Reclaimers: what is done with an object that nobody can reach any more.
//!
//! Any `unsafe fn(*mut Link)` is a [`Reclaimer`](crate::Reclaimer); these are
//! the common ones. They are given to `retire`, and not called by hand.

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
    // SAFETY: the caller's.
    drop(unsafe { alloc::boxed::Box::from_raw(Link::cast::<T>(link)) });
}

/// Drops the object and gives its block back to heapless's pool `P`.
///
/// # Safety
///
/// The object was made by a `heapless::pool::boxed::Box<P>` and taken out with
/// its `into_raw`.
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
    // SAFETY: the caller's.
    drop(unsafe { heapless::pool::boxed::Box::<P>::from_raw(object) });
}

/// Drops the object where it is. The memory is the caller's: a `static`, or an
/// arena that is freed as a whole.
///
/// # Safety
///
/// The object is a valid `T` that nobody drops again.
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
    // SAFETY: the caller's.
    unsafe { ptr::drop_in_place(Link::cast::<T>(link)) };
}
