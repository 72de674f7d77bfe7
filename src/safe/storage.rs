//! Where the nodes of a structure are: in a pool of its own, or in one that it
//! shares.

use crate::{Linked, Pool, pool::Vacant};

use super::node::reach;

mod sealed {
    pub trait Sealed {}
}

/// The structure has a pool of its own: what it is unless it says otherwise.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Own, Stack}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static STACK: Stack<u32, 16, App> = Stack::new();
/// let same: &Stack<u32, 16, App, Own> = &STACK;
/// # assert!(same.is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Own;

/// The structure takes its nodes from a pool in a `static`, which others may
/// use, too. See [the module](crate::safe#several-structures-in-one-pool).
///
/// ```
/// use hyaline::{Collector, Pool, domain, safe::{InPool, Node, Queue, Stack}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static NODES: Pool<Node<u32>, 16> = Pool::new();
/// static IDLE: Stack<u32, 16, App, InPool> = Stack::in_pool(&NODES);
/// static READY: Queue<u32, 16, App, InPool> = Queue::in_pool(&NODES);
/// # assert!(IDLE.is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct InPool;

impl sealed::Sealed for Own {}
impl sealed::Sealed for InPool {}

/// Where nodes `N` are: in a pool of the structure's [`Own`], or
/// [`InPool`], which is shared. `K` blocks either way.
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
pub trait Storage<N, const K: usize>: sealed::Sealed {
    /// The pool, or what leads to it.
    #[doc(hidden)]
    type Nodes;
    /// The pool.
    #[doc(hidden)]
    fn pool(nodes: &Self::Nodes) -> &Pool<N, K>;
    /// For a structure that is dropped: a pointer to the same object that may
    /// be used while the structure is borrowed exclusively.
    #[doc(hidden)]
    fn reach(nodes: &mut Self::Nodes, object: *mut Linked<N>) -> *mut Linked<N>;
    /// Gives the block back, if the pool stays. The value in it is left alone.
    ///
    /// # Safety
    ///
    /// The object came from the pool, is exclusively owned, and is not used
    /// again.
    #[doc(hidden)]
    unsafe fn leave(object: *mut Linked<N>);
}

impl<N, const K: usize> Storage<N, K> for Own {
    type Nodes = Pool<N, K>;

    #[inline]
    fn pool(nodes: &Self::Nodes) -> &Pool<N, K> {
        nodes
    }

    fn reach(nodes: &mut Self::Nodes, object: *mut Linked<N>) -> *mut Linked<N> {
        // The old pointer does not come from the one exclusive reference.
        reach(nodes, object)
    }

    unsafe fn leave(_: *mut Linked<N>) {
        // The pool goes with the structure.
    }
}

impl<N: 'static, const K: usize> Storage<N, K> for InPool {
    type Nodes = &'static Pool<N, K>;

    #[inline]
    fn pool(nodes: &Self::Nodes) -> &Pool<N, K> {
        nodes
    }

    fn reach(_: &mut Self::Nodes, object: *mut Linked<N>) -> *mut Linked<N> {
        // Nobody borrows the pool exclusively.
        object
    }

    unsafe fn leave(object: *mut Linked<N>) {
        // SAFETY: "came from the pool", "exclusively owned" (# Safety); the pool
        // is a static.
        drop(unsafe { Vacant::new(object, core::ptr::null_mut()) });
    }
}
