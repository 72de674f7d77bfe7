//! A queue: Michael and Scott's (PODC 1996).
//!
//! A list with a *dummy* in front: `head` leads to the dummy, whose successor
//! has the first value; `tail` to the last node or one before. A push links a
//! node after the last one and then swings the tail; a pop swings the head to
//! the successor, takes its value, and retires the old dummy. A call that finds
//! a tail that lags behind advances it. The tail never lags behind the head, so
//! a node is retired when neither leads to it.
//!
//! A constant cannot hold a pointer into itself. So the first dummy is stored
//! beside the pool, and a null `head` or `tail` leads to it. Neither is ever
//! null again after it moved, and the first dummy is never reused.
//!
//! **Robust mode.** The last node is looked into by a push, and comes out of
//! `protect` from `tail`. A pop looks into the dummy, out of `protect` from
//! `head`, and into its successor, which is read from the dummy: this is
//! where care is needed. A successor that is loaded from a dummy that was
//! popped meanwhile may be reclaimed, and `protect` cannot tell. But the
//! successor is not looked into before the exchange of the head has
//! succeeded; then the dummy was still in front after its successor was
//! protected, so the successor was in the queue at that time. All others only
//! compare or store the address.

mod events;

use core::{cell::UnsafeCell, fmt, marker::PhantomData, ptr};

#[cfg(feature = "alloc")]
use super::Heap;
use super::{
    Domain, Full, Handle, Node, OwnPool, SharedPool, Storage,
    domain::Brand,
    node::{VacantBlock, drop_all, loom_access},
};
use crate::{
    Link, Linked, Pool, Role,
    padding::Line,
    sync::{AtomicPtr, Ordering, const_fn},
};

/// A queue of at most `K` values, for any number of producers and consumers:
/// tasks and interrupts.
///
/// | call | progress | in an interrupt |
/// |---|---|---|
/// | [`push`](Self::push), [`pop`](Self::pop), [`push_or_replace_oldest`](Self::push_or_replace_oldest) | lock-free: repeats if another call was faster | with a deferred or per-CPU handle, or if reclaimers may run there |
/// | [`is_empty`](Self::is_empty) | as [`Handle::enter`] | as for `push` |
/// | [`len`](Self::len), [`iter`](Self::iter) | a walk; in robust mode `len` repeats it if another call popped a value | as for `push` |
///
/// A push for which there is no block flushes its handle; with a deferred or per-CPU
/// handle it reclaims only what runs no user code. Both check each slot. With an eager
/// handle all these calls may run reclaimers of others; with a deferred or per-CPU handle
/// none runs user code. The reclaimer of a node only frees its block: a value that was
/// popped belongs to the caller.
///
/// # Memory
///
/// `K` blocks, at least two. A block is in use from the push until its value
/// *and the next one* were popped and no section can hold its node any more:
/// from the first pop on, one block is taken also when the queue is empty.
/// Blocks that open guards hold back, that are in a handle's unpublished batch,
/// or that handles with an open guard keep as spares (`K / 32` each, at most 64, on targets with
/// caches) are missing until then. For `live` values the robust mode needs
/// [`Config::pool_size`](crate::Config::pool_size) of `live + 1` blocks. Blocks [do
/// not limit the values](crate::guide::which_one#4-size) to those `live` ones. In
/// basic mode a section that stalls holds back all nodes whose batches are
/// published after it began: those popped since, and those popped earlier and
/// still in an unpublished batch.
///
/// With [`SharedPool`] the `K` blocks are those of a pool that
/// [others use too](crate::safe#several-structures-in-one-pool): `n` queues
/// that were popped from keep `n` of them while they are empty. With `Heap`,
/// and 0 for `K`, each push [calls the global
/// allocator](crate::safe#on-the-heap).
///
/// # Values that are left
///
/// A queue in a `static` is never dropped, nor are the values in it. One that
/// is dropped drops them, and gives blocks of a shared pool back.
///
/// ```
/// #![forbid(unsafe_code)]
/// use hyaline::{Collector, domain, safe::{Domain, Queue}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static EVENTS: Queue<&str, 16, App> = Queue::new();
///
/// let interrupt = App::register_deferred()?;
/// EVENTS.push(&interrupt, "button")?;
/// EVENTS.push(&interrupt, "timer")?;
///
/// let task = App::register()?;
/// assert_eq!(EVENTS.pop(&task), Some("button"));
/// assert_eq!(EVENTS.pop(&task), Some("timer"));
/// assert_eq!(EVENTS.pop(&task), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue<T, const K: usize, D: Domain, P: Storage<Node<T>, K> = OwnPool> {
    head: CachePadded<AtomicPtr<Linked<Node<T>>>>,
    tail: CachePadded<AtomicPtr<Linked<Node<T>>>>,
    /// The first dummy. In a cell: its header counts as written to.
    first: UnsafeCell<Linked<Node<T>>>,
    nodes: P::Nodes,
    of: PhantomData<Brand<D>>,
}

/// On a cache line of its own, where there are caches: producers and consumers
/// do not share one.
struct CachePadded<T>(T, Line);

// SAFETY: values go from thread to thread, and are never shared. The pool of
// either storage can be shared if `T` is `Send`.
unsafe impl<T: Send, const K: usize, D: Domain, P: Storage<Node<T>, K>> Sync for Queue<T, K, D, P> {}
// SAFETY: as for `Sync`: values are `Send`, and so is the pool of them.
unsafe impl<T: Send, const K: usize, D: Domain, P: Storage<Node<T>, K>> Send for Queue<T, K, D, P> {}

impl<T, const K: usize, D: Domain> Queue<T, K, D> {
    const_fn! {
        /// An empty queue with a pool of its own.
        ///
        /// A queue of fewer than two blocks does not compile:
        ///
        /// ```compile_fail,E0080
        /// # use hyaline::{Collector, domain, safe::Queue};
        /// # domain!(App: Collector<2> = Collector::new());
        /// static EVENTS: Queue<u32, 1, App> = Queue::new();
        /// ```
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::Queue};
        ///
        /// domain!(App: Collector<2> = Collector::new());
        /// static EVENTS: Queue<u32, 16, App> = Queue::new();
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            const { assert!(K > 0, "a queue has at least two blocks; for the heap use `in_heap`") };
            Self::empty(Pool::new())
        }
    }
}

impl<T: 'static, const K: usize, D: Domain> Queue<T, K, D, SharedPool> {
    const_fn! {
        /// An empty queue that takes its nodes from a shared pool, of which
        /// each queue keeps one after its first pop.
        ///
        /// ```
        /// use hyaline::{Collector, Pool, domain, safe::{Domain, SharedPool, Node, Queue}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static NODES: Pool<Node<&str>, 8> = Pool::new();
        /// static URGENT: Queue<&str, 8, App, SharedPool> = Queue::in_pool(&NODES);
        /// static OTHERS: Queue<&str, 8, App, SharedPool> = Queue::in_pool(&NODES);
        ///
        /// let handle = App::register()?;
        /// OTHERS.push(&handle, "log")?;
        /// URGENT.push(&handle, "stop")?;
        /// let next = URGENT.pop(&handle).or_else(|| OTHERS.pop(&handle));
        /// assert_eq!(next, Some("stop"));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn in_pool(nodes: &'static Pool<Node<T>, K>) -> Self {
            Self::empty(nodes)
        }
    }
}

#[cfg(feature = "alloc")]
impl<T, D: Domain> Queue<T, 0, D, Heap> {
    const_fn! {
        /// An empty queue that takes its nodes from the global allocator, and
        /// keeps one after its first pop.
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::{Domain, Heap, Queue}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static JOBS: Queue<String, 0, App, Heap> = Queue::in_heap();
        ///
        /// let handle = App::register()?;
        /// JOBS.push(&handle, "backup".into())?;
        /// assert_eq!(JOBS.pop(&handle).as_deref(), Some("backup"));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn in_heap() -> Self {
            Self::empty(())
        }
    }
}

impl<T, const K: usize, D: Domain, P: Storage<Node<T>, K>> Queue<T, K, D, P> {
    const_fn! {
        const fn empty(nodes: P::Nodes) -> Self {
            // On the heap it is 0; a pool has at least one.
            const { assert!(K != 1, "a queue has at least two blocks: one is the dummy's") };
            let dummy = Node::without(AtomicPtr::new(ptr::null_mut()));
            Self {
                head: CachePadded(AtomicPtr::new(ptr::null_mut()), Line),
                tail: CachePadded(AtomicPtr::new(ptr::null_mut()), Line),
                first: UnsafeCell::new(Linked {
                    link: Link::new(),
                    value: dummy,
                }),
                nodes,
                of: PhantomData,
            }
        }
    }

    /// The successor's place in the node that `head` or `tail` leads to.
    ///
    /// # Safety
    ///
    /// The pointer is null, or valid for as long as the result is used.
    #[inline]
    unsafe fn next_of(&self, node: *mut Linked<Node<T>>) -> &AtomicPtr<Linked<Node<T>>> {
        let node = if node.is_null() {
            self.first.get()
        } else {
            node
        };
        // SAFETY: the first dummy, or valid (fn contract).
        unsafe {
            loom_access(node);
            &(*node).value.next
        }
    }

    /// Adds a value at the end.
    ///
    /// # Errors
    ///
    /// [`Full`], with the value, if there is no block for it.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Queue}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static QUEUE: Queue<u32, 2, App> = Queue::new();
    /// let handle = App::register()?;
    /// assert!(QUEUE.push(&handle, 1).is_ok());
    /// assert!(QUEUE.push(&handle, 2).is_ok());
    /// assert_eq!(QUEUE.push(&handle, 3).unwrap_err().into_inner(), 3);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn push<R: Role>(&'static self, handle: &Handle<D, R>, value: T) -> Result<(), Full<T>>
    where
        T: Send,
    {
        let claimed =
            VacantBlock::<_, P>::claim_in_section::<K, D, R, _>(&self.nodes, handle, || {
                handle.enter()
            });
        let Some((blank, guard)) = claimed else {
            return Err(Full(value));
        };
        let new = blank.fill(value);
        // Acquire: pairs with the Release of `help`; the node's `next` is
        // there, null or not.
        let mut tail = guard.protect(&self.tail.0, Ordering::Acquire);
        loop {
            // SAFETY: protected: the tail does not lag behind the head, so the
            // node was not retired when it was loaded.
            let place = unsafe { self.next_of(tail) };
            // Release: pairs with the Acquire of the load in `pop` and of this
            // exchange where it fails; without it the node's contents might not
            // be there yet. Acquire on failure: for `help`.
            // Not through the guard: the node that is found is not read.
            let linked =
                place.compare_exchange(ptr::null_mut(), new, Ordering::Release, Ordering::Acquire);
            match linked {
                Ok(_) => {
                    self.help(tail, new);
                    return Ok(());
                }
                Err(next) => {
                    self.help(tail, next);
                    // Acquire: as above.
                    tail = guard.protect(&self.tail.0, Ordering::Acquire);
                }
            }
        }
    }

    /// Swings the tail from a node to its successor, unless another call did.
    /// Afterwards the tail is past the node.
    #[inline]
    fn help(&self, tail: *mut Linked<Node<T>>, next: *mut Linked<Node<T>>) {
        // Release: a call that finds `next` by way of the tail sees its
        // contents, which we acquired. Acquire, also on failure: a pop that
        // retires `tail` must come after the exchange that advanced the tail,
        // so that its heavy barrier orders it.
        let _ = (self.tail.0).compare_exchange(tail, next, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Takes the first value.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Queue}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static QUEUE: Queue<u32, 2, App> = Queue::new();
    /// let handle = App::register()?;
    /// assert_eq!(QUEUE.pop(&handle), None);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn pop<R: Role>(&'static self, handle: &Handle<D, R>) -> Option<T>
    where
        T: Send,
    {
        let guard = handle.enter();
        // Acquire, and on failure below: the dummy's `next` is there.
        let mut head = guard.protect(&self.head.0, Ordering::Acquire);
        loop {
            // Acquire: loaded after the head, so it is not behind it; and if it
            // is past it, the exchange that advanced it comes before our heavy
            // barrier, as in `help`.
            let tail = self.tail.0.load(Ordering::Acquire);
            // SAFETY: protected, out of `head`.
            let place = unsafe { self.next_of(head) };
            // Acquire: pairs with the Release in `push`; the value is there.
            let next = guard.protect(place, Ordering::Acquire);
            if next.is_null() {
                // The dummy has no successor, so it is in front: empty.
                return None;
            }
            if ptr::eq(tail, head) {
                self.help(tail, next);
            }
            // Release: a call that finds `next` by way of the head sees its
            // contents, and a tail that is past the old dummy. Acquire: see
            // above.
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            match guard.compare_exchange(&self.head.0, head, next, success, failure) {
                Ok(_) => {
                    // SAFETY: protected, see the module. The exchange made the
                    // value ours: others look into `next.next` only.
                    let value = unsafe {
                        loom_access(next);
                        Node::take(next)
                    };
                    if !head.is_null() {
                        guard.local().cap_batch::<R>(K);
                        // SAFETY: the exchange unlinked the old dummy, once;
                        // the tail is past it; older dummies lead to it, but a
                        // call that stands there does not read it. It is from
                        // this storage, in a static if that is a pool, and
                        // stamped by a handle of this collector. (The first
                        // dummy stays where it is.)
                        unsafe { P::retire(&guard, head) };
                    }
                    // Before the value is on its way out: if a reclaimer
                    // panics here, the value is dropped and not leaked.
                    drop(guard);
                    return Some(value);
                }
                Err(found) => head = found,
            }
        }
    }
}

impl<T, const K: usize, D: Domain> Default for Queue<T, K, D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const K: usize, D: Domain, P: Storage<Node<T>, K>> Drop for Queue<T, K, D, P> {
    fn drop(&mut self) {
        drop_all(|| {
            // Relaxed, and below: we have the queue alone.
            let dummy = P::rederive(&mut self.nodes, self.head.0.load(Ordering::Relaxed));
            // SAFETY: linked nodes are valid.
            let next = unsafe { self.next_of(dummy) }.load(Ordering::Relaxed);
            if !dummy.is_null() {
                // SAFETY: we have it alone, it has no value, and it is behind
                // us: the head moves on, or this was the last round. (The
                // first dummy is of no pool.)
                unsafe { P::give_back(dummy) };
            }
            if next.is_null() {
                return None;
            }
            self.head.0.store(next, Ordering::Relaxed);
            let next = P::rederive(&mut self.nodes, next);
            // SAFETY: a node after the dummy has a value, which is taken once:
            // it is the dummy now.
            Some(unsafe { Node::take(next) })
        });
    }
}

impl<T, const K: usize, D: Domain, P: Storage<Node<T>, K>> fmt::Debug for Queue<T, K, D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("capacity", &K)
            .finish_non_exhaustive()
    }
}
