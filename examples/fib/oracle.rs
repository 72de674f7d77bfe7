//! The independent judge of every lookup: binary search in the sorted table.
//!
//! It shares only the table with the trie. Each route has a version that its
//! writer increments before and after every change, so the judge is lenient
//! only where it must be: a route that changed during a lookup may answer or
//! not, every other route must answer exactly.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::table::{Prefix, RouteId, Table};

/// The meaning of a version, modulo 4. It cycles as the route is withdrawn and
/// announced again; odd means "a change is in progress".
const ANNOUNCED: u32 = 0;
const WITHDRAWN: u32 = 2;

/// How many routes that contain one another are judged exactly. For a prefix
/// nested deeper, the routes around those are judged leniently.
const TRACKED: usize = 4;

/// The table, and the writers' changes.
pub struct Oracle<'t> {
    table: &'t Table,
    /// The start of each route: a dense array for the binary search.
    starts: Vec<u32>,
    /// The route in which each one is nested.
    parents: Vec<Option<RouteId>>,
    versions: Vec<AtomicU32>,
}

/// A question, and the state before it was asked.
pub struct Probe {
    pub address: u32,
    /// The longest prefix in the table that contains the address, announced or
    /// not.
    longest: Option<RouteId>,
    /// The versions of that route and of those around it.
    before: [u32; TRACKED],
}

impl<'t> Oracle<'t> {
    pub fn new(table: &'t Table) -> Self {
        let routes = &table.routes;
        let mut parents = Vec::with_capacity(routes.len());
        // The routes that contain the current one, the longest last.
        let mut open: Vec<RouteId> = Vec::new();
        for (id, route) in routes.iter().enumerate() {
            let outside =
                |&id: &RouteId| !routes[id as usize].prefix.contains(route.prefix.address);
            while open.last().is_some_and(outside) {
                open.pop();
            }
            parents.push(open.last().copied());
            open.push(id as RouteId);
        }
        Self {
            table,
            starts: routes.iter().map(|route| route.prefix.address).collect(),
            parents,
            versions: routes.iter().map(|_| AtomicU32::new(ANNOUNCED)).collect(),
        }
    }

    /// How many routes are nested in another.
    pub fn nested(&self) -> usize {
        self.parents.iter().flatten().count()
    }

    pub fn len(&self) -> usize {
        self.versions.len()
    }

    pub fn prefix(&self, id: RouteId) -> Prefix {
        self.table.routes[id as usize].prefix
    }

    /// Called by the route's only writer, before it changes the route.
    pub fn begin_change(&self, id: RouteId) {
        // Relaxed: the change itself is published with Release, so a thread
        // that sees the change sees this too.
        self.versions[id as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Called by the route's only writer, after the change.
    pub fn end_change(&self, id: RouteId) {
        // Release: a thread that sees this version sees its change.
        self.versions[id as usize].fetch_add(1, Ordering::Release);
    }

    /// For the route's only writer: no change is in progress.
    pub fn is_withdrawn(&self, id: RouteId) -> bool {
        // Relaxed: the caller wrote it.
        self.versions[id as usize].load(Ordering::Relaxed) % 4 == WITHDRAWN
    }

    /// Records the state before `address` is looked up.
    pub fn probe(&self, address: u32) -> Probe {
        // Routes that contain the address start at or before it; those of them
        // that are not the last such route contain that one.
        let last = self
            .starts
            .partition_point(|&start| start <= address)
            .checked_sub(1);
        let mut longest = last.map(|id| id as RouteId);
        while let Some(id) = longest.filter(|&id| !self.prefix(id).contains(address)) {
            longest = self.parents[id as usize];
        }
        let mut before = [0; TRACKED];
        for (version, id) in before.iter_mut().zip(self.chain(longest)) {
            // Acquire: pairs with `end_change`; the lookup that follows sees at
            // least the change of this version.
            *version = self.versions[id as usize].load(Ordering::Acquire);
        }
        Probe {
            address,
            longest,
            before,
        }
    }

    /// Whether `answer` is a correct answer to `probe`.
    pub fn accepts(&self, probe: &Probe, answer: Option<RouteId>) -> bool {
        for (depth, id) in self.chain(probe.longest).enumerate() {
            // Relaxed: the lookup's loads are Acquire, so this one stays after
            // them, and sees `begin_change` of any change they saw.
            let now = self.versions[id as usize].load(Ordering::Relaxed);
            let unchanged = now % 2 == 0 && probe.before.get(depth) == Some(&now);
            if answer == Some(id) {
                return !unchanged || now % 4 == ANNOUNCED;
            }
            if unchanged && now % 4 == ANNOUNCED {
                return false;
            }
        }
        answer.is_none()
    }

    /// Describes an answer that was not accepted.
    pub fn explain(&self, probe: &Probe, answer: Option<RouteId>) -> String {
        let show = |id: Option<RouteId>| match id.map(|id| self.table.routes.get(id as usize)) {
            Some(Some(route)) => route.to_string(),
            Some(None) => "a route that does not exist".into(),
            None => "no route".into(),
        };
        let address = Ipv4Addr::from(probe.address);
        let (answer, longest) = (show(answer), show(probe.longest));
        let state = match probe.before[0] % 4 {
            ANNOUNCED => "announced",
            WITHDRAWN => "withdrawn",
            _ => "changing",
        };
        format!("{address}: answered {answer}; the longest match is {longest}, {state}")
    }

    /// A route and those around it, from the longest prefix to the shortest.
    fn chain(&self, longest: Option<RouteId>) -> impl Iterator<Item = RouteId> {
        std::iter::successors(longest, |&id| self.parents[id as usize])
    }
}
