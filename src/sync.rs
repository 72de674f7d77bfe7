//! The one place where atomics and cells are chosen: portable-atomic's and
//! core's as a rule, loom's under `cfg(hyaline_loom)`.

#[cfg(not(hyaline_loom))]
pub(crate) use core::cell::Cell;
#[cfg(not(hyaline_loom))]
pub(crate) use core::sync::atomic::Ordering;
#[cfg(not(hyaline_loom))]
pub use portable_atomic::AtomicPtr;
#[cfg(not(hyaline_loom))]
pub(crate) use portable_atomic::AtomicUsize;
// Core's fence is a locked OR below the stack on x86-64; portable-atomic's an
// exchange with a word on it, which is slower where the word is in use. LLVM
// has no fences for the MSP430; portable-atomic's are assembly.
#[cfg(not(any(hyaline_loom, target_arch = "msp430")))]
pub(crate) use core::sync::atomic::{compiler_fence, fence};
#[cfg(all(not(hyaline_loom), target_arch = "msp430"))]
pub(crate) use portable_atomic::{compiler_fence, fence};

#[cfg(hyaline_loom)]
pub use loom::sync::atomic::AtomicPtr;
#[cfg(hyaline_loom)]
pub(crate) use loom::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering, fence},
};

/// A word that is loaded and stored, never exchanged: core's where core has
/// one. Without compare-and-swap portable-atomic's masks interrupts in loads
/// and stores too, when it is built with `critical-section`.
#[cfg(not(hyaline_loom))]
pub(crate) type LoadStoreUsize = <plain::Plain as plain::Types>::Word;
#[cfg(hyaline_loom)]
pub(crate) use interrupt::LoadStoreUsize;

/// The same for a bit.
#[cfg(not(hyaline_loom))]
pub(crate) type LoadStoreBool = <plain::Plain as plain::Types>::LoadStoreBool;
#[cfg(hyaline_loom)]
pub(crate) use loom::sync::atomic::AtomicBool as LoadStoreBool;

/// Core's atomics where it has them, else portable-atomic's (ARMv4T, ARMv5TE,
/// MSP430). The `cfg` that would tell, `target_has_atomic_load_store`, is not
/// stable; the scopes of names tell as well: what a glob brings into a block
/// comes before what is around the block, and is not missed if core lacks it.
#[cfg(not(hyaline_loom))]
mod plain {
    #[allow(unused_imports)] // where core has them
    use portable_atomic::{AtomicBool, AtomicUsize};

    /// The choice.
    pub struct Plain;

    /// What is chosen.
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

/// An access that contexts of one slot share: a model may interrupt here.
#[inline(always)]
pub(crate) fn step() {
    #[cfg(hyaline_loom)]
    interrupt::step();
}

/// Loom has no compiler fences, and a model of one core would not need any.
#[cfg(hyaline_loom)]
pub(crate) fn compiler_fence(_: Ordering) {}

/// A value that a `static` can start with. Loom's atomics are made at run
/// time, all others at compile time.
pub trait Init: Sized {
    #[cfg(not(hyaline_loom))]
    const INIT: Self;
    #[cfg(hyaline_loom)]
    fn init() -> Self;
}

/// `impl Init`, once for both worlds.
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

/// A function that is `const`, but for loom.
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

/// What loom is told of an object's memory: that it is read, or that it is the
/// reclaimer's. Nothing outside of models.
pub(crate) struct Access(#[cfg(hyaline_loom)] loom::cell::UnsafeCell<()>);

impl Access {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self(#[cfg(hyaline_loom)] loom::cell::UnsafeCell::new(()))
        }
    }

    /// A reader uses the object.
    #[inline(always)]
    pub(crate) fn read(&self) {
        #[cfg(hyaline_loom)]
        self.0.with(|_| ());
    }

    /// Nobody else uses the object any more.
    #[inline(always)]
    pub(crate) fn write(&self) {
        #[cfg(hyaline_loom)]
        self.0.with_mut(|_| ());
    }
}
