//! The atomics and cells that the crate uses: `target` has those of
//! portable-atomic and core, `model` has loom's, under `cfg(hyaline_loom)`. Both
//! export the same names.

#[cfg(hyaline_loom)]
pub mod interrupt;
#[cfg(hyaline_loom)]
mod model;
#[cfg(not(hyaline_loom))]
mod target;

#[cfg(hyaline_loom)]
use model as choice;
#[cfg(not(hyaline_loom))]
use target as choice;

pub use choice::AtomicPtr;
pub(crate) use choice::{
    Access, AtomicHalf, AtomicUsize, Cell, Init, LoadStoreBool, LoadStoreUsize, Ordering,
    compiler_fence, const_fn, fence, head_hint, impl_init, init, init_array, load_fixed,
};

/// Whether the sources run in models, where numbers are small.
pub(crate) const IN_MODEL: bool = cfg!(hyaline_loom);

/// Whether a load, an addition and a store of one word are one instruction, so that a
/// value that was loaded before is not wanted. Not an atomic one.
pub(crate) const ADDS_IN_MEMORY: bool = cfg!(target_arch = "x86_64");

/// Half a word, for which each target has atomics.
#[cfg(target_pointer_width = "64")]
pub(crate) type Half = u32;
#[cfg(not(target_pointer_width = "64"))]
pub(crate) type Half = u16;

impl_init!(() = ());
impl_init!(AtomicPtr<T> = AtomicPtr::new(core::ptr::null_mut()); T);
