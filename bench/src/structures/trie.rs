//! The forwarding table of `examples/fib`: the longest prefix that contains an
//! address, in a trie whose nodes never change once they are published.
//!
//! The shape is the example's. Three tables of subtries, at bit 16, 8 and 0 of
//! the address, four bits per node. A writer copies the nodes from the
//! subtrie's root down to the change and replaces the root by one exchange.

use core::array;
use std::sync::LazyLock;

use super::Structure;
use crate::scheme::{Scheme, wait};

/// Bits of the address that a node decides.
const STRIDE: u32 = 4;
/// Where the subtries start, in the order in which a look-up searches them.
const BASES: [u32; 3] = [16, 8, 0];
/// The nodes of the longest path in a subtrie.
const LONGEST_PATH: usize = 4;

/// The sample of real prefixes: address and length.
static PREFIXES: LazyLock<Vec<(u32, u32)>> = LazyLock::new(|| {
    let text = include_str!("../../../data/ipv4-sample.csv");
    let read = |line: &str| {
        let (address, length) = line.split(',').next()?.split_once('/')?;
        let address: std::net::Ipv4Addr = address.parse().ok()?;
        Some((u32::from(address), length.parse().ok()?))
    };
    text.lines().filter_map(read).collect()
});

pub struct Trie<S: Scheme> {
    at_16: Box<[S::Cell<Node<S>>]>,
    at_8: Box<[S::Cell<Node<S>>]>,
    at_0: S::Cell<Node<S>>,
}

/// Four bits of the address space.
pub struct Node<S: Scheme> {
    children: [S::Cell<Node<S>>; 1 << STRIDE],
    /// The route at position `p`, as element `p - 1`.
    routes: [u32; 31],
    /// Bit `p` is set if position `p` holds a route. The positions are those
    /// of a binary heap: 1 is the node itself, 16 to 31 the prefixes of four
    /// bits.
    // Last: the last field decides whether a type is `Sized`.
    matches: u32,
}

// SAFETY: numbers and shared pointers.
unsafe impl<S: Scheme> Send for Node<S> {}
// SAFETY: numbers and shared pointers.
unsafe impl<S: Scheme> Sync for Node<S> {}

/// The four bits of `address` that a node at bit `depth` decides.
fn digit(address: u32, depth: u32) -> usize {
    ((address << depth) >> (u32::BITS - STRIDE)) as usize
}

/// The positions of the four prefixes of each digit, and of the empty one.
const ANCESTORS: [u32; 1 << STRIDE] = {
    let mut table = [0; 1 << STRIDE];
    let mut digit = 0;
    while digit < table.len() {
        table[digit] = 1 << 1
            | 1 << (2 | digit >> 3)
            | 1 << (4 | digit >> 2)
            | 1 << (8 | digit >> 1)
            | 1 << (16 | digit);
        digit += 1;
    }
    table
};

/// Indices of the protected pointers: the root, and two nodes in turn.
const ROOT: usize = 0;

impl<S: Scheme> Trie<S> {
    /// The root of the subtrie for `address` that starts at bit `base`.
    fn root(&self, base: u32, address: u32) -> &S::Cell<Node<S>> {
        match base {
            16 => &self.at_16[(address >> 16) as usize],
            8 => &self.at_8[(address >> 24) as usize],
            _ => &self.at_0,
        }
    }

    /// The route with the longest prefix that contains `address`.
    fn lookup(&self, guard: &S::Guard<'_, Node<S>>, address: u32) -> Option<u32> {
        BASES
            .into_iter()
            .find_map(|base| self.lookup_from(guard, base, address))
    }

    #[inline(always)]
    fn lookup_from(&self, guard: &S::Guard<'_, Node<S>>, base: u32, address: u32) -> Option<u32> {
        let root = self.root(base, address);
        'again: loop {
            let first = S::protect(guard, ROOT, root);
            let (mut here, mut best, mut depth, mut turn) = (first, None, base, 1);
            while !S::is_null(here) {
                // SAFETY: protected, and published nodes do not change.
                let node: &Node<S> = unsafe { S::deref(here) };
                let digit = digit(address, depth);
                let matches = node.matches & ANCESTORS[digit];
                // The highest position is the longest prefix.
                if let Some(position) = matches.checked_ilog2() {
                    best = Some(node.routes[position as usize - 1]);
                }
                here = S::protect(guard, turn, &node.children[digit]);
                // A pointer in a node does not change when its target is
                // retired. As long as the root is unchanged, the target is not
                // retired.
                if S::POINTERWISE && S::peek(guard, root) != first {
                    continue 'again;
                }
                turn = 3 - turn;
                depth += STRIDE;
            }
            return best;
        }
    }

    /// Announces a prefix with another route. `None` if there is no room.
    fn announce(
        &self,
        guard: &S::Guard<'_, Node<S>>,
        (address, length): (u32, u32),
        route: u32,
    ) -> Option<()> {
        let base = BASES.into_iter().find(|&base| base < length).unwrap_or(0);
        let levels = (length - base).div_ceil(STRIDE).max(1) as usize;
        let depth = |level: usize| base + level as u32 * STRIDE;
        let (bits, free) = (
            length - depth(levels - 1),
            depth(levels - 1) + STRIDE - length,
        );
        let position = 1 << bits | digit(address, depth(levels - 1)) >> free;
        let root = self.root(base, address);
        loop {
            let before = S::protect(guard, ROOT, root);
            let mut path = [S::null(); LONGEST_PATH];
            let mut here = before;
            for (level, on_path) in path.iter_mut().enumerate().take(levels) {
                *on_path = here;
                if S::is_null(here) {
                    break;
                }
                // SAFETY: only writers retire. Hazard pointers have one writer,
                // and all other schemes protect the whole section.
                let node: &Node<S> = unsafe { S::deref(here) };
                here = S::peek(guard, &node.children[digit(address, depth(level))]);
            }
            // From the change up to the root; `after` is the copy below.
            let mut new = [S::null(); LONGEST_PATH];
            let mut after = S::null();
            for level in (0..levels).rev() {
                let digit = digit(address, depth(level));
                let mut node = Node::copy(guard, path[level]);
                if level + 1 == levels {
                    node.matches |= 1 << position;
                    node.routes[position - 1] = route;
                } else {
                    node.children[digit] = S::cell(after);
                }
                let Some(copy) = S::alloc(guard, node) else {
                    discard::<S>(guard, &new);
                    return None;
                };
                (new[level], after) = (copy, copy);
            }
            if S::exchange(guard, root, before, after) {
                for old in path.into_iter().filter(|&old| !S::is_null(old)) {
                    // SAFETY: the exchange unlinked the path.
                    unsafe { S::retire(guard, old) };
                }
                return Some(());
            }
            discard::<S>(guard, &new);
        }
    }
}

/// Frees nodes that were not published.
fn discard<S: Scheme>(guard: &S::Guard<'_, Node<S>>, nodes: &[S::Ptr<Node<S>>]) {
    for &node in nodes.iter().filter(|&&node| !S::is_null(node)) {
        // SAFETY: no other thread knows it.
        unsafe { S::free(guard, node) };
    }
}

impl<S: Scheme> Node<S> {
    /// A copy of a node, or an empty one for null.
    fn copy(guard: &S::Guard<'_, Self>, node: S::Ptr<Self>) -> Self {
        // SAFETY: only writers retire. Hazard pointers have one writer, and all other
        // schemes protect the whole section.
        let node: Option<&Self> = (!S::is_null(node)).then(|| unsafe { S::deref(node) });
        let child = |index: usize| {
            S::cell(node.map_or(S::null(), |node| S::peek(guard, &node.children[index])))
        };
        Self {
            children: array::from_fn(child),
            routes: node.map_or([0; 31], |node| node.routes),
            matches: node.map_or(0, |node| node.matches),
        }
    }
}

/// Pseudo-random bits.
fn scatter(key: u64) -> u32 {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

impl<S: Scheme> Structure<S> for Trie<S> {
    type Node = Node<S>;
    /// The table is complete from the start: an insert and a removal both
    /// announce a route again, so that the size does not change.
    const PREFILL: u64 = 0;

    fn new(local: &S::Local<'_, Node<S>>) -> Self {
        let empty = |len: usize| (0..len).map(|_| S::cell(S::null())).collect();
        let trie = Self {
            at_16: empty(1 << 16),
            at_8: empty(1 << 8),
            at_0: S::cell(S::null()),
        };
        for key in 0..PREFIXES.len() {
            trie.insert(local, key as u64);
        }
        trie
    }

    fn insert(&self, local: &S::Local<'_, Node<S>>, key: u64) -> bool {
        let prefixes = &**PREFIXES;
        let prefix = prefixes[key as usize % prefixes.len()];
        loop {
            let guard = S::enter_write(local);
            if self.announce(&guard, prefix, key as u32).is_some() {
                return true;
            }
            drop(guard);
            wait::<S, _>(local);
        }
    }

    fn remove(&self, local: &S::Local<'_, Node<S>>, key: u64) -> bool {
        self.insert(local, key)
    }

    /// One address in eight is arbitrary, the others are within a prefix.
    fn contains(&self, local: &S::Local<'_, Node<S>>, key: u64) -> bool {
        let prefixes = &**PREFIXES;
        let mut address = scatter(key);
        if !key.is_multiple_of(8) {
            let (first, length) = prefixes[(key >> 3) as usize % prefixes.len()];
            address = first | address & u32::MAX.checked_shr(length).unwrap_or(0);
        }
        let guard = S::enter(local);
        self.lookup(&guard, address).is_some()
    }

    fn hold<'l>(&self, local: &'l S::Local<'_, Node<S>>) -> S::Guard<'l, Node<S>> {
        let guard = S::enter(local);
        S::protect(&guard, ROOT, self.root(16, PREFIXES[0].0));
        guard
    }
}

#[cfg(test)]
mod tests {
    use hyaline::{Basic, Robust};

    use super::{BASES, Node, PREFIXES, ROOT, Structure, Trie};
    use crate::{
        scheme::Scheme,
        schemes::{
            crossbeam::Crossbeam,
            haphazard::Haphazard,
            hyaline::{Deferring, Hyaline},
            lock::Lock,
            seize::Seize,
        },
    };

    /// The longest prefix that contains an address, by trying all.
    fn longest(address: u32) -> Option<usize> {
        let contains = |&(_, &(first, length)): &(usize, &(u32, u32))| {
            address & !u32::MAX.checked_shr(length).unwrap_or(0) == first
        };
        let all = PREFIXES.iter().enumerate().filter(contains);
        all.max_by_key(|(_, prefix)| prefix.1)
            .map(|(index, _)| index)
    }

    fn agrees<S: Scheme>() {
        let run = || {
            let domain = S::domain::<Node<S>>();
            let local = S::local::<Node<S>>(&domain, 3);
            let trie = Trie::<S>::new(&local);
            for key in 0..300_u32 {
                let (first, length) = PREFIXES[key as usize * 79 % PREFIXES.len()];
                let inside = first | key.wrapping_mul(0x9e37_79b9) >> 1 >> (length - 1).min(31);
                let address = if key.is_multiple_of(3) {
                    key.wrapping_mul(0x9e37_79b9)
                } else {
                    inside
                };
                let guard = S::enter::<Node<S>>(&local);
                let found = trie.lookup(&guard, address).map(|route| route as usize);
                assert_eq!(found, longest(address), "{}: {address:x}", S::NAME);
                drop(guard);
                trie.insert(&local, u64::from(key));
            }
        };
        crate::child::roomy(run);
    }

    /// A section keeps what it has protected while a writer replaces it and takes all
    /// blocks.
    fn keeps<S: Scheme>() {
        let run = || {
            let domain = S::domain::<Node<S>>();
            let [reader, writer] = [0; 2].map(|_| S::local::<Node<S>>(&domain, 3));
            let trie = Trie::<S>::new(&writer);
            let (address, length) = PREFIXES[0];
            let base = BASES.into_iter().find(|&base| base < length);
            let guard = S::enter::<Node<S>>(&reader);
            let root = trie.root(base.expect("a subtrie"), address);
            let held = S::protect(&guard, ROOT, root);
            // SAFETY: protected.
            let node: &Node<S> = unsafe { S::deref(held) };
            let seen = || {
                let children = node.children.each_ref();
                (node.routes, children.map(|child| S::peek(&guard, child)))
            };
            let before = seen();
            for turn in 1..1000 {
                trie.insert(&writer, turn * PREFIXES.len() as u64);
            }
            // As many as a pool has blocks, so that each that is free is used.
            let writing = S::enter_write::<Node<S>>(&writer);
            let new = || S::alloc(&writing, Node::copy(&writing, S::null()));
            let _ = std::iter::repeat_with(new)
                .take(1 << 16)
                .all(|new| new.is_some());
            assert!(S::peek(&guard, root) != held);
            assert!(seen() == before, "{}", S::NAME);
        };
        crate::child::roomy(run);
    }

    #[test]
    fn a_section_keeps_its_nodes() {
        keeps::<Hyaline<Basic, true>>();
        keeps::<Hyaline<Robust, true>>();
        keeps::<Deferring<Basic, 4>>();
        keeps::<Crossbeam<true>>();
        keeps::<Seize>();
        keeps::<Haphazard<true>>();
    }

    #[test]
    fn the_longest_prefix_is_found() {
        assert!(PREFIXES.len() == 24_000);
        agrees::<Hyaline<Basic, true>>();
        agrees::<Hyaline<Robust, true>>();
        agrees::<Deferring<Basic, 4>>();
        agrees::<Crossbeam<true>>();
        agrees::<Seize>();
        agrees::<Haphazard<true>>();
        agrees::<Lock>();
    }
}
