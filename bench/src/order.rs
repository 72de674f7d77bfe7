//! Whether the contestants of rows with two threads have the order in time that the model
//! of `docs/cores.md` gives them.

use std::fmt::Write as _;

use crate::{
    distance::{CALM, Calm},
    growth::cells,
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

/// Contestants and their nanoseconds in the model, with two threads.
fn model<'p>(page: &'p str, picture: &str, what: &str) -> Vec<(&'p str, f64)> {
    let picture = format!("](cores-{picture}.svg)");
    let head = format!("| {what}, 2 threads |");
    let sections = page.split("\n## ");
    let lines = sections
        .filter(|section| section.contains(&picture))
        .flat_map(str::lines);
    lines
        .skip_while(|line| !line.starts_with(&head))
        .skip(2)
        .map_while(|line| line.strip_prefix("| "))
        .filter_map(|line| {
            let mut cells = cells(line);
            Some((cells.next()?, cells.last()?.parse().ok()?))
        })
        .collect()
}

/// A pair of contestants that has an order in time.
#[derive(Debug, PartialEq)]
struct Pair<'f> {
    /// The one that is ahead in the model.
    first: &'f str,
    second: &'f str,
    /// How many times longer the second takes in the model.
    times: f64,
    /// The first is ahead in time, too.
    same: bool,
}

/// The pairs of contestants of a row, in these of its rounds. Those of which the quartiles
/// of the ratio contain 1 are left out.
fn pairs<'f>(figures: &'f [Figure], rounds: &[usize], model: &[(&'f str, f64)]) -> Vec<Pair<'f>> {
    let named = |name: &str| figures.iter().find(|figure| figure.name == name);
    let mut pairs = Vec::new();
    for &(first, short) in model {
        for &(second, long) in model {
            let (Some(one), Some(other)) = (named(first), named(second)) else {
                continue;
            };
            let [low, _, high] = one.ratio_in(other, rounds);
            if long > short && (high < 1.0 || low > 1.0) {
                pairs.push(Pair {
                    first,
                    second,
                    times: long / short,
                    same: high < 1.0,
                });
            }
        }
    }
    pairs
}

/// By how much the pairs of a column differ in the model, at least.
const COLUMNS: [f64; 3] = [1.1, 1.5, 2.0];

/// For each column, how many of its pairs have the same order, and how many it has.
fn count(pairs: &[Pair]) -> [[usize; 2]; COLUMNS.len()] {
    COLUMNS.map(|least| {
        let of = || pairs.iter().filter(|pair| pair.times >= least);
        [of().filter(|pair| pair.same).count(), of().count()]
    })
}

fn line(row: &str, calm: &str, counts: [[usize; 2]; COLUMNS.len()]) -> String {
    let cells = counts.map(|[same, all]| format!(" {same} of {all} |"));
    format!("| {row} | {calm} |{}\n", cells.concat())
}

/// The section of the page: rows with enough calm rounds, and their order there and here.
pub fn agreement(all: &[Measured], cores: &str) -> String {
    let (range, running) = CALM;
    let mut text = format!(
        "[`cores.md`](cores.md) has nanoseconds of a model, in which a line takes 17 ns from \
         one thread to the other, and computing takes no time. Does it order contestants as \
         real times do? Rounds are calm if the ways before and after them are all within a \
         factor of {range}, and if both threads of their process had a processor for {:.0} % of \
         the time that they wanted one. The table has each row with two threads that is in both and of which half \
         of the rounds were calm, and the shortest way in these. Of the pairs of contestants \
         whose times in the model differ by the factor in the head of a column, or by more, so \
         many have the same order in the calm rounds. Pairs are left out if the quartiles of \
         their ratio there contain 1.\n\n",
        running * 100.0,
    );
    let (mut table, mut total) = (String::new(), [[0; 2]; COLUMNS.len()]);
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
            *sum = [sum[0] + one[0], sum[1] + one[1]];
        }
        let Calm { from, rounds, of } = calm;
        let rounds = format!("{} of {of} | {from:.0} ns", rounds.len());
        table += &line(id, &rounds, counts);
        let wrong = pairs
            .iter()
            .filter(|pair| !pair.same && pair.times >= COLUMNS[1]);
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
        ## Row\n\n![a](cores-swap.svg)\n\n| transfers (ns) per replacement | 2 |\n\
        |---|--:|\n| a | 1.00 (7) |\n\n\
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
        let expected = [("a, Box", 10.0), ("b", 20.0), ("c", 21.0), ("d", 40.0)];
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
        let pair = |first, second, times, same| Pair {
            first,
            second,
            times,
            same,
        };
        let expected = [
            pair("a, Box", "c", 2.1, true),
            pair("a, Box", "d", 4.0, true),
            pair("b", "c", 1.05, true),
            pair("b", "d", 2.0, true),
            pair("c", "d", 40.0 / 21.0, false),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(count(&pairs), [[3, 4], [3, 4], [3, 3]]);
    }

    #[test]
    fn only_calm_rounds_are_compared() {
        // c and d are the other way round in the last round.
        let times: [&[f64]; 4] = [&[1.0; 3], &[2.0; 3], &[4.0, 4.0, 1.0], &[3.0, 3.0, 9.0]];
        let text = agreement(&[row(&[30.0, 40.0, 31.0, 90.0], times)], PAGE);
        assert!(text.ends_with(
            "| swap-two | 2 of 3 | 30 ns | 4 of 5 | 4 of 5 | 4 of 4 |\n\
             | all |  |  | 4 of 5 | 4 of 5 | 4 of 4 |\n\n\
             Ahead in the model by a factor of 1.5 or more, and behind here:\n\n\
             - `swap-two`: c / d.\n"
        ));
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
            let both = model.iter().filter(|one| names.contains(&one.0));
            assert!(both.count() >= 7, "{id}: {model:?}");
        }
    }
}
