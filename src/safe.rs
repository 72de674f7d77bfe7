//! The collector without `unsafe`: a cell that many read and one replaces, a
//! stack, a queue, a map; and typed pointers for structures of your own.
//!
//! | type | what it is | place |
//! |---|---|---|
//! | [`RcuCell`] | a record that many read and few replace | `VERSIONS` and the first |
//! | [`Stack`] | last in, first out; a free list | `K` |
//! | [`Queue`] | first in, first out, many producers and consumers | `K` |
//! | [`Map`] | keys to values, in a fixed number of buckets | `CAP` |
//! | [`Atomic`], [`Owned`], [`Shared`] | pointers to build with | a [`Pool`](crate::Pool) |
//!
//! All are `const`-constructible, use no memory but their own (or that of a
//! [pool you give them](#several-structures-in-one-pool)), are lock-free,
//! and work with each [`Scheme`](crate::Scheme) and each
//! [`Role`](crate::Role). A task, an interrupt or a CPU uses them through a
//! [`Handle`] of its own:
//!
//! ```
//! #![forbid(unsafe_code)]
//! use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
//!
//! domain!(App: Collector<8> = Collector::new()); // 8 tasks, interrupts or CPUs
//! static CALIBRATION: RcuCell<[u16; 2], 4, App> = RcuCell::new([1, 0]);
//!
//! let handle = App::register()?; // once a task
//! CALIBRATION.replace(&handle, [3, 4])?;
//! let guard = handle.enter();
//! assert_eq!(CALIBRATION.read(&guard), &[3, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What gives out references takes a [`Guard`], and the references live as
//! long as it does; a [`Section`] is one that async code can keep across an
//! `await`. All else takes a [`Handle`] and opens a section of its
//! own, so that nothing is held back for longer than the call.
//!
//! # Several structures in one pool
//!
//! A stack, a queue or a map has a pool of its own, as a rule. Structures that
//! are never all full at a time can do with fewer blocks, if they take them
//! from one pool: stacks and queues of the same values from a
//! `Pool<Node<T>, K>`, maps of the same keys and values from a
//! `Pool<MapNode<K, V>, CAP>`. They say so by their last parameter:
//!
//! ```
//! #![forbid(unsafe_code)]
//! use hyaline::{Collector, Pool, domain, safe::{Domain, InPool, Node, Queue, Stack}};
//!
//! /// A buffer's number.
//! type Buffer = u8;
//!
//! domain!(App: Collector<8> = Collector::new());
//! static NODES: Pool<Node<Buffer>, 32> = Pool::new();
//! static FREE: Stack<Buffer, 32, App, InPool> = Stack::in_pool(&NODES);
//! static FILLED: Queue<Buffer, 32, App, InPool> = Queue::in_pool(&NODES);
//!
//! let handle = App::register()?;
//! for buffer in 0..20 {
//!     FREE.push(&handle, buffer)?;
//! }
//! // A buffer is in one of the two: the node moves along with it.
//! if let Some(buffer) = FREE.pop(&handle) {
//!     FILLED.push(&handle, buffer)?;
//! }
//! assert_eq!(FILLED.pop(&handle), Some(19));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! When the pool is exhausted the value is returned, whichever structure holds
//! the blocks.
//!
//! **How many blocks.** In robust mode
//! [`Config::pool_size`](crate::Config::pool_size), where `live` is the most
//! values that are in *all* structures of the pool at a time, one more for
//! each queue, and one for each call that puts something into a map. In basic
//! mode a section that stalls holds back what is taken out of any of them. One
//! structure can use up the blocks of all: where that must not be, give it a
//! pool of its own.
//!
//! **Structures of different domains** may share a pool. A block belongs to
//! one object at a time, and that to one structure: its header is stamped by
//! a handle of the structure's domain, it is retired to that domain's
//! collector, and its birth era is compared with that collector's eras alone.
//! It becomes free when no section there can hold it, or was never seen by
//! one. Who finds it next makes it acquire all that went before, and writes a
//! new header, with a birth era of the finder's own clock; so nothing of the
//! old collector is left. The blocks that a handle keeps for itself stay with
//! its collector. But a call that finds no block flushes the collector of its
//! own domain only. So the pool needs `live +`
//! [`most_pending`](crate::Config::most_pending) blocks for each domain, and
//! what their handles keep: `K / 32` blocks each, at most 64, on targets with
//! caches.
//!
//! # Why a guard of another collector is refused
//!
//! A guard protects what is retired to its own collector. A reference that
//! was read under a guard of another one would dangle. So every type here has
//! a parameter `D`, a [`Domain`]: a type that names one collector in a
//! `static`. There is one way to a `Guard<D>`, which leads through that
//! collector, and a structure of domain `D` takes nothing else. The check is
//! done by the compiler and costs nothing when the program runs:
//!
//! ```compile_fail,E0308
//! use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
//!
//! domain!(Here: Collector<2> = Collector::new());
//! domain!(Elsewhere: Collector<2> = Collector::new());
//! static CELL: RcuCell<u32, 4, Here> = RcuCell::new(0);
//!
//! let handle = Elsewhere::register().unwrap();
//! CELL.read(&handle.enter()); // expected `Here`, found `Elsewhere`
//! ```
//!
//! [`Domain`] is a safe trait. Its collector is an associated *constant* of
//! type `&'static Collector`. A constant has one value, and the compiler
//! refuses a constant that borrows a collector other than a `static`. An
//! implementation cannot lie.
//! All types here are invariant in `D`: a domain that is a subtype of another
//! one may name another collector.
//!
//! # Why values go into a `static`
//!
//! What is retired waits in the collector, and the collector is a `static`: a
//! structure that is dropped earlier would leave it pointers into freed
//! memory. So all calls that may retire take `&'static self`; a host without a
//! suitable `static` can use `Box::leak`. A structure that was never shared
//! in this way can be dropped, and drops the values in it.
//!
//! # Where values are dropped, and panics
//!
//! A value that was replaced, or retired, is dropped by a call on an eager
//! handle, of whichever task. No call on a deferred or per-CPU handle drops a
//! value: what cannot be stored is given back, and what a lost
//! [`update`](RcuCell::update) made is retired. What is given back is the
//! caller's, and dropped where the caller drops it.
//!
//! Closures, `Hash`, `Ord`, `Clone` and `Drop` of what is stored may use the
//! same structures, through the same handle. They may panic on a host: the
//! structures stay sound, and no value and no block is lost. A value that
//! was on its way to the caller is dropped when a value that is reclaimed at
//! the same time panics in its drop. A second panic while the first unwinds
//! aborts the program, as everywhere.
//!
//! # Rejected designs
//!
//! - *A trait with a function* that returns the collector: it could return
//!   another one each time, so it would have to be an `unsafe trait`, or
//!   hidden behind a macro. The constant needs neither.
//! - *A run-time check*, of an address in the structure against that in the
//!   guard: a load, a comparison and a branch in each read, and an error that
//!   the caller has to deal with.
//! - *A check once*, when a structure and a handle meet, which yields a view
//!   of the structure: right and cheap, but then a task holds a view for each
//!   structure it uses, and none of them fits into a `static`.
//! - *A generative lifetime* (`collector.scope(|brand| ...)`): as free as the
//!   type, but a lifetime that belongs to a closure cannot be written down in
//!   the type of a `static`.
//! - *A collector in each structure*, which hands out its own handles: needs
//!   no brand and no `'static`, but costs an array of slots and a registration
//!   for each structure, and a section each for two structures that are used
//!   together.
//! - *One collector for the crate*, as crossbeam-epoch has by default: who
//!   chooses its `N`, its barrier, its batch?
//! - *`Drop` that waits* for what is retired, instead of `&'static self`: it
//!   blocks for as long as a reader likes, and forever if the reader is the
//!   one who drops.

mod any_collector;
mod atomic;
mod cell;
mod domain;
mod error;
mod guard;
mod map;
mod node;
mod pointer;
mod queue;
mod reference;
mod section;
mod stack;
mod storage;
mod walk;

pub use any_collector::AnyCollector;
pub use atomic::{Atomic, Changed};
pub use cell::RcuCell;
pub use domain::{Domain, Handle, PerCpu};
pub use error::{Full, Refused};
pub use guard::Guard;
pub use map::{Iter, Map, MapNode};
pub use node::Node;
pub use pointer::{Owned, Pointer, Shared};
pub use queue::Queue;
pub use reference::Ref;
pub use section::Section;
pub use stack::Stack;
pub use storage::{InPool, Own, Storage};
pub use walk::Values;
