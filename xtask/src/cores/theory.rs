//! Programs whose transfers are known, to the transfer.

use super::{Program, report::Cell};

pub const ROW: &str = "theory";

/// The seed of a run in which each request takes as long as any other, and no core is
/// interrupted.
const NO_NOISE: u64 = 0;

/// What one operation costs: a program with so many threads, transfers, upgrades
/// and invalidations for each operation of the writers, and transfers of readers
/// for each operation of the writer.
pub struct Known {
    name: &'static str,
    threads: usize,
    writer: [u64; 3],
    readers: u64,
    why: &'static str,
}

const fn known(
    name: &'static str,
    threads: usize,
    writer: [u64; 3],
    readers: u64,
    why: &'static str,
) -> Known {
    Known {
        name,
        threads,
        writer,
        readers,
        why,
    }
}

#[rustfmt::skip] // a table
pub const ALL: [Known; 10] = [
    known("ping-pong", 2, [1, 1, 1], 0, "each store takes the other's copy, each load fetches the word"),
    known("counter", 1, [0, 0, 0], 0, "the line stays"),
    known("counter", 2, [1, 0, 1], 0, "each addition takes the line from the one before"),
    known("counter", 64, [1, 0, 1], 0, "the same from more cores"),
    known("ticket lock", 2, [3, 2, 3], 0, "ticket, number and word move; two stores take a copy"),
    known("ticket lock", 8, [9, 2, 9], 0, "each of the 7 that wait loads the number again"),
    known("free lock", 2, [2, 2, 2], 0, "lock and word move as copies, and are then taken"),
    known("free lock", 8, [2, 2, 2], 0, "the same: one takes it after the other"),
    known("quiet writer", 2, [0, 1, 1], 1, "a store takes the reader's copy, whose next load fetches it"),
    known("quiet writer", 16, [0, 1, 15], 15, "the same for 15 readers"),
];

/// Runs them all.
pub fn check(program: &Program) -> Result<(), String> {
    let mut wrong: Vec<String> = ALL
        .iter()
        .filter_map(|known| differs(program, known))
        .collect();
    // A lock that is never given back.
    match program.one(ROW, "deadlock", 2, [10, 1000, 100_000, NO_NOISE]) {
        Cell::Stuck(_) => {}
        other => wrong.push(format!("a deadlock is not reported: {other:?}")),
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("the model is wrong:\n  {}", wrong.join("\n  "))),
    }
}

fn differs(program: &Program, known: &Known) -> Option<String> {
    let Known {
        name,
        threads,
        writer,
        readers,
        why,
    } = known;
    let cell = program.one(ROW, name, *threads, [500, 500, 100_000_000, NO_NOISE]);
    let Cell::Counts {
        classes: [reading, writing],
        ..
    } = &cell
    else {
        return Some(format!("{name}: {cell:?}"));
    };
    let expected = |each: &u64| each * writing.operations;
    let counted = [writing.transfers, writing.upgrades, writing.invalidations];
    let right = writing.operations > 400
        && counted == writer.map(|each| expected(&each))
        // A read that began before counting did is not counted.
        && reading.transfers.abs_diff(expected(readers)) <= *readers;
    (!right).then(|| {
        format!(
            "{name}, {threads} threads: transfers, upgrades, invalidations {counted:?} and \
             {} of readers in {} operations, not {writer:?} and {readers} in each: {why}",
            reading.transfers, writing.operations,
        )
    })
}
