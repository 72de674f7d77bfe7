//! An interrupt at every instruction of every operation on a per-CPU handle:
//! contexts of the same handle, and a task of higher priority that unlinks,
//! retires and collects in between.
//!
//! The processor's trap flag stops the operation after each instruction, and
//! the signal handler is the interrupt. No protected object may be reclaimed
//! while it is held, none is reclaimed twice, and at the end one collect leaves
//! nothing and every grace period is over.
//!
//! `complete` checks that every public method is among the operations. In
//! `deaths` the task that is interrupted does not continue. `statistics` reads the counts
//! in each interrupt.
//!
//! A plain run takes a sample. All interrupts, in hours, or in seconds to minutes
//! for one operation:
//!
//! ```text
//! HYALINE_SINGLE_STEP=all cargo test --release --test single_step -- --nocapture
//! ```
//!
//! (a number instead of `all` is the number of seconds for each operation, and
//! `HYALINE_SINGLE_STEP_TASK` selects one operation), and the same with
//! `RUSTFLAGS="--cfg hyaline_narrow_era"`, where eras have two words and wrap.

#![cfg(all(
    target_arch = "x86_64",
    target_os = "linux",
    not(any(hyaline_loom, miri))
))]

#[path = "common/random.rs"]
mod random;

#[path = "single_step/allocator.rs"]
mod allocator;
#[path = "single_step/complete.rs"]
mod complete;
#[path = "single_step/deaths.rs"]
mod deaths;
#[path = "single_step/eras.rs"]
mod eras;
#[path = "single_step/raw.rs"]
mod raw;
#[path = "single_step/safe.rs"]
mod safe;
#[path = "single_step/statistics.rs"]
mod statistics;
#[path = "single_step/trap.rs"]
mod trap;

use std::{
    cell::Cell,
    env,
    time::{Duration, Instant},
};

use hyaline::{Collector, Config, Robust, Token, domain};
use random::Random;
use safe::{cells, lists, maps};

/// One context: the interrupted operation, or an interrupt.
pub struct Context<W: 'static> {
    name: &'static str,
    run: fn(&W),
}

/// The contexts by their functions' names.
macro_rules! contexts {
    ($($run:ident)*) => {
        &[$(crate::Context { name: stringify!($run), run: $run::<D> }),*]
    };
}
pub(crate) use contexts;

/// What a sweep needs from a world.
pub trait World: Sized + 'static {
    /// The operations of the interrupted task.
    const TASKS: &'static [Context<Self>];
    /// The interrupts on the same handle.
    const NESTED: &'static [Context<Self>];
    /// The interrupts with their own handles.
    const OTHERS: &'static [Context<Self>];
    /// One of the same handle that advances the eras, and one that then
    /// reclaims what a torn era does not hold; in as many rounds.
    const TEAR: (&'static [Context<Self>], u64) = (&[], 0);
    /// Everything as at the start, in one of [`VARIANTS`]: without a guard, or
    /// with one that is older than what the cells hold, or with one that is
    /// not.
    fn prepare(&self, round: u64);
    /// Closes what the task left open.
    fn close(&self);
    /// The failure of a run, if any.
    fn check(&self) -> Result<(), String>;
}

/// The interrupts of a run, each with the number of instructions after the
/// previous one.
type Schedule<'a, W> = [(&'a Context<W>, u64)];

struct Sweep<W: 'static> {
    world: &'static W,
    name: &'static str,
    runs: Cell<u64>,
    random: Cell<Random>,
    failed: Cell<u64>,
}

impl<W: World> Sweep<W> {
    /// One run. Returns how many instructions were stepped; `most` if it is not
    /// interrupted.
    fn run(&self, task: &Context<W>, schedule: &Schedule<'_, W>, most: u64) -> u64 {
        let world = self.world;
        self.runs.set(self.runs.get() + 1);
        world.prepare(self.runs.get());
        let next = Cell::new(0);
        let interrupt = || {
            let (by, _) = schedule.get(next.get())?;
            (by.run)(world);
            next.set(next.get() + 1);
            schedule.get(next.get()).map(|(_, later)| *later)
        };
        let first = schedule.first().map_or(most, |(_, at)| *at);
        let steps = trap::stepped(first, &interrupt, &|| (task.run)(world));
        world.close();
        if let Err(wrong) = world.check() {
            self.failed.set(self.failed.get() + 1);
            // The first few are enough.
            if self.failed.get() <= 20 {
                let by: String = schedule
                    .iter()
                    .map(|(by, at)| format!(", {} {at} later", by.name))
                    .collect();
                println!("{}: {}{by}: {wrong}", self.name, task.name);
            }
        }
        steps
    }

    fn random(&self, below: u64) -> u64 {
        let mut random = self.random.get();
        let number = random.below(below.max(1) as usize);
        self.random.set(random);
        number as u64
    }

    fn any(&self, of: &'static [Context<W>]) -> &'static Context<W> {
        &of[self.random(of.len() as u64) as usize]
    }

    fn any_interrupt(&self) -> &'static Context<W> {
        let nested = self.random(2) == 0;
        self.any(if nested { W::NESTED } else { W::OTHERS })
    }

    /// Another interrupt, more often soon than late.
    fn another(&self, length: u64) -> (&'static Context<W>, u64) {
        let within = [3, length / 8, length][self.random(3) as usize];
        (self.any_interrupt(), 1 + self.random(within))
    }

    /// Runs the task, interrupted once, twice or many times, at any instructions
    /// and by any context, while there is `more`.
    fn sample(&self, task: &Context<W>, more: impl Fn(u64) -> bool) {
        let length = self.run(task, &[], LONGEST);
        let mut steps = 0;
        while more(steps) {
            let mut schedule = vec![(self.any_interrupt(), 1 + self.random(length))];
            for _ in 0..[0, 1, 12][self.random(3) as usize] {
                schedule.push(self.another(length));
            }
            steps += self.run(task, &schedule, LONGEST);
        }
    }

    /// Runs a task, interrupted at each of its instructions by each context,
    /// and as often by any two.
    fn exhaust(&self, task: &Context<W>) {
        let length = self.run(task, &[], u64::MAX);
        for by in W::NESTED.iter().chain(W::OTHERS) {
            for at in 1..=length {
                for _ in 0..VARIANTS {
                    self.run(task, &[(by, at)], length);
                }
                for _ in 0..PAIRS {
                    self.run(task, &[(by, at), self.another(length)], length);
                }
            }
        }
        if let (true, ([by, then], rounds)) = (cfg!(hyaline_narrow_era), W::TEAR) {
            for at in 1..=length {
                for later in 1..=2 {
                    for _ in 0..rounds {
                        self.run(task, &[(by, at), (then, later)], length);
                    }
                }
            }
        }
    }
}

/// The variants that a world prepares in turn.
const VARIANTS: usize = 4;
/// Pairs that are tried at each instruction.
const PAIRS: usize = 8;
/// Instructions at which a sample interrupts: without optimization there are
/// far more.
const LONGEST: u64 = 5_000;
/// Instructions that a plain run steps for each operation.
const STEPS: u64 = 20_000;

fn sweep<W: World>(world: &'static W, name: &'static str) {
    let sweep = Sweep {
        world,
        name,
        runs: Cell::new(0),
        random: Cell::new(Random(1)),
        failed: Cell::new(0),
    };
    let amount = env::var("HYALINE_SINGLE_STEP").ok();
    let seconds = |amount: &str| amount.parse().expect("'all' or a number of seconds");
    let only = env::var("HYALINE_SINGLE_STEP_TASK").ok();
    let wanted = |task: &&Context<W>| only.as_ref().is_none_or(|only| only == task.name);
    for task in W::TASKS.iter().filter(wanted) {
        let before = sweep.runs.get();
        match amount.as_deref() {
            Some("all") => sweep.exhaust(task),
            Some(amount) => {
                let (start, time) = (Instant::now(), Duration::from_secs_f64(seconds(amount)));
                sweep.sample(task, |_| start.elapsed() < time);
            }
            None => sweep.sample(task, |steps| steps < STEPS),
        }
        println!("{name}: {}: {} runs", task.name, sweep.runs.get() - before);
    }
    let runs = sweep.runs.get();
    println!("{name}: {runs} runs in all");
    assert_eq!(sweep.failed.get(), 0, "of {runs} runs went wrong");
}

/// Grace periods that were started and are not known to be over.
#[derive(Default)]
pub struct Tokens(Cell<[Option<Token>; 2]>);

impl Tokens {
    /// The location of a token with which a later context may continue. Not stepped, as
    /// it is of several words: an interrupt between two of them would use a token that
    /// this context has, too.
    fn take(&self, at: usize) -> Option<Token> {
        trap::unstepped(|| {
            let mut tokens = self.0.get();
            let token = tokens[at].take();
            self.0.set(tokens);
            token
        })
    }

    fn keep(&self, at: usize, token: Token) {
        trap::unstepped(|| {
            let mut tokens = self.0.get();
            tokens[at] = Some(token);
            self.0.set(tokens);
        });
    }
}

/// A sweep of each world in each scheme.
macro_rules! sweeps {
    ($($world:ident)*) => {$(
        pub mod $world {
            use super::{Config, Collector, Robust, domain, sweep};

            const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();

            domain!(pub InBasic: Collector<8> = Collector::with_config(CONFIG));
            domain!(pub InRobust: Collector<8, Robust> = Collector::with_config(CONFIG));

            #[test]
            fn basic() {
                let name = concat!(stringify!($world), ", basic");
                sweep(super::super::$world::World::<InBasic>::new(), name);
            }

            #[test]
            fn robust() {
                let name = concat!(stringify!($world), ", robust");
                sweep(super::super::$world::World::<InRobust>::new(), name);
            }
        }
    )*};
}

mod sweeps {
    use super::{Collector, Config, Robust, domain, sweep};

    sweeps!(raw cells lists maps);
}
