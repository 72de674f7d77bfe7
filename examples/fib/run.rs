//! Readers and writers on one forwarding table.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::fib::{Fib, Reader, Writer};
use crate::oracle::Oracle;
use crate::progress;
use crate::rng::Rng;
use crate::table::RouteId;
use crate::trie::PoolEmpty;

/// How to run.
pub struct Load {
    pub readers: usize,
    pub writers: usize,
    pub time: Duration,
    pub seed: u64,
    /// A route that is announced wrongly, to show that the checks detect it.
    pub planted: Option<RouteId>,
}

impl Load {
    /// What lookups answer once `id` is announced.
    pub fn answer(&self, id: RouteId) -> RouteId {
        if self.planted == Some(id) {
            RouteId::MAX
        } else {
            id
        }
    }
}

/// What a thread has seen; the values of several threads are summed.
#[derive(Default)]
pub struct Outcome {
    pub lookups: u64,
    pub lookups_per_s: f64,
    pub updates: u64,
    pub updates_per_s: f64,
    /// Times a writer found the pool empty.
    pub stalls: u64,
    pub mismatches: u64,
    /// The first mismatch, in words.
    pub mismatch: Option<String>,
}

impl Outcome {
    fn add(mut self, other: Self) -> Self {
        self.lookups += other.lookups;
        self.lookups_per_s += other.lookups_per_s;
        self.updates += other.updates;
        self.updates_per_s += other.updates_per_s;
        self.stalls += other.stalls;
        self.add_mismatches(other)
    }

    /// Only the verdict of a check, not its lookups.
    pub fn add_mismatches(mut self, other: Self) -> Self {
        self.mismatches += other.mismatches;
        self.mismatch = self.mismatch.or(other.mismatch);
        self
    }

    fn mismatch(&mut self, explain: impl FnOnce() -> String) {
        self.mismatches += 1;
        self.mismatch.get_or_insert_with(explain);
    }
}

/// Lookups between two checks of the clock. The oracle is asked before and
/// after such a batch, so that only lookups are timed.
const BATCH: usize = 256;

/// Routes that a writer keeps withdrawn before it announces the oldest again.
const WITHDRAWN: usize = 64;

/// Runs readers and writers for a time; every route is announced afterwards.
pub fn run(fib: &impl Fib, oracle: &Oracle<'_>, load: &Load, title: &'static str) -> Outcome {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers = (0..load.readers).map(|id| {
            let (stop, rng) = (&stop, Rng::new(load.seed, id as u64));
            scope.spawn(move || read(&fib.reader(), oracle, rng, stop))
        });
        let writers = (0..load.writers).map(|id| {
            let (stop, rng) = (&stop, Rng::new(load.seed, u64::MAX - id as u64));
            scope.spawn(move || Changes::new(fib.writer(), oracle, load).run(id, rng, stop))
        });
        // Collected so that they all run before the first is joined.
        let threads: Vec<_> = readers.chain(writers).collect();
        progress::wait(load.time, title, || false);
        // Relaxed: a flag, nothing is read through it.
        stop.store(true, Ordering::Relaxed);
        let outcomes = threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread panicked"));
        outcomes.fold(Outcome::default(), Outcome::add)
    })
}

/// Looks up random addresses, most of them in a route, and judges the answers.
fn read(fib: &impl Reader, oracle: &Oracle<'_>, mut rng: Rng, stop: &AtomicBool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut time = Duration::ZERO;
    let mut probes = Vec::with_capacity(BATCH);
    let mut answers = Vec::with_capacity(BATCH);
    // Relaxed: see `run`.
    while !stop.load(Ordering::Relaxed) {
        probes.clear();
        probes.extend((0..BATCH).map(|_| oracle.probe(random_address(oracle, &mut rng))));

        answers.clear();
        let start = Instant::now();
        answers.extend(probes.iter().map(|probe| fib.lookup(probe.address)));
        time += start.elapsed();
        outcome.lookups += BATCH as u64;

        for (probe, &answer) in probes.iter().zip(&answers) {
            if !oracle.accepts(probe, answer) {
                outcome.mismatch(|| oracle.explain(probe, answer));
            }
        }
    }
    outcome.lookups_per_s = rate(outcome.lookups, time);
    outcome
}

fn random_address(oracle: &Oracle<'_>, rng: &mut Rng) -> u32 {
    let anywhere = rng.next() as u32;
    // One in eight is arbitrary, and usually in no route.
    if anywhere % 8 == 0 {
        return anywhere;
    }
    let prefix = oracle.prefix(rng.below(oracle.len() as u32));
    prefix.address | (anywhere & (prefix.last() - prefix.address))
}

/// How long a writer waits for room in the pool before that is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// A writer's state.
struct Changes<'a, W> {
    fib: W,
    oracle: &'a Oracle<'a>,
    load: &'a Load,
    outcome: Outcome,
}

impl<'a, W: Writer> Changes<'a, W> {
    fn new(fib: W, oracle: &'a Oracle<'a>, load: &'a Load) -> Self {
        Self {
            fib,
            oracle,
            load,
            outcome: Outcome::default(),
        }
    }

    fn run(mut self, id: usize, rng: Rng, stop: &AtomicBool) -> Outcome {
        if self.work(id, rng, stop).is_err() {
            self.outcome
                .mismatch(|| "no writer finds a node in the pool".into());
        }
        self.outcome
    }

    /// Withdraws random routes and announces them again. Each writer has its
    /// own routes: every `writers`th from `id` on.
    fn work(&mut self, id: usize, mut rng: Rng, stop: &AtomicBool) -> Result<(), PoolEmpty> {
        let step = self.load.writers;
        let owned = self.oracle.len().saturating_sub(id).div_ceil(step);
        let mut withdrawn = VecDeque::with_capacity(WITHDRAWN);
        let start = Instant::now();
        // Relaxed: see `run`.
        while owned > 0 && !stop.load(Ordering::Relaxed) {
            if withdrawn.len() == WITHDRAWN.min(owned) {
                let oldest = withdrawn.pop_front().expect("it is full");
                self.set(oldest, true)?;
                continue;
            }
            let pick = (rng.below(owned as u32) as usize * step + id) as RouteId;
            if !self.oracle.is_withdrawn(pick) {
                self.set(pick, false)?;
                withdrawn.push_back(pick);
            }
        }
        self.outcome.updates_per_s = rate(self.outcome.updates, start.elapsed());
        withdrawn.into_iter().try_for_each(|id| self.set(id, true))
    }

    /// Announces or withdraws one route.
    fn set(&mut self, id: RouteId, announce: bool) -> Result<(), PoolEmpty> {
        self.oracle.begin_change(id);
        let route = announce.then(|| self.load.answer(id));
        let mut stalled = None;
        while self.fib.set(self.oracle.prefix(id), route).is_err() {
            // A reader was preempted under its guard and holds the nodes that
            // were retired meanwhile: yield to it.
            self.outcome.stalls += 1;
            let since = stalled.get_or_insert_with(Instant::now);
            if since.elapsed() > PATIENCE {
                return Err(PoolEmpty);
            }
            thread::yield_now();
        }
        self.oracle.end_change(id);
        self.outcome.updates += 1;
        Ok(())
    }
}

/// Compares the whole table at rest with the oracle: both ends of every route,
/// the addresses next to them, and one inside.
pub fn check(fib: &impl Fib, oracle: &Oracle<'_>, seed: u64) -> Outcome {
    let fib = fib.reader();
    let mut rng = Rng::new(seed, 0);
    let mut outcome = Outcome::default();
    for id in 0..oracle.len() as RouteId {
        let prefix = oracle.prefix(id);
        let (first, last) = (prefix.address, prefix.last());
        let inside = first | (rng.next() as u32 & (last - first));
        for address in [
            first.wrapping_sub(1),
            first,
            inside,
            last,
            last.wrapping_add(1),
        ] {
            let probe = oracle.probe(address);
            let answer = fib.lookup(address);
            outcome.lookups += 1;
            if !oracle.accepts(&probe, answer) {
                outcome.mismatch(|| oracle.explain(&probe, answer));
            }
        }
    }
    outcome
}

fn rate(count: u64, time: Duration) -> f64 {
    if count == 0 {
        0.0
    } else {
        count as f64 / time.as_secs_f64()
    }
}
