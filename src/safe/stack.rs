//! A stack: Treiber's (IBM RJ 5118, 1986).
//!
//! A pop reads the top node and swings the top to the one below. If the node
//! could be reused in between, the exchange would succeed with a wrong
//! successor (the ABA problem). The section prevents it: a node that was
//! loaded through the guard is not reused before the guard is dropped.
//!
//! **Robust mode.** The one node that is looked into is the top, and it comes
//! out of `protect`, from a place that never goes away. A pop does not look into
//! the node below: its address is put on top if the top is still the same. So
//! the algorithm is right as it is. A walk does look into it, see `walk`.

use core::{fmt, marker::PhantomData, ptr};

#[cfg(feature = "alloc")]
use super::Heap;
use super::{
    Domain, Full, Guard, Handle, Node, OwnPool, SharedPool, Storage, Values,
    domain::Brand,
    node::{VacantBlock, drop_all, loom_access},
    walk::Walk,
};
use crate::{
    Linked, Pool, Role,
    sync::{AtomicPtr, Ordering, const_fn},
};

/// A stack of at most `K` values, for any number of tasks and interrupts. A
/// stack of indices, or of boxes of a static pool, is a free list.
///
/// | call | progress | in an interrupt |
/// |---|---|---|
/// | [`push`](Self::push), [`pop`](Self::pop) | lock-free: repeats if another call changed the top | with a deferred or per-CPU handle, or if reclaimers may run there |
/// | [`is_empty`](Self::is_empty) | wait-free | yes |
/// | [`len`](Self::len), [`iter`](Self::iter) | a walk through the values | as for `push` |
///
/// A push for which there is no block flushes its handle; with a deferred or per-CPU
/// handle it reclaims only what runs no user code. Both check each slot. With an eager
/// handle all these calls but `is_empty` may run reclaimers of others; with a deferred or
/// per-CPU handle none runs user code. The reclaimer of a node only frees its block: a
/// value that was popped belongs to the caller.
///
/// # Memory
///
/// `K` blocks. A block is in use from the push until no section can hold its
/// node any more. So a push may be refused though there are fewer than `K`
/// values: open guards hold popped nodes back, and handles keep blocks in an
/// unpublished batch or as spares (`K / 32` each, at most 64, on targets with
/// caches). For `live` values the robust mode needs
/// [`Config::pool_size`](crate::Config::pool_size) blocks. In basic mode a
/// section that stalls holds back all nodes whose batches are published after
/// it began: those popped since, and those popped earlier and still in an
/// unpublished batch.
///
/// With [`SharedPool`] the `K` blocks are those of a pool that
/// [others use too](crate::safe#several-structures-in-one-pool). With `Heap`,
/// and 0 for `K`, each push [calls the global
/// allocator](crate::safe#on-the-heap).
///
/// # Values that are left
///
/// A stack in a `static` is never dropped, nor are the values in it. One that
/// is dropped drops them, and gives blocks of a shared pool back.
///
/// ```
/// #![forbid(unsafe_code)]
/// use hyaline::{Collector, domain, safe::{Domain, Stack}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static FREE: Stack<u16, 32, App> = Stack::new(); // descriptors
///
/// let handle = App::register()?;
/// for descriptor in 0..16 {
///     FREE.push(&handle, descriptor)?;
/// }
/// assert_eq!(FREE.pop(&handle), Some(15));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stack<T, const K: usize, D: Domain, P: Storage<Node<T>, K> = OwnPool> {
    top: AtomicPtr<Linked<Node<T>>>,
    nodes: P::Nodes,
    of: PhantomData<Brand<D>>,
}

// SAFETY: values go from thread to thread, and are never shared. What a node
// points to is the stack's, and only read once the node is published. The pool
// of either storage can be shared if `T` is `Send`.
unsafe impl<T: Send, const K: usize, D: Domain, P: Storage<Node<T>, K>> Sync for Stack<T, K, D, P> {}
// SAFETY: as for `Sync`: values are `Send`, and so is the pool of them.
unsafe impl<T: Send, const K: usize, D: Domain, P: Storage<Node<T>, K>> Send for Stack<T, K, D, P> {}

impl<T, const K: usize, D: Domain> Stack<T, K, D> {
    const_fn! {
        /// An empty stack with a pool of its own.
        ///
        /// A stack without blocks does not compile.
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::Stack};
        ///
        /// domain!(App: Collector<2> = Collector::new());
        /// static FREE: Stack<u32, 16, App> = Stack::new();
        /// # assert!(FREE.is_empty());
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            const { assert!(K > 0, "a stack has at least one block; for the heap use `in_heap`") };
            Self {
                top: AtomicPtr::new(ptr::null_mut()),
                nodes: Pool::new(),
                of: PhantomData,
            }
        }
    }
}

impl<T: 'static, const K: usize, D: Domain> Stack<T, K, D, SharedPool> {
    const_fn! {
        /// An empty stack that takes its nodes from a shared pool.
        ///
        /// ```
        /// use hyaline::{Collector, Pool, domain, safe::{Domain, SharedPool, Node, Stack}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static NODES: Pool<Node<u32>, 2> = Pool::new();
        /// static CLEAN: Stack<u32, 2, App, SharedPool> = Stack::in_pool(&NODES);
        /// static DIRTY: Stack<u32, 2, App, SharedPool> = Stack::in_pool(&NODES);
        ///
        /// let handle = App::register()?;
        /// CLEAN.push(&handle, 1)?;
        /// CLEAN.push(&handle, 2)?;
        /// assert_eq!(DIRTY.push(&handle, 3).unwrap_err().into_inner(), 3);
        /// assert_eq!(CLEAN.pop(&handle), Some(2));
        /// DIRTY.push(&handle, 2)?; // in the block that is free now
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn in_pool(nodes: &'static Pool<Node<T>, K>) -> Self {
            Self {
                top: AtomicPtr::new(ptr::null_mut()),
                nodes,
                of: PhantomData,
            }
        }
    }
}

#[cfg(feature = "alloc")]
impl<T, D: Domain> Stack<T, 0, D, Heap> {
    const_fn! {
        /// An empty stack that takes its nodes from the global allocator.
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::{Domain, Heap, Stack}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static IDLE: Stack<String, 0, App, Heap> = Stack::in_heap();
        ///
        /// let handle = App::register()?;
        /// IDLE.push(&handle, "worker".into())?;
        /// assert_eq!(IDLE.pop(&handle).as_deref(), Some("worker"));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn in_heap() -> Self {
            Self {
                top: AtomicPtr::new(ptr::null_mut()),
                nodes: (),
                of: PhantomData,
            }
        }
    }
}

impl<T, const K: usize, D: Domain, P: Storage<Node<T>, K>> Stack<T, K, D, P> {
    /// Puts a value on top.
    ///
    /// # Errors
    ///
    /// [`Full`], with the value, if there is no block for it.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Stack}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static STACK: Stack<u32, 1, App> = Stack::new();
    /// let handle = App::register()?;
    /// assert!(STACK.push(&handle, 1).is_ok());
    /// assert_eq!(STACK.push(&handle, 2).unwrap_err().into_inner(), 2);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn push<R: Role>(&'static self, handle: &Handle<D, R>, value: T) -> Result<(), Full<T>>
    where
        T: Send,
    {
        let Some(blank) = VacantBlock::<_, P>::claim::<K, D, R>(&self.nodes, handle) else {
            return Err(Full(value));
        };
        let new = blank.fill(value);
        // No section: no node is looked into here, and if the top is what it
        // was, what it has been in between makes no difference.
        // Relaxed: the address only.
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is not published yet.
            unsafe { (*new).value.next = AtomicPtr::new(top) };
            // Release: pairs with the Acquire in `pop`; without it the node's
            // contents might not be there yet. Relaxed on failure: as above.
            match (self.top).compare_exchange_weak(top, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => top = found,
            }
        }
    }

    /// Takes the value on top.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Stack}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static STACK: Stack<u32, 2, App> = Stack::new();
    /// let handle = App::register()?;
    /// assert_eq!(STACK.pop(&handle), None);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn pop<R: Role>(&'static self, handle: &Handle<D, R>) -> Option<T>
    where
        T: Send,
    {
        let guard = handle.enter();
        // Acquire, and on failure below: see `push`.
        let mut top = guard.protect(&self.top, Ordering::Acquire);
        loop {
            if top.is_null() {
                return None;
            }
            // SAFETY: protected, out of `top`, so acquired; `next` is not
            // written after the push.
            let below = unsafe {
                loom_access(top);
                (*top).value.fixed_next()
            };
            // Relaxed: the top was acquired above. All that is done to `top`
            // is read-modify-write, so this continues the release sequences of
            // all pushes before it, and a load of the node below from here
            // acquires its contents from the push that released them.
            let (success, failure) = (Ordering::Relaxed, Ordering::Acquire);
            match guard.compare_exchange_weak(&self.top, top, below, success, failure) {
                Ok(_) => break,
                Err(found) => top = found,
            }
        }
        // SAFETY: the exchange made the node ours; others may still read
        // `next`, but not the value.
        let value = unsafe { Node::take(top) };
        guard.local().cap_batch::<R>(K);
        // SAFETY: it was unlinked by the exchange, once; `top` was the only way
        // to it: a pop that read the `next` of a popped node fails in its
        // exchange, and a walk that read it protects the node below (see
        // `walk`). It is from this storage, in a static if that is a pool, and
        // stamped by a handle of this collector.
        unsafe { P::retire(&guard, top) };
        // Before the value is on its way out: if a reclaimer panics here, the
        // value is dropped and not leaked.
        drop(guard);
        Some(value)
    }

    /// Whether there is no value. Others may push or pop before the answer is
    /// used.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::Stack};
    /// # domain!(App: Collector<4> = Collector::new());
    /// assert!(Stack::<u32, 2, App>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // Relaxed: the address only.
        self.top.load(Ordering::Relaxed).is_null()
    }

    /// How many values there are: approximate, as others may push or pop
    /// before the answer is used. O(values), which are those that were there
    /// when the call was made.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Stack}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static STACK: Stack<u32, 4, App> = Stack::new();
    /// let handle = App::register()?;
    /// STACK.push(&handle, 1)?;
    /// STACK.push(&handle, 2)?;
    /// assert_eq!(STACK.len(&handle), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len<R: Role>(&'static self, handle: &Handle<D, R>) -> usize {
        self.walk(&handle.enter()).count()
    }

    /// Copies of the values, from the top down: for debugging.
    ///
    /// They are those that were there when the call was made.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Stack}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static STACK: Stack<u32, 4, App> = Stack::new();
    /// let handle = App::register()?;
    /// STACK.push(&handle, 1)?;
    /// STACK.push(&handle, 2)?;
    /// assert!(STACK.iter(&handle.enter()).eq([2, 1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter<'g, R: Role>(&'static self, guard: &'g Guard<'_, D, R>) -> Values<'g, T, D, R>
    where
        T: Copy + Send,
    {
        Values::new(self.walk(guard))
    }

    fn walk<'g, R: Role>(&'static self, guard: &'g Guard<'_, D, R>) -> Walk<'g, T, D, R> {
        // Acquire: as in `pop`.
        let top = guard.protect(&self.top, Ordering::Acquire);
        // SAFETY: it came out of `protect` of the top.
        unsafe { Walk::down(guard, top) }
    }
}

impl<T, const K: usize, D: Domain> Default for Stack<T, K, D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const K: usize, D: Domain, P: Storage<Node<T>, K>> Drop for Stack<T, K, D, P> {
    fn drop(&mut self) {
        drop_all(|| {
            // Relaxed, and below: we have the stack alone.
            let top = self.top.load(Ordering::Relaxed);
            if top.is_null() {
                return None;
            }
            let top = P::rederive(&mut self.nodes, top);
            // SAFETY: linked nodes have a value, and nobody else is here. The
            // node leaves the stack, so its value is taken once.
            unsafe {
                let below = (*top).value.fixed_next();
                self.top.store(below, Ordering::Relaxed);
                let value = Node::take(top);
                P::give_back(top);
                Some(value)
            }
        });
    }
}

impl<T, const K: usize, D: Domain, P: Storage<Node<T>, K>> fmt::Debug for Stack<T, K, D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("capacity", &K)
            .finish_non_exhaustive()
    }
}
