//! Safe memory reclamation without `std`, without an allocator and without
//! locks: Hyaline (Nikolaev & Ravindran, PLDI 2021) with a read side of plain
//! loads and stores.
//!
//! When memory is shared without locks, a writer that replaces an object cannot
//! free the old one at once: another task, interrupt or core may have just
//! loaded a pointer to it. This crate tells when the object can be freed or
//! reused. A reader opens a *section* and loads pointers in it. A writer unlinks
//! an object and *retires* it. Once every section that may hold the object has
//! ended, the object is *reclaimed*: dropped, freed, or returned to its pool.
//! The [glossary](guide::glossary) defines these words.
//!
//! # Who it is for
//!
//! - Firmware: RTIC, Embassy and RTOS tasks that share data with each other and
//!   with interrupts, out of static pools, down to a Cortex-M0 without
//!   compare-and-swap.
//! - Kernels and hypervisors: per-CPU readers, no thread-local storage, and
//!   contexts in which nothing may be freed.
//! - Lock-free data structures on hosts.
//!
//! # First use
//!
//! The module [`safe`] has a cell, a stack, a queue and a map. None of them needs
//! `unsafe`:
//!
//! ```
//! #![forbid(unsafe_code)]
//! use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
//!
//! domain!(App: Collector<8> = Collector::new()); // 8 tasks, interrupts or CPUs
//! static CALIBRATION: RcuCell<[u16; 2], 4, App> = RcuCell::new([1, 0]);
//!
//! let handle = App::register()?; // once for each task
//! CALIBRATION.replace(&handle, [3, 4])?;
//! let guard = handle.enter();
//! assert_eq!(CALIBRATION.read(&guard), &[3, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Collector`] has a fixed number of slots. A task claims one and gets a
//! [`Handle`]. [`enter`](Handle::enter) opens a section and returns a [`Guard`];
//! what is read under the guard stays valid until the guard is dropped. The
//! compiler rejects a guard of another collector, and a reference that outlives
//! its guard.
//!
//! | shared data | structure |
//! |---|---|
//! | a record that many read and few replace | [`safe::RcuCell`] |
//! | a free list, a pool of buffers | [`safe::Stack`] |
//! | events, messages | [`safe::Queue`]; between cores [`safe::BlockQueue`] |
//! | keys and values | [`safe::Map`] |
//! | any number of keys and values, with an allocator | `safe::HashMap` |
//! | an `Arc` that many read and few replace | `safe::ArcCell` |
//! | anything else | [`safe::Atomic`], or [raw pointers](#structures-of-your-own) |
//!
//! # How to choose
//!
//! Four choices. The defaults are right for most programs.
//! [Which one do I need?](guide::which_one) asks one question for each, with a
//! worked pool size for both schemes; the [cookbook](guide::cookbook) has ten
//! whole programs.
//!
//! ## Scheme
//!
//! [`Basic`] is the default. A reader that stalls inside its section holds back
//! every object that is published for reclamation meanwhile. [`Robust`] bounds
//! this: a stalled reader holds back only objects that were made before it
//! stalled, and [`Config::most_pending`] says how many. A load costs a few more
//! instructions. Choose `Robust` if a reader may be preempted for long and
//! memory is fixed.
//!
//! ## Barrier
//!
//! | barrier | a section costs | a publish costs | where |
//! |---|---|---|---|
//! | [`Fences`], the default | a fence | a fence | everywhere |
//! | [`SingleCore`] | nothing | nothing | all users run on one core |
//! | [`Membarrier`], feature `std` | a load | a system call | Linux, data that is mostly read |
//! | your own [`Barrier`] | nothing | an interrupt to every other core | a kernel |
//!
//! `SingleCore` on two cores is undefined behaviour, so making it is `unsafe`.
//! On two cores use `Fences`, or on Linux `Membarrier`.
//!
//! ## Role
//!
//! | role | for | its calls |
//! |---|---|---|
//! | [`Eager`], the default | tasks, threads | may run reclaimers |
//! | [`Deferred`] | interrupts, code with a deadline, code that must not free | never run a reclaimer with user code; eager handles do |
//! | [`Nested`], a [`PerCpu`] | one CPU: its task and the interrupts that preempt it | the same, on one handle for all of them |
//!
//! [`Collector::register`](CollectorView::register), [`register_deferred`](CollectorView::register_deferred)
//! and [`register_per_cpu`](CollectorView::register_per_cpu) make them. A collector
//! needs at least one eager handle that retires, or calls
//! [`collect`](Handle::collect), regularly. The columns *irq* and *NMI* of
//! [`guide::guarantees`] say which calls an interrupt or an NMI may make.
//!
//! ## Size
//!
//! - Slots: one for each task, interrupt and CPU that is registered at a time.
//! - Pools, cells, queues: the objects in use at a time, and those retired and
//!   not yet reclaimed. In `Robust`, a pool of [`Config::pool_size`] blocks never
//!   runs out; [`bound`](bound#recipe-for-a-pool) has a recipe. In `Basic` there
//!   is no such size, because a section may last arbitrarily long; with sections
//!   of known length there is [a formula](guide::which_one#4-size).
//! - [`Config::batch`] and [`Config::era_step`]: smaller values keep fewer
//!   objects waiting, larger ones cost less. The defaults are small on 32-bit
//!   targets.
//!
//! When a pool is exhausted, the error returns the value, and nothing blocks.
//!
//! # Structures of your own
//!
//! Authors of data structures use the layer below [`safe`]. Two things are
//! `unsafe` there: to dereference a protected pointer, and to promise that a
//! retired object has been unlinked.
//!
//! ```
//! use core::sync::atomic::Ordering;
//! use hyaline::{AtomicPtr, Collector, Linked, Pool};
//!
//! static C: Collector<8> = Collector::new(); // 8 tasks, interrupts or CPUs
//! static POOL: Pool<[u16; 2], 16> = Pool::new();
//! static CALIBRATION: AtomicPtr<Linked<[u16; 2]>> = AtomicPtr::new(core::ptr::null_mut());
//!
//! let handle = C.register()?; // once for each task
//! let new = POOL.alloc(&handle, [3, 4]).expect("16 blocks are enough");
//! let guard = handle.enter();
//! let old = guard.swap(&CALIBRATION, new, Ordering::AcqRel);
//! if !old.is_null() {
//!     // SAFETY: the swap unlinked it; it is from this pool, which is a static.
//!     unsafe { POOL.defer_retire(&guard, old) };
//! }
//! let current = guard.protect(&CALIBRATION, Ordering::Acquire);
//! // SAFETY: not null, and protected until the guard is dropped.
//! assert_eq!(unsafe { **current }, [3, 4]);
//! # Ok::<(), hyaline::SlotsExhausted>(())
//! ```
//!
//! # What it guarantees
//!
//! - **Reading is plain stores and loads.** A section costs two stores to the
//!   reader's own slot (in `Robust` four, where an era has two words five or six) and a
//!   light barrier: no read-modify-write and no masked
//!   interrupt, even on cores without compare-and-swap. Reads are wait-free in
//!   `Basic`; in `Robust` a load is repeated when the era advances, which makes
//!   it lock-free. The one exception: on cores without compare-and-swap,
//!   portable-atomic's `critical-section` masks interrupts even for pointer
//!   loads.
//! - **An object is reclaimed once**, and only when no section can hold it.
//! - **A stalled reader costs a bounded amount of memory** in [`Robust`].
//! - **No memory but yours.** A collector is an array of slots, at most 12 words
//!   each on Cortex-M and RV32; an object has a header of 4 words, [`Link`]. No
//!   call recurses or needs stack in proportion to the number of slots.
//! - **Nothing waits for a sleeper.** The first [`collect`](Handle::collect),
//!   [`flush`](Handle::flush) or starved allocation of any eager handle publishes
//!   what all handles have retired. A published object waits for the sections
//!   that were open then, and in each slot for the section that it meets there,
//!   and at most one more (possibly more of a per-CPU slot, and in `Basic` on 64 bits if
//!   256 polls of tokens or [retires](Handle::retire), or a multiple, lie between two
//!   calls). Once they have ended, the next such call reclaims it. This holds even if the handle that retired the object sleeps,
//!   was dropped, forgotten or evicted, or has a limit, and if a reclaimer
//!   panicked. A cell of two versions and a queue of four work with the default
//!   configuration.
//! - **You decide who reclaims, when, and for how long.** Deferred and per-CPU
//!   handles never run a reclaimer that contains user code,
//!   [`limit_reclaims`](Handle::limit_reclaims) bounds what each step of a call
//!   runs, and grace periods can be [polled](Token::poll).
//!
//! [`guide::guarantees`] says what each call costs and where it may be called.
//!
//! # What it does not guarantee
//!
//! - In [`Basic`] a section that never ends holds back every object that is
//!   published for reclamation after it began. That includes objects that were
//!   retired before and whose batch was not full. `Robust` bounds this on three
//!   conditions: every pointer is loaded through the guard; no pointer in a
//!   removed node is followed, even through [`protect`](Guard::protect); and an
//!   object of your own that others can find is protected by
//!   [`Guard::protect_own`], called before it is shared. The structures in
//!   [`safe`] keep all three.
//! - A forgotten guard keeps its slot until the slot is
//!   [evicted](CollectorView::evict). An object that owns an open section of its
//!   own collector, an [`OwnedGuard`], holds itself back once it is retired, as a
//!   cycle of `Rc`s does.
//! - Retiring is lock-free but not wait-free: a push is a compare-and-swap loop.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `alloc` | `reclaim::boxed`: objects in `Box`; in [`safe`], structures [on the heap](safe#on-the-heap), `HashMap`, `ArcCell` |
//! | `std` | the barrier `Membarrier` (on Linux; elsewhere it is fences); implies `alloc` |
//! | `heapless` | `reclaim::heapless_boxed`: objects in the boxes of heapless's pools |
//! | `stats` | `Collector::stats`: objects retired, reclaimed, pending, and their peak |
//! | `defmt` | `defmt::Format` for errors, handles, guards, collectors, pools, tokens, ids and statistics |
//! | `spin` | `Handle::synchronize_with`, `Token::wait_with`: waits with a `spin::RelaxStrategy` |
//! | `critical-section` | `safe::HandleCell`: a static in which an interrupt keeps its handle |
//!
//! The minimum Rust version is 1.85, with the feature `heapless` 1.87, which is
//! heapless's own minimum.
//!
//! # Cores without compare-and-swap
//!
//! On thumbv6m, riscv32imc and similar targets the binary chooses how
//! read-modify-writes are made atomic, in its own `Cargo.toml`. A library leaves
//! the choice open:
//!
//! ```toml
//! portable-atomic = { version = "1", features = ["critical-section"] }
//! ```
//!
//! There, `critical-section` makes each read-modify-write a critical section of the
//! crate of that name; this crate's own feature does not choose it.
//! `unsafe-assume-single-core` masks interrupts instead, which is sound on one core in
//! privileged mode. Without a choice, portable-atomic's build fails with a message that
//! names both.
//!
//! # More
//!
//! - [`guide::which_one`]: which scheme, barrier, role and size to choose.
//! - [`guide::cookbook`]: ten recipes, from an interrupt that sends events to a
//!   module that is unloaded.
//! - [`guide::guarantees`]: progress, cost and context of each call.
//! - [`guide::coming_from`]: what replaces each call of RCU, liburcu, QSBR, epochs,
//!   hazard pointers and seize.
//! - [`guide::coming_from_containers`]: what replaces arc-swap, crossbeam-queue,
//!   heapless, and the queues of Zephyr and FreeRTOS.
//! - [`guide::glossary`]: the terms.
//! - [`bound`]: how much memory robust mode needs, and why.
//! - [`docs/architecture.md`](https://docs.rs/crate/hyaline/latest/source/docs/architecture.md):
//!   how the code is laid out, where a retired object is, and which file decides
//!   when a batch is published.
//!
#![cfg_attr(feature = "std", doc = "[`Membarrier`]: crate::Membarrier")]
#![cfg_attr(
    not(feature = "std"),
    doc = "[`Membarrier`]: https://docs.rs/hyaline/latest/hyaline/struct.Membarrier.html"
)]
#![cfg_attr(not(any(hyaline_loom, test)), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The examples of the pages use `Box`. A packaged crate has feature `alloc`
// only if chosen, see Cargo.toml; without it no example is tested.
#![cfg_attr(all(doctest, not(feature = "alloc")), cfg(any()))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod barrier;
pub mod bound;
mod collector;
mod config;
#[cfg(feature = "defmt")]
mod defmt;
mod grace;
mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
mod handle;
mod id;
mod link;
mod notes;
mod owned_guard;
mod padding;
mod per_cpu;
mod pool;
mod raw;
pub mod reclaim;
mod role;
pub mod safe;
mod supervise;
mod sync;

pub use barrier::{Barrier, Fences, SingleCore};
#[cfg(feature = "std")]
pub use barrier::{BarrierRefused, Membarrier};
pub use collector::{Collector, CollectorView, MemoryError, SlotsExhausted};
pub use config::Config;
pub use grace::{Busy, Callback, Token, WouldDeadlock};
pub use guard::Guard;
pub use handle::Handle;
pub use id::{HandleId, NotTheOwner};
pub use link::{AsLink, Link, Linked, Reclaimer};
pub use owned_guard::OwnedGuard;
pub use per_cpu::PerCpu;
pub use pool::{Pool, PoolExhausted};
#[cfg(feature = "stats")]
pub use raw::Stats;
pub use raw::{Basic, Robust, Scheme, SlotState};
pub use role::{Deferred, Eager, Erased, Nested, Role};
#[doc(no_inline)]
pub use sync::AtomicPtr;
#[cfg(hyaline_loom)]
pub use sync::interrupt;
