//! Where the buckets begin.
//!
//! The list is sorted by the bits of the hashes, the highest first. So with `2^n`
//! buckets those of the keys in bucket `b` begin with the `n` bits of `b`, and
//! when there are twice as many, its two halves are buckets `2b` and `2b + 1`:
//! nothing moves. (Shalev and Shavit take the lowest bits for the bucket, and
//! sort by the bits in reverse; here buckets have other numbers at each level,
//! instead.)
//!
//! ```text
//! level 0   start                                       1 bucket
//! level 1   start               1                       2
//! level 2   start     1         2          3            4
//! list      start -> 01.. -> 0110 -> 1... -> 1011 -> 11.. -> 1101
//!                    start           start           start
//! ```
//!
//! Half of the buckets of a level begin where those of the level before begin.
//! The others have a *start*, a node without a key that is never removed. All
//! starts of a level are one allocation, so the table is never copied. An
//! odd number `b` of level `n` is at `b / 2` in that of level `n`. An even one is
//! the bucket `b / 2` of level `n - 1`. The very first start is the map's own.
//!
//! A start is linked by the first call that changes its bucket, or looks into it
//! with an eager handle, after those of the buckets which it was split from: `b` without its
//! lowest one, and so on. Until then, and while another call links it, a walk begins at the
//! nearest of these that is linked.

use alloc::alloc::{Layout, dealloc};
use core::ptr;

use super::{
    super::{
        Domain, Guard,
        list::{Done, Place, unmarked},
    },
    node::{Head, OwnedNode, is_start},
};
use crate::{
    Role,
    padding::Line,
    sync::{AtomicPtr, AtomicUsize, IN_MODEL, Ordering, const_fn, init_array},
};

/// Levels at most.
const LEVELS: usize = if IN_MODEL {
    3
} else {
    usize::BITS as usize - 8
};

/// Where a bucket begins. All zeros at first. Its order is its state:
///
/// - 0: it is not in the list. No start has this order, as bucket 0 has none.
/// - The bucket's first order: a call tries to link it, in a few steps, without code of
///   the user.
/// - That and [`LINKED`]: it is in the list permanently. It is still less than the orders
///   of the bucket's keys, whose lowest bits are both set.
type Start<K, V> = Head<K, V>;

const ABSENT: usize = 0;
const LINKED: usize = 2;

pub(super) struct Table<K, V> {
    first: Place<Head<K, V>>,
    /// Buckets are `2^level`.
    level: AtomicUsize,
    /// The starts of level `n` at `n - 1`.
    starts: [AtomicPtr<Start<K, V>>; LEVELS],
    keys: Keys,
}

/// How many keys there are, on a cache line of its own, as each insert and
/// remove writes to it. Wraps below zero while a remove is faster than its
/// insert.
struct Keys(AtomicUsize, Line);

impl<K, V> Table<K, V> {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self {
                first: AtomicPtr::new(ptr::null_mut()),
                level: AtomicUsize::new(0),
                starts: init_array!(AtomicPtr<Start<K, V>>; LEVELS),
                keys: Keys(AtomicUsize::new(0), Line),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        // Relaxed, and below: a number, which publishes nothing.
        (self.keys.0.load(Ordering::Relaxed) as isize).max(0) as usize
    }

    /// The bucket of an order.
    #[inline]
    fn bucket(order: usize, level: usize) -> usize {
        // A shift by all bits would overflow.
        (order >> 1) >> (usize::BITS as usize - 1 - level)
    }

    /// The start of a bucket that is not the first one.
    #[inline]
    fn start(&self, bucket: usize, level: usize) -> *mut Start<K, V> {
        let even = bucket.trailing_zeros() as usize;
        // Acquire: pairs with the Release in `grow`; without it the starts
        // might not be zero yet.
        let starts = self.starts[level - even - 1].load(Ordering::Acquire);
        // Below the number of starts of that level, which were allocated before
        // the level was reached.
        starts.wrapping_add(bucket >> even >> 1)
    }

    /// The place where the walk to a bucket begins.
    #[inline]
    fn place(&self, mut bucket: usize, level: usize) -> &Place<Head<K, V>> {
        while bucket != 0 {
            let start = self.start(bucket, level);
            // SAFETY: it is there, until the table is dropped.
            let start = unsafe { &*start };
            // Acquire: pairs with the Release in `link`; without it its
            // successor might not be there yet.
            if start.order.load(Ordering::Acquire) & LINKED != 0 {
                return &start.next;
            }
            bucket &= bucket - 1;
        }
        &self.first
    }

    /// The place where the walk to an order begins.
    #[inline]
    fn place_of(&self, order: usize) -> &Place<Head<K, V>> {
        // Acquire: pairs with the Release in `grow`; without it the starts of
        // the level might not be there yet.
        let level = self.level.load(Ordering::Acquire);
        self.place(Self::bucket(order, level), level)
    }
}

impl<K: Send + 'static, V: Send + 'static> Table<K, V> {
    /// As `place_of`; links the start of the bucket before, if the handle may.
    #[inline]
    pub(super) fn place_for<'g, D: Domain, R: Role>(
        &'g self,
        order: usize,
        guard: &'g Guard<'_, D, R>,
    ) -> &'g Place<Head<K, V>> {
        // A deferred or per-CPU handle, in an interrupt, only looks.
        match R::RECLAIMS {
            Some(true) => self.place_linked(order, guard),
            _ => self.place_of(order),
        }
    }

    /// As `place_of`, and links the start of the bucket before.
    #[inline]
    pub(super) fn place_linked<'g, D: Domain, R: Role>(
        &'g self,
        order: usize,
        guard: &'g Guard<'_, D, R>,
    ) -> &'g Place<Head<K, V>> {
        // Acquire: as in `place_of`.
        let level = self.level.load(Ordering::Acquire);
        let bucket = Self::bucket(order, level);
        if bucket == 0 {
            return &self.first;
        }
        let start = self.start(bucket, level);
        // SAFETY: as in `place`.
        let start = unsafe { &*start };
        // Acquire: as in `place`.
        match start.order.load(Ordering::Acquire) {
            state if state & LINKED != 0 => return &start.next,
            ABSENT => self.link(bucket, level, guard),
            _ => {}
        }
        self.place(bucket, level)
    }

    /// Links the start of a bucket, and before it those of the buckets that it was split
    /// from, unless other calls do. So the walk to each is no longer than half of its
    /// parent's bucket, also if levels were added faster than their starts are linked; but
    /// longer while another call links the parent.
    #[cold]
    #[inline(never)]
    fn link<D: Domain, R: Role>(&self, bucket: usize, level: usize, guard: &Guard<'_, D, R>) {
        let mut linked = bucket & (bucket - 1);
        while linked != 0 && !self.is_linked(linked, level) {
            linked &= linked - 1;
        }
        // A bucket was split from that without its lowest one.
        while linked != bucket {
            linked |= 1 << (bucket ^ linked).ilog2();
            self.link_one(linked, level, guard);
        }
    }

    fn is_linked(&self, bucket: usize, level: usize) -> bool {
        // SAFETY: as in `place`.
        let start = unsafe { &*self.start(bucket, level) };
        // Relaxed: `place` looks again.
        start.order.load(Ordering::Relaxed) & LINKED != 0
    }

    /// Links the start of a bucket, unless another call does.
    fn link_one<D: Domain, R: Role>(&self, bucket: usize, level: usize, guard: &Guard<'_, D, R>) {
        let start = self.start(bucket, level);
        // SAFETY: it is there, until the table is dropped.
        let state = unsafe { &(*start).order };
        let order = bucket << (usize::BITS as usize - level);
        let parent = self.place(bucket & (bucket - 1), level);
        loop {
            // Before the claim: it may run reclaimers, and they may panic.
            let found = Self::walk(parent, guard, |node| node.order() < order);
            // Acquire: pairs with the Release below; without it the successor that
            // the call before wrote could come after ours.
            // Relaxed on failure: nothing is done then.
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            if (state.compare_exchange(ABSENT, order, success, failure)).is_err() {
                return;
            }
            // SAFETY: the start is ours, by the claim. It stays in memory for as long
            // as the list, and the pointer may be used for all of it.
            let linked = unsafe { found.insert(start) };
            if linked == Done::All {
                break;
            }
            // Release: pairs with the Acquire above.
            state.store(ABSENT, Ordering::Release);
        }
        // Release: pairs with the Acquire in `place`.
        state.store(order | LINKED, Ordering::Release);
    }
}

impl<K, V> Table<K, V> {
    /// Counts a key that was removed.
    pub(super) fn removed(&self) {
        self.keys.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a key that was inserted, and doubles the buckets if there are more
    /// keys. If there is no memory they stay as they are, and walks get longer.
    pub(super) fn inserted(&self) {
        // Wraps as the counter does.
        let keys = self.keys.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        // Relaxed: a guess.
        let level = self.level.load(Ordering::Relaxed);
        if keys as isize > 1 << level && level < LEVELS {
            self.grow(level);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&self, level: usize) {
        let place = &self.starts[level];
        // Relaxed: whether there is one.
        if place.load(Ordering::Relaxed).is_null() {
            let starts = Self::allocate(level);
            if starts.is_null() {
                return;
            }
            // Release: pairs with the Acquire in `start`. Relaxed on failure:
            // another call's are not looked into.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            let put = place.compare_exchange(ptr::null_mut(), starts, success, failure);
            if put.is_err() {
                // SAFETY: ours, and not published.
                unsafe { Self::free(starts, level) };
            }
        }
        // Release: pairs with the Acquire in `place_of`; without it the starts,
        // which were seen above, might not be there yet. Earlier levels'
        // exchanges are continued, so theirs are, too.
        // Relaxed on failure: another call did it.
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        let _ = (self.level).compare_exchange(level, level + 1, success, failure);
    }

    /// The starts that level `level + 1` has beyond those of `level`.
    fn layout(level: usize) -> Option<Layout> {
        Layout::array::<Start<K, V>>(1 << level).ok()
    }

    /// Starts, all zero; null if there is no memory.
    fn allocate(level: usize) -> *mut Start<K, V> {
        let Some(layout) = Self::layout(level) else {
            return ptr::null_mut();
        };
        // SAFETY: not of size zero.
        let starts = unsafe { alloc::alloc::alloc_zeroed(layout) }.cast::<Start<K, V>>();
        // Loom's atomics are not zeros.
        if IN_MODEL && !starts.is_null() {
            for start in 0..1 << level {
                // SAFETY: the memory is ours, as many starts as this.
                unsafe { starts.add(start).write(Start::new(ABSENT)) };
            }
        }
        starts
    }

    /// # Safety
    ///
    /// They came from `allocate` of this level, and nobody uses them.
    unsafe fn free(starts: *mut Start<K, V>, level: usize) {
        if let Some(layout) = Self::layout(level) {
            // SAFETY: allocated with this layout (fn contract).
            unsafe { dealloc(starts.cast(), layout) };
        }
    }
}

impl<K, V> Table<K, V> {
    /// Takes the first node with a key out. The table is borrowed exclusively, and
    /// is not used afterwards: the starts before that node are out of the list.
    pub(super) fn take_first(&mut self) -> Option<OwnedNode<K, V>> {
        loop {
            // Relaxed, and below: we have the table alone.
            let here = self.first.load(Ordering::Relaxed);
            if here.is_null() {
                return None;
            }
            // SAFETY: linked nodes are valid, also marked ones, which are not retired
            // before they are unlinked. The node leaves the list, so it is taken once;
            // starts go with the table.
            unsafe {
                let next = unmarked((*here).next.load(Ordering::Relaxed));
                self.first.store(next, Ordering::Relaxed);
                if !is_start(here) {
                    return Some(OwnedNode::from_head(here));
                }
            }
        }
    }
}

impl<K, V> Drop for Table<K, V> {
    fn drop(&mut self) {
        for (level, starts) in self.starts.iter().enumerate() {
            // Relaxed: we have the table alone.
            let starts = starts.load(Ordering::Relaxed);
            if !starts.is_null() {
                // SAFETY: `grow` put them there, and nobody uses the table.
                unsafe { Self::free(starts, level) };
            }
        }
    }
}

#[cfg(all(test, not(hyaline_loom)))]
mod tests {
    use std::{hash::RandomState, vec, vec::Vec};

    use super::{super::HashMap, Table};
    use crate::{Collector, domain, safe::Domain};

    domain!(Tables: Collector<4> = Collector::new());

    /// The remove of a key may be counted before its insert.
    #[test]
    fn the_count_passes_through_below_zero() {
        let table = Table::<u32, u32>::new();
        table.removed();
        assert_eq!(table.len(), 0);
        table.inserted();
        assert_eq!(table.len(), 0);
        table.inserted();
        assert_eq!(table.len(), 1);
    }

    /// As after a time without memory, when each insert adds a level.
    #[test]
    fn a_start_is_linked_after_those_before_it() {
        const LEVEL: usize = 10;
        let handle = Tables::register().expect("a slot");
        let guard = handle.enter();
        let table = Table::<u32, u32>::new();
        (0..LEVEL).for_each(|level| table.grow(level));
        let mut expected = vec![false; 1 << LEVEL];
        for bucket in [1, 0b10_1000_0011, 0b11_0000_0000, (1 << LEVEL) - 1, 0] {
            let order = bucket << (usize::BITS as usize - LEVEL);
            table.place_linked(order, &guard);
            let mut on_the_way = bucket;
            while on_the_way != 0 {
                expected[on_the_way] = true;
                on_the_way &= on_the_way - 1;
            }
            let linked = (1..1 << LEVEL).filter(|&bucket| table.is_linked(bucket, LEVEL));
            let expected = (1..1 << LEVEL).filter(|&bucket| expected[bucket]);
            assert!(linked.eq(expected), "{bucket:b}");
        }
    }
    #[test]
    fn an_iteration_links_the_buckets_of_the_keys() {
        const LEVEL: usize = 10;
        let handle = Tables::register().expect("a slot");
        let only_looks = Tables::register_deferred().expect("a slot");
        let map = HashMap::<u32, u32, RandomState, Tables>::default();
        (0..64).for_each(|key| map.insert(&handle, key, key).expect("memory"));
        (6..LEVEL).for_each(|level| map.table.grow(level));
        let buckets = || (1..1 << LEVEL).filter(|&bucket| map.table.is_linked(bucket, LEVEL));
        let before: Vec<usize> = buckets().collect();
        assert_eq!(map.iter(&only_looks.enter()).count(), 64);
        assert!(buckets().eq(before));
        assert_eq!(map.iter(&handle.enter()).count(), 64);
        for key in 0..64 {
            let bucket = Table::<u32, u32>::bucket(map.order(&key), LEVEL);
            assert!(bucket == 0 || map.table.is_linked(bucket, LEVEL), "{key}");
        }
    }
}
