//! Atomics and cells of the target.

pub(crate) use core::{cell::Cell, sync::atomic::Ordering};
// On x86-64 core's fence is a locked OR below the stack pointer; that of
// portable-atomic is an exchange with a word on the stack, which is slower if
// the word is in use. LLVM has no fences for the MSP430; portable-atomic's are
// assembly.
#[cfg(not(target_arch = "msp430"))]
pub(crate) use core::sync::atomic::{compiler_fence, fence};
pub use portable_atomic::AtomicPtr;
#[cfg(not(target_pointer_width = "64"))]
pub(crate) use portable_atomic::AtomicU16 as AtomicHalf;
#[cfg(target_pointer_width = "64")]
pub(crate) use portable_atomic::AtomicU32 as AtomicHalf;
pub(crate) use portable_atomic::AtomicUsize;
#[cfg(target_arch = "msp430")]
pub(crate) use portable_atomic::{compiler_fence, fence};

/// A word that is only loaded and stored: core's, where core has one. On targets
/// without compare-and-swap, portable-atomic with feature `critical-section`
/// masks interrupts for loads and stores too.
pub(crate) type LoadStoreUsize = <plain::Plain as plain::Types>::Word;

/// The same for a `bool`.
pub(crate) type LoadStoreBool = <plain::Plain as plain::Types>::LoadStoreBool;

/// Core's atomics, or portable-atomic's where core has none (ARMv4T, ARMv5TE,
/// MSP430). The `cfg` for this, `target_has_atomic_load_store`, is unstable.
/// Name resolution serves instead: in a block, a glob import shadows the names
/// of the surrounding module, and one that core lacks is not an error.
mod plain {
    #[allow(unused_imports)] // where core has them
    use portable_atomic::{AtomicBool, AtomicUsize};

    /// The choice.
    pub struct Plain;

    /// The types that are chosen.
    pub trait Types {
        type Word;
        type LoadStoreBool;
    }

    const _: () = {
        #[allow(unused_imports)] // where core lacks them
        use core::sync::atomic::*;
        impl Types for Plain {
            type Word = AtomicUsize;
            type LoadStoreBool = AtomicBool;
        }
    };
}

/// The address of a stack's first object; 0 if it seems empty. A hint.
#[inline(always)]
pub(crate) fn head_hint<T>(head: &AtomicPtr<T>) -> usize {
    // Relaxed: a hint; the exchange that takes the stack synchronises.
    head.load(Ordering::Relaxed).addr()
}

/// Loads a pointer that is not written any more. Not an atomic load: on
/// targets without compare-and-swap that would mask interrupts.
///
/// # Safety
///
/// The last write happens before this call.
#[inline(always)]
pub(crate) unsafe fn load_fixed<T>(place: &AtomicPtr<T>) -> *mut T {
    // SAFETY: "the last write happens before this call" (# Safety).
    unsafe { *place.as_ptr() }
}

/// An initial value for a `static`.
pub trait Init: Sized {
    const INIT: Self;
}

/// `impl Init`; the type's parameters come last.
macro_rules! impl_init {
    ($t:ty = $e:expr $(; $($p:ident $(: $b:path)?),+)?) => {
        impl$(<$($p $(: $b)?),+>)? $crate::sync::Init for $t {
            #[allow(clippy::declare_interior_mutable_const)] // copied, never borrowed
            const INIT: Self = $e;
        }
    };
}

/// The initial value of a type.
macro_rules! init {
    ($t:ty) => {
        <$t as $crate::sync::Init>::INIT
    };
}

/// An array of initial values.
macro_rules! init_array {
    ($t:ty; $n:expr) => {
        [const { <$t as $crate::sync::Init>::INIT }; $n]
    };
}

/// A function that is `const`, except in models.
macro_rules! const_fn {
    ($($function:tt)*) => { $($function)* };
}

pub(crate) use {const_fn, impl_init, init, init_array};

/// Tells a model that an object's memory is read, or that its reclaimer owns it.
pub(crate) struct Access;

impl Access {
    pub(crate) const fn new() -> Self {
        Self
    }

    /// A reader accesses the object.
    #[inline(always)]
    pub(crate) fn read(&self) {}

    /// The object is reclaimed: nothing else accesses it any more.
    #[inline(always)]
    pub(crate) fn write(&self) {}
}
