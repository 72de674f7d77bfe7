//! What is counted, and how it is written.

use rustc_hash::{FxHashMap, FxHashSet};
use std::{fmt::Write as _, path::Path};

use crate::{
    caches::{Effect, Site},
    cost::Time,
};

/// What threads of one class did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub operations: u64,
    pub accesses: u64,
    /// Lines from another core's cache.
    pub transfers: u64,
    /// Requests that moved no line, but took the copies of others.
    pub upgrades: u64,
    /// Copies that others lost.
    pub invalidations: u64,
    /// Lines that no core held.
    pub fetches: u64,
    /// The sum over the threads.
    pub time: Time,
}

impl Counts {
    pub fn add(&mut self, effect: &Effect) {
        self.accesses += 1;
        self.transfers += u64::from(effect.moved);
        self.upgrades += u64::from(effect.upgraded);
        self.invalidations += u64::from(effect.invalidated);
        self.fetches += u64::from(effect.fetched);
    }

    /// Adds what was counted from one state to another.
    pub fn add_between(&mut self, from: &Self, to: &Self) {
        self.operations += to.operations - from.operations;
        self.accesses += to.accesses - from.accesses;
        self.transfers += to.transfers - from.transfers;
        self.upgrades += to.upgrades - from.upgrades;
        self.invalidations += to.invalidations - from.invalidations;
        self.fetches += to.fetches - from.fetches;
        self.time += to.time - from.time;
    }
}

/// Why a line was asked for: here, after it was asked for there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Pair {
    here: Site,
    before: Site,
    upgrade: bool,
}

/// The requests of the measured part.
#[derive(Default)]
pub struct Moves(FxHashMap<Pair, (u64, FxHashSet<u64>)>);

impl Moves {
    pub fn add(&mut self, line: u64, here: Site, effect: &Effect) {
        if effect.moved || effect.upgraded {
            let pair = Pair {
                here,
                before: effect.before,
                upgrade: effect.upgraded,
            };
            let (count, lines) = self.0.entry(pair).or_default();
            *count += 1;
            lines.insert(line);
        }
    }

    /// The pairs of source lines by which a class makes the most requests, one per line of
    /// text: class, requests, distinct lines, kind, source line, the one before.
    pub fn text(&self, class: usize, sources: &Sources) -> String {
        let mut named: FxHashMap<(String, String, bool), (u64, FxHashSet<u64>)> =
            FxHashMap::default();
        for (pair, (count, lines)) in &self.0 {
            let name = (
                sources.name(pair.here),
                sources.name(pair.before),
                pair.upgrade,
            );
            let (sum, all) = named.entry(name).or_default();
            *sum += count;
            all.extend(lines);
        }
        let mut sorted: Vec<_> = named.iter().collect();
        sorted.sort_by(|(a, (m, _)), (b, (n, _))| n.cmp(m).then(a.cmp(b)));
        let mut text = String::new();
        for ((here, before, upgrade), (count, lines)) in sorted.into_iter().take(12) {
            let kind = if *upgrade { "upgrade" } else { "transfer" };
            let _ = writeln!(
                text,
                "move\t{class}\t{count}\t{}\t{kind}\t{here}\t{before}",
                lines.len()
            );
        }
        text
    }
}

/// Names for the addresses of instructions.
pub struct Sources {
    loader: Option<addr2line::Loader>,
    /// Where the program is loaded.
    base: u64,
}

/// Sites that are no instructions.
pub const ALLOCATOR: Site = 1;

impl Sources {
    /// Of the running program.
    pub fn new() -> Self {
        let program = std::env::current_exe().unwrap_or_default();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let its = |line: &&str| line.ends_with(program.to_str().unwrap_or("?"));
        let first = maps
            .lines()
            .find(its)
            .and_then(|line| line.split('-').next());
        Self {
            loader: addr2line::Loader::new(&program).ok(),
            base: first.map_or(0, |base| u64::from_str_radix(base, 16).unwrap_or(0)),
        }
    }

    /// The line of the innermost function that belongs to a contestant, and not
    /// to a library of atomics.
    pub fn name(&self, site: Site) -> String {
        match site {
            0 => return "before the run".into(),
            ALLOCATOR => return "the allocator".into(),
            _ => {}
        }
        // The site is behind the call.
        let address = site.wrapping_sub(self.base).wrapping_sub(1);
        let place = self.loader.as_ref().and_then(|loader| {
            let mut frames = loader.find_frames(address).ok()?;
            let mut last = None;
            while let Some(frame) = frames.next().ok()? {
                let Some(location) = frame.location else {
                    continue;
                };
                let (Some(file), Some(line)) = (location.file, location.line) else {
                    continue;
                };
                last = Some(format!("{}:{line}", short(file)));
                if !LIBRARIES.iter().any(|part| file.contains(part)) {
                    return last;
                }
            }
            last
        });
        place.unwrap_or_else(|| "?".into())
    }
}

/// Parts of the paths of what only passes accesses on.
const LIBRARIES: [&str; 4] = [
    "/library/",
    "portable-atomic-",
    "/src/sync",
    "/bench/src/schemes/",
];

/// A path without the machine's part.
fn short(file: &str) -> &str {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let root = root.and_then(Path::to_str).unwrap_or_default();
    if let Some(rest) = file.strip_prefix(root) {
        return rest.trim_start_matches('/');
    }
    if let Some((_, rest)) = file.split_once("/rustlib/src/rust/") {
        return rest;
    }
    match file.split_once("/registry/src/") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(_, rest)| rest),
        None => file,
    }
}
