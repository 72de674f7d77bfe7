//! The atomics and cells that the crate uses: those of portable-atomic and
//! core, or loom's under `cfg(hyaline_loom)`.

#[cfg(not(hyaline_loom))]
pub(crate) use core::cell::Cell;
#[cfg(not(hyaline_loom))]
pub(crate) use core::sync::atomic::Ordering;
#[cfg(not(hyaline_loom))]
pub use portable_atomic::AtomicPtr;
#[cfg(not(any(hyaline_loom, target_pointer_width = "64")))]
pub(crate) use portable_atomic::AtomicU16 as AtomicHalf;
#[cfg(all(not(hyaline_loom), target_pointer_width = "64"))]
pub(crate) use portable_atomic::AtomicU32 as AtomicHalf;
#[cfg(not(hyaline_loom))]
pub(crate) use portable_atomic::AtomicUsize;
// On x86-64 core's fence is a locked OR below the stack pointer; that of
// portable-atomic is an exchange with a word on the stack, which is slower if
// the word is in use. LLVM has no fences for the MSP430; portable-atomic's are
// assembly.
#[cfg(not(any(hyaline_loom, target_arch = "msp430")))]
pub(crate) use core::sync::atomic::{compiler_fence, fence};
#[cfg(all(not(hyaline_loom), target_arch = "msp430"))]
pub(crate) use portable_atomic::{compiler_fence, fence};

#[cfg(hyaline_loom)]
pub use loom::sync::atomic::AtomicPtr;
#[cfg(all(hyaline_loom, not(target_pointer_width = "64")))]
pub(crate) use loom::sync::atomic::AtomicU16 as AtomicHalf;
#[cfg(all(hyaline_loom, target_pointer_width = "64"))]
pub(crate) use loom::sync::atomic::AtomicU32 as AtomicHalf;
#[cfg(hyaline_loom)]
pub(crate) use loom::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering, fence},
};

/// A word that is only loaded and stored: core's, where core has one. On targets
/// without compare-and-swap, portable-atomic with feature `critical-section`
/// masks interrupts for loads and stores too.
#[cfg(not(hyaline_loom))]
pub(crate) type LoadStoreUsize = <plain::Plain as plain::Types>::Word;
#[cfg(hyaline_loom)]
pub(crate) use interrupt::LoadStoreUsize;

/// The same for a `bool`.
#[cfg(not(hyaline_loom))]
pub(crate) type LoadStoreBool = <plain::Plain as plain::Types>::LoadStoreBool;
#[cfg(hyaline_loom)]
pub(crate) use loom::sync::atomic::AtomicBool as LoadStoreBool;

/// Core's atomics, or portable-atomic's where core has none (ARMv4T, ARMv5TE,
/// MSP430). The `cfg` for this, `target_has_atomic_load_store`, is unstable.
/// Name resolution serves instead: in a block, a glob import shadows the names
/// of the surrounding module, and one that core lacks is not an error.
#[cfg(not(hyaline_loom))]
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

#[cfg(hyaline_loom)]
pub mod interrupt;

/// Precedes an access to state that contexts of one slot share. A model may
/// interrupt here.
#[inline(always)]
pub(crate) fn step() {
    #[cfg(hyaline_loom)]
    interrupt::step();
}

/// Loom has no compiler fences; a model of one core would not need any.
#[cfg(hyaline_loom)]
pub(crate) fn compiler_fence(_: Ordering) {}

/// An initial value for a `static`. Loom's atomics are made at run time, all
/// others at compile time.
pub trait Init: Sized {
    #[cfg(not(hyaline_loom))]
    const INIT: Self;
    #[cfg(hyaline_loom)]
    fn init() -> Self;
}

/// `impl Init`, with loom and without.
macro_rules! impl_init {
    ($(<$p:ident: $b:path>)? $t:ty = $e:expr) => {
        impl$(<$p: $b>)? $crate::sync::Init for $t {
            #[cfg(not(hyaline_loom))]
            #[allow(clippy::declare_interior_mutable_const)] // copied, never borrowed
            const INIT: Self = $e;
            #[cfg(hyaline_loom)]
            fn init() -> Self {
                $e
            }
        }
    };
}

/// The initial value of a type.
macro_rules! init {
    ($t:ty) => {{
        #[cfg(not(hyaline_loom))]
        {
            <$t as $crate::sync::Init>::INIT
        }
        #[cfg(hyaline_loom)]
        {
            <$t as $crate::sync::Init>::init()
        }
    }};
}

/// A function that is `const`, except under loom.
macro_rules! const_fn {
    ($(#[$m:meta])* $vis:vis const fn $($rest:tt)*) => {
        #[cfg(not(hyaline_loom))]
        $(#[$m])* $vis const fn $($rest)*
        #[cfg(hyaline_loom)]
        $(#[$m])* $vis fn $($rest)*
    };
}

pub(crate) use {const_fn, impl_init, init};

impl_init!(() = ());

/// Tells loom that an object's memory is read, or that its reclaimer owns it.
/// Empty without loom.
pub(crate) struct Access(#[cfg(hyaline_loom)] loom::cell::UnsafeCell<()>);

impl Access {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self(#[cfg(hyaline_loom)] loom::cell::UnsafeCell::new(()))
        }
    }

    /// A reader accesses the object.
    #[inline(always)]
    pub(crate) fn read(&self) {
        #[cfg(hyaline_loom)]
        self.0.with(|_| ());
    }

    /// The object is reclaimed: nothing else accesses it any more.
    #[inline(always)]
    pub(crate) fn write(&self) {
        #[cfg(hyaline_loom)]
        self.0.with_mut(|_| ());
    }
}
