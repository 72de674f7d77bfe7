//! Whether the contestants of rows with two threads have the order in time that the model
//! of `docs/cores.md` gives them.

use std::fmt::Write as _;

use crate::{
    distance::{CALM, Calm},
    growth::{cells, point},
    report::Measured,
    runner::Figure,
};

/// A row, and where `docs/cores.md` has it: its picture, and what its threads do.
#[rustfmt::skip] // a table
const ROWS: [(&str, &str, &str); 12] = [
    ("read-1-two", "read", "read"),
    ("swap-two", "swap", "replacement"),
    ("reads-beside", "reads-beside", "read"),
    ("reads-beside-paced", "reads-beside-paced", "read"),
    ("writes-beside", "reads-beside", "replacement"),
    ("stack", "stack", "push or pop"),
    ("queue", "queue", "enqueue or dequeue"),
    ("list-50", "list-50", "operation"),
    ("list-90", "list-90", "operation"),
    ("map-50", "map-50", "operation"),
    ("map-90", "map-90", "operation"),
    ("fib-beside", "fib-beside", "look-up"),
];

/// A contestant's nanoseconds in the model.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Model<'p> {
    name: &'p str,
    two: f64,
    /// Those of one thread alone, in rows whose threads all do the same.
    alone: Option<f64>,
}

/// The contestants of a picture that do this.
fn model<'p>(page: &'p str, picture: &str, what: &str) -> Vec<Model<'p>> {
    let picture = format!("](cores-{picture}.svg)");
    let sections = page.split("\n## ");
    let section = sections
        .filter(|section| section.contains(&picture))
        .collect::<Vec<_>>();
    let table = |head: String| {
        let lines = section.iter().flat_map(|section| section.lines());
        lines
            .skip_while(move |line| !line.starts_with(&head))
            .skip(2)
            .map_while(|line| line.strip_prefix("| ").map(|line| cells(line).collect()))
    };
    let growth: Vec<Vec<&str>> = table(format!("| transfers (ns) per {what} | 1 |")).collect();
    let alone = |name: &str| {
        let line = growth.iter().find(|cells| cells[0] == name)?;
        point(line.get(1)?).map(|[_, nanoseconds]| nanoseconds)
    };
    table(format!("| {what}, 2 threads |"))
        .filter_map(|cells: Vec<&str>| {
            let name = *cells.first()?;
            Some(Model {
                name,
                two: cells.last()?.parse().ok()?,
                alone: alone(name),
            })
        })
        .collect()
}

/// Two contestants.
#[derive(Debug, PartialEq)]
struct Pair<'f> {
    /// The one that is ahead in the model.
    first: &'f str,
    second: &'f str,
    /// How many times longer the second takes in the model.
    times: f64,
    /// The one that is ahead in time. Neither if the quartiles of the ratio contain 1.
    here: Option<&'f str>,
    /// The one that is ahead in the model if it is alone, where it can be.
    alone: Option<&'f str>,
}

impl Pair<'_> {
    fn same(&self) -> bool {
        self.here == Some(self.first)
    }
}

/// The pairs of contestants of a row, in these of its rounds.
fn pairs<'f>(figures: &'f [Figure], rounds: &[usize], model: &[Model<'f>]) -> Vec<Pair<'f>> {
    let named = |name: &str| figures.iter().find(|figure| figure.name == name);
    let mut pairs = Vec::new();
    for one in model {
        for other in model.iter().filter(|other| other.two > one.two) {
            let (Some(its), Some(others)) = (named(one.name), named(other.name)) else {
                continue;
            };
            let here = match its.ratio_in(others, rounds) {
                [_, _, high] if high < 1.0 => Some(one.name),
                [low, ..] if low > 1.0 => Some(other.name),
                _ => None,
            };
            let alone = one
                .alone
                .zip(other.alone)
                .map(|(mine, its)| match mine <= its {
                    true => one.name,
                    false => other.name,
                });
            pairs.push(Pair {
                first: one.name,
                second: other.name,
                times: other.two / one.two,
                here,
                alone,
            });
        }
    }
    pairs
}

/// By how much the pairs of a column differ in the model, at least.
const COLUMNS: [f64; 3] = [1.1, 1.5, 2.0];

/// Of the pairs of a column: how many have the same order, how many another one, and how
/// many none.
type Counts = [[usize; 3]; COLUMNS.len()];

fn count(pairs: &[Pair]) -> Counts {
    COLUMNS.map(|least| {
        let mut counts = [0; 3];
        for pair in pairs.iter().filter(|pair| pair.times >= least) {
            let which = match pair.here {
                Some(_) if pair.same() => 0,
                Some(_) => 1,
                None => 2,
            };
            counts[which] += 1;
        }
        counts
    })
}

fn line(row: &str, calm: &str, counts: Counts) -> String {
    let cells = counts.map(|[same, other, none]| match none {
        0 => format!(" {same} of {} |", same + other),
        _ => format!(" {same} of {} ({none}) |", same + other),
    });
    format!("| {row} | {calm} |{}\n", cells.concat())
}

/// Of pairs that the model has apart by the factor of the second column, and that have an
/// order here, whose contestants can be alone: those whose order is the same in the model
/// with two threads, and with one; and of how many. And the same of the pairs that cannot.
#[derive(Default)]
struct Control {
    can: [usize; 3],
    cannot: [usize; 2],
}

impl Control {
    fn add(&mut self, pairs: &[Pair]) {
        let ordered = |pair: &&Pair| pair.times >= COLUMNS[1] && pair.here.is_some();
        for pair in pairs.iter().filter(ordered) {
            let same = usize::from(pair.same());
            match pair.alone {
                Some(ahead) => {
                    let alone = usize::from(pair.here == Some(ahead));
                    self.can = [self.can[0] + same, self.can[1] + alone, self.can[2] + 1];
                }
                None => self.cannot = [self.cannot[0] + same, self.cannot[1] + 1],
            }
        }
    }

    fn text(&self) -> String {
        let ([two, one, all], [same, of]) = (self.can, self.cannot);
        format!(
            "\nWhere the threads all do the same, a model of one thread, which moves no line, \
             orders {one} of {all} pairs of the second column as they are here, and the model of \
             two threads {two}. Of the rows in which a reader and a writer differ, the model of \
             two threads orders {same} of {of}.\n"
        )
    }
}

/// The section of the page: rows with enough calm rounds, and their order there and here.
pub fn agreement(all: &[Measured], cores: &str) -> String {
    let (range, running) = CALM;
    let mut text = format!(
        "[`cores.md`](cores.md) has nanoseconds of a model, in which a line takes 17 ns from \
         one thread to the other, and computing takes no time. Does it order contestants as \
         real times do? Rounds are calm if the one-way times measured before and after them are all within a \
         factor of {range}, and if both threads of their process had a processor for {:.0} % of \
         the time that they wanted one. The table has each row with two threads that is in both and of which half \
         of the rounds were calm, and the shortest way in these. Of the pairs of contestants \
         whose times in the model differ by at least the factor in the head of a column, the table says \
         how many have the same order in the calm rounds. In brackets are pairs that are left out, \
         because the quartiles of their ratio there contain 1.\n\n",
        running * 100.0,
    );
    let (mut table, mut total) = (String::new(), [[0; 3]; COLUMNS.len()]);
    let mut control = Control::default();
    let (mut restless, mut others) = (Vec::new(), String::new());
    for (id, picture, what) in ROWS {
        let Some(row) = all.iter().find(|row| row.id == id) else {
            continue;
        };
        let calm = row.distance.as_ref().map(|distance| &distance.calm);
        let Some(calm) = calm.filter(|calm| calm.are_enough()) else {
            restless.push(format!("`{id}`"));
            continue;
        };
        let pairs = pairs(&row.figures, &calm.rounds, &model(cores, picture, what));
        let counts = count(&pairs);
        for (sum, one) in total.iter_mut().zip(counts) {
            *sum = std::array::from_fn(|which| sum[which] + one[which]);
        }
        control.add(&pairs);
        let Calm { from, rounds, of } = calm;
        let rounds = format!("{} of {of} | {from:.0} ns", rounds.len());
        table += &line(id, &rounds, counts);
        let wrong = pairs
            .iter()
            .filter(|pair| pair.here == Some(pair.second) && pair.times >= COLUMNS[1]);
        let wrong: Vec<_> = wrong
            .map(|pair| format!("{} / {}", pair.first, pair.second))
            .collect();
        if !wrong.is_empty() {
            let _ = writeln!(others, "- `{id}`: {}.", wrong.join("; "));
        }
    }
    if table.is_empty() {
        text += "No row was calm.\n";
    } else {
        let head = COLUMNS.map(|least| format!(" {least} |")).concat();
        let rules = COLUMNS.map(|_| "--:|").concat();
        let total = line("all", " | ", total);
        let _ = write!(
            text,
            "| row | calm rounds | one way |{head}\n|---|--:|--:|{rules}\n{table}{total}"
        );
        text += &control.text();
    }
    if !others.is_empty() {
        let _ = write!(
            text,
            "\nAhead in the model by a factor of {} or more, and behind here:\n\n{others}",
            COLUMNS[1]
        );
    }
    if !(restless.is_empty() || table.is_empty()) {
        let _ = write!(text, "\nNot calm: {}.\n", restless.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{distance::Distance, rows, runner::Between};

    const PAGE: &str = "# Title\n\n## Other\n\n![a](cores-read.svg)\n\n\
        | replacement, 2 threads | transfers | ns |\n|---|--:|--:|\n| a | 1.0 | 9.0 |\n\n\
        ## Row\n\n![a](cores-swap.svg)\n\n| transfers (ns) per replacement | 1 | 2 |\n\
        |---|--:|--:|\n| a, Box | 0.00 (8) | 1.00 (10) |\n| b | 0.00 (9) | 1.00 (20) |\n\
        | c | 0.00 (7) | 1.00 (21) |\n| d |  | 1.00 (40) |\n\n\
        | replacement, 2 threads | transfers | ns |\n|---|--:|--:|\n\
        | a, Box | 1.0 | 10.0 |\n| b | 1.0 | 20.0 |\n| c | 1.0 | 21.0 |\n| d | 1.0 | 40.0 |\n\n\
        | a, Box, 2 threads | lines |\n|---|--:|\n| transfer | 1 |\n";

    /// In one process.
    fn row(one_way: &[f64], times: [&[f64]; 4]) -> Measured {
        let figures = ["a, Box", "b", "c", "d"].iter().zip(times);
        let figures = figures.map(|(name, rounds)| Figure {
            name: (*name).into(),
            rounds: rounds.into(),
        });
        Measured {
            id: "swap-two",
            title: "",
            figures: figures.collect(),
            instructions: Vec::new(),
            distance: Distance::of(&Between {
                one_way: one_way.into(),
                running: vec![1.0],
            }),
        }
    }

    #[test]
    fn the_table_of_the_row_and_its_threads_is_read() {
        let one = |name, two, alone| Model { name, two, alone };
        let expected = [
            one("a, Box", 10.0, Some(8.0)),
            one("b", 20.0, Some(9.0)),
            one("c", 21.0, Some(7.0)),
            one("d", 40.0, None),
        ];
        assert_eq!(model(PAGE, "swap", "replacement"), expected);
        assert_eq!(model(PAGE, "swap", "read"), []);
    }

    #[test]
    fn pairs_whose_times_differ_are_ordered() {
        // a and b take as long here.
        // The last round does not count.
        let times: [&[f64]; 4] = [
            &[1.0, 3.0, 2.0, 9.0],
            &[2.0, 2.0, 2.0, 8.0],
            &[4.0, 4.0, 4.0, 1.0],
            &[3.5, 3.5, 3.5, 1.0],
        ];
        let row = row(&[], times);
        let pairs = pairs(
            &row.figures,
            &[0, 1, 2],
            &model(PAGE, "swap", "replacement"),
        );
        let pair = |first, second, times, here, alone| Pair {
            first,
            second,
            times,
            here,
            alone,
        };
        let expected = [
            pair("a, Box", "b", 2.0, None, Some("a, Box")),
            pair("a, Box", "c", 2.1, Some("a, Box"), Some("c")),
            pair("a, Box", "d", 4.0, Some("a, Box"), None),
            pair("b", "c", 1.05, Some("b"), Some("c")),
            pair("b", "d", 2.0, Some("b"), None),
            pair("c", "d", 40.0 / 21.0, Some("d"), None),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(count(&pairs), [[3, 1, 1], [3, 1, 1], [3, 0, 1]]);
        let mut control = Control::default();
        control.add(&pairs);
        assert_eq!((control.can, control.cannot), ([1, 0, 1], [2, 3]));
    }

    #[test]
    fn only_calm_rounds_are_compared() {
        // c and d are the other way round in the last round.
        let times: [&[f64]; 4] = [&[1.0; 3], &[2.0; 3], &[4.0, 4.0, 1.0], &[3.0, 3.0, 9.0]];
        let text = agreement(&[row(&[30.0, 40.0, 31.0, 90.0], times)], PAGE);
        assert!(
            text.contains(
                "| swap-two | 2 of 3 | 30 ns | 4 of 5 | 4 of 5 | 4 of 4 |\n\
                 | all |  |  | 4 of 5 | 4 of 5 | 4 of 4 |\n\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("behind here:\n\n- `swap-two`: c / d.\n"));
        let text = agreement(&[row(&[30.0, 50.0, 80.0, 90.0], times)], PAGE);
        assert!(text.ends_with("\n\nNo row was calm.\n"));
    }

    /// What the two pages call a row and its contestants.
    #[test]
    fn each_row_is_on_the_page_of_the_model() {
        let page = include_str!("../../docs/cores.md");
        let rows = rows::all();
        for (id, picture, what) in ROWS {
            let row = rows.iter().find(|row| row.id == id && !row.alone);
            let names = row.expect("a row of two threads").contestants.iter();
            let names: Vec<_> = names.map(|contestant| contestant.name).collect();
            let model = model(page, picture, what);
            assert!(model.len() >= 7, "{id}: {model:?}");
            // With two threads, deferred readers are in one row alone.
            let missing = model.iter().filter(|one| {
                !(names.contains(&one.name) || one.name.ends_with("deferred readers"))
            });
            assert_eq!(missing.count(), 0, "{id}: {names:?}, {model:?}");
            let both = names.contains(&"hyaline, deferred readers");
            assert_eq!(
                both,
                ["reads-beside", "writes-beside"].contains(&id),
                "{id}"
            );
        }
    }
}
