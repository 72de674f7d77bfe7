//! Safe memory reclamation without `std` and without an allocator.
#![cfg_attr(not(any(loom, test)), no_std)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod barrier;
pub mod bound;
mod collector;
mod config;
mod guard;
mod handle;
mod link;
mod pool;
mod raw;
pub mod reclaim;
mod scheme;
mod sync;

pub use barrier::{Barrier, Fences, SingleCore};
pub use collector::{Collector, SlotsExhausted};
pub use config::Config;
pub use guard::Guard;
pub use handle::Handle;
pub use link::{AsLink, Link, Linked, Reclaimer};
pub use pool::{Pool, PoolExhausted};
pub use scheme::{Basic, Robust, Scheme};
#[doc(no_inline)]
pub use sync::AtomicPtr;
