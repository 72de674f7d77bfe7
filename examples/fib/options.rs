//! The command line.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use lexopt::prelude::*;

use crate::args::{self, Command};
use crate::fib::SLOTS;

pub const USAGE: &str = "\
An IPv4 forwarding table: readers look up addresses in a trie while writers
withdraw and announce prefixes. Every lookup is checked. The same trie under
spin::RwLock runs for comparison.

Usage: fib [OPTIONS]

  --table FILE    prefixes to load, `192.0.2.0/24,NL` lines, plain or gzip
                  [default: the sample in data/ipv4-sample.csv]
  --readers N     reader threads [default: one for each core]
  --writers N     writer threads, 0 for none [default: 1]
  --seconds S     running time, half of it under the lock [default: 5]
  --seed N        seed of the random choices [default: 1]
  --robust        robust mode: a stalled reader holds a bounded number of nodes
  --json          print one line of JSON
  --plant-error   announce one wrong prefix: the checks must find it
  -h, --help      print this help

Exit status: 0 if all checks passed; 1 if a check failed; 2 if the command line
or the table is invalid.";

pub struct Options {
    pub table: PathBuf,
    pub readers: usize,
    pub writers: usize,
    pub time: Duration,
    pub seed: u64,
    pub robust: bool,
    pub json: bool,
    pub plant_error: bool,
}

impl Options {
    pub fn parse(mut parser: lexopt::Parser) -> Result<Command<Self>, lexopt::Error> {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/data/ipv4-sample.csv");
        // One slot is for the main thread.
        let most = SLOTS - 1;
        let mut options = Self {
            table: sample.into(),
            readers: thread::available_parallelism().map_or(1, |cores| cores.get().min(most / 2)),
            writers: 1,
            time: Duration::from_secs(5),
            seed: 1,
            robust: false,
            json: false,
            plant_error: false,
        };
        while let Some(arg) = parser.next()? {
            match arg {
                Long("table") => options.table = parser.value()?.into(),
                Long("readers") => {
                    options.readers = args::count("--readers", parser.value()?, 1, most)?;
                }
                Long("writers") => {
                    options.writers = args::count("--writers", parser.value()?, 0, most)?;
                }
                Long("seconds") => options.time = args::seconds(parser.value()?)?,
                Long("seed") => options.seed = parser.value()?.parse()?,
                Long("robust") => options.robust = true,
                Long("json") => options.json = true,
                Long("plant-error") => options.plant_error = true,
                Short('h') | Long("help") => return Ok(Command::Help),
                _ => return Err(arg.unexpected()),
            }
        }
        if options.readers + options.writers > most {
            return Err(format!("more than {most} readers and writers together").into());
        }
        Ok(Command::Run(options))
    }
}
