#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(hyaline_loom, test)), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The examples of the pages use `Box`. An archive has the feature by choice
// only, see Cargo.toml; without it there is nothing to test.
#![cfg_attr(all(doctest, not(feature = "alloc")), cfg(any()))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod barrier;
pub mod bound;
mod collector;
mod config;
mod grace;
mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
mod handle;
mod id;
mod link;
#[cfg(feature = "defmt")]
mod log;
mod notes;
mod observe;
mod owned;
mod per_cpu;
mod pool;
mod raw;
pub mod reclaim;
mod role;
pub mod safe;
mod sync;

pub use barrier::{Barrier, Fences, SingleCore};
#[cfg(feature = "std")]
pub use barrier::{BarrierRefused, Membarrier};
pub use collector::{Collector, SlotsExhausted};
pub use config::Config;
pub use grace::{Busy, Callback, Token, WouldDeadlock};
pub use guard::Guard;
pub use handle::Handle;
pub use id::{HandleId, NotTheOwner};
pub use link::{AsLink, Link, Linked, Reclaimer};
pub use owned::Section;
pub use per_cpu::PerCpu;
pub use pool::{Pool, PoolExhausted};
#[cfg(feature = "stats")]
pub use raw::Stats;
pub use raw::{Basic, Robust, Scheme, SlotState};
pub use role::{Deferred, Eager, Nested, Role};
#[doc(no_inline)]
pub use sync::AtomicPtr;
#[cfg(hyaline_loom)]
pub use sync::interrupt;
