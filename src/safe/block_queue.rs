//! A queue of blocks of cells: Ramalhete's `FAAArrayQueue` (2016), with values in
//! the cells.
//!
//! A list of segments, each of `B` cells. A push claims a cell of the last segment
//! by adding 1 to the number of its pushes, and puts its value there; a pop claims a
//! cell of the first segment, and takes it: see [`segment`]. A push that finds the
//! last segment full appends one, with its value in the first cell, and swings the
//! tail; a pop that finds the first one used up swings the head, and retires it. A
//! call that finds a tail that lags behind advances it. The tail never lags behind
//! the head, so a segment is retired when neither leads to it.
//!
//! There is no segment before the first push. That puts one into `head`, and then
//! into `tail`, where a null means: not yet. While `tail` is null no segment is
//! appended, so that `head` is still the first.
//!
//! **Robust mode.** A push looks into the last segment, out of `protect` from `tail`;
//! a pop into the first one, out of `protect` from `head`. The next segment is read
//! from one that others may have unlinked meanwhile, so that `protect` could not
//! tell. But it is not looked into: its address is stored into `head` or `tail`, if
//! that still leads to the segment that it was read from, and loaded again from
//! there.

mod look;
mod segment;

use core::{fmt, marker::PhantomData, ptr};

pub use segment::Segment;
use segment::Taken;

#[cfg(feature = "alloc")]
use super::Heap;
use super::{
    Domain, Full, Guard, Handle, OwnPool, SharedPool, Storage,
    domain::Brand,
    node::{VacantBlock, drop_all},
};
use crate::{
    Linked, Pool, Role,
    padding::Line,
    sync::{AtomicPtr, Ordering, const_fn},
};

/// A queue of up to `K` segments of `B` values, for any number of producers and
/// consumers: tasks and interrupts.
///
/// Compared with a [`Queue`](super::Queue), in which each value has a block of its
/// own, a call moves fewer cache lines between cores and executes fewer
/// instructions, and with a `B` of 32 or more a value needs less memory. With a small
/// `B` it needs more where there are caches: a segment has five of their lines beside
/// its values, which on x86-64 are 640 bytes. Blocks come free by the segment,
/// so a small queue needs more memory, too; and it has neither `iter` nor
/// `push_or_replace_oldest`. `B` = 32 is a good choice; a power of two costs least.
///
/// | call | progress | in an interrupt |
/// |---|---|---|
/// | [`push`](Self::push), [`pop`](Self::pop) | lock-free: repeats if another call was faster | with a deferred or per-CPU handle, or if reclaimers may run there |
/// | [`is_empty`](Self::is_empty), [`len`](Self::len) | as [`Handle::enter`]; in robust mode as [`Guard::protect`](crate::Guard::protect) | as for `push` |
///
/// No call waits for one that was preempted: a pop passes over the cell of a push
/// that has claimed one and has not put its value there yet, if a value was
/// put after it, and the push takes another cell. That moves the value again.
///
/// A push for which there is no block flushes its handle; with a deferred or per-CPU
/// handle it reclaims only what runs no user code. Both check each slot. With an eager
/// handle all these calls may run reclaimers of others; with a deferred or per-CPU handle
/// none runs user code. The reclaimer of a segment only frees its block: a value that was
/// popped belongs to the caller. A push that begins a segment prepares its `B` cells. In
/// a build without optimization it also has several segments on its stack, up to nine of
/// them.
///
/// # Memory
///
/// `K` blocks of one segment, at least two. A segment comes free when its last value
/// was popped (if that was the last one of the queue, when the next one was, too) and no
/// section can hold it any more. From the first push on, one is in use also when the
/// queue is empty.
///
/// With one push at a time, and no section that holds anything back, at least
/// `(K - 1) * B` values find room: one segment may be used up, except for its last
/// value or the next push. In general let `values` be the largest number of values at
/// a time, where one counts from the beginning of its push, and `calls` the number of
/// pushes and pops that are under way at a time, preempted ones included: a push may have
/// taken a block that it has not put yet, and a pop may have unlinked a segment that it
/// has not retired yet. Then the segments that are in use are at most
///
/// ```text
/// live = values / B, rounded up, + calls
/// ```
///
/// The robust mode needs [`Config::pool_size`](crate::Config::pool_size) of `live`
/// blocks. In basic mode add the segments that are held back: a section that stalls
/// holds back all whose batches are published after it began, see [which one do I
/// need?](crate::guide::which_one#4-size) Blocks that are in a handle's unpublished
/// batch, or that handles with an open guard keep as spares (`K / 32` each, at most
/// 64, on targets with caches), are missing until then. Cells that a pop passes over do not
/// count: the pops have passed them.
///
/// With [`SharedPool`] the `K` blocks are those of a pool that
/// [others use too](crate::safe#several-structures-in-one-pool): `n` queues
/// that were pushed to keep `n` of them while they are empty. With `Heap`,
/// and 0 for `K`, a push that begins a segment [calls the global
/// allocator](crate::safe#on-the-heap).
///
/// # Values that are left
///
/// A queue in a `static` is never dropped, nor are the values in it. One that
/// is dropped drops them, and gives blocks of a shared pool back.
///
/// ```
/// #![forbid(unsafe_code)]
/// use hyaline::{Collector, domain, safe::{BlockQueue, Domain}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static EVENTS: BlockQueue<&str, 32, 4, App> = BlockQueue::new(); // at least 96
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
pub struct BlockQueue<
    T,
    const B: usize,
    const K: usize,
    D: Domain,
    P: Storage<Segment<T, B>, K> = OwnPool,
> {
    head: CachePadded<AtomicPtr<Linked<Segment<T, B>>>>,
    tail: CachePadded<AtomicPtr<Linked<Segment<T, B>>>>,
    segments: P::Nodes,
    of: PhantomData<Brand<D>>,
}

/// On a cache line of its own, where there are caches: producers and consumers
/// do not share one.
struct CachePadded<T>(T, Line);

type Ptr<T, const B: usize> = *mut Linked<Segment<T, B>>;

// SAFETY: values go from thread to thread, and are never shared. The pool of
// either storage can be shared if `T` is `Send`.
unsafe impl<T: Send, const B: usize, const K: usize, D: Domain, P: Storage<Segment<T, B>, K>> Sync
    for BlockQueue<T, B, K, D, P>
{
}
// SAFETY: as for `Sync`: values are `Send`, and so is the pool of them.
unsafe impl<T: Send, const B: usize, const K: usize, D: Domain, P: Storage<Segment<T, B>, K>> Send
    for BlockQueue<T, B, K, D, P>
{
}

impl<T, const B: usize, const K: usize, D: Domain> BlockQueue<T, B, K, D> {
    const_fn! {
        /// An empty queue with a pool of its own.
        ///
        /// One of fewer than two segments does not compile, nor one of none:
        ///
        /// ```compile_fail,E0080
        /// # use hyaline::{Collector, domain, safe::BlockQueue};
        /// # domain!(App: Collector<2> = Collector::new());
        /// static EVENTS: BlockQueue<u32, 32, 1, App> = BlockQueue::new();
        /// ```
        ///
        /// ```compile_fail,E0080
        /// # use hyaline::{Collector, domain, safe::BlockQueue};
        /// # domain!(App: Collector<2> = Collector::new());
        /// static EVENTS: BlockQueue<u32, 0, 4, App> = BlockQueue::new();
        /// ```
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::BlockQueue};
        ///
        /// domain!(App: Collector<2> = Collector::new());
        /// static EVENTS: BlockQueue<u32, 32, 4, App> = BlockQueue::new();
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            const { assert!(K > 0, "a queue has at least two segments; for the heap use `in_heap`") };
            Self::empty(Pool::new())
        }
    }
}

impl<T: 'static, const B: usize, const K: usize, D: Domain> BlockQueue<T, B, K, D, SharedPool> {
    const_fn! {
        /// An empty queue that takes its segments from a shared pool, of which
        /// each queue keeps one after its first push.
        ///
        /// ```
        /// use hyaline::{Collector, Pool, domain, safe::{BlockQueue, Domain, Segment, SharedPool}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static SEGMENTS: Pool<Segment<&str, 8>, 4> = Pool::new();
        /// static URGENT: BlockQueue<&str, 8, 4, App, SharedPool> = BlockQueue::in_pool(&SEGMENTS);
        /// static OTHERS: BlockQueue<&str, 8, 4, App, SharedPool> = BlockQueue::in_pool(&SEGMENTS);
        ///
        /// let handle = App::register()?;
        /// OTHERS.push(&handle, "log")?;
        /// URGENT.push(&handle, "stop")?;
        /// let next = URGENT.pop(&handle).or_else(|| OTHERS.pop(&handle));
        /// assert_eq!(next, Some("stop"));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn in_pool(segments: &'static Pool<Segment<T, B>, K>) -> Self {
            Self::empty(segments)
        }
    }
}

#[cfg(feature = "alloc")]
impl<T, const B: usize, D: Domain> BlockQueue<T, B, 0, D, Heap> {
    const_fn! {
        /// An empty queue that takes its segments from the global allocator, and
        /// keeps one after its first push.
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::{BlockQueue, Domain, Heap}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static JOBS: BlockQueue<String, 32, 0, App, Heap> = BlockQueue::in_heap();
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

impl<T, const B: usize, const K: usize, D: Domain, P: Storage<Segment<T, B>, K>>
    BlockQueue<T, B, K, D, P>
{
    const_fn! {
        const fn empty(segments: P::Nodes) -> Self {
            const { assert!(B > 0, "a segment has at least one value") };
            // On the heap it is 0; a pool has at least one.
            const { assert!(K != 1, "a queue has at least two segments: one may be used up") };
            Self {
                head: CachePadded(AtomicPtr::new(ptr::null_mut()), Line),
                tail: CachePadded(AtomicPtr::new(ptr::null_mut()), Line),
                segments,
                of: PhantomData,
            }
        }
    }

    /// Adds a value at the end.
    ///
    /// # Errors
    ///
    /// [`Full`], with the value, if the last segment is full and there is no block
    /// for another one.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{BlockQueue, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static QUEUE: BlockQueue<u32, 1, 2, App> = BlockQueue::new();
    /// let handle = App::register()?;
    /// assert!(QUEUE.push(&handle, 1).is_ok());
    /// assert!(QUEUE.push(&handle, 2).is_ok());
    /// assert_eq!(QUEUE.push(&handle, 3).unwrap_err().into_inner(), 3);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn push<R: Role>(&'static self, handle: &Handle<D, R>, mut value: T) -> Result<(), Full<T>>
    where
        T: Send,
    {
        let mut guard = handle.enter();
        // The segment for which there was no block.
        let (mut spare, mut refused) = (None, None);
        loop {
            // Acquire: pairs with the Release of `help`; without it the segment
            // might not be prepared yet.
            let tail = guard.protect(&self.tail.0, Ordering::Acquire);
            let (place, number) = if tail.is_null() {
                (&self.head.0, 0)
            } else {
                // SAFETY: protected: the tail does not lag behind the head, so the
                // segment was not retired when it was loaded.
                let last = unsafe { Segment::fields(tail) };
                match last.put(value) {
                    Ok(()) => return Ok(()),
                    Err(back) => value = back,
                }
                // Relaxed: a hint, which saves a load of the segment's end.
                if !ptr::eq(self.tail.0.load(Ordering::Relaxed), tail) {
                    continue;
                }
                (last.next(), last.number().wrapping_add(1))
            };
            // Acquire: for `help`.
            let next = place.load(Ordering::Acquire);
            if !next.is_null() {
                self.help(tail, next);
                continue;
            }
            let Some(block) = spare.take() else {
                // The segment is not used any more. See `VacantBlock`.
                drop(guard);
                if refused == Some(number) {
                    return Err(Full(value));
                }
                let claimed = VacantBlock::<_, P>::claim_in_section::<K, D, R, _>(
                    &self.segments,
                    handle,
                    || handle.enter(),
                );
                match claimed {
                    Some((block, entered)) => (spare, guard) = (Some(block), entered),
                    // Looks again: another push may have appended the last block,
                    // which has room.
                    None => (refused, guard) = (Some(number), handle.enter()),
                }
                continue;
            };
            // SAFETY: the block is ours.
            let new = unsafe {
                Segment::prepare(block.object(), number);
                Segment::fields(block.object())
            };
            // It has room.
            let _ = new.put(value);
            // Release: pairs with the Acquire of the load in a pop and of those
            // above; without it the segment might not be prepared yet. Acquire on
            // failure: for `help`. Not through the guard: what is found is not
            // looked into.
            let (success, failure) = (Ordering::Release, Ordering::Acquire);
            match place.compare_exchange(ptr::null_mut(), block.object(), success, failure) {
                Ok(_) => {
                    self.help(tail, block.into_object());
                    return Ok(());
                }
                Err(next) => {
                    self.help(tail, next);
                    // SAFETY: it is still ours.
                    match unsafe { new.take_alone() } {
                        Some(back) => value = back,
                        None => unreachable!("it was put above"),
                    }
                    spare = Some(block);
                }
            }
        }
    }

    /// Swings the tail from a segment, or from null, to the next one, unless another
    /// call did. Afterwards the tail is past the segment.
    #[inline]
    fn help(&self, tail: Ptr<T, B>, next: Ptr<T, B>) {
        // Release: a call that finds `next` by way of the tail sees that it is
        // prepared, which we acquired. Acquire, also on failure: a pop that
        // retires `tail` must come after the exchange that advanced the tail,
        // so that its heavy barrier orders it.
        let _ = (self.tail.0).compare_exchange(tail, next, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Takes the first value.
    ///
    /// `None` if there is no value: also if pushes are under way, and none of them
    /// has put its value.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{BlockQueue, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static QUEUE: BlockQueue<u32, 32, 2, App> = BlockQueue::new();
    /// let handle = App::register()?;
    /// assert_eq!(QUEUE.pop(&handle), None);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn pop<R: Role>(&'static self, handle: &Handle<D, R>) -> Option<T>
    where
        T: Send,
    {
        let guard = handle.enter();
        loop {
            // Acquire: pairs with the Release of the exchange in `advance`, and of
            // that in `push` for the first segment; without it the segment might
            // not be prepared yet.
            let head = guard.protect(&self.head.0, Ordering::Acquire);
            if head.is_null() {
                return None;
            }
            // SAFETY: protected, out of `head`.
            match unsafe { Segment::fields(head) }.take() {
                Taken::Nothing => return None,
                Taken::Value(value, next) => {
                    // The last one of a segment: its block comes free sooner, and
                    // the next pop does not have to find out.
                    if let Some(next) = next {
                        self.advance(&guard, head, next);
                    }
                    // Before the value is on its way out: if a reclaimer
                    // panics here, the value is dropped and not leaked.
                    drop(guard);
                    return Some(value);
                }
                Taken::Followed(next) => self.advance(&guard, head, next),
            }
        }
    }

    /// Swings the head from a segment that is used up to the next one, unless
    /// another call did, and retires it.
    #[cold]
    fn advance<R: Role>(&self, guard: &Guard<'_, D, R>, head: Ptr<T, B>, next: Ptr<T, B>) {
        // Relaxed: a hint, which saves a load of the tail.
        if !ptr::eq(self.head.0.load(Ordering::Relaxed), head) {
            return;
        }
        // Acquire: loaded after the head, so it is not behind it; and if it is
        // past it, the exchange that advanced it comes before our heavy barrier, as
        // in `help`.
        if ptr::eq(self.tail.0.load(Ordering::Acquire), head) {
            self.help(head, next);
        }
        // Release: a call that finds `next` by way of the head sees that it is
        // prepared, and a tail that is past the old head. Acquire: see above.
        // Relaxed on failure: the caller loads it again.
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        if (self.head.0)
            .compare_exchange(head, next, success, failure)
            .is_ok()
        {
            guard.local().cap_batch::<R>(K);
            // SAFETY: the exchange unlinked it, once; the tail is past it; older
            // segments lead to it, but a call that stands there does not look into
            // it. It is from this storage, in a static if that is a pool, and
            // stamped by a handle of this collector. It has no value: pops have
            // claimed all cells, and have taken the values or will do so in their
            // sections.
            unsafe { P::retire(guard, head) };
        }
    }
}

impl<T, const B: usize, const K: usize, D: Domain> Default for BlockQueue<T, B, K, D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const B: usize, const K: usize, D: Domain, P: Storage<Segment<T, B>, K>> Drop
    for BlockQueue<T, B, K, D, P>
{
    fn drop(&mut self) {
        drop_all(|| {
            loop {
                // Relaxed, and below: we have the queue alone.
                let head = P::rederive(&mut self.segments, self.head.0.load(Ordering::Relaxed));
                if head.is_null() {
                    return None;
                }
                // SAFETY: linked segments are valid, and we have them alone.
                let first = unsafe { Segment::fields(head) };
                // SAFETY: as above.
                if let Some(value) = unsafe { first.take_alone() } {
                    return Some(value);
                }
                self.head
                    .0
                    .store(first.next().load(Ordering::Relaxed), Ordering::Relaxed);
                // SAFETY: we have it alone, it has no value, and it is behind us.
                unsafe { P::give_back(head) };
            }
        });
    }
}

impl<T, const B: usize, const K: usize, D: Domain, P: Storage<Segment<T, B>, K>> fmt::Debug
    for BlockQueue<T, B, K, D, P>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockQueue")
            .field("segments", &K)
            .field("values", &B)
            .finish_non_exhaustive()
    }
}
