//! Times the contestants of a row in turn, so that a disturbance of the machine
//! affects all of them.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*},
    thread,
    time::{Duration, Instant},
};

use crate::structures::Wide;

/// Performs this many operations, and returns how long they took.
pub type Run = Box<dyn FnMut(u64) -> Duration>;

/// A contestant in a row.
#[derive(Clone, Copy)]
pub struct Contestant {
    pub name: &'static str,
    /// Prepares it.
    pub make: fn() -> Run,
}

/// The result of one contestant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    pub name: String,
    /// Nanoseconds for one operation, in each round.
    pub rounds: Vec<f64>,
}

impl Figure {
    /// The quartiles over the rounds.
    pub fn quartiles(&self) -> [f64; 3] {
        quartiles(self.rounds.clone())
    }

    /// The quartiles, over the rounds, of the ratio to another contestant in
    /// the same round.
    pub fn ratio(&self, other: &Figure) -> [f64; 3] {
        let rounds = self.rounds.iter().zip(&other.rounds);
        quartiles(rounds.map(|(mine, its)| mine / its).collect())
    }

    /// The same over some of the rounds.
    pub fn ratio_in(&self, other: &Figure, rounds: &[usize]) -> [f64; 3] {
        let ratios = rounds
            .iter()
            .map(|&round| self.rounds[round] / other.rounds[round]);
        quartiles(ratios.collect())
    }
}

/// The quartiles, or NaN of nothing.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    match values.len().checked_sub(1) {
        None => [f64::NAN; 3],
        Some(last) => [1, 2, 3].map(|quarter| values[(last * quarter + 2) / 4]),
    }
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds in which each contestant has a turn.
    pub rounds: usize,
    /// How long a turn takes.
    pub turn: Duration,
}

/// The results of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    pub figures: Vec<Figure>,
    pub between: Between,
}

/// What two threads were to each other. Empty if the row has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Between {
    /// Nanoseconds from one to the other, before the rounds and after each.
    pub one_way: Vec<f64>,
    /// The part of the time that they wanted a processor in which they had one, in each
    /// process.
    pub running: Vec<f64>,
}

impl Timing {
    /// Adds the rounds of another process.
    pub fn extend(&mut self, more: Self) {
        for (figure, more) in self.figures.iter_mut().zip(more.figures) {
            figure.rounds.extend(more.rounds);
        }
        self.between.one_way.extend(more.between.one_way);
        self.between.running.extend(more.between.running);
    }
}

/// Times all contestants, which have one thread, or else two.
pub fn run(contestants: &[Contestant], alone: bool, effort: Effort) -> Timing {
    let mut runs: Vec<Run> = contestants.iter().map(|c| (c.make)()).collect();
    let operations: Vec<u64> = (runs.iter_mut())
        .map(|run| calibrate(run, effort.turn))
        .collect();
    let mut figures: Vec<Figure> = (contestants.iter())
        .map(|contestant| Figure {
            name: contestant.name.to_owned(),
            rounds: Vec::with_capacity(effort.rounds),
        })
        .collect();
    let mut between = Between::default();
    let mut look = || between.one_way.extend((!alone).then(distance));
    look();
    for round in 0..effort.rounds {
        // The first one changes with the round.
        for turn in 0..runs.len() {
            let index = (round + turn) % runs.len();
            let n = operations[index];
            // The others have taken the caches.
            runs[index](n);
            let time = runs[index](n);
            figures[index]
                .rounds
                .push(time.as_nanos() as f64 / n as f64);
        }
        look();
    }
    between.running.extend((!alone).then(running));
    Timing { figures, between }
}

/// How many operations fill a turn.
fn calibrate(run: &mut Run, turn: Duration) -> u64 {
    let mut n = 1;
    loop {
        let time = run(n);
        if time * 2 >= turn || n > 1 << 40 {
            let per_turn = n as f64 * turn.as_secs_f64() / time.as_secs_f64();
            return (per_turn as u64).max(1);
        }
        n *= 2;
    }
}

/// A stopwatch that runs only while its thread runs, so that it excludes the
/// time of other programs.
struct Stopwatch(Duration);

impl Stopwatch {
    fn start() -> Self {
        Self(thread_time())
    }

    fn read(&self) -> Duration {
        thread_time() - self.0
    }
}

/// How long this thread has run.
#[cfg(unix)]
fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to a structure that is alive.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0, "the thread has a clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How long this thread has run, and waited.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// How long the function takes.
pub fn timed<R>(work: impl FnOnce() -> R) -> Duration {
    let watch = Stopwatch::start();
    black_box(work());
    watch.read()
}

/// Operations between two checks of the flag that ends a turn.
const CHUNK: u64 = 32;

/// Does the work on two threads until one has done its half of `n`. Both are
/// busy all the time. The result is the time of `n` operations at the speed of
/// both together.
pub fn together<L>(
    n: u64,
    local: impl Fn() -> L + Sync,
    work: impl Fn(usize, &L, u64) + Sync,
) -> Duration {
    let speeds = pair(|index, turn| {
        let local = local();
        turn.begin();
        let watch = Stopwatch::start();
        let mut done = 0;
        while done < n.div_ceil(2) && !turn.is_over() {
            work(index, &local, CHUNK);
            done += CHUNK;
        }
        turn.end();
        done as f64 / watch.read().as_secs_f64()
    });
    Duration::from_secs_f64(n as f64 / (speeds[0] + speeds[1]))
}

/// Does `n` operations on one thread while another one does something else.
pub fn beside<L>(
    n: u64,
    local: impl Fn() -> L + Sync,
    timed: impl Fn(&L, u64) + Sync,
    other: impl Fn(&L, u64) + Sync,
) -> Duration {
    let times = pair(|index, turn| {
        let local = local();
        turn.begin();
        let watch = Stopwatch::start();
        if index == 0 {
            timed(&local, n);
            let time = watch.read();
            turn.end();
            return time;
        }
        while !turn.is_over() {
            other(&local, CHUNK);
        }
        watch.read()
    });
    times[0]
}

/// Waits without sleeping.
fn until(condition: impl Fn() -> bool) {
    let mut looks = 0u32;
    while !condition() {
        looks += 1;
        // Two threads may share a processor.
        if looks.is_multiple_of(1 << 16) {
            thread::yield_now();
        }
    }
}

/// Where two threads meet.
struct Turn {
    there: AtomicUsize,
    over: AtomicBool,
}

impl Turn {
    /// Waits for the other, so that both begin at once.
    fn begin(&self) {
        self.there.fetch_add(1, AcqRel);
        until(|| self.there.load(Acquire) == 2);
    }

    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    fn end(&self) {
        self.over.store(true, Relaxed);
    }
}

/// Binds the thread to one processor, the `index`th that it may use, so that
/// two do not share one. If this fails, the thread is not bound.
#[cfg(target_os = "linux")]
fn stay(index: usize) {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: zeros are the empty set; both calls read or write one set, which
    // is alive; the indices are below its size.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size, &mut allowed) != 0 {
            return;
        }
        let mut cpus =
            (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &allowed));
        if let Some(cpu) = cpus.nth(index) {
            let mut one: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(cpu, &mut one);
            libc::sched_setaffinity(0, size, &one);
        }
    }
}
#[cfg(not(target_os = "linux"))]
fn stay(_: usize) {}

/// Nanoseconds in which threads of [`pair`] had a processor, and in which they had or
/// wanted one.
static RAN: AtomicU64 = AtomicU64::new(0);
static WANTED: AtomicU64 = AtomicU64::new(0);

/// The part of the time that both threads wanted a processor in which they had one.
fn running() -> f64 {
    RAN.load(Relaxed) as f64 / WANTED.load(Relaxed) as f64
}

/// How long this thread has waited for a processor; not for a lock. Nothing if the
/// system does not tell.
fn waited() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let second = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    Duration::from_nanos(second.unwrap_or(0))
}

/// Runs it on two threads.
fn pair<R: Send>(work: impl Fn(usize, &Turn) -> R + Sync) -> [R; 2] {
    let turn = Turn {
        there: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let threads = [0, 1].map(|index| {
            let (work, turn) = (&work, &turn);
            scope.spawn(move || {
                stay(index);
                let (before, watch) = (waited(), Stopwatch::start());
                let result = work(index, turn);
                let ran = watch.read();
                let wanted = ran + waited().saturating_sub(before);
                // Relaxed: read after the threads are joined.
                RAN.fetch_add(ran.as_nanos() as u64, Relaxed);
                WANTED.fetch_add(wanted.as_nanos() as u64, Relaxed);
                result
            })
        });
        threads.map(|thread| thread.join().expect("no row panics"))
    })
}

/// How long a store of one thread takes to reach the other, in nanoseconds, where the
/// threads of each row are: half of what a word takes there and back. The median of some
/// series, so that a turn of another program does not count.
fn distance() -> f64 {
    const SERIES: usize = 9;
    const TRIPS: u64 = 100;
    let word = Wide(AtomicU64::new(0));
    let [series, _] = pair(|index, turn| {
        turn.begin();
        let mut mine = index as u64;
        let one = || {
            let start = Instant::now();
            for _ in 0..TRIPS {
                // Relaxed: nothing but the word is handed over.
                until(|| word.0.load(Relaxed) == mine);
                word.0.store(mine + 1, Relaxed);
                mine += 2;
            }
            start.elapsed().as_nanos() as f64 / (2 * TRIPS) as f64
        };
        std::iter::repeat_with(one).take(SERIES).collect()
    });
    quartiles(series)[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(alone: bool) -> Timing {
        // An operation takes two nanoseconds.
        let make = || -> Run { Box::new(|n| Duration::from_nanos(2 * n)) };
        let contestants = ["a", "b"].map(|name| Contestant { name, make });
        let turn = Duration::from_micros(1);
        run(&contestants, alone, Effort { rounds: 3, turn })
    }

    #[test]
    fn the_distance_is_measured_before_the_rounds_and_after_each() {
        let Between { one_way, running } = timing(false).between;
        assert_eq!(one_way.len(), 4);
        assert!(one_way.iter().all(|&time| time > 0.0));
        assert!(matches!(*running, [part] if part > 0.0 && part < 1.01));
        assert_eq!(timing(true).between, Between::default());
    }

    #[test]
    fn processes_are_put_together() {
        let mut all = timing(false);
        all.extend(timing(false));
        assert!(all.figures.iter().all(|figure| figure.rounds == [2.0; 6]));
        assert_eq!(all.between.one_way.len(), 8);
        assert_eq!(all.between.running.len(), 2);
    }
}
