//! Whether the contestants of rows with two threads have the order in time that the model
//! of `docs/cores.md` gives them.

use std::fmt::Write as _;

use crate::{
    distance::{CALM, Distance},
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

/// Times in the model that differ by less may have any order.
const LESS: f64 = 1.1;

/// Pairs of contestants, of which the model has the first in front: whether it is in
/// front in time, too. Pairs of which the quartiles of the ratio contain 1 are left out.
fn order<'f>(figures: &'f [Figure], model: &[(&'f str, f64)]) -> Vec<(&'f str, &'f str, bool)> {
    let named = |name: &str| figures.iter().find(|figure| figure.name == name);
    let mut pairs = Vec::new();
    for &(first, short) in model {
        for &(second, long) in model {
            let (Some(one), Some(other)) = (named(first), named(second)) else {
                continue;
            };
            let [low, _, high] = one.ratio(other);
            if long > short * LESS && (high < 1.0 || low > 1.0) {
                pairs.push((first, second, high < 1.0));
            }
        }
    }
    pairs
}

/// The section of the page: calm rows, and their order there and here.
pub fn agreement(all: &[Measured], cores: &str) -> String {
    let (range, running) = CALM;
    let mut text = format!(
        "[`cores.md`](cores.md) has nanoseconds of a model, in which a line takes 17 ns from \
         one thread to the other, and computing takes no time. Does it order contestants as real \
         times do? Of each row with two threads that is in both, and was calm (the longest \
         way at most {range} times the shortest, and both threads on a processor for \
         {:.0} % of the time), these are the pairs of contestants whose times differ: in the \
         model by more than {:.0} %, and here by a ratio whose quartiles are both below or \
         both above 1. τ is Kendall's: 1 if all pairs are in the same order, 0 by chance.\n\n",
        running * 100.0,
        (LESS - 1.0) * 100.0
    );
    let mut table = String::new();
    let (mut restless, mut others) = (Vec::new(), String::new());
    for (id, picture, what) in ROWS {
        let Some(row) = all.iter().find(|row| row.id == id) else {
            continue;
        };
        let Some(distance) = Distance::of(&row.between).filter(Distance::is_calm) else {
            restless.push(format!("`{id}`"));
            continue;
        };
        let pairs = order(&row.figures, &model(cores, picture, what));
        let same = pairs.iter().filter(|pair| pair.2).count();
        let tau = match pairs.len() {
            0 => String::new(),
            all => format!("{:.2}", 2.0 * same as f64 / all as f64 - 1.0),
        };
        let _ = writeln!(
            table,
            "| {id} | {distance} | {} | {same} | {tau} |",
            pairs.len()
        );
        let wrong = pairs.iter().filter(|pair| !pair.2);
        let wrong: Vec<_> = wrong
            .map(|pair| format!("{} / {}", pair.0, pair.1))
            .collect();
        if !wrong.is_empty() {
            let _ = writeln!(others, "- `{id}`: {}.", wrong.join("; "));
        }
    }
    if table.is_empty() {
        text += "No row was calm.\n";
    } else {
        let _ = write!(
            text,
            "| row | one way | pairs | in the same order | τ |\n|---|--:|--:|--:|--:|\n{table}"
        );
    }
    if !others.is_empty() {
        let _ = write!(text, "\nAhead in the model, and behind here:\n\n{others}");
    }
    if !(restless.is_empty() || table.is_empty()) {
        let _ = write!(text, "\nNot calm: {}.\n", restless.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rows, runner::Between};

    const PAGE: &str = "# Title\n\n## Other\n\n![a](cores-read.svg)\n\n\
        | replacement, 2 threads | transfers | ns |\n|---|--:|--:|\n| a | 1.0 | 9.0 |\n\n\
        ## Row\n\n![a](cores-swap.svg)\n\n| transfers (ns) per replacement | 2 |\n\
        |---|--:|\n| a | 1.00 (7) |\n\n\
        | replacement, 2 threads | transfers | ns |\n|---|--:|--:|\n\
        | a, Box | 1.0 | 10.0 |\n| b | 1.0 | 20.0 |\n| c | 1.0 | 21.0 |\n| d | 1.0 | 40.0 |\n\n\
        | a, Box, 2 threads | lines |\n|---|--:|\n| transfer | 1 |\n";

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
            between: Between {
                one_way: one_way.into(),
                running: vec![1.0],
            },
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
        // b and c are as fast in the model; a and b are here.
        let row = row(&[], [&[1.0, 3.0, 2.0], &[2.0; 3], &[4.0; 3], &[3.5; 3]]);
        let expected = [("a, Box", "c", true), ("b", "d", true), ("c", "d", false)];
        let mut pairs = order(&row.figures, &model(PAGE, "swap", "replacement"));
        pairs.retain(|pair| pair.1 != "d" || pair.0 != "a, Box");
        assert_eq!(pairs, expected);
    }

    #[test]
    fn only_calm_rows_are_compared() {
        let times: [&[f64]; 4] = [&[1.0], &[2.0], &[4.0], &[3.0]];
        let text = agreement(&[row(&[30.0, 40.0, 31.0], times)], PAGE);
        assert!(text.ends_with(
            "| swap-two | 31 ns (30 to 40) | 5 | 4 | 0.60 |\n\n\
             Ahead in the model, and behind here:\n\n- `swap-two`: c / d.\n"
        ));
        let text = agreement(&[row(&[30.0, 50.0], times)], PAGE);
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
