//! A queue's calls for events and for watchers.

use super::{
    super::{Domain, Full, Guard, Handle, Node, Storage, Values, walk::Walk},
    Queue,
};
use crate::{Role, sync::Ordering};

impl<T: 'static, const K: usize, D: Domain, P: Storage<Node<T>, K>> Queue<T, K, D, P> {
    /// Adds a value at the end. If there is no block for it, the oldest value
    /// is taken out first, and handed to `replaced`. For events, of which the
    /// latest count.
    ///
    /// At most two values are taken out: the first pop of a queue frees no
    /// block, as its node becomes the dummy.
    ///
    /// The call is refused if the blocks that came free are held back by an open
    /// section, or taken by another producer. The values that were taken out are
    /// then in the hands of `replaced`, so give the queue more blocks than there
    /// are events to keep.
    ///
    /// A deferred or per-CPU handle runs no reclaimer, but takes back the blocks
    /// of the queue that no section holds. If its barrier may not run in
    /// interrupts ([`Barrier::HEAVY_IN_INTERRUPTS`](crate::Barrier)) it can take
    /// back only what others have published: let an eager handle `collect` now
    /// and then.
    ///
    /// Lock-free, as [`push`](Self::push) and [`pop`](Self::pop).
    ///
    /// # Errors
    ///
    /// [`Full`], with the value, if there is still no block.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, Queue}};
    ///
    /// domain!(App: Collector<4> = Collector::new());
    /// static EVENTS: Queue<u32, 4, App> = Queue::new();
    ///
    /// let handle = App::register()?;
    /// let mut lost = 0;
    /// for event in 0..10 {
    ///     EVENTS.push_or_replace_oldest(&handle, event, |_| lost += 1)?;
    /// }
    /// assert_eq!(lost, 7);
    /// assert!(EVENTS.iter(&handle.enter()).eq([7, 8, 9]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_or_replace_oldest<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        value: T,
        mut replaced: impl FnMut(T),
    ) -> Result<(), Full<T>>
    where
        T: Send,
    {
        // Relaxed: a guess. The first dummy is of no pool.
        let pops = if self.head.0.load(Ordering::Relaxed).is_null() {
            2
        } else {
            1
        };
        let mut full = match self.push(handle, value) {
            Ok(()) => return Ok(()),
            Err(full) => full,
        };
        for _ in 0..pops {
            match self.pop(handle) {
                Some(oldest) => replaced(oldest),
                None => break,
            }
            match self.push(handle, full.into_inner()) {
                Ok(()) => return Ok(()),
                Err(still) => full = still,
            }
        }
        // Before the value is on its way out: if this panics, the value is
        // dropped and not leaked.
        drop(replaced);
        Err(full)
    }

    /// Whether there is no value. Others may push or pop before the answer is
    /// used. As [`pop`](Self::pop), it opens a section; it does not repeat
    /// anything.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Queue}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static QUEUE: Queue<u32, 4, App> = Queue::new();
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
        let next = unsafe { self.next_of(head) };
        // Relaxed: the address only. A dummy without a successor is in front;
        // one with a successor was in front when it got that, or was loaded.
        next.load(Ordering::Relaxed).is_null()
    }

    /// How many values there are: approximate, as others may push or pop
    /// before the answer is used. O(values).
    ///
    /// Basic mode: one walk, which counts values that are popped meanwhile.
    /// Robust mode: lock-free, counts again if another call popped a value
    /// meanwhile.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Queue}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static QUEUE: Queue<u32, 4, App> = Queue::new();
    /// let handle = App::register()?;
    /// QUEUE.push(&handle, 1)?;
    /// QUEUE.push(&handle, 2)?;
    /// assert_eq!(QUEUE.len(&handle), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len<R: Role>(&'static self, handle: &Handle<D, R>) -> usize {
        loop {
            // A section for each walk: none holds back what others retire for
            // longer than that.
            let guard = handle.enter();
            let mut walk = self.walk(&guard);
            let count = walk.by_ref().count();
            if !walk.is_disturbed() {
                return count;
            }
        }
    }

    /// Copies of the values, the oldest first: for debugging.
    ///
    /// Basic mode: those that were there when the call was made, and those
    /// that are pushed meanwhile. Robust mode: those of them that come before
    /// another call pops a value, which ends the iteration. Until then each load in a
    /// later era may add objects that wait, as in [`Map::iter`](crate::safe::Map::iter).
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, Queue}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static QUEUE: Queue<u32, 4, App> = Queue::new();
    /// let handle = App::register()?;
    /// QUEUE.push(&handle, 1)?;
    /// QUEUE.push(&handle, 2)?;
    /// assert!(QUEUE.iter(&handle.enter()).eq([1, 2]));
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
        let head = guard.protect(&self.head.0, Ordering::Acquire);
        // SAFETY: protected, out of the head.
        unsafe { Walk::along(guard, &self.head.0, head, self.next_of(head)) }
    }
}
