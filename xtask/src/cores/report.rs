//! The page.

use std::fmt::Write as _;

use super::{Figures, THREADS};

/// What one class of threads did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub operations: u64,
    pub accesses: u64,
    pub transfers: u64,
    pub upgrades: u64,
    pub invalidations: u64,
    pub fetches: u64,
    pub picoseconds: u64,
}

/// A cause of requests.
#[derive(Clone, Debug)]
pub struct Move {
    /// Of the threads that ask.
    pub class: usize,
    pub count: u64,
    pub lines: u64,
    pub kind: String,
    pub here: String,
    pub before: String,
}

/// The outcome of one run.
#[derive(Clone, Debug)]
pub enum Cell {
    /// By class, readers first.
    Counts {
        classes: [Counts; 2],
        moves: Vec<Move>,
    },
    /// The row has no run of so many threads.
    None,
    /// The budget was spent, and where.
    Stuck(String),
    Failed(String),
}

impl Cell {
    /// What the program prints.
    pub fn read(text: &str) -> Self {
        let mut classes = [Counts::default(); 2];
        let mut moves = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split('\t').collect();
            let number = |at: usize| {
                words
                    .get(at)
                    .and_then(|word| word.parse().ok())
                    .unwrap_or(0)
            };
            match words[0] {
                "class" => {
                    let counts = Counts {
                        operations: number(2),
                        accesses: number(3),
                        transfers: number(4),
                        upgrades: number(5),
                        invalidations: number(6),
                        fetches: number(7),
                        picoseconds: number(8),
                    };
                    if let Some(class) = classes.get_mut(number(1) as usize) {
                        *class = counts;
                    }
                }
                "move" if words.len() == 7 => moves.push(Move {
                    class: number(1) as usize,
                    count: number(2),
                    lines: number(3),
                    kind: words[4].into(),
                    here: words[5].into(),
                    before: words[6].into(),
                }),
                "done" => return Self::Counts { classes, moves },
                "stuck" => {
                    let place = words.get(2).copied().unwrap_or_default();
                    return Self::Stuck(format!("the budget is spent; a thread is at {place}"));
                }
                _ => {}
            }
        }
        Self::Failed(format!(
            "no result: {}",
            text.lines().last().unwrap_or_default()
        ))
    }

    /// Requests for each operation, as `requests`; none if the row has no such run.
    pub fn requests_each(&self) -> Result<Option<f64>, String> {
        match self {
            Self::Stuck(why) | Self::Failed(why) => Err(why.clone()),
            Self::None => Ok(None),
            Self::Counts { .. } => Ok(self.requests()),
        }
    }

    pub fn class(&self, class: usize) -> Option<Counts> {
        match self {
            Self::Counts { classes, .. } => Some(classes[class]).filter(|one| one.operations > 0),
            _ => None,
        }
    }
}

impl Cell {
    /// Requests of all threads for each operation of those that write, or read if none
    /// does.
    fn requests(&self) -> Option<f64> {
        let Self::Counts { classes, .. } = self else {
            return None;
        };
        let all: u64 = classes.iter().map(|one| one.transfers + one.upgrades).sum();
        let counts = self.class(1).or_else(|| self.class(0))?;
        Some(counts.each(all))
    }
}

impl Counts {
    fn each(&self, what: u64) -> f64 {
        what as f64 / self.operations as f64
    }

    pub fn transfers_each(&self) -> f64 {
        self.each(self.transfers)
    }

    pub fn nanoseconds(&self) -> f64 {
        self.each(self.picoseconds) / 1000.0
    }
}

/// A row: its name, its title, and what the two classes do.
pub struct Row {
    pub id: &'static str,
    title: &'static str,
    pub classes: [&'static str; 2],
}

#[rustfmt::skip] // a table
pub const ROWS: [Row; 11] = [
    Row { id: "read", title: "Read 1 object on each thread", classes: ["read", ""] },
    Row { id: "reads-beside", title: "Read 1 object on all threads but one, which replaces it", classes: ["read", "replacement"] },
    Row { id: "reads-beside-paced", title: "The same, replaced every 300 ns or so", classes: ["read", "replacement"] },
    Row { id: "swap", title: "Replace 1 object on each thread", classes: ["", "replacement"] },
    Row { id: "stack", title: "Treiber stack: push and pop on each thread", classes: ["", "push or pop"] },
    Row { id: "queue", title: "Michael-Scott queue: enqueue and dequeue on each thread", classes: ["", "enqueue or dequeue"] },
    Row { id: "list-50", title: "Harris-Michael list: half insertions, half removals", classes: ["", "operation"] },
    Row { id: "list-90", title: "Harris-Michael list: 90 % look-ups", classes: ["", "operation"] },
    Row { id: "map-50", title: "Hash map: half insertions, half removals", classes: ["", "operation"] },
    Row { id: "map-90", title: "Hash map: 90 % look-ups", classes: ["", "operation"] },
    Row { id: "fib-beside", title: "The table of the example fib: look-ups on all threads but one, which announces routes", classes: ["look-up", "announcement"] },
];

/// Threads for the table with all counts, and for the lines that move.
const DETAIL: usize = 2;
/// Threads for the lines that move when there are many.
const MANY: usize = 16;
/// Contestants that are the crate.
pub const OURS: &str = "hyaline";

/// A section for each row.
pub fn sections(figures: &Figures) -> Vec<String> {
    let rows = ROWS.iter();
    rows.filter_map(|row| section(row, figures)).collect()
}

fn section(row: &Row, figures: &Figures) -> Option<String> {
    let its: Figures = figures
        .iter()
        .filter(|one| one.0.row == row.id)
        .cloned()
        .collect();
    if its.is_empty() {
        return None;
    }
    let Row { id, title, .. } = row;
    let mut text = format!("## {title}\n\n![{id}](cores-{id}.svg)\n\n");
    for (class, what) in row.classes.iter().enumerate() {
        if !what.is_empty() {
            growth(&mut text, &its, class, what);
            details(&mut text, &its, class, what);
        }
    }
    moves(&mut text, row, &its);
    failures(&mut text, &its);
    Some(text)
}

/// Transfers and time by the number of threads.
fn growth(text: &mut String, figures: &Figures, class: usize, what: &str) {
    let _ = write!(text, "| transfers (ns) per {what} |");
    for threads in THREADS {
        let _ = write!(text, " {threads} |");
    }
    *text += &format!("\n|---|{}\n", "--:|".repeat(THREADS.len()));
    for (entry, cells) in figures {
        let _ = write!(text, "| {} |", entry.name);
        for threads in THREADS {
            let counts = cells.get(&threads).and_then(|cell| cell.class(class));
            let cell = match (counts, cells.get(&threads)) {
                (Some(one), _) => {
                    format!("{:.2} ({:.0})", one.each(one.transfers), one.nanoseconds())
                }
                (None, Some(Cell::Stuck(_))) => "stuck".into(),
                (None, Some(Cell::Failed(_))) => "failed".into(),
                _ => String::new(),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text.push('\n');
}

/// All counts at one number of threads.
fn details(text: &mut String, figures: &Figures, class: usize, what: &str) {
    let _ = writeln!(
        text,
        "| {what}, {DETAIL} threads | accesses | transfers | upgrades | invalidations | unheld | ns |\n\
         |---|--:|--:|--:|--:|--:|--:|"
    );
    for (entry, cells) in figures {
        if let Some(one) = cells.get(&DETAIL).and_then(|cell| cell.class(class)) {
            let _ = writeln!(
                text,
                "| {} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} |",
                entry.name,
                one.each(one.accesses),
                one.each(one.transfers),
                one.each(one.upgrades),
                one.each(one.invalidations),
                one.each(one.fetches),
                one.nanoseconds(),
            );
        }
    }
    text.push('\n');
}

/// The source lines by which lines move: for us, and for the peer with the fewest
/// requests.
fn moves(text: &mut String, row: &Row, figures: &Figures) {
    let is_ours = |name: &str| name.starts_with(OURS);
    let ours = figures.iter().find(|one| is_ours(&one.0.name));
    let peers = figures.iter().filter(|one| !is_ours(&one.0.name));
    let costs = peers.filter_map(|one| Some((one, one.1.get(&DETAIL)?.requests()?)));
    let best = costs.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(one, _)| one);
    let tables = [(ours, DETAIL), (best, DETAIL), (ours, MANY)];
    for (one, threads) in tables {
        let Some((entry, cells)) = one else { continue };
        let Some(cell) = cells.get(&threads) else {
            continue;
        };
        for (class, what) in row.classes.iter().enumerate() {
            causes(text, (what, class), &entry.name, threads, cell);
        }
    }
}

/// Those of one class.
fn causes(
    text: &mut String,
    (what, class): (&str, usize),
    name: &str,
    threads: usize,
    cell: &Cell,
) {
    let (Cell::Counts { moves, .. }, Some(counts)) = (cell, cell.class(class)) else {
        return;
    };
    let its = moves.iter().filter(|one| one.class == class).take(8);
    let lines: Vec<String> = its
        .map(|one| {
            let each = counts.each(one.count);
            let (kind, lines, here, before) = (&one.kind, one.lines, &one.here, &one.before);
            format!("| {kind} | {each:.2} | {lines} | `{here}` | `{before}` |\n")
        })
        .collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "| {name}, {threads} threads | per {what} | lines | asked for at | after |\n\
         |---|--:|--:|---|---|\n{}",
        lines.concat()
    );
}

/// Those that did not end.
fn failures(text: &mut String, figures: &Figures) {
    for (entry, cells) in figures {
        for (threads, cell) in cells {
            if let Cell::Stuck(why) | Cell::Failed(why) = cell {
                let _ = writeln!(text, "- {}, {threads} threads: {why}.", entry.name);
            }
        }
    }
    if text.ends_with(".\n") {
        text.push('\n');
    }
}

/// The page.
pub fn page(compiler: &str, sections: &[String]) -> String {
    let preface = include_str!("preface.md").replace("{compiler}", compiler);
    format!("{preface}\n{}\n", sections.join("").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cores::Entry;

    const TEXT: &str = "class\t0\t10\t40\t5\t1\t2\t0\t100000\nclass\t1\t0\t0\t0\t0\t0\t0\t0\n\
                        move\t0\t5\t1\ttransfer\ta.rs:1\tb.rs:2\ndone\n";

    #[test]
    fn what_the_program_prints_is_read() {
        let Cell::Counts { classes, moves } = Cell::read(TEXT) else {
            panic!("counts");
        };
        assert_eq!(classes[0].accesses, 40);
        assert_eq!(classes[0].nanoseconds(), 10.0);
        assert_eq!((moves.len(), moves[0].count), (1, 5));
        assert!(
            matches!(Cell::read("stuck\t3\tc.rs:4"), Cell::Stuck(why) if why.contains("c.rs:4"))
        );
        assert!(matches!(Cell::read("class\t0"), Cell::Failed(_)));
    }

    #[test]
    fn requests_are_those_of_all_for_each_operation_of_the_writer() {
        let reads = Cell::read(TEXT);
        assert_eq!(reads.requests(), Some(0.6));
        // The writer has more operations than the reader.
        let writer = "class\t1\t20\t0\t3\t1\t0\t0\t0";
        let both = Cell::read(&TEXT.replace("class\t1\t0\t0\t0\t0\t0\t0\t0", writer));
        assert_eq!(both.requests(), Some(0.5));
        assert_eq!(Cell::None.requests(), None);
    }

    #[test]
    fn a_contestant_that_is_stuck_is_named() {
        let entry = |name: &str| Entry {
            row: "swap".into(),
            name: name.into(),
        };
        let text = TEXT.replace("class\t1\t0", "class\t1\t10");
        let figures = vec![
            (entry("hyaline"), [(2, Cell::read(&text))].into()),
            (entry("peer"), [(2, Cell::read("stuck\t0\tc.rs:4"))].into()),
        ];
        let sections = sections(&figures);
        assert_eq!(sections.len(), 1);
        assert!(sections[0].contains("| peer |  | stuck |"));
        assert!(
            sections[0].contains("- peer, 2 threads: the budget is spent; a thread is at c.rs:4.")
        );
    }
}
