//! The collector without `unsafe`: a cell that many read and one replaces, a
//! stack, a queue, a map; and typed pointers for structures of your own.
//!
//! | type | what it is | place |
//! |---|---|---|
//! | [`RcuCell`] | a record that many read and few replace | `VERSIONS` and the first |
//! | [`Stack`] | last in, first out; a free list | `K` |
//! | [`Queue`] | first in, first out, many producers and consumers | `K` |
//! | [`BlockQueue`] | the same, with fewer lines between cores and, with 32 values a segment, less memory a value | `K` times `B` |
//! | [`Map`] | keys to values, in a fixed number of buckets | `CAP` |
//! | [`Atomic`], [`Owned`], [`Shared`] | pointers to build with | a [`Pool`](crate::Pool) |
//! | `ArcCell` | an `Arc` that many read and few replace | [the heap](#on-the-heap) |
//! | `HashMap` | keys to values, in buckets that become more | the heap |
//!
//! All but `ArcCell` are `const`-constructible. They use no memory but their own
//! (or that of a [pool you give them](#several-structures-in-one-pool), or of the
//! heap), are lock-free, and work with each [`Scheme`](crate::Scheme) and each
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
//! Calls that return references, [`Shared`] pointers or iterators take a [`Guard`],
//! and what they return lives as long as it does; an [`OwnedGuard`] is a guard that
//! async code can keep across an `await`. All other calls take a [`Handle`]. If they
//! need a section they open one of their own, so they hold nothing back for longer
//! than they last. A call that puts a value and shows it returns a [`Ref`], which
//! keeps its section open. An interrupt
//! that has no place for its handle keeps it in a `HandleCell` (feature
//! `critical-section`).
//!
//! # Several structures in one pool
//!
//! By default a stack, a queue or a map has a pool of its own. Structures that
//! are never all full at the same time need fewer blocks if they share a pool:
//! stacks and queues of the same values a `Pool<Node<T>, K>`, block queues a
//! `Pool<Segment<T, B>, K>`, maps of the same
//! keys and values a `Pool<MapNode<K, V>, CAP>`. Their last parameter says so:
//!
//! ```
//! #![forbid(unsafe_code)]
//! use hyaline::{Collector, Pool, domain, safe::{Domain, SharedPool, Node, Queue, Stack}};
//!
//! /// A buffer's number.
//! type Buffer = u8;
//!
//! domain!(App: Collector<8> = Collector::new());
//! static NODES: Pool<Node<Buffer>, 32> = Pool::new();
//! static FREE: Stack<Buffer, 32, App, SharedPool> = Stack::in_pool(&NODES);
//! static FILLED: Queue<Buffer, 32, App, SharedPool> = Queue::in_pool(&NODES);
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
//! When the pool is exhausted the value comes back, whichever structure holds
//! the blocks.
//!
//! **How many blocks.** In robust mode
//! [`Config::pool_size`](crate::Config::pool_size), where `live` is the largest
//! number of values in *all* structures of the pool at a time, plus one for
//! each queue (its dummy, also while it is empty; for block queues see there), plus one for each call that
//! puts something into a map at the same time. In basic mode a section that
//! stalls holds back what is taken out of any of them. One structure can use up
//! the blocks of all; one that must not be affected needs a pool of its own.
//!
//! **Structures of different domains** may share a pool. A block belongs to
//! one object at a time, and the object to one structure: its header is stamped
//! by a handle of the structure's domain, it is retired to that domain's
//! collector, and its birth era is compared only with that collector's eras.
//! It becomes free when no section there can hold it. The next claim acquires
//! all earlier uses of the block and writes a new header, with a birth era of
//! the claiming handle's clock, so nothing of the old collector is left. Blocks
//! that a handle keeps stay with its collector. But a call that finds no block
//! flushes only the collector of its own domain. So the pool needs `live +`
//! [`most_pending`](crate::Config::most_pending) blocks for each domain, and
//! those that their handles keep: `K / 32` each, at most 64, on targets with
//! caches.
//!
//! # On the heap
//!
//! With feature `alloc` the last parameter may be `Heap`, and the capacity 0:
//! then nodes come from the global allocator, and no capacity is chosen in
//! advance. It is for hosts, kernels and hypervisors.
//!
//! ```
//! #![forbid(unsafe_code)]
//! use hyaline::{Collector, domain, safe::{Domain, Heap, Queue, Stack}};
//!
//! domain!(App: Collector<8> = Collector::new());
//! static JOBS: Queue<String, 0, App, Heap> = Queue::in_heap();
//! static IDLE: Stack<u32, 0, App, Heap> = Stack::in_heap();
//!
//! let handle = App::register()?;
//! for job in 0..1000 {
//!     JOBS.push(&handle, format!("job {job}"))?;
//! }
//! assert_eq!(JOBS.pop(&handle).as_deref(), Some("job 0"));
//! # assert!(IDLE.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **When there is no memory** the call flushes its handle and asks the
//! allocator once more. If there is still none, the call is refused as one is
//! for which a pool has no block: the value comes back, and nothing aborts.
//!
//! **Contexts.** A call that puts something calls the allocator. A call that
//! takes something out, or reads, allocates nothing; with an eager handle it may free
//! what it or another call has retired. Deferred and per-CPU handles free nothing but
//! what they have allocated and not put: an entry, or buckets of a map that another call
//! has grown meanwhile. So an interrupt may read and take
//! out through a deferred or per-CPU handle, whatever the allocator is. It may
//! put something if the allocator may be called there. Progress is that of the
//! allocator, where it is called.
//!
//! **How much memory.** A node of a stack, a queue or a `Map` is five words larger than its contents, a
//! version of a cell four, before
//! what the allocator adds. The [bound](crate::bound) of robust mode holds for
//! the nodes on the heap, too: at most `pool_size` of them are there at a time.
//!
//! # Why a guard of another collector is refused
//!
//! A guard protects what is retired to its own collector. A reference that
//! was read under a guard of another collector would dangle. So every type here
//! has a parameter `D`, a [`Domain`]: a type that names one collector in a
//! `static`. A `Guard<D>` comes from that collector only, and a structure of
//! domain `D` takes no other guard. The compiler checks it, at no cost at run
//! time:
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
//! [`Domain`] is a safe trait. Its collector is an associated *constant*, a
//! [`CollectorRef`], which is made of a `&'static Collector`. A constant has one value,
//! and the compiler refuses a constant that borrows a collector other than a `static`.
//! So an implementation cannot lie.
//! All types here are invariant in `D`: a domain that is a subtype of another
//! may name another collector.
//!
//! # Why values go into a `static`
//!
//! Retired objects wait in the collector, which is a `static`: a structure that
//! is dropped earlier would leave it pointers into freed memory. So all calls
//! that may retire take `&'static self`; a host without a suitable `static` can
//! use `Box::leak`. A structure that was never shared in this way can be
//! dropped, and drops the values in it. `ArcCell` and `HashMap` keep nothing in
//! themselves that waits, so they may be anywhere, and what they give out
//! borrows them.
//!
//! # Where values are dropped, and panics
//!
//! A value that was replaced or retired is dropped by a call on an eager
//! handle, of any task. No call on a deferred or per-CPU handle drops a key or a
//! value: what cannot be stored is given back, and what a lost
//! [`update`](RcuCell::update) made is retired. What is given back is the
//! caller's, and is dropped where the caller drops it. The exception is a panic:
//! if `Hash`, `Ord`, `Clone` or a closure of the caller panics in such a call,
//! the key and the value that the call was to store are dropped as it unwinds.
//!
//! Closures, `Hash`, `Ord`, `Clone` and `Drop` of stored values may use the
//! same structures, through the same handle. A change that they make counts as one by
//! another task: the call looks again, and runs the closure again. So a call whose
//! closure changes the same entry (the cell, the key) each time it runs does not end,
//! nor does one whose comparisons change their bucket, nor a `retain` whose closure puts
//! keys that it has yet to visit; and its section holds back all
//! that is retired meanwhile. With a pool it ends when no block is left for the inner
//! call. Nor does a call end that drops values each of which, when it is dropped, puts
//! another such value in the place of one and finds a pool full: that publishes the
//! replaced value, and the call drops it, too.
//!
//! They may panic on a host: the structures stay sound, what they count stays
//! right, and no value and no block is lost. A removed node of a [`Map`] may keep its
//! block until a call walks its bucket. A value that is about to be returned is
//! dropped if the drop of a value that is reclaimed in the same call panics. A second
//! panic while the first unwinds aborts the program, as everywhere.
//!
//! # Rejected designs
//!
//! - *A trait with a function* that returns the collector: it could return
//!   a different one each time, so the trait would have to be `unsafe`, or
//!   hidden behind a macro. The constant needs neither.
//! - *A run-time check* of an address in the structure against one in the
//!   guard: a load, a comparison and a branch in each read, and an error that
//!   the caller has to handle.
//! - *A single check*, when a structure and a handle meet, which yields a view
//!   of the structure: correct and cheap, but a task then holds a view for each
//!   structure it uses, and a view does not fit into a `static`.
//! - *A generative lifetime* (`collector.scope(|brand| ...)`): as cheap as the
//!   type, but the type of a `static` cannot name a closure's lifetime.
//! - *A collector in each structure*, which hands out its own handles: needs
//!   no brand and no `'static`, but costs an array of slots and a registration
//!   for each structure, and two sections where two structures are used
//!   together.
//! - *One collector for the crate*, as crossbeam-epoch's default: the crate
//!   cannot choose its `N`, its barrier and its batch.
//! - *`Drop` that waits* for retired objects, instead of `&'static self`: it
//!   blocks for as long as a reader does, and forever if the reader itself
//!   drops the structure.

mod any_collector;
#[cfg(feature = "alloc")]
mod arc_cell;
mod atomic;
mod block_queue;
mod cell;
mod domain;
mod error;
mod guard;
#[cfg(feature = "critical-section")]
mod handle_cell;
#[cfg(feature = "alloc")]
mod hash_map;
mod list;
mod map;
mod node;
mod owned_guard;
mod pointer;
mod queue;
mod reference;
mod stack;
mod storage;
mod tag;
mod walk;

pub use any_collector::{AnyCollector, CollectorRef};
#[cfg(feature = "alloc")]
pub use arc_cell::ArcCell;
pub use atomic::{Atomic, Changed};
pub use block_queue::{BlockQueue, Segment};
pub use cell::RcuCell;
pub use domain::{Domain, Handle, PerCpu};
pub use error::{Full, Refused};
pub use guard::Guard;
#[cfg(feature = "critical-section")]
pub use handle_cell::{HandleCell, HandleUnavailable};
#[cfg(feature = "alloc")]
pub use hash_map::HashMap;
pub use map::{Iter, Map, MapNode};
pub use node::Node;
pub use owned_guard::OwnedGuard;
pub use pointer::{Owned, Pointer, Shared};
pub use queue::Queue;
pub use reference::Ref;
pub use stack::Stack;
#[cfg(feature = "alloc")]
pub use storage::Heap;
pub use storage::{Origin, OwnPool, SharedPool, Storage};
pub use walk::Values;
