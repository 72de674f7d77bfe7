//! Which blocks are free: a tree of bitmaps and counts.
//!
//! Blocks are in groups of [`GROUP`]; a *leaf* is a group's bitmap, in which a
//! set bit is a taken block. If there are several groups, *inner* nodes over
//! them, with [`FANOUT`] children each, count the full leaves below. All zeros
//! is a tree of free blocks.
//!
//! # A count is never too high
//!
//! That is what makes a refusal cheap: if the root counts all leaves, all
//! blocks are taken. It holds at each instant, whichever call is preempted:
//!
//! - a call that takes the last block of a leaf counts the leaf *afterwards*;
//! - a call that frees a block of a full leaf takes the leaf off all counts
//!   *before*. If the leaf is not full any more by then, because another call
//!   freed a block, the call puts it back on, and tries again.
//!
//! So a count is the number of full leaves, less one for each call that stands
//! between its two steps. A count that is too low costs a load of a full leaf
//! for each such call, and nothing else: a search that finds nothing below a
//! node continues behind it.
//!
//! The order of a leaf's exchanges is the order of its counts: a free releases
//! what it took off, and the call that fills the leaf again acquires that
//! before it counts. A free also acquires: if another call has opened the
//! leaf, a thread that sees this free must see the opened counts, too.
//!
//! There is no ABA: a bit says whether its block is taken, whatever has been
//! in between, and all else is sums.
//!
//! A count has half a word, 16 bits at least. To look full it would have to be
//! below zero by 2^16 less the number of leaves, which is at most 2^12 (2^32
//! and 2^27 on 64-bit targets): as many calls would have to be preempted
//! between their two steps at a time, each with a stack of its own.
//!
//! # A search that finds nothing
//!
//! While a search looks at one leaf after another, a call may free a block behind it
//! and take one before it. So a free block may move past the search, although there
//! is one at each instant. It moves back only into a leaf that the search saw full, so
//! that leaf is opened. Each call that opens a leaf counts that, before it returns. A
//! search that finds nothing, and finds the count changed, begins again.
//!
//! A search is refused falsely in two cases.
//!
//! - The count wraps: a free block moves past the search and exactly 2^16 leaves (2^32 on
//!   64-bit targets), or a multiple, are opened meanwhile.
//! - The call that opens a leaf, which the search has seen full, is preempted before it
//!   counts that. Meanwhile another call frees a second block of this leaf, and takes the
//!   only one that is free before the search. An allocation searches at least twice, and
//!   three times on an eager handle without a limit (in C: twice). Each search sees what was
//!   open before it began. So a call has to be preempted between these two steps during each
//!   of them, the same one or another. (To count before the exchange only moves the gap;
//!   to ask the root again would let a search wait for a preempted call.)
//!
//! # Threads that meet
//!
//! A search goes from a full group to the next one with a free block. So threads that come
//! to one group leave it together, those that they meet join them, and from then on each
//! exchange of theirs makes those of the others fail: with 64 threads that change a map, an
//! operation took 41 us, and takes 0.35 now (`cargo xtask cores map-50`). So a call first
//! tries groups that are far from each other, and leaves one that is full, or where another
//! call was faster. Of those that meet, all but one go away, and part on their way. A handle
//! that keeps blocks begins where it took the last one from the tree; others begin at the
//! first group, and in C at the one that a handle of the pool used last.
//!
//! # Where nodes are
//!
//! Arrays with a length that is computed from `K` do not exist yet, so each
//! block carries a node. The leaf of a group is at the group's first block. So
//! handles that allocate from different groups touch different lines.

use core::ptr::NonNull;

use crate::sync::{AtomicHalf, Half, IN_MODEL, Ordering, fence};

/// The most blocks that half a word can number.
pub(crate) const MOST: usize = Half::MAX as usize;

/// Blocks in a group.
const GROUP: usize = if IN_MODEL { 5 } else { Half::BITS as usize };
/// A leaf whose blocks are all taken.
const FULL: Half = Half::MAX >> (Half::BITS as usize - GROUP);
/// The block that carries the number of blocks, if there are several groups;
/// zero before a leaf is full, when nobody needs it.
const LEN: usize = GROUP - 1;
/// The block that counts how often a full leaf was opened, if there are several
/// groups.
const OPENED: usize = GROUP - 2;
/// How many groups a call tries before it searches. In a model one, so that its search in few
/// groups is what is looked at.
const TRIES: usize = if IN_MODEL { 1 } else { 4 };
/// Children of an inner node: 2 to this power.
const FANOUT: u32 = if IN_MODEL { 1 } else { 4 };

// The inner nodes of the first group do not reach its last two blocks: the root of the
// largest tree is at this level. (Models are smaller.)
const _: () = assert!(IN_MODEL || Shape { len: MOST }.top() < OPENED as u32);

/// The nodes of a pool's blocks.
#[derive(Clone, Copy)]
pub(crate) struct Tree {
    /// The node of the first block.
    first: NonNull<AtomicHalf>,
    /// Bytes from there to the next.
    stride: usize,
}

impl Tree {
    /// # Safety
    ///
    /// From `first` on there are nodes at this distance, as many as blocks,
    /// and are still there whenever the result is used. They are used as one
    /// tree, with one `len`.
    #[inline]
    pub(crate) unsafe fn new(first: NonNull<AtomicHalf>, stride: usize) -> Self {
        Self { first, stride }
    }

    /// # Safety
    ///
    /// There is such a block.
    #[inline]
    unsafe fn node(&self, block: usize) -> &AtomicHalf {
        // SAFETY: "there is such a block" (# Safety), and the contract of `new`.
        unsafe { self.first.byte_add(block * self.stride).as_ref() }
    }

    /// Takes a free block; `len` is the number of blocks. `hint` is one near
    /// which there may be free ones. `None` if all blocks were taken when they
    /// were looked at.
    #[inline]
    pub(crate) fn take(self, len: usize, hint: usize) -> Option<usize> {
        let shape = Shape { len };
        let mut group = if hint < len { hint } else { hint % len } / GROUP;
        if len <= GROUP {
            return self.take_in(shape, group);
        }
        for tried in 0..TRIES {
            match self.exchange(shape, group, self.look(group)) {
                Ok(taken) => return Some(taken),
                Err(_) => group = shape.far_from(group, tried),
            }
        }
        self.search(shape, group)
    }

    /// A leaf, to look at before an exchange, which synchronises.
    #[inline]
    fn look(self, group: usize) -> Half {
        // SAFETY: the group is there. Relaxed: a check before the exchange.
        unsafe { self.node(group * GROUP) }.load(Ordering::Relaxed)
    }

    /// Takes a block of a group.
    #[inline]
    fn take_in(self, shape: Shape, group: usize) -> Option<usize> {
        let mut seen = self.look(group);
        loop {
            match self.exchange(shape, group, seen) {
                Ok(taken) => return Some(taken),
                Err(FULL) => return None,
                Err(now) => seen = now,
            }
        }
    }

    /// Takes a block of a group, if its leaf is still what was seen. Otherwise what the leaf
    /// is now; `FULL` if the group has no free block.
    #[inline]
    fn exchange(self, shape: Shape, group: usize, seen: Half) -> Result<usize, Half> {
        // SAFETY: the group is there.
        let leaf = unsafe { self.node(group * GROUP) };
        let taken = seen | shape.absent(group);
        if taken == FULL {
            return Err(FULL);
        }
        let bit = taken.trailing_ones();
        // A pool smaller than a group has only this leaf, which
        // never looks full to `put`.
        let new = if shape.len > GROUP { taken } else { seen } | 1 << bit;
        let is_last = new == FULL && shape.len > GROUP;
        if is_last {
            self.store_len(shape);
        }
        // Acquire: pairs with the Release of `clear` and `open`. Without it
        // our use of the block would race with its last use, and we could
        // add to a count before the last free has subtracted: it would be
        // too high. Release: pairs with the Acquire of `open`, which reads
        // the length. Relaxed on failure: only looked at.
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        leaf.compare_exchange_weak(seen, new, success, failure)?;
        if is_last {
            self.count(shape, group, 1);
        }
        Ok(group * GROUP + bit as usize)
    }

    /// Notes the number of blocks, for calls that only have an object.
    #[cold]
    fn store_len(self, shape: Shape) {
        // SAFETY: the block is there, as there are several groups.
        let node = unsafe { self.node(LEN) };
        // Relaxed, both: the exchange of the leaf releases what is seen or stored. The
        // load is for the others, whose copy of the line a store takes.
        if node.load(Ordering::Relaxed) != shape.len as Half {
            node.store(shape.len as Half, Ordering::Relaxed);
        }
    }

    /// Looks at the nodes from a group on to the end, then at all, and passes
    /// over what is full. Begins again if a block was freed behind it.
    #[cold]
    #[inline(never)]
    fn search(self, shape: Shape, group: usize) -> Option<usize> {
        // SAFETY: the block is there, as there are several groups.
        let opened = unsafe { self.node(OPENED) };
        loop {
            // Acquire: pairs with the Release in `open`. What is counted here was
            // opened before the pass, which finds it open, or filled again.
            let before = opened.load(Ordering::Acquire);
            let found = self.pass(shape, group);
            // Acquire: pairs with the Release of `exchange` and `count`. If the pass
            // saw a leaf full, or counted, by a call that had opened another one
            // before, the load sees that. Without it a block could move past.
            fence(Ordering::Acquire);
            if found.is_some() || opened.load(Ordering::Relaxed) == before {
                return found;
            }
        }
    }

    /// One pass of a search.
    fn pass(self, shape: Shape, group: usize) -> Option<usize> {
        let top = shape.top();
        for start in [(0, group), (top, 0)] {
            if self.is_full(shape, top, 0) {
                return None;
            }
            let (mut level, mut index) = start;
            'walk: loop {
                if level == 0 {
                    if let Some(block) = self.take_in(shape, index) {
                        return Some(block);
                    }
                } else if !self.is_full(shape, level, index) {
                    level -= 1;
                    index <<= FANOUT;
                    continue;
                }
                // The next sibling, of it or of the next node above that has
                // one.
                loop {
                    if level == top {
                        break 'walk;
                    }
                    index += 1;
                    if index % (1 << FANOUT) != 0 && shape.leaves_before(level, index).is_some() {
                        break;
                    }
                    level += 1;
                    index = (index - 1) >> FANOUT;
                }
            }
        }
        None
    }

    /// Whether all leaves below an inner node are full.
    fn is_full(self, shape: Shape, level: u32, index: usize) -> bool {
        // SAFETY: the node is there.
        let node = unsafe { self.node(Shape::place(level, index)) };
        // Relaxed: a free that happens before this call happened before in all
        // its steps, so it is seen; others may be seen later.
        let full = node.load(Ordering::Relaxed);
        usize::try_from(full) == Ok(shape.leaves_below(level, index))
    }

    /// Gives a block back.
    ///
    /// # Safety
    ///
    /// The block was taken and not given back.
    #[inline]
    pub(crate) unsafe fn put(self, block: usize) {
        // SAFETY: the group's first block is there, as the block is.
        let leaf = unsafe { self.node(block / GROUP * GROUP) };
        if !clear(leaf, block) {
            self.open(leaf, block);
        }
    }

    /// `put`, where the leaf is full.
    #[cold]
    #[inline(never)]
    fn open(self, leaf: &AtomicHalf, block: usize) {
        // Acquire: pairs with the Release of `exchange`, which stored the length
        // before it filled the leaf. Without it we could find none.
        leaf.load(Ordering::Acquire);
        // SAFETY: the block is there: a leaf of a smaller pool is never full.
        // Relaxed: acquired with the leaf.
        let len = unsafe { self.node(LEN) }.load(Ordering::Relaxed);
        let shape = Shape { len: len as usize };
        let group = block / GROUP;
        loop {
            self.count(shape, group, Half::MAX);
            // Release: as in `clear`; a thread that sees the leaf open must not
            // find it counted. No Acquire: the call that filled the leaf has
            // acquired all that was taken off before. Relaxed on failure: only
            // looked at.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            let new = FULL & !bit_of(block);
            if (leaf.compare_exchange(FULL, new, success, failure)).is_ok() {
                // SAFETY: the block is there, as for `LEN`. Release: pairs with the
                // Acquire in `search`. Without it a search could count this, and
                // still see the leaf full.
                unsafe { self.node(OPENED) }.fetch_add(1, Ordering::Release);
                return;
            }
            // Another call has opened it.
            self.count(shape, group, 1);
            if clear(leaf, block) {
                return;
            }
        }
    }

    /// Adds to the counts above a leaf.
    #[cold]
    #[inline(never)]
    fn count(self, shape: Shape, group: usize, by: Half) {
        for level in 1..=shape.top() {
            let place = Shape::place(level, group >> (level * FANOUT));
            // SAFETY: the node is there. Release: pairs with the fence in `search`.
            // Otherwise Relaxed would do: sums, which the leaf's exchanges order
            // where the order counts.
            unsafe { self.node(place) }.fetch_add(by, Ordering::Release);
        }
    }

    /// The number of free blocks, when it was counted.
    pub(crate) fn free(self, len: usize) -> usize {
        let shape = Shape { len };
        let free = |group| {
            // SAFETY: the group is there. Relaxed: a count of something that
            // changes.
            let taken = unsafe { self.node(group * GROUP) }.load(Ordering::Relaxed);
            (!(taken | shape.absent(group)) & FULL).count_ones() as usize
        };
        (0..shape.leaves()).map(free).sum()
    }
}

/// For magazines, whose blocks lead to their pool.
#[cfg(target_pointer_width = "64")]
impl Tree {
    /// Whether both are at the same place, with the same blocks.
    #[inline]
    pub(crate) fn is(self, other: Self) -> bool {
        self.first == other.first && self.stride == other.stride
    }

    /// The first node, for [`with_first`](Self::with_first).
    #[inline]
    pub(crate) fn first(self) -> *mut AtomicHalf {
        self.first.as_ptr()
    }

    /// The tree of the same layout with that node.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new); `first` is not null.
    #[inline]
    pub(crate) unsafe fn with_first(self, first: *mut AtomicHalf) -> Self {
        // SAFETY: "`first` is not null" (# Safety).
        let first = unsafe { NonNull::new_unchecked(first) };
        Self { first, ..self }
    }
}

/// A block's bit in its leaf.
#[inline]
fn bit_of(block: usize) -> Half {
    1 << (block % GROUP)
}

/// Clears a block's bit. False if the leaf is full.
#[inline(always)]
fn clear(leaf: &AtomicHalf, block: usize) -> bool {
    // Relaxed: a look before the exchange.
    let mut seen = leaf.load(Ordering::Relaxed);
    while seen != FULL {
        // Release: pairs with the Acquire of `exchange`. Acquire: pairs with the
        // Release of the call that opened the leaf, and took it off the counts
        // before. A thread that sees this free must not find them higher: it
        // would be refused. Relaxed on failure: only looked at.
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        let new = seen & !bit_of(block);
        match leaf.compare_exchange_weak(seen, new, success, failure) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
    false
}

/// The shape of a tree. Level 0 are the leaves; node `i` of a level has the
/// nodes from `i << FANOUT` on of the level below.
#[derive(Clone, Copy)]
struct Shape {
    /// Blocks.
    len: usize,
}

impl Shape {
    const fn leaves(self) -> usize {
        self.len.div_ceil(GROUP)
    }

    /// The level of the root.
    const fn top(self) -> u32 {
        let mut top = 0;
        while self.leaves() > 1 << (top * FANOUT) {
            top += 1;
        }
        top
    }

    /// Another group, if there are several, after so many were tried. Those on the way from
    /// one to the next are far from each other. Steps are of different lengths: if all had
    /// one, and it divided the number of groups, handles would stay in a part of the pool.
    fn far_from(self, group: usize, tried: usize) -> usize {
        let leaves = self.leaves();
        (group + leaves * 5 / 32 + 1 + tried) % leaves
    }

    /// How many leaves come before those of a node; `None` if there is no such
    /// node.
    fn leaves_before(self, level: u32, index: usize) -> Option<usize> {
        let before = index << (level * FANOUT);
        (before < self.leaves()).then_some(before)
    }

    fn leaves_below(self, level: u32, index: usize) -> usize {
        let all = 1 << (level * FANOUT);
        let left = self.leaves() - (index << (level * FANOUT));
        if left < all { left } else { all }
    }

    /// The bits of a leaf for which there are no blocks. They count as taken.
    #[inline]
    fn absent(self, group: usize) -> Half {
        match self.len - group * GROUP {
            present @ 0..GROUP => FULL << present & FULL,
            _ => 0,
        }
    }

    /// The block that has a node: of a group's leaf, the first one; of an inner
    /// node, one before the first one below it. The first group, which has no
    /// such, has one after: it is whole if there are inner nodes.
    fn place(level: u32, index: usize) -> usize {
        match (level, index) {
            (0, _) => index * GROUP,
            (_, 0) => level as usize,
            _ => (index << (level * FANOUT)) * GROUP - level as usize,
        }
    }
}

#[cfg(all(test, hyaline_loom))]
#[path = "tree/models.rs"] // `capi` has this file under another path
mod models;

#[cfg(all(test, not(hyaline_loom)))]
#[test]
fn groups_on_the_way_are_far_from_each_other() {
    for leaves in 2..5000 {
        let shape = Shape {
            len: leaves * GROUP,
        };
        for group in (0..leaves).step_by(leaves.div_ceil(7)) {
            let way = |steps| (0..steps).fold(group, |at, step| shape.far_from(at, step));
            let way: [usize; TRIES] = core::array::from_fn(way);
            assert!(way.iter().all(|at| *at < leaves));
            let apart = |(one, other): (usize, usize)| {
                let way = way[one].abs_diff(way[other]);
                way.min(leaves - way)
            };
            let pairs = (0..TRIES).flat_map(|one| (0..one).map(move |other| (one, other)));
            let least = pairs.map(apart).min().unwrap_or(0);
            let expected = if leaves < 64 { 0 } else { leaves / 7 };
            assert!(least >= expected, "{leaves}: {way:?}");
        }
        // Each group can be reached from each other one by steps of these lengths.
        let gcd = |mut one: usize, mut other: usize| {
            while other != 0 {
                (one, other) = (other, one % other);
            }
            one
        };
        let first = shape.far_from(0, 0);
        let second = shape.far_from(first, 1);
        assert_eq!(gcd(leaves, gcd(first, second)), 1, "{leaves}");
    }
}
