//! The command line.

use std::thread;
use std::time::Duration;

use lexopt::prelude::*;

use crate::SLOTS;
use crate::args::{self, Command};

pub const USAGE: &str = "\
Threads read, replace and retire pooled objects in random order, with nested
guards, refreshes, flushes, budgets, and slots that come and go: of eager,
deferred and per-CPU handles, of sections that move to another thread, of
threads that die in a section and are evicted. Some reclaimers panic. Readers
are asked to restart; tokens, callbacks and waits are checked against sections
that are on record. Every object carries a canary that its reclaimer poisons.

Usage: torture [OPTIONS]

  --threads N   threads [default: two a core]
  --seconds S   how long to run [default: 5]
  --seed N      seed of the random choices [default: 1]
  --robust      a collector in robust mode
  --broken      a barrier that does nothing: must be caught
  --json        print one line of JSON
  -h, --help    print this

Exit status: 0; 1 if something was found; 2 if the command line is wrong.";

pub struct Options {
    pub threads: usize,
    pub time: Duration,
    pub seed: u64,
    pub robust: bool,
    pub broken: bool,
    pub json: bool,
}

impl Options {
    pub fn parse(mut parser: lexopt::Parser) -> Result<Command<Self>, lexopt::Error> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            threads: (2 * cores).min(SLOTS),
            time: Duration::from_secs(5),
            seed: 1,
            robust: false,
            broken: false,
            json: false,
        };
        while let Some(arg) = parser.next()? {
            match arg {
                Long("threads") => {
                    options.threads = args::count("--threads", parser.value()?, 1, SLOTS)?;
                }
                Long("seconds") => options.time = args::seconds(parser.value()?)?,
                Long("seed") => options.seed = parser.value()?.parse()?,
                Long("robust") => options.robust = true,
                Long("broken") => options.broken = true,
                Long("json") => options.json = true,
                Short('h') | Long("help") => return Ok(Command::Help),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(Command::Run(options))
    }
}
