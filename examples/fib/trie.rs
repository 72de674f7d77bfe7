//! A longest-prefix-match trie whose nodes never change once published.
//!
//! Three tables of subtries, at bit 16, 8 and 0 of the address: a prefix is in
//! the first one whose bit is before its end, so a lookup searches them in this
//! order and the first match is the longest. A subtrie takes four bits of the
//! address per node. A node holds the routes that end within its four bits (as
//! bits of one word, as in tree bitmaps) and up to 16 children.
//!
//! A writer copies the nodes from the subtrie's root down to the change, at
//! most four, and replaces the root by one compare-exchange. Readers see the
//! subtrie before or after the change, nothing in between.

use std::array;

use hyaline::safe::{Atomic, Domain, Guard, Handle, Owned, Shared};
use hyaline::{Linked, Pool};

use crate::table::{Prefix, RouteId};

/// The nodes of the pool: twice what a full IPv4 table needs. A page of it that
/// is never used costs no memory.
pub const NODES: usize = 192 * 1024;

/// The owner of a table, and where its nodes are.
pub trait Net: Domain {
    fn pool() -> &'static Pool<Node<Self>, NODES>;
}

/// The size of a node, with its reclamation header.
pub const fn node_bytes<D: Net>() -> usize {
    size_of::<Linked<Node<D>>>()
}

/// A link to a node, or to none.
type Place<D> = Atomic<Node<D>, D>;
/// A reference to a node, or none.
type Found<'g, D> = Shared<'g, Node<D>, D>;

/// Bits of the address that a node decides.
const STRIDE: u32 = 4;

/// Where the subtries start, in the order in which a lookup searches them.
const BASES: [u32; 3] = [16, 8, 0];

/// The nodes of the longest path in a subtrie.
const LONGEST_PATH: usize = 4;

/// See [`Trie::replace`].
pub struct PoolEmpty;

/// Four bits of the address space.
pub struct Node<D: Domain> {
    /// Bit `p` is set if position `p` holds a route. The positions are those
    /// of a binary heap: 1 is the node itself (only the default route), 2 and
    /// 3 the prefixes one bit longer, 16 to 31 those of four bits.
    matches: u32,
    /// The route at position `p`, as element `p - 1`.
    routes: [RouteId; 31],
    children: [Place<D>; 1 << STRIDE],
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
/// exist. So a reader whose node is reclaimed is detected long before the block
/// is used again.
impl<D: Domain> Drop for Node<D> {
    fn drop(&mut self) {
        self.matches = u32::MAX;
        // The positions 16 to 31.
        self.routes[15..].fill(RouteId::MAX);
    }
}

impl<D: Domain> Node<D> {
    fn empty() -> Self {
        Self {
            matches: 0,
            routes: [0; 31],
            children: array::from_fn(|_| Atomic::null()),
        }
    }

    fn is_empty(&self, reach: &impl Reach<D>) -> bool {
        let childless = |child: &Place<D>| reach.load(child).is_null();
        self.matches == 0 && self.children.iter().all(childless)
    }

    fn copy(&self, reach: &impl Reach<D>) -> Self {
        Self {
            matches: self.matches,
            routes: self.routes,
            children: array::from_fn(|i| Atomic::from(reach.load(&self.children[i]))),
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

/// What lets a thread follow the pointers of a trie as long as it lives: a
/// guard, or a lock.
pub trait Reach<D: Domain> {
    fn load<'g>(&'g self, from: &Place<D>) -> Found<'g, D>;
}

impl<D: Domain> Reach<D> for Guard<'_, D> {
    fn load<'g>(&'g self, from: &Place<D>) -> Found<'g, D> {
        from.load(self)
    }
}

/// Follows pointers of a trie that does not change.
pub struct Still;

impl Still {
    /// # Safety
    ///
    /// While it lives no node that can be reached is freed or retired, because
    /// a lock is held or the trie is exclusively owned.
    pub unsafe fn new() -> Self {
        Self
    }
}

impl<D: Domain> Reach<D> for Still {
    fn load<'g>(&'g self, from: &Place<D>) -> Found<'g, D> {
        // SAFETY: no reachable node is freed or retired while it lives (`#
        // Safety` of `new`).
        unsafe { from.load_unguarded() }
    }
}

/// Nodes on one path, the root first.
pub type Nodes<'g, D> = [Found<'g, D>; LONGEST_PATH];

/// How many there are.
pub fn count<D: Domain>(nodes: &Nodes<'_, D>) -> usize {
    nodes.iter().filter(|node| !node.is_null()).count()
}

/// A change that is ready to be published.
pub struct Change<'g, D: Domain> {
    pub cell: &'g Place<D>,
    /// The root that the change was made from.
    pub before: Found<'g, D>,
    pub after: Found<'g, D>,
    /// What the change makes unreachable.
    pub old: Nodes<'g, D>,
    /// What it adds.
    pub new: Nodes<'g, D>,
}

impl<D: Domain> Change<'_, D> {
    /// Frees the new nodes of a change that was not published.
    pub fn discard(self) {
        for node in self.new {
            // SAFETY: never published: no other thread knows it.
            drop(unsafe { node.into_owned() });
        }
    }

    /// By how many nodes the trie grows.
    pub fn growth(&self) -> isize {
        count(&self.new) as isize - count(&self.old) as isize
    }
}

/// The position of a prefix.
struct Home {
    base: u32,
    levels: usize,
    position: usize,
}

impl Home {
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
pub struct Trie<D: Domain> {
    at_16: Box<[Place<D>]>,
    at_8: Box<[Place<D>]>,
    at_0: Place<D>,
}

impl<D: Net> Trie<D> {
    pub fn new() -> Self {
        let empty = |len| (0..len).map(|_| Atomic::null()).collect();
        Self {
            at_16: empty(1 << 16),
            at_8: empty(1 << 8),
            at_0: Atomic::null(),
        }
    }

    /// The root of the subtrie for `address` that starts at bit `base`.
    fn cell(&self, base: u32, address: u32) -> &Place<D> {
        match base {
            16 => &self.at_16[(address >> 16) as usize],
            8 => &self.at_8[(address >> 24) as usize],
            _ => &self.at_0,
        }
    }

    /// The route with the longest prefix that contains `address`.
    pub fn lookup(&self, reach: &impl Reach<D>, address: u32) -> Option<RouteId> {
        BASES.into_iter().find_map(|base| {
            let mut best = None;
            let mut depth = base;
            let mut next = self.cell(base, address);
            while let Some(node) = reach.load(next).as_ref() {
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
    /// Nodes that the change would leave empty are dropped from the path. If
    /// the pool is empty, nothing changes.
    pub fn replace<'g>(
        &'g self,
        reach: &'g impl Reach<D>,
        handle: &Handle<D>,
        prefix: Prefix,
        route: Option<RouteId>,
    ) -> Result<Change<'g, D>, PoolEmpty> {
        let home = Home::of(prefix);
        let depth = |level: usize| home.base + level as u32 * STRIDE;
        let cell = self.cell(home.base, prefix.address);
        let mut change = Change {
            cell,
            before: reach.load(cell),
            after: Shared::null(),
            old: [Shared::null(); LONGEST_PATH],
            new: [Shared::null(); LONGEST_PATH],
        };

        let mut here = change.before;
        for level in 0..home.levels {
            let Some(node) = here.as_ref() else {
                break;
            };
            change.old[level] = here;
            here = reach.load(&node.children[digit(prefix.address, depth(level))]);
        }

        // From the change up to the root; `after` is the copy one level below.
        for level in (0..home.levels).rev() {
            let old = change.old[level].as_ref();
            let mut node = old.map_or_else(Node::empty, |node| node.copy(reach));
            if level + 1 == home.levels {
                node.set(home.position, route);
            } else {
                node.children[digit(prefix.address, depth(level))] = Atomic::from(change.after);
            }
            change.after = Shared::null();
            if !node.is_empty(reach) {
                let Ok(new) = Owned::new(D::pool(), handle, node) else {
                    change.discard();
                    return Err(PoolEmpty);
                };
                change.after = reach.load(&Atomic::new(new));
                change.new[level] = change.after;
            }
        }
        Ok(change)
    }

    /// Replaces the root of the subtrie that contains `prefix`. No other thread
    /// may use the trie.
    pub fn put(&mut self, prefix: Prefix, root: Place<D>) {
        match Home::of(prefix).base {
            16 => self.at_16[(prefix.address >> 16) as usize] = root,
            8 => self.at_8[(prefix.address >> 24) as usize] = root,
            _ => self.at_0 = root,
        }
    }

    /// How many nodes can be reached. No other thread may use the trie.
    pub fn nodes(&mut self) -> usize {
        fn below<D: Domain>(reach: &Still, place: &Place<D>) -> usize {
            // Four levels at most.
            reach.load(place).as_ref().map_or(0, |node| {
                let children = node.children.iter();
                1 + children.map(|child| below(reach, child)).sum::<usize>()
            })
        }
        // SAFETY: the trie is borrowed exclusively.
        let reach = unsafe { Still::new() };
        let roots = self.at_16.iter().chain(self.at_8.iter());
        let roots = roots.chain([&self.at_0]);
        roots.map(|root| below(&reach, root)).sum()
    }
}
