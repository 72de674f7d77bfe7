//! The rows in which a peer needs fewer transfers or less time, by the line of ours
//! that moves most, with why and what was tried, which [`why`](super::why) has.

use std::fmt::Write as _;

use super::{
    Entry, Figures,
    report::{Cell, Counts, Move, OURS, ROWS, Row},
    why::Why,
};

/// Numbers of threads.
const THREADS: [usize; 3] = [2, 16, 64];
/// What differs by less is not lost: by a twentieth, or a fiftieth.
const LESS: [f64; 2] = [1.05, 0.02];

/// What [`Move`] calls a line that moves.
const TRANSFER: &str = "transfer";

/// What can be lost, with its unit.
type Measure = (&'static str, fn(&Counts) -> f64);
const MEASURES: [Measure; 2] = [
    ("transfers", Counts::transfers_each),
    ("ns", Counts::nanoseconds),
];

/// The section, of all rows, as the page has it; and what is wrong with the causes.
pub fn section(figures: &Figures, why: &Why) -> (String, Vec<String>) {
    let mut text = String::from(
        "## Rows that are lost\n\n\
         With 2, 16 and 64 threads: the best contestant of the crate, and the best peer if it \
         is better, by more than 5 % and 0.02. Each cell has its own best: a program chooses \
         one. The line is the one that threads of that kind ask for most; about transfers, of \
         those that came from another core. Another seed, or an access more, can turn what is \
         within 10 %, in both directions. The numbers in the last column are those of the \
         causes below.\n\n\
         | row | threads | what | hyaline | peer | the line of ours that moves most | why |\n\
         |---|--:|---|--:|--:|---|--:|\n",
    );
    let mut keys = Vec::new();
    for row in &ROWS {
        for (class, name) in row.classes.iter().enumerate() {
            for threads in THREADS {
                for measure in MEASURES {
                    let Some((key, cells)) = lost(figures, (row, class, name), threads, measure)
                    else {
                        continue;
                    };
                    let causes = why.of(&key);
                    let _ = writeln!(text, "| {key} | {cells} | {causes} |");
                    keys.push(key);
                }
            }
        }
    }
    let _ = write!(text, "\n### Why, and what was tried\n\n{}\n\n", why.text());
    (text, why.complaints(&keys))
}

/// What is lost, as the first columns have it, and the columns after it.
fn lost(
    figures: &Figures,
    (row, class, name): (&Row, usize, &str),
    threads: usize,
    (unit, each): Measure,
) -> Option<(String, String)> {
    let best = |ours: bool| {
        let its = figures
            .iter()
            .filter(|(entry, _)| entry.row == row.id && entry.name.starts_with(OURS) == ours);
        let all = its.filter_map(|(entry, cells)| {
            let cell = cells.get(&threads)?;
            Some((each(&cell.class(class)?), entry, cell))
        });
        all.min_by(|a, b| a.0.total_cmp(&b.0))
    };
    let (ours, Entry { name: us, .. }, cell) = best(true)?;
    let (theirs, Entry { name: them, .. }, _) = best(false)?;
    if ours <= (theirs * LESS[0]).max(theirs + LESS[1]) {
        return None;
    }
    Some((
        format!("{} | {threads} | {unit} per {name}", row.id),
        format!(
            "{ours:.2}, {us} | {theirs:.2}, {them} | {}",
            line(cell, class, unit)
        ),
    ))
}

/// The pair of lines by which threads of a class move most: of those that move a line, if
/// it is about transfers.
fn line(cell: &Cell, class: usize, unit: &str) -> String {
    let Cell::Counts { moves, .. } = cell else {
        return String::new();
    };
    let counts = |one: &&Move| one.class == class && (unit == "ns" || one.kind == TRANSFER);
    match moves.iter().find(counts) {
        Some(one) => format!("{} at `{}`, after `{}`", one.kind, one.here, one.before),
        None => "none moves".into(),
    }
}

#[test]
fn a_peer_that_is_better_is_named() {
    let cell = |transfers: u64, nanoseconds: u64| {
        Cell::read(&format!(
            "class\t0\t0\t0\t0\t0\t0\t0\t0\n\
             class\t1\t100\t0\t{transfers}\t0\t0\t0\t{}\n\
             move\t0\t9\t1\ttransfer\tr.rs:1\tr.rs:2\n\
             move\t1\t7\t1\tupgrade\tu.rs:1\tu.rs:2\n\
             move\t1\t5\t1\ttransfer\ta.rs:1\tb.rs:2\ndone\n",
            nanoseconds * 100_000
        ))
    };
    let one = |name: &str, transfers, nanoseconds| {
        let entry = Entry {
            row: "swap".into(),
            name: name.into(),
        };
        (entry, [(2, cell(transfers, nanoseconds))].into())
    };
    let figures = vec![
        one("hyaline", 300, 50),
        one("hyaline robust", 200, 60),
        one("peer", 100, 52),
        one("other", 150, 48),
    ];
    let key = "swap | 2 | transfers per replacement";
    let why = Why::read(&format!("1. It is slow.\n<!-- {key} -->\n"));
    let (text, complaints) = section(&figures, &why);
    assert!(text.contains(&format!(
        "| {key} | 2.00, hyaline robust | 1.00, peer | \
         transfer at `a.rs:1`, after `b.rs:2` | 1 |"
    )));
    // 50 ns against 48.
    assert!(!text.contains("| ns per"));
    assert!(text.contains("\n1. It is slow.\n") && complaints.is_empty());
}
