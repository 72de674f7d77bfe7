//! The model: a private cache of unlimited size for each core, kept coherent by
//! MESI, and a store buffer in front of it.
//!
//! The accesses come one by one, in the order of their times. A request for a
//! line takes effect on the states at once; how long it lasts is charged to the
//! core that waits, and to those that ask for the line meanwhile.
//!
//! - A load that misses waits for the line.
//! - A store enters the buffer, and asks for its line. The stores leave in
//!   order, each when its line is there. Only a full buffer makes a store wait.
//! - A locked operation waits until the buffer is empty, and then for its line.
//!   A fence waits until the buffer is empty.
//! - A load of bytes that a store of the same core has written hits, though the line
//!   is on its way. A load of its other bytes waits for the line.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::{
    cost::{self, Time},
    noise::Latencies,
};

/// Bytes in a line.
pub const LINE: u64 = 64;
/// Cores at most: holders are bits of a word.
pub const CORES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Load,
    Store,
    /// A read-modify-write, or a store with `SeqCst`.
    Locked,
}

/// An instruction's address.
pub type Site = u64;

/// Some bytes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub line: u64,
    /// A bit for each.
    pub bytes: u64,
}

impl Part {
    /// Those of a range of addresses, of at least one byte.
    pub fn of(address: u64, size: u64) -> impl Iterator<Item = Self> {
        let last = address + size.max(1) - 1;
        (address / LINE..=last / LINE).map(move |line| {
            let from = address.saturating_sub(line * LINE);
            let to = (last - line * LINE).min(LINE - 1);
            Self {
                line,
                bytes: (u64::MAX >> (LINE - 1 - to)) & (u64::MAX << from),
            }
        })
    }
}

/// What an access did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// When the core continues.
    pub done: Time,
    /// The line came from another core's cache.
    pub moved: bool,
    /// The line was held, and others had to give up their copies.
    pub upgraded: bool,
    /// No core held the line.
    pub fetched: bool,
    /// Copies that other cores lost.
    pub invalidated: u32,
    /// Where the line was asked for before.
    pub before: Site,
}

#[derive(Default)]
struct Line {
    /// The cores with a copy.
    holders: u64,
    /// Whether the only holder may write: M or E, which cost the same.
    exclusive: bool,
    /// When the last exclusive request is served.
    ready: Time,
    /// The bytes that its core may load before that.
    known: u64,
    /// When the last shared request is served.
    shared: Time,
    /// Where it was last asked for.
    asked: Site,
}

#[derive(Default)]
struct Buffer {
    /// When each store leaves.
    leaves: VecDeque<Time>,
    /// When the last one leaves, or has left.
    empty: Time,
}

pub struct Caches {
    lines: FxHashMap<u64, Line>,
    buffers: Vec<Buffer>,
    latencies: Latencies,
}

impl Caches {
    /// Seed 0: each request takes exactly the mean.
    pub fn new(cores: usize, seed: u64) -> Self {
        assert!(cores <= CORES, "at most {CORES} cores");
        Self {
            lines: FxHashMap::default(),
            buffers: (0..cores).map(|_| Buffer::default()).collect(),
            latencies: Latencies::new(seed),
        }
    }

    /// One access to one line.
    pub fn access(&mut self, core: usize, kind: Kind, part: Part, now: Time, site: Site) -> Effect {
        match kind {
            Kind::Load => self.load(core, part, now, site),
            Kind::Store => {
                let now = self.room(core, now);
                let effect = self.own(core, part, now, site);
                let buffer = &mut self.buffers[core];
                buffer.empty = buffer.empty.max(effect.done) + cost::STORE;
                buffer.leaves.push_back(buffer.empty);
                let done = now + cost::STORE;
                Effect { done, ..effect }
            }
            Kind::Locked => {
                let now = self.drained(core, now);
                let effect = self.own(core, part, now, site);
                let done = effect.done + cost::LOCKED;
                self.buffers[core].empty = done;
                // The core keeps the line until the operation is over.
                self.lines.entry(part.line).or_default().ready = done;
                Effect { done, ..effect }
            }
        }
    }

    /// A fence: when it is over.
    pub fn fence(&mut self, core: usize, now: Time) -> Time {
        self.drained(core, now) + cost::LOCKED
    }

    /// When the buffer has room.
    fn room(&mut self, core: usize, now: Time) -> Time {
        let leaves = &mut self.buffers[core].leaves;
        while leaves.front().is_some_and(|left| *left <= now) {
            leaves.pop_front();
        }
        if leaves.len() < cost::BUFFER {
            return now;
        }
        leaves.pop_front().map_or(now, |left| now.max(left))
    }

    /// When the buffer is empty: a locked operation begins then.
    pub fn drained(&mut self, core: usize, now: Time) -> Time {
        let buffer = &mut self.buffers[core];
        buffer.leaves.clear();
        buffer.empty.max(now)
    }

    fn load(&mut self, core: usize, part: Part, now: Time, site: Site) -> Effect {
        let line = self.lines.entry(part.line).or_default();
        let me = 1 << core;
        if line.holders & me != 0 {
            let there = match part.bytes & !line.known {
                0 => now,
                _ => now.max(line.ready),
            };
            return Effect {
                done: there + cost::L1,
                ..Effect::default()
            };
        }
        let nearest = others(line.holders).map(|holder| cost::distance(holder, core));
        let nearest = nearest.min();
        let latency = self.latencies.one(nearest.unwrap_or(cost::SHARED));
        let done = now.max(line.ready) + latency;
        let effect = Effect {
            done,
            moved: nearest.is_some(),
            fetched: nearest.is_none(),
            before: line.asked,
            ..Effect::default()
        };
        line.exclusive = line.holders == 0;
        line.holders |= me;
        line.shared = line.shared.max(done);
        line.asked = site;
        effect
    }

    /// Makes the core the only holder; `done` is when it is.
    fn own(&mut self, core: usize, part: Part, now: Time, site: Site) -> Effect {
        let line = self.lines.entry(part.line).or_default();
        let me = 1 << core;
        if line.holders == me && line.exclusive {
            let done = now.max(line.ready);
            line.known |= part.bytes;
            return Effect {
                done,
                ..Effect::default()
            };
        }
        let rest = line.holders & !me;
        let held = line.holders & me != 0;
        // The last one to answer.
        let farthest = others(rest)
            .map(|holder| cost::distance(holder, core))
            .max();
        let none = if held { 0 } else { cost::SHARED };
        let latency = self.latencies.one(farthest.unwrap_or(none));
        let done = now.max(line.ready).max(line.shared) + latency;
        let effect = Effect {
            done,
            moved: !held && rest != 0,
            upgraded: held && rest != 0,
            fetched: !held && rest == 0,
            invalidated: rest.count_ones(),
            before: line.asked,
        };
        line.exclusive = true;
        line.holders = me;
        line.known = match held {
            // A copy that is there stays readable. One that is on its way was asked for by
            // a store of this core, and another core has a copy since.
            true if line.ready <= now => u64::MAX,
            true => line.known | part.bytes,
            false => part.bytes,
        };
        line.ready = done;
        line.asked = site;
        effect
    }
}

/// The cores of a set.
fn others(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let core = set.trailing_zeros() as usize;
        set &= set.checked_sub(1)?;
        Some(core)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::*;

    /// A word of a line.
    const fn word(line: u64) -> Part {
        Part { line, bytes: 0xff }
    }

    const WORD: Part = word(7);
    /// Another one of the same line.
    const NEXT: Part = Part {
        line: 7,
        bytes: 0xff00,
    };

    #[test]
    fn an_access_has_a_part_of_each_of_its_lines() {
        let parts = |address, size| Part::of(address, size).collect::<Vec<_>>();
        let part = |line, bytes| Part { line, bytes };
        assert_eq!(parts(64, 1), [part(1, 1)]);
        assert_eq!(parts(7 * 64 + 8, 8), [NEXT]);
        assert_eq!(parts(127, 2), [part(1, 1 << 63), part(2, 1)]);
        let whole = u64::MAX;
        assert_eq!(parts(64, 128), [part(1, whole), part(2, whole)]);
        assert_eq!(parts(63, 130).len(), 4);
        assert_eq!(parts(5, 0), [part(0, 1 << 5)]);
    }

    #[test]
    fn a_line_is_fetched_once_and_then_hit() {
        let mut caches = Caches::new(2, 0);
        let first = caches.access(0, Load, WORD, 0, 1);
        assert!(first.fetched && !first.moved);
        assert_eq!(first.done, cost::SHARED);
        let second = caches.access(0, Load, WORD, first.done, 1);
        assert_eq!(second.done - first.done, cost::L1);
        // Exclusive since it was read: the first store takes nothing.
        let store = caches.access(0, Store, WORD, second.done, 1);
        assert_eq!(
            store,
            Effect {
                done: second.done + cost::STORE,
                ..Effect::default()
            }
        );
    }

    #[test]
    fn a_store_takes_the_copies_of_all_others() {
        let mut caches = Caches::new(4, 0);
        let mut now = 0;
        for core in 0..4 {
            now = caches.access(core, Load, WORD, now, core as u64).done;
        }
        let store = caches.access(0, Store, WORD, now, 9);
        assert!(store.upgraded && !store.moved);
        assert_eq!((store.invalidated, store.before), (3, 3));
        // The core continues at once; a fence waits for the answer.
        assert_eq!(store.done, now + cost::STORE);
        assert_eq!(
            caches.fence(0, store.done),
            now + cost::NEAR + cost::STORE + cost::LOCKED
        );
        let load = caches.access(1, Load, WORD, store.done, 1);
        assert!(load.moved);
        assert_eq!((load.invalidated, load.before), (0, 9));
        // It waits for the store, and then for the line.
        assert_eq!(load.done, now + 2 * cost::NEAR);
    }

    #[test]
    fn another_cluster_is_farther() {
        let mut caches = Caches::new(16, 0);
        let now = caches.access(0, Locked, WORD, 0, 1).done;
        let far = caches.access(cost::CLUSTER, Load, WORD, now, 1).done;
        assert_eq!(far - now, cost::FAR);
        // Now there is a copy nearby.
        let near = caches.access(cost::CLUSTER + 1, Load, WORD, far, 1).done;
        assert_eq!(near - far, cost::NEAR);
        // A store waits for the farthest copy.
        let store = caches.access(0, Locked, WORD, near, 1);
        assert_eq!(store.done - near, cost::FAR + cost::LOCKED);
        assert_eq!(store.invalidated, 2);
    }

    #[test]
    fn a_full_buffer_makes_a_store_wait() {
        let far = cost::CLUSTER;
        let mut caches = Caches::new(far + 1, 0);
        for line in 0..=cost::BUFFER as u64 {
            caches.access(far, Load, word(line), 0, 1);
        }
        let start = 2 * cost::SHARED;
        let mut now = start;
        for line in 0..cost::BUFFER as u64 {
            now = caches.access(0, Store, word(line), now, 1).done;
        }
        assert_eq!(now - start, cost::BUFFER as u64 * cost::STORE);
        // They leave in order, the first when its line is there.
        let next = caches
            .access(0, Store, word(cost::BUFFER as u64), now, 1)
            .done;
        assert_eq!(next - start, cost::FAR + 2 * cost::STORE);
    }

    #[test]
    fn bytes_that_were_not_stored_wait_for_their_line() {
        let mut caches = Caches::new(2, 0);
        let start = caches.access(1, Load, WORD, 0, 1).done;
        let now = caches.access(0, Store, WORD, start, 1).done;
        // The line is on its way, and what was stored is in the buffer.
        assert_eq!(caches.access(0, Load, WORD, now, 1).done, now + cost::L1);
        let there = start + cost::NEAR;
        let next = caches.access(0, Load, NEXT, now, 1);
        assert_eq!(next.done, there + cost::L1);
        assert!(!next.moved && !next.fetched);
        // Nor is what another core has stored known.
        let third = Part {
            line: 7,
            bytes: 1 << 16,
        };
        let now = caches.access(1, Locked, third, there, 1).done;
        caches.access(0, Store, WORD, now, 1);
        caches.access(0, Store, NEXT, now, 1);
        assert_eq!(caches.access(0, Load, NEXT, now, 1).done, now + cost::L1);
        let there = now + cost::NEAR;
        let load = caches.access(0, Load, third, now, 1);
        assert_eq!(load.done, there + cost::L1);
    }

    #[test]
    fn a_copy_stays_readable_while_the_others_lose_theirs() {
        let mut caches = Caches::new(2, 0);
        let now = caches.access(1, Load, WORD, 0, 1).done;
        let now = caches.access(0, Load, WORD, now, 1).done;
        assert!(caches.access(0, Store, WORD, now, 1).upgraded);
        assert_eq!(caches.access(0, Load, NEXT, now, 1).done, now + cost::L1);
    }

    #[test]
    fn a_copy_on_its_way_is_not_readable_though_it_is_upgraded() {
        let mut caches = Caches::new(2, 0);
        let start = caches.access(1, Load, WORD, 0, 1).done;
        let now = caches.access(0, Store, WORD, start, 1).done;
        // The other core asks for a copy, before the line is here.
        caches.access(1, Load, WORD, now, 1);
        let stored = caches.access(0, Store, WORD, now, 1);
        assert!(stored.upgraded);
        assert_eq!(caches.access(0, Load, WORD, now, 1).done, now + cost::L1);
        assert!(caches.access(0, Load, NEXT, now, 1).done > start + cost::NEAR);
    }

    #[test]
    fn requests_wait_for_those_before_them() {
        let mut caches = Caches::new(3, 0);
        let now = caches.access(0, Locked, WORD, 0, 1).done;
        // A store waits for a copy that is on its way to another core.
        let copy = caches.access(1, Load, WORD, now, 1).done;
        assert_eq!(copy, now + cost::NEAR);
        caches.access(2, Store, WORD, now, 1);
        let stored = copy + cost::NEAR + cost::STORE;
        assert_eq!(caches.drained(2, now), stored);
        // A load waits until a locked operation on the line is over.
        let locked = caches.access(0, Locked, WORD, stored, 1).done;
        assert_eq!(locked, stored + cost::NEAR + cost::LOCKED);
        let load = caches.access(1, Load, WORD, stored, 1).done;
        assert_eq!(load, locked + cost::NEAR);
    }
}
