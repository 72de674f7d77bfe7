//! An IPv4 forwarding table that is read while it changes, as the virtual
//! switch of a hypervisor does for every packet.
//!
//! `cargo run --release --example fib` needs no arguments; `--help` lists them.
//! `trie` is the data structure, `fib` puts it under hyaline (and under a lock,
//! for comparison), `oracle` knows the correct answers, `run` starts the
//! threads.

#[path = "../common/args.rs"]
mod args;
mod fib;
mod options;
mod oracle;
#[path = "../common/progress.rs"]
mod progress;
mod report;
#[path = "../common/rng.rs"]
mod rng;
mod run;
mod table;
mod trie;

use std::process::ExitCode;

use hyaline::{Collector, Pool, Robust, domain};

use crate::fib::{Fib, GuardedFib, LockedFib, Reclamation, SLOTS, Writer};
use crate::options::{Options, USAGE};
use crate::oracle::Oracle;
use crate::report::Report;
use crate::run::Load;
use crate::table::{RouteId, Table, TableError};
use crate::trie::{NODES, Net, Node, node_bytes};

/// Nodes that a table leaves to the writers, for those retired and pending.
const RESERVE: usize = NODES / 6;

domain!(Basic: Collector<SLOTS> = Collector::new());
domain!(Stalling: Collector<SLOTS, Robust> = Collector::new());

impl Net for Basic {
    fn pool() -> &'static Pool<Node<Self>, NODES> {
        static POOL: Pool<Node<Basic>, NODES> = Pool::new();
        &POOL
    }
}

impl Net for Stalling {
    fn pool() -> &'static Pool<Node<Self>, NODES> {
        static POOL: Pool<Node<Stalling>, NODES> = Pool::new();
        &POOL
    }
}

fn main() -> ExitCode {
    let options = args::read(USAGE, Options::parse);
    let report = if options.robust {
        session::<Stalling>(&options)
    } else {
        session::<Basic>(&options)
    };
    match report {
        Ok(report) => {
            let failures = report.failures();
            for failure in &failures {
                eprintln!("fib: {failure}");
            }
            let text = if options.json {
                report.json()
            } else {
                report.text()
            };
            args::print(&text, u8::from(!failures.is_empty()))
        }
        Err(error) => {
            eprintln!("fib: {error}");
            ExitCode::from(2)
        }
    }
}

/// Loads the table, and runs and checks it under hyaline and under the lock.
fn session<D: Net>(options: &Options) -> Result<Report, TableError> {
    let table = Table::read(&options.table)?;
    let oracle = Oracle::new(&table);
    let load = Load {
        readers: options.readers,
        writers: options.writers,
        time: options.time / 2,
        seed: options.seed,
        planted: options.plant_error.then_some(0),
    };

    let mut fib = GuardedFib::<D>::new();
    announce_all(&fib, &table, &load).map_err(|error| TableError {
        file: options.table.display().to_string(),
        ..error
    })?;
    let nodes = fib.nodes();

    fib.flush();
    let start = Reclamation::so_far();
    let guarded = run::run(&fib, &oracle, &load, "under hyaline");
    fib.flush();
    let reclamation = Reclamation::so_far().since(&start);
    let guarded_check = run::check(&fib, &oracle, load.seed);
    let nodes_after = fib.nodes();
    let available = D::pool().available();

    let fib = LockedFib::from(fib);
    let locked = run::run(&fib, &oracle, &load, "under a lock");
    let locked_check = run::check(&fib, &oracle, load.seed);
    let left_over = withdraw_all(fib, &table);

    Ok(Report {
        table: options.table.display().to_string(),
        robust: options.robust,
        prefixes: table.routes.len() + table.repeated,
        repeated: table.repeated,
        nested: oracle.nested(),
        nodes,
        node_bytes: node_bytes::<D>(),
        // A node too many counts as lost as well.
        lost: nodes.abs_diff(nodes_after) + NODES.abs_diff(nodes_after + available),
        left_over,
        reclamation,
        checked: guarded_check.lookups + locked_check.lookups,
        guarded: guarded.add_mismatches(guarded_check),
        locked: locked.add_mismatches(locked_check),
    })
}

/// Announces the whole table, or reports at which line the pool was too small.
fn announce_all(fib: &impl Fib, table: &Table, load: &Load) -> Result<(), TableError> {
    let bar = progress::bar(table.routes.len() as u64, "loading");
    let mut writer = fib.writer();
    let mut nodes = 0;
    for (id, route) in table.routes.iter().enumerate() {
        let answer = load.answer(id as RouteId);
        let growth = writer.set(route.prefix, Some(answer)).ok();
        nodes += growth.unwrap_or(0);
        if growth.is_none() || nodes > (NODES - RESERVE) as isize {
            let room = NODES - RESERVE;
            let fits = format!("{id} of the {} prefixes fit", table.routes.len());
            return Err(TableError {
                file: String::new(),
                line: route.line,
                reason: format!("the table is larger than the pool: {fits} into {room} nodes"),
            });
        }
        if id % 4096 == 0 {
            bar.set_position(id as u64);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Empties the table. Returns how many nodes did not return to the pool.
fn withdraw_all<D: Net>(fib: LockedFib<D>, table: &Table) -> usize {
    let mut writer = fib.writer();
    for route in &table.routes {
        // Only a pool without a free node can refuse; what stays is counted.
        _ = writer.set(route.prefix, None);
    }
    drop(writer);
    NODES - D::pool().available()
}
