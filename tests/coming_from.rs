//! Performs each call of the pages `docs/coming-from*.md`, one test a row, and
//! checks that the pages name these tests and no others.

#![cfg(not(hyaline_loom))]

#[path = "coming_from/arc_cell.rs"]
mod arc_cell;
#[path = "coming_from/arc_swap.rs"]
mod arc_swap;
#[path = "coming_from/crossbeam.rs"]
mod crossbeam;
#[path = "coming_from/crossbeam_queue.rs"]
mod crossbeam_queue;
#[path = "coming_from/debra.rs"]
mod debra;
#[path = "coming_from/dpdk.rs"]
mod dpdk;
#[path = "coming_from/hazard.rs"]
mod hazard;
#[path = "coming_from/heapless.rs"]
mod heapless;
#[path = "coming_from/kernel.rs"]
mod kernel;
#[path = "coming_from/libqsbr.rs"]
mod libqsbr;
#[path = "coming_from/objects.rs"]
mod objects;
#[path = "coming_from/rtos.rs"]
mod rtos;
#[path = "coming_from/seize.rs"]
mod seize;
#[path = "coming_from/smr.rs"]
mod smr;
#[path = "coming_from/srcu.rs"]
mod srcu;
#[path = "coming_from/urcu.rs"]
mod urcu;

use std::collections::BTreeSet;

const PAGES: [&str; 2] = [
    include_str!("../docs/coming-from.md"),
    include_str!("../docs/coming-from-containers.md"),
];

const FILES: [(&str, &str); 15] = [
    ("arc_cell", include_str!("coming_from/arc_cell.rs")),
    ("arc_swap", include_str!("coming_from/arc_swap.rs")),
    ("crossbeam", include_str!("coming_from/crossbeam.rs")),
    (
        "crossbeam_queue",
        include_str!("coming_from/crossbeam_queue.rs"),
    ),
    ("debra", include_str!("coming_from/debra.rs")),
    ("dpdk", include_str!("coming_from/dpdk.rs")),
    ("hazard", include_str!("coming_from/hazard.rs")),
    ("heapless", include_str!("coming_from/heapless.rs")),
    ("kernel", include_str!("coming_from/kernel.rs")),
    ("libqsbr", include_str!("coming_from/libqsbr.rs")),
    ("rtos", include_str!("coming_from/rtos.rs")),
    ("seize", include_str!("coming_from/seize.rs")),
    ("smr", include_str!("coming_from/smr.rs")),
    ("srcu", include_str!("coming_from/srcu.rs")),
    ("urcu", include_str!("coming_from/urcu.rs")),
];

/// The tests of a file: the function after each `#[test]`.
fn tests_in(module: &str, source: &str) -> Vec<String> {
    let after = source.split("#[test]\n").skip(1);
    let names = after.map(|rest| {
        let name = rest.trim_start().strip_prefix("fn ").expect("a function");
        let (name, _) = name.split_once('(').expect("arguments");
        format!("{module}::{name}")
    });
    names.collect()
}

/// The rows of the pages: lines of a table that are no head and no rule.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let lines = PAGES
        .iter()
        .flat_map(|page| page.lines())
        .filter(|line| line.starts_with("| "));
    let cells = lines.map(|line| {
        let line = line.trim_matches('|');
        line.split('|').map(str::trim).collect::<Vec<_>>()
    });
    cells.filter(|cells| cells.last() != Some(&"test"))
}

#[test]
fn the_pages_name_the_tests() {
    let exist: BTreeSet<String> = FILES
        .iter()
        .flat_map(|(module, source)| tests_in(module, source))
        .collect();
    let mut named = BTreeSet::new();
    for row in rows() {
        let [theirs, here, test] = row[..] else {
            panic!("not three cells: {row:?}");
        };
        assert!(theirs.starts_with('`'), "{row:?} names no call");
        assert!(!here.is_empty(), "{row:?} says nothing");
        if test == "none" {
            // Without a counterpart the row gives the reason.
            assert!(here.starts_with("no counterpart: "), "{row:?}");
            continue;
        }
        for name in test.split(", ") {
            let name = name.trim_matches('`');
            assert!(exist.contains(name), "{row:?}: there is no test {name}");
            named.insert(name.to_owned());
        }
    }
    let unnamed: Vec<_> = exist.difference(&named).collect();
    assert!(unnamed.is_empty(), "in no row: {unnamed:?}");
}
