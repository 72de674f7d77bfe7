//! Where the objects of a structure are: in a pool of its own, in one that it
//! shares, or on the heap.

use core::ptr;

use super::{Domain, Guard, Handle};
use crate::{Linked, Pool, Role, pool::Vacant, raw::magazine::Magazine, reclaim};

mod sealed {
    pub trait Sealed {}
}

/// The structure has a pool of its own: what it is unless it says otherwise.
///
/// ```
/// use hyaline::{Collector, domain, safe::{OwnPool, Stack}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static STACK: Stack<u32, 16, App> = Stack::new();
/// let same: &Stack<u32, 16, App, OwnPool> = &STACK;
/// # assert!(same.is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OwnPool;

/// The structure takes its nodes from a pool in a `static`, which others may
/// use, too. See [the module](crate::safe#several-structures-in-one-pool).
///
/// ```
/// use hyaline::{Collector, Pool, domain, safe::{SharedPool, Node, Queue, Stack}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static NODES: Pool<Node<u32>, 16> = Pool::new();
/// static IDLE: Stack<u32, 16, App, SharedPool> = Stack::in_pool(&NODES);
/// static READY: Queue<u32, 16, App, SharedPool> = Queue::in_pool(&NODES);
/// # assert!(IDLE.is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SharedPool;

impl sealed::Sealed for OwnPool {}
impl sealed::Sealed for SharedPool {}

/// Where an object comes from and goes back to: a pool ([`OwnPool`], [`SharedPool`]),
/// or the heap (`Heap`, with feature `alloc`). Sealed.
///
/// ```
/// use hyaline::safe::{Atomic, Domain, Guard, Origin};
///
/// /// Whether there is something, wherever it is.
/// fn is_set<T, D: Domain, P: Origin>(place: &Atomic<T, D, P>, guard: &Guard<'_, D>) -> bool {
///     !place.load(guard).is_null()
/// }
/// ```
pub trait Origin: sealed::Sealed + Sized + 'static {
    /// Retires an object, whose value is to be dropped.
    ///
    /// # Safety
    ///
    /// As [`Guard::defer_retire`](crate::Guard::defer_retire), except for
    /// the reclaimer. The object came from this storage, in a static if that is a
    /// pool; it may have been a `MaybeUninit<T>` there, or a type of the same
    /// layout.
    #[doc(hidden)]
    unsafe fn retire<T, D: Domain, R: Role>(guard: &Guard<'_, D, R>, object: *mut Linked<T>);
    /// Gives the memory of an object back. The value in it is left alone.
    ///
    /// # Safety
    ///
    /// The object came from this storage, which is still there; as for `retire`
    /// it may have been of another type of the same layout. It is exclusively
    /// owned, and is not used again.
    #[doc(hidden)]
    unsafe fn free<T>(object: *mut Linked<T>);
}

impl Origin for OwnPool {
    #[inline]
    unsafe fn retire<T, D: Domain, R: Role>(guard: &Guard<'_, D, R>, object: *mut Linked<T>) {
        // SAFETY: unlinked, retired once, from a pool in a static (# Safety). If `T`
        // needs no drop, `pooled` runs no user code.
        unsafe { guard.retire_value(object, reclaim::pooled::<T>) };
    }

    #[inline]
    unsafe fn free<T>(object: *mut Linked<T>) {
        // SAFETY: "came from this storage", "exclusively owned" (# Safety). No
        // magazine.
        drop(unsafe { Vacant::new(object, ptr::null_mut()) });
    }
}

impl Origin for SharedPool {
    #[inline]
    unsafe fn retire<T, D: Domain, R: Role>(guard: &Guard<'_, D, R>, object: *mut Linked<T>) {
        // SAFETY: the contract of `OwnPool` (# Safety): unlinked, retired once, from a
        // pool in a static.
        unsafe { OwnPool::retire(guard, object) };
    }

    #[inline]
    unsafe fn free<T>(object: *mut Linked<T>) {
        // SAFETY: the contract of `OwnPool` (# Safety): from a pool that is still
        // there, exclusively owned, and not used again.
        unsafe { OwnPool::free(object) };
    }
}

/// Where objects of type `N` are allocated: in a pool of the structure's
/// [`OwnPool`], [`SharedPool`], which is shared, `K` of them either way; or on the heap
/// (`Heap`, with feature `alloc`), with `K` = 0. Sealed.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, Handle, Node, Stack, Storage}};
///
/// /// Drops all values.
/// fn clear<T: Send, const K: usize, D: Domain, P: Storage<Node<T>, K>>(
///     stack: &'static Stack<T, K, D, P>,
///     handle: &Handle<D>,
/// ) {
///     while stack.pop(handle).is_some() {}
/// }
///
/// domain!(App: Collector<2> = Collector::new());
/// static STACK: Stack<u32, 4, App> = Stack::new();
/// let handle = App::register()?;
/// STACK.push(&handle, 1)?;
/// clear(&STACK, &handle);
/// assert!(STACK.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Storage<N, const K: usize>: Origin {
    /// The pool, what leads to it, or nothing.
    #[doc(hidden)]
    type Nodes;
    /// Whether the objects are in the structure.
    #[doc(hidden)]
    const INSIDE: bool = false;
    /// Whether to try in a section first: a block that the handle keeps costs
    /// less there.
    #[doc(hidden)]
    const TRY: bool = false;
    /// Memory for an object, with a header that the handle has stamped, and without a
    /// value. Unless there is none. May flush the handle and so run reclaimers.
    #[doc(hidden)]
    fn claim<D: Domain, R: Role>(
        nodes: &Self::Nodes,
        handle: &Handle<D, R>,
    ) -> Option<*mut Linked<N>>;
    /// As `claim`, and reclaims nothing.
    #[doc(hidden)]
    fn try_claim<D: Domain, R: Role>(
        nodes: &Self::Nodes,
        handle: &Handle<D, R>,
    ) -> Option<*mut Linked<N>>;
    /// For a structure that is dropped: a pointer to the same object that may
    /// be used while the structure is borrowed exclusively; null for null.
    #[doc(hidden)]
    fn rederive(nodes: &mut Self::Nodes, object: *mut Linked<N>) -> *mut Linked<N>;
    /// Gives the memory back, unless it goes with the structure. The value in it
    /// is left alone.
    ///
    /// # Safety
    ///
    /// As [`Origin::free`].
    #[doc(hidden)]
    unsafe fn give_back(object: *mut Linked<N>);
}

/// How [`Storage`] allocates when `Nodes` is a `Pool<N, K>`, or leads to one.
macro_rules! pool_allocations {
    () => {
        const TRY: bool = Magazine::size(K) > 0;

        #[inline]
        fn claim<D: Domain, R: Role>(
            nodes: &Self::Nodes,
            handle: &Handle<D, R>,
        ) -> Option<*mut Linked<N>> {
            nodes.claim(handle)
        }

        #[inline]
        fn try_claim<D: Domain, R: Role>(
            nodes: &Self::Nodes,
            handle: &Handle<D, R>,
        ) -> Option<*mut Linked<N>> {
            nodes.try_claim(handle)
        }
    };
}

impl<N, const K: usize> Storage<N, K> for OwnPool {
    type Nodes = Pool<N, K>;
    const INSIDE: bool = true;
    pool_allocations!();

    /// Pointers from before are not valid any more: they do not come from the
    /// one exclusive reference.
    fn rederive(nodes: &mut Self::Nodes, object: *mut Linked<N>) -> *mut Linked<N> {
        ptr::from_mut(nodes)
            .cast::<Linked<N>>()
            .with_addr(object.addr())
    }

    unsafe fn give_back(_: *mut Linked<N>) {
        // The pool goes with the structure.
    }
}

impl<N: 'static, const K: usize> Storage<N, K> for SharedPool {
    type Nodes = &'static Pool<N, K>;
    pool_allocations!();

    fn rederive(_: &mut Self::Nodes, object: *mut Linked<N>) -> *mut Linked<N> {
        // Nobody borrows the pool exclusively.
        object
    }

    unsafe fn give_back(object: *mut Linked<N>) {
        // SAFETY: the contract of `free` (# Safety); the pool is a static.
        unsafe { Self::free(object) };
    }
}

/// The global allocator, see [`Heap`].
#[cfg(feature = "alloc")]
mod heap {
    use alloc::alloc::{Layout, alloc, dealloc};
    use core::ptr;

    use super::{Origin, Storage, sealed::Sealed};
    use crate::{
        Link, Linked, Role,
        safe::{Domain, Guard, Handle},
        sync::AtomicPtr,
    };

    /// The structure takes its nodes from the global allocator, and needs no
    /// capacity in advance: it is full when the allocator has no memory. See
    /// [the module](crate::safe#on-the-heap).
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, Heap, Queue}};
    ///
    /// domain!(App: Collector<4> = Collector::new());
    /// static JOBS: Queue<u32, 0, App, Heap> = Queue::in_heap();
    ///
    /// let handle = App::register()?;
    /// JOBS.push(&handle, 1)?;
    /// assert_eq!(JOBS.pop(&handle), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[derive(Clone, Copy, Debug)]
    pub struct Heap;

    impl Sealed for Heap {}

    impl Origin for Heap {
        #[inline]
        unsafe fn retire<T, D: Domain, R: Role>(guard: &Guard<'_, D, R>, object: *mut Linked<T>) {
            // Not `retire_value`: a deferred handle, in an interrupt, must not
            // call the allocator either.
            // SAFETY: unlinked, retired once, from this storage (# Safety).
            unsafe { guard.defer_retire(object, destroy::<T>) };
        }

        #[inline]
        unsafe fn free<T>(object: *mut Linked<T>) {
            // SAFETY: "came from this storage" (# Safety): `alloc` obtained it, with
            // this layout.
            unsafe { dealloc(object.cast(), Layout::new::<Block<T>>()) };
        }
    }

    /// What is allocated: aligned as a block of a pool is, see `tag`.
    #[repr(C)]
    struct Block<T>(Linked<T>, [AtomicPtr<()>; 0]);

    /// Memory for a `B`; null if there is none, also after a flush.
    #[inline]
    pub(in crate::safe) fn obtain<B, D: Domain, R: Role>(handle: &Handle<D, R>) -> *mut B {
        const { assert!(size_of::<B>() > 0, "what has a header has a size") };
        let layout = Layout::new::<B>();
        // SAFETY: not of size zero.
        let mut memory = unsafe { alloc(layout) };
        if memory.is_null() && handle.flush() > 0 {
            // SAFETY: not of size zero.
            memory = unsafe { alloc(layout) };
        }
        memory.cast()
    }

    /// The reclaimer: drops the value and frees the memory, also if the drop
    /// panics.
    ///
    /// # Safety
    ///
    /// The object came from `Heap`, and has a value.
    unsafe fn destroy<T>(link: *mut Link) {
        struct Memory<T>(*mut Linked<T>);

        impl<T> Drop for Memory<T> {
            fn drop(&mut self) {
                // SAFETY: it came from here (fn contract), its value is
                // dropped, and it is reclaimed once.
                unsafe { Heap::free(self.0) };
            }
        }

        let memory = Memory(link.cast::<Linked<T>>());
        // SAFETY: it has a value (fn contract), and is reclaimed once.
        unsafe { ptr::drop_in_place(&raw mut (*memory.0).value) };
    }

    impl<N> Storage<N, 0> for Heap {
        type Nodes = ();

        #[inline]
        fn claim<D: Domain, R: Role>((): &(), handle: &Handle<D, R>) -> Option<*mut Linked<N>> {
            let object = obtain::<Block<N>, D, R>(handle).cast::<Linked<N>>();
            if object.is_null() {
                return None;
            }
            // SAFETY: the memory is ours.
            unsafe { (&raw mut (*object).link).write(handle.stamp()) };
            Some(object)
        }

        /// Not in a section, see `TRY`: the allocator may take its time.
        fn try_claim<D: Domain, R: Role>(_: &(), _: &Handle<D, R>) -> Option<*mut Linked<N>> {
            None
        }

        fn rederive((): &mut (), object: *mut Linked<N>) -> *mut Linked<N> {
            object
        }

        unsafe fn give_back(object: *mut Linked<N>) {
            // SAFETY: the contract of `free` (# Safety).
            unsafe { Self::free(object) };
        }
    }
}

#[cfg(feature = "alloc")]
pub use heap::Heap;
#[cfg(feature = "alloc")]
pub(super) use heap::obtain;
