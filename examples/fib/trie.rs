//! A longest-prefix-match trie whose nodes never change once published.
//!
//! Three tables of subtries, at bit 16, 8 and 0 of the address: a prefix lives
//! in the first whose bit is before its end, so a lookup asks them in this
//! order and the first match is the longest. A subtrie takes four bits of the
//! address a node. A node holds the routes that end within its four bits (as
//! bits of one word, in the manner of tree bitmaps) and up to 16 children.
//!
//! A writer copies the nodes from the subtrie's root down to the change, at
//! most four, and replaces the root by one compare-exchange. Readers see the
//! subtrie before or after the change, nothing between.

use std::array;
use std::ptr;
use std::sync::atomic::Ordering;

use hyaline::{AtomicPtr, Guard, Handle, Linked, Pool, Scheme};

use crate::table::{Prefix, RouteId};

/// The nodes of the pool: twice what a full IPv4 table needs. A page of it that
/// is never used costs no memory.
pub const NODES: usize = 192 * 1024;

/// Where all nodes live.
pub static POOL: Pool<Node, NODES> = Pool::new();

/// A node with its reclamation header.
pub type Block = Linked<Node>;

/// Bits of the address that a node decides.
const STRIDE: u32 = 4;

/// Where the subtries start, the order in which a lookup asks them.
const BASES: [u32; 3] = [16, 8, 0];

/// The nodes of the longest path in a subtrie.
const LONGEST_PATH: usize = 4;

/// See [`Trie::replace`].
pub struct PoolEmpty;

/// Four bits of the address space.
#[derive(Default)]
pub struct Node {
    /// Bit `p` is set if position `p` holds a route. The positions are those
    /// of a binary heap: 1 is the node itself (only the default route), 2 and
    /// 3 the prefixes one bit longer, 16 to 31 those of four bits.
    matches: u32,
    /// The route at position `p`, as element `p - 1`.
    routes: [RouteId; 31],
    children: [AtomicPtr<Block>; 1 << STRIDE],
}

/// The four bits of `address` that a node at bit `depth` decides.
fn digit(address: u32, depth: u32) -> usize {
    ((address << depth) >> (u32::BITS - STRIDE)) as usize
}

/// The positions of the four prefixes of a digit, and of the empty one.
const fn ancestors(digit: usize) -> u32 {
    1 << 1
        | 1 << (2 | digit >> 3)
        | 1 << (4 | digit >> 2)
        | 1 << (8 | digit >> 1)
        | 1 << (16 | digit)
}

/// `ancestors` of every digit.
const ANCESTORS: [u32; 1 << STRIDE] = {
    let mut table = [0; 1 << STRIDE];
    let mut digit = 0;
    while digit < table.len() {
        table[digit] = ancestors(digit);
        digit += 1;
    }
    table
};

/// A reclaimed node is poisoned: every address matches a route that does not
/// exist. So a reader under whose hands a node is reclaimed is found out long
/// before the block is used again.
impl Drop for Node {
    fn drop(&mut self) {
        self.matches = u32::MAX;
        // Those of positions 16 to 31.
        self.routes[15..].fill(RouteId::MAX);
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        // Relaxed: only asked of a node that nobody else has.
        let childless = |child: &AtomicPtr<Block>| child.load(Ordering::Relaxed).is_null();
        self.matches == 0 && self.children.iter().all(childless)
    }

    fn copy(&self) -> Self {
        // Relaxed: children never change, and whoever saw this node with
        // Acquire sees them too. They are not followed here, and so need no
        // protection.
        let child = |i: usize| AtomicPtr::new(self.children[i].load(Ordering::Relaxed));
        Self {
            matches: self.matches,
            routes: self.routes,
            children: array::from_fn(child),
        }
    }

    fn set(&mut self, position: usize, route: Option<RouteId>) {
        self.matches &= !(1 << position);
        if let Some(route) = route {
            self.matches |= 1 << position;
            self.routes[position - 1] = route;
        }
    }
}

/// What lets a thread follow the pointers of a trie, for as long as it lives: a
/// guard, or a lock.
pub trait Reach {
    fn load(&self, from: &AtomicPtr<Block>) -> *mut Block;
}

impl<S: Scheme> Reach for Guard<'_, S> {
    fn load(&self, from: &AtomicPtr<Block>) -> *mut Block {
        // Acquire: pairs with the Release that published the node.
        self.protect(from, Ordering::Acquire)
    }
}

/// Nodes on one path, the root first.
#[derive(Default)]
pub struct Nodes {
    nodes: [Option<ptr::NonNull<Block>>; LONGEST_PATH],
}

impl Nodes {
    fn set(&mut self, level: usize, node: *mut Block) {
        self.nodes[level] = ptr::NonNull::new(node);
    }

    pub fn iter(&self) -> impl Iterator<Item = *mut Block> {
        self.nodes.iter().flatten().map(|node| node.as_ptr())
    }
}

/// A change that is ready to be published.
pub struct Change<'t> {
    pub cell: &'t AtomicPtr<Block>,
    /// The root that the change was made from.
    pub before: *mut Block,
    pub after: *mut Block,
    /// What the change makes unreachable.
    pub old: Nodes,
    /// What it adds.
    pub new: Nodes,
}

impl Change<'_> {
    /// Gives the new nodes of a change that was not published back.
    pub fn discard(self) {
        for node in self.new.iter() {
            // SAFETY: from `POOL`, and never published: nobody else knows it.
            unsafe { POOL.free(node) };
        }
    }

    /// By how many nodes the trie grows.
    pub fn growth(&self) -> isize {
        self.new.iter().count() as isize - self.old.iter().count() as isize
    }
}

/// Where a prefix lives.
struct Place {
    base: u32,
    levels: usize,
    position: usize,
}

impl Place {
    fn of(prefix: Prefix) -> Self {
        let len = u32::from(prefix.len);
        let base = BASES.into_iter().find(|&base| base < len).unwrap_or(0);
        let levels = (len - base).div_ceil(STRIDE).max(1);
        let depth = base + (levels - 1) * STRIDE;
        let (bits, free) = (len - depth, depth + STRIDE - len);
        let position = 1 << bits | digit(prefix.address, depth) >> free;
        Self {
            base,
            levels: levels as usize,
            position,
        }
    }
}

/// The roots of all subtries.
pub struct Trie {
    at_16: Box<[AtomicPtr<Block>]>,
    at_8: Box<[AtomicPtr<Block>]>,
    at_0: AtomicPtr<Block>,
}

impl Trie {
    pub fn new() -> Self {
        let empty = |len| (0..len).map(|_| AtomicPtr::default()).collect();
        Self {
            at_16: empty(1 << 16),
            at_8: empty(1 << 8),
            at_0: AtomicPtr::default(),
        }
    }

    /// The root of the subtrie for `address` that starts at bit `base`.
    fn cell(&self, base: u32, address: u32) -> &AtomicPtr<Block> {
        match base {
            16 => &self.at_16[(address >> 16) as usize],
            8 => &self.at_8[(address >> 24) as usize],
            _ => &self.at_0,
        }
    }

    /// The route with the longest prefix that contains `address`.
    ///
    /// # Safety
    ///
    /// A node that is unlinked from this trie while `reach` lives is neither
    /// changed nor freed before `reach` ends.
    pub unsafe fn lookup(&self, reach: &impl Reach, address: u32) -> Option<RouteId> {
        BASES.into_iter().find_map(|base| {
            let mut best = None;
            let mut depth = base;
            let mut next = self.cell(base, address);
            // SAFETY: `reach` keeps the nodes (the caller's promise), and a
            // published one never changes.
            while let Some(node) = unsafe { reach.load(next).as_ref() } {
                let digit = digit(address, depth);
                let matches = node.matches & ANCESTORS[digit];
                // The highest position is the longest prefix.
                if let Some(position) = matches.checked_ilog2() {
                    best = Some(node.routes[position as usize - 1]);
                }
                next = &node.children[digit];
                depth += STRIDE;
            }
            best
        })
    }

    /// Prepares the change that makes `prefix` answer `route`, or withdraws it.
    ///
    /// Nodes that the change would leave empty are dropped from the path. When
    /// the pool is empty nothing has happened.
    ///
    /// # Safety
    ///
    /// As for `lookup`; the change is published or discarded before `reach`
    /// ends.
    pub unsafe fn replace<S: Scheme>(
        &self,
        reach: &impl Reach,
        handle: &Handle<'_, S>,
        prefix: Prefix,
        route: Option<RouteId>,
    ) -> Result<Change<'_>, PoolEmpty> {
        let place = Place::of(prefix);
        let depth = |level: usize| place.base + level as u32 * STRIDE;
        let cell = self.cell(place.base, prefix.address);
        let mut change = Change {
            cell,
            before: ptr::null_mut(),
            after: ptr::null_mut(),
            old: Nodes::default(),
            new: Nodes::default(),
        };

        let mut next = cell;
        let mut path = [const { None }; LONGEST_PATH];
        for (level, on_path) in path.iter_mut().enumerate().take(place.levels) {
            let block = reach.load(next);
            // SAFETY: as in `lookup`.
            let Some(node) = (unsafe { block.as_ref() }) else {
                break;
            };
            if level == 0 {
                change.before = block;
            }
            change.old.set(level, block);
            *on_path = Some(node);
            next = &node.children[digit(prefix.address, depth(level))];
        }

        // From the change up to the root; `after` is the copy one level below.
        for level in (0..place.levels).rev() {
            let mut node = path[level].map_or_else(Node::default, |node| node.copy());
            if level + 1 == place.levels {
                node.set(place.position, route);
            } else {
                node.children[digit(prefix.address, depth(level))] = AtomicPtr::new(change.after);
            }
            change.after = ptr::null_mut();
            if !node.is_empty() {
                let Ok(block) = POOL.alloc(handle, node) else {
                    change.discard();
                    return Err(PoolEmpty);
                };
                change.new.set(level, block);
                change.after = block;
            }
        }
        Ok(change)
    }

    /// How many nodes can be reached. Nobody else is at work.
    pub fn nodes(&mut self) -> usize {
        fn below(node: *mut Block) -> usize {
            // SAFETY: reachable, and the trie is borrowed exclusively.
            let Some(node) = (unsafe { node.as_ref() }) else {
                return 0;
            };
            // Relaxed: nobody else is at work.
            let child = |child: &AtomicPtr<Block>| below(child.load(Ordering::Relaxed));
            // Four levels at most.
            1 + node.children.iter().map(child).sum::<usize>()
        }
        let roots = self.at_16.iter_mut().chain(self.at_8.iter_mut());
        roots
            .chain([&mut self.at_0])
            .map(|root| below(*root.get_mut()))
            .sum()
    }
}
