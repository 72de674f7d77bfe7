//! The calls that change nothing.

use super::{BlockQueue, Domain, Handle, Segment, Storage};
use crate::{Role, sync::Ordering};

impl<T: 'static, const B: usize, const K: usize, D: Domain, P: Storage<Segment<T, B>, K>>
    BlockQueue<T, B, K, D, P>
{
    /// Whether there is no value. Others may push or pop before the answer is
    /// used. As [`pop`](Self::pop), it opens a section; it does not repeat
    /// anything. Looks at the cells of pushes that are under way, at most `B`.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{BlockQueue, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static QUEUE: BlockQueue<u32, 32, 2, App> = BlockQueue::new();
    /// let handle = App::register()?;
    /// assert!(QUEUE.is_empty(&handle));
    /// QUEUE.push(&handle, 1)?;
    /// assert!(!QUEUE.is_empty(&handle));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty<R: Role>(&'static self, handle: &Handle<D, R>) -> bool {
        let guard = handle.enter();
        // Acquire: as in `pop`.
        let head = guard.protect(&self.head.0, Ordering::Acquire);
        // SAFETY: protected, out of `head`.
        head.is_null() || !unsafe { Segment::fields(head) }.has_value()
    }

    /// How many values there are: exact if no other call is under way. Otherwise
    /// approximate: it counts values that are popped and pushed meanwhile, and those whose
    /// push is under way. O(1).
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{BlockQueue, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static QUEUE: BlockQueue<u32, 32, 2, App> = BlockQueue::new();
    /// let handle = App::register()?;
    /// QUEUE.push(&handle, 1)?;
    /// QUEUE.push(&handle, 2)?;
    /// assert_eq!(QUEUE.len(&handle), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len<R: Role>(&'static self, handle: &Handle<D, R>) -> usize {
        let guard = handle.enter();
        // Acquire, both: as in `pop` and `push`. The head comes first, so that the
        // tail is not behind it.
        let head = guard.protect(&self.head.0, Ordering::Acquire);
        if head.is_null() {
            return 0;
        }
        let tail = guard.protect(&self.tail.0, Ordering::Acquire);
        // SAFETY: protected, out of `head`.
        let first = unsafe { Segment::fields(head) };
        let [pops, pushes] = first.counts();
        if tail.is_null() {
            return pushes.saturating_sub(pops);
        }
        // SAFETY: protected, out of `tail`.
        let last = unsafe { Segment::fields(tail) };
        let between = last.number().wrapping_sub(first.number()).wrapping_mul(B);
        between.wrapping_add(last.counts()[1]).saturating_sub(pops)
    }
}
