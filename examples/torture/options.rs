//! The command line.

use std::thread;
use std::time::Duration;

use lexopt::prelude::*;

use crate::SLOTS;
use crate::args::{self, Command};

pub const USAGE: &str = "\
Threads read, replace and retire pooled objects in random order, with nested
guards, refreshes, flushes and limits. They register and release eager,
deferred and per-CPU handles, send sections to other threads, and die in a
section and are evicted. Some reclaimers panic. Readers are asked to restart.
Tokens, callbacks and waits are checked against recorded sections. Every
object carries a canary that its reclaimer poisons.

Usage: torture [OPTIONS]

  --threads N   threads [default: two for each core]
  --seconds S   running time [default: 5]
  --seed N      seed of the random choices [default: 1]
  --robust      robust mode
  --broken      barriers that do nothing: the checks must find this
  --json        print one line of JSON
  -h, --help    print this help

Exit status: 0 if no fault was found; 1 if one was; 2 if the command line is
invalid.";

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
