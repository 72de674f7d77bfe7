//! The table, as text and as the page `docs/performance.md`.

use std::fmt::Write as _;

use crate::{distance::Distance, machine, plot::Bars, runner::Figure};

/// The measurements of a row.
pub struct Measured {
    pub id: &'static str,
    pub title: &'static str,
    pub figures: Vec<Figure>,
    /// Instructions for one operation, beside each figure.
    pub instructions: Vec<Option<f64>>,
    /// That of its threads, if there are two.
    pub distance: Option<Distance>,
}

/// A scheme of another crate. The lock and the `Arc` swap are none.
pub fn is_peer(name: &str) -> bool {
    ["sdd", "kovan", "crossbeam-epoch", "seize", "haphazard"]
        .iter()
        .any(|peer| name.starts_with(peer))
}

impl Measured {
    fn named(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }

    fn fastest_peer(&self) -> Option<&Figure> {
        let peers = self.figures.iter().filter(|figure| is_peer(&figure.name));
        peers.min_by(|a, b| a.quartiles()[1].total_cmp(&b.quartiles()[1]))
    }

    /// The figures with their instructions, the fastest first.
    fn sorted(&self) -> Vec<(&Figure, Option<f64>)> {
        let counts = self
            .instructions
            .iter()
            .copied()
            .chain([None].into_iter().cycle());
        let mut all: Vec<_> = self.figures.iter().zip(counts).collect();
        all.sort_by(|a, b| a.0.quartiles()[1].total_cmp(&b.0.quartiles()[1]));
        all
    }

    /// The figures as a chart.
    pub fn chart(&self) -> Bars {
        Bars {
            title: self.title.to_owned(),
            below: (self.distance.as_ref())
                .map_or(String::new(), |distance| format!("one way {distance}")),
            bars: (self.sorted().iter())
                .map(|(figure, _)| (figure.name.clone(), figure.quartiles()[1]))
                .collect(),
        }
    }

    /// The row as a table, after the distance of its threads.
    pub fn table(&self) -> String {
        let (floor, peer) = (self.named("floor"), self.fastest_peer());
        let ratio = |figure: &Figure, other: Option<&Figure>| match other {
            Some(other) => {
                let [low, middle, high] = figure.ratio(other);
                format!("{middle:.2} ({low:.2} to {high:.2})")
            }
            None => String::new(),
        };
        let distance = self.distance.as_ref().map_or(String::new(), |distance| {
            format!("One way between the two threads, while this row ran: {distance}.\n\n")
        });
        let mut text = format!(
            "{distance}| {} | ns | quartiles | / floor | / fastest peer | instructions |\n|---|--:|--:|--:|--:|--:|\n",
            self.id
        );
        for (figure, instructions) in self.sorted() {
            let [low, middle, high] = figure.quartiles();
            let instructions = instructions.map_or(String::new(), |count| format!("{count:.1}"));
            let _ = writeln!(
                text,
                "| {} | {middle:.2} | {low:.2} to {high:.2} | {} | {} | {instructions} |",
                figure.name,
                ratio(figure, floor),
                ratio(figure, peer),
            );
        }
        text
    }
}

/// The reference of a ratio.
#[derive(Clone, Copy)]
enum Against {
    Peer,
    Named(&'static str),
}

use Against::{Named, Peer};

/// The floor that counts guards and checks for waiting objects.
const COUNTED: &str = "floor, counted";

/// Row, contestant, reference, and the largest ratio that is the aim. Rows of one
/// thread: how far two are from each other decides their times.
#[rustfmt::skip] // a table
const TARGETS: &[(&str, &str, Against, f64)] = &[
    ("read-1", "hyaline", Peer, 0.95),
    ("read-1", "hyaline single core", Named("floor"), 1.1),
    ("read-1", "hyaline single core", Named(COUNTED), 1.1),
    ("read-1", "hyaline robust", Named("hyaline"), 1.3),
    ("read-1", "hyaline robust", Named("kovan"), 0.9),
    ("read-1", "hyaline", Named("haphazard, new"), 1.0 / 6.0),
    ("read-1", "hyaline, RcuCell", Named("hyaline"), 1.05),
    ("read-1", "hyaline robust, RcuCell", Named("hyaline robust"), 1.05),
    ("read-1", "hyaline single core, RcuCell", Named("hyaline single core"), 1.05),
    ("read-1-own", "hyaline", Peer, 0.95),
    ("read-1-own", "hyaline single core", Named("floor"), 1.1),
    ("read-1-own", "hyaline single core", Named(COUNTED), 1.1),
    ("read-1-own", "hyaline membarrier", Named("floor"), 1.1),
    ("quiescent", "hyaline", Named("floor"), 1.05),
    ("quiescent", "hyaline", Named("floor, one look"), 1.05),
    ("swap", "hyaline", Named("sdd"), 0.5),
    ("swap", "hyaline", Peer, 0.5),
    ("swap", "hyaline, Box", Named("sdd"), 0.95),
    ("swap", "hyaline robust", Named("hyaline"), 1.25),
    ("fib", "hyaline", Peer, 1.0),
];

/// The aims, and whether they were met.
pub fn targets(all: &[Measured]) -> String {
    let mut text = String::from(
        "| row | contestant | against | aim | ratio (quartiles) | |\n|---|---|---|--:|--:|---|\n",
    );
    for &(id, name, against, aim) in TARGETS {
        let Some(row) = all.iter().find(|row| row.id == id) else {
            continue;
        };
        let other = match against {
            Peer => row.fastest_peer(),
            Named(name) => row.named(name),
        };
        let (Some(figure), Some(other)) = (row.named(name), other) else {
            continue;
        };
        let [low, middle, high] = figure.ratio(other);
        let verdict = if middle <= aim { "met" } else { "**missed**" };
        let _ = writeln!(
            text,
            "| {id} | {name} | {} | {aim:.2} | {middle:.2} ({low:.2} to {high:.2}) | {verdict} |",
            other.name
        );
    }
    text + &slots(all)
}

/// The cost of a slot for a publish that scans it, in instructions, between two
/// numbers of slots.
pub fn per_slot(row: &Measured, scheme: &str, [few, many]: [u32; 2]) -> Option<f64> {
    let count = |slots: u32| {
        let name = format!("{scheme}, N = {slots}");
        let index = row.figures.iter().position(|figure| figure.name == name)?;
        *row.instructions.get(index)?
    };
    Some((count(many)? - count(few)?) / f64::from(many - few))
}

/// The same as lines of the table of aims.
fn slots(all: &[Measured]) -> String {
    let mut text = String::new();
    let Some(row) = all.iter().find(|row| row.id == "publish") else {
        return text;
    };
    for scheme in ["hyaline", "hyaline robust"] {
        for range in [[1, 8], [8, 64], [64, 512]] {
            let Some(cost) = per_slot(row, scheme, range) else {
                continue;
            };
            let verdict = if cost <= 2.0 { "met" } else { "**missed**" };
            let _ = writeln!(
                text,
                "| publish | {scheme} | instructions for a slot, N = {} to {} | 2.00 | {cost:.2} | {verdict} |",
                range[0], range[1],
            );
        }
    }
    text
}

/// Peaks of memory: beside a reader that makes progress, and beside a stalled
/// one.
pub fn peaks(works: &[&str], all: &[(&str, Vec<[i64; 2]>)], changes: u64) -> String {
    let mut text = format!(
        "Most objects that were retired and not reclaimed: beside a reader that makes progress / beside one that is stalled in a section. {changes} changes each, half inserts and half removals; in the work `swap` each change replaces the only object.\n\n| |"
    );
    for work in works {
        let _ = write!(text, " {work} |");
    }
    let _ = write!(text, "\n|---|{}\n", "--:|".repeat(works.len()));
    for (name, peaks) in all {
        let _ = write!(text, "| {name} |");
        for [going, stalled] in peaks {
            let _ = write!(text, " {going} / {stalled} |");
        }
        text.push('\n');
    }
    text
}

/// The page.
pub fn page(all: &[Measured], targets: &str, order: &str, peaks: &str, how: &str) -> String {
    let versions: Vec<String> = [
        "crossbeam-epoch",
        "crossbeam-queue",
        "seize",
        "haphazard",
        "sdd",
        "kovan",
        "spin",
        "arc-swap",
        "papaya",
        "scc",
        "dashmap",
        "flurry",
    ]
    .iter()
    .map(|package| format!("{package} {}", machine::version(package)))
    .collect();
    let mut page = format!(
        "{}\n## Where and how\n\n- Processor: {}.\n- Compiler: {}, `lto = \"fat\"`, `codegen-units = 1`; 128-bit compare-and-swap {}.\n- Peers: {}.\n- {how}\n\n## Aims\n\nFor one thread, and for counts. What two threads take depends on how far they are from each other, so their rows are judged by the lines that move: [`cores.md`](cores.md#rows-that-are-lost).\n\n{targets}\n## Rows\n\nSorted by time. A ratio is the median over the rounds of the ratio within a round, with its quartiles; below 1 is faster. callgrind counts instructions, as the difference of two runs; these counts repeat exactly. *One way* is the time that a store of one thread takes to reach the other, measured in the processes of the row, before the rounds and after each: the median, the least and the most.\n\n![read](performance-read.svg)\n\n![write](performance-write.svg)\n\n![structures](performance-structures.svg)\n\n![fib](performance-fib.svg)\n",
        include_str!("preface.md"),
        machine::processor(),
        machine::compiler(),
        if cfg!(target_feature = "cmpxchg16b") {
            "compiled in, as kovan asks for"
        } else {
            "found at run time"
        },
        versions.join(", "),
    );
    for row in all {
        let _ = write!(page, "\n### {}\n\n{}", row.title, row.table());
    }
    let _ = write!(
        page,
        "\n## The order in the model\n\n{order}\n## Memory\n\n{peaks}\n![stalled](stalled.svg)\n\n{}",
        include_str!("remarks.md")
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::Between;

    fn measured(one_way: &[f64]) -> Measured {
        Measured {
            id: "swap-two",
            title: "Swap",
            figures: vec![Figure {
                name: "hyaline".into(),
                rounds: vec![2.0],
            }],
            instructions: Vec::new(),
            distance: Distance::of(&Between {
                one_way: one_way.into(),
                running: one_way.into(),
            }),
        }
    }

    #[test]
    fn times_of_two_threads_are_beside_their_distance() {
        let two = measured(&[190.0, 31.0, 28.0]);
        let line = "One way between the two threads, while this row ran: 31 ns (28 to 190).";
        assert!(
            two.table()
                .starts_with(&format!("{line}\n\n| swap-two | ns |"))
        );
        assert_eq!(two.chart().below, "one way 31 ns (28 to 190)");
        let one = measured(&[]);
        assert!(one.table().starts_with("| swap-two | ns |"));
        assert_eq!(one.chart().below, "");
    }

    #[test]
    fn aims_are_of_one_thread() {
        let rows = crate::rows::all();
        for (id, name, ..) in TARGETS {
            let row = rows.iter().find(|row| row.id == *id).expect("a row");
            assert!(row.alone, "{id}");
            assert!(
                row.contestants.iter().any(|one| one.name == *name),
                "{id}: {name}"
            );
        }
    }

    #[test]
    fn the_page_has_the_parts() {
        let page = page(&[measured(&[31.0])], "AIMS", "ORDER", "PEAKS", "HOW");
        let parts = ["HOW", "AIMS", "One way between", "ORDER", "PEAKS"];
        let at = parts.map(|part| page.find(part).expect(part));
        assert!(at.is_sorted());
    }
}
