//! Sentences in the documentation of the safe layer, one test each.

#![cfg(not(hyaline_loom))]
#![forbid(unsafe_code)]

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroU16,
    path::Path,
    rc::Rc,
    sync::Mutex,
};

use hyaline::{
    Collector, Config, domain,
    safe::{Domain, Handle, HandleCell, Map, OwnedGuard, Queue, RcuCell, Stack},
};

const GUARANTEES: &str = include_str!("../docs/guarantees.md");

/// A type, and the source with its table.
const TABLES: [(&str, &str); 6] = [
    ("RcuCell", include_str!("../src/safe/cell.rs")),
    ("ArcCell", include_str!("../src/safe/arc_cell.rs")),
    ("Stack", include_str!("../src/safe/stack.rs")),
    ("Queue", include_str!("../src/safe/queue.rs")),
    ("Map", include_str!("../src/safe/map.rs")),
    ("HashMap", include_str!("../src/safe/hash_map.rs")),
];

/// The names in a cell like "[`a`](Self::a), [`b`](Self::b)".
fn names(cell: &str) -> Vec<&str> {
    let parts = cell.split("[`").skip(1);
    parts.map(|part| part.split('`').next().unwrap()).collect()
}

/// What the page of guarantees says of each call in an interrupt.
fn page() -> BTreeMap<&'static str, &'static str> {
    let mut answers = BTreeMap::new();
    for row in GUARANTEES
        .lines()
        .filter(|line| line.starts_with("| [`safe::"))
    {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (calls, irq) = (names(cells[1]), cells[5]);
        let parts: Vec<_> = irq.split("; ").collect();
        let one_each = parts.len() == calls.len() && !irq.starts_with("basic:");
        for (n, call) in calls.into_iter().enumerate() {
            answers.insert(call, if one_each { parts[n] } else { irq });
        }
    }
    answers
}

/// A call that may run reclaimers on an eager handle has a condition in both places,
/// and one that does not has none.
#[test]
fn the_tables_agree_on_interrupts() {
    let page = page();
    assert!(page.len() > 60, "the page has another form");
    for (name, source) in TABLES {
        let (mut answers, mut answer) = (BTreeMap::new(), "");
        for row in source.lines().filter(|line| line.starts_with("/// | [`")) {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            // It may refer to the row above, or to another call, with more to it.
            answer = match cells[3].strip_prefix("as for `") {
                Some(other) => answers[other.split('`').next().unwrap()],
                None if cells[3].starts_with("the same") => answer,
                None => cells[3],
            };
            answers.extend(names(cells[1]).into_iter().map(|call| (call, answer)));
        }
        let calls = page.iter().filter_map(|(call, irq)| {
            let call = call.strip_prefix("safe::")?.strip_prefix(name)?;
            Some((call.strip_prefix("::")?, irq))
        });
        for (call, irq) in calls {
            let answer = answers.get(call).copied().unwrap_or_default();
            let says = answer.contains("with a deferred or per-CPU handle, or if reclaimers");
            let conditional = irq.contains("may") || irq.contains("as the allocator");
            assert_eq!(
                says, conditional,
                "{name}::{call}: {answer:?}, the page: {irq:?}"
            );
            assert!(says || answer == "yes", "{name}::{call}: {answer:?}");
        }
    }
}

/// Feature `defmt`: "for errors".
#[test]
#[cfg_attr(miri, ignore)] // it reads files
fn every_error_is_shown_by_defmt() {
    fn search(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                search(&path, found);
                continue;
            }
            for line in fs::read_to_string(&path).unwrap().lines() {
                let error = line.split_once("core::error::Error for ");
                let name = error.filter(|_| line.starts_with("impl"));
                found.extend(name.map(|(_, name)| name.split(['<', ' ']).next().unwrap().into()));
            }
        }
    }
    let mut errors = BTreeSet::new();
    search(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut errors,
    );
    let list = include_str!("../src/defmt.rs").lines().filter_map(|line| {
        let path = line
            .trim()
            .strip_prefix("shown::<")?
            .split(['<', '>'])
            .next()?;
        path.rsplit("::").next().map(String::from)
    });
    assert_eq!(list.collect::<BTreeSet<_>>(), errors);
    assert!(errors.len() > 10);
}

thread_local! {
    static DROPS: Cell<usize> = const { Cell::new(0) };
}

/// Counts its drops.
struct Plan;

impl Drop for Plan {
    fn drop(&mut self) {
        DROPS.set(DROPS.get() + 1);
    }
}

/// "At most so many in each step": of `replace` three, of `flush` and `collect` one.
#[test]
fn a_limit_is_that_of_a_step() {
    domain!(App: Collector<3> = Collector::with_config(Config::new().batch::<1>()));
    static PLAN: RcuCell<Plan, 8, App> = RcuCell::new(Plan);
    let control_loop = App::register_deferred().unwrap();
    let task = App::register().unwrap();
    for limit in 1..=2 {
        task.limit_reclaims(NonZeroU16::new(limit));
        let most = |call: &dyn Fn() -> usize| {
            let one = |n| {
                if n % 3 != 0 {
                    while PLAN.replace(&control_loop, Plan).is_ok() {}
                }
                DROPS.set(0);
                let given_back = call();
                DROPS.get() - given_back
            };
            let runs = if cfg!(miri) { 20 } else { 200 };
            (0..runs).map(one).max().unwrap()
        };
        let limit = usize::from(limit);
        // What is given back is dropped, too, and not by the collector.
        let replace = || usize::from(PLAN.replace(&task, Plan).is_err());
        assert_eq!(most(&replace), 3 * limit);
        let flush = || {
            task.flush();
            0
        };
        assert_eq!(most(&flush), limit);
        let collect = || {
            task.collect();
            0
        };
        assert_eq!(most(&collect), limit);
    }
}

thread_local! {
    /// What happens when the next [`Meanwhile`] is dropped, in the middle of a call.
    static PREEMPTS: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

struct Meanwhile;

impl Drop for Meanwhile {
    fn drop(&mut self) {
        if let Some(preempts) = PREEMPTS.take() {
            preempts();
        }
    }
}

/// "But its section holds the nodes that others pop meanwhile": with the blocks for
/// them no push is refused.
#[test]
fn a_preempted_pop_holds_nodes() {
    const POPS: usize = 5;
    fn refused<const K: usize, D: Domain>(
        queue: &'static Queue<usize, K, D>,
        cell: &'static RcuCell<Meanwhile, 8, D>,
    ) -> bool {
        let a = &D::register().unwrap();
        let b = Rc::new(D::register().unwrap());
        for n in 0..3 {
            queue.push(a, n).unwrap();
            queue.pop(a);
        }
        // Left over for `a`.
        b.limit_reclaims(NonZeroU16::new(1));
        let guard = b.enter();
        for _ in 0..4 {
            assert!(cell.replace(a, Meanwhile).is_ok());
        }
        drop(guard);
        b.limit_reclaims(None);
        queue.push(a, 7).unwrap();
        thread_local!(static FULL: Cell<Option<bool>> = const { Cell::new(None) });
        FULL.set(None);
        PREEMPTS.set(Some(Box::new(move || {
            let full = (0..POPS).any(|n| {
                let full = queue.push(&b, n).is_err();
                queue.pop(&b);
                full
            });
            FULL.set(Some(full));
        })));
        queue.pop(a);
        FULL.get().expect("it was not preempted")
    }
    domain!(App: Collector<4> = Collector::with_config(Config::new().batch::<1>()));
    static SMALL: Queue<usize, 4, App> = Queue::new();
    static LARGE: Queue<usize, { 4 + POPS }, App> = Queue::new();
    static CELLS: [RcuCell<Meanwhile, 8, App>; 2] = [const { RcuCell::new(Meanwhile) }; 2];
    assert!(refused(&SMALL, &CELLS[0]));
    assert!(!refused(&LARGE, &CELLS[1]));
}

/// Runs of a closure, of which there must be few.
#[derive(Default)]
struct Runs(Cell<u32>);

impl Runs {
    /// Whether this is one of the first five.
    fn next(&self) -> bool {
        self.0.set(self.0.get() + 1);
        assert!(self.0.get() < 1_000, "it does not end");
        self.0.get() <= 5
    }
}

domain!(Calls: Collector<2> = Collector::new());
static CELL: RcuCell<u32, 16, Calls> = RcuCell::new(0);
static MAP: Map<u32, u32, 1, 16, Calls> = Map::new();

/// "It looks again, and the closure runs again": until it changes nothing.
#[test]
fn a_closure_that_changes_the_entry_runs_again() {
    let handle = Calls::register().unwrap();
    let ends = |name: &str, runs: u32, call: &dyn Fn(&Runs)| {
        let counted = Runs::default();
        call(&counted);
        assert_eq!(counted.0.get(), runs, "{name}");
    };
    MAP.insert(&handle, 1, 1).unwrap();
    let change = || assert!(MAP.upsert(&handle, 1, 1).is_ok());
    ends("RcuCell::update", 6, &|runs| {
        let change = |old: &u32| {
            if runs.next() {
                CELL.replace(&handle, 7).unwrap();
            }
            old + 1
        };
        assert_eq!(*CELL.update(&handle, change).unwrap(), 8);
    });
    handle.flush();
    ends("Map::update", 6, &|runs| {
        let new = |old: &u32| {
            if runs.next() {
                change();
            }
            old + 1
        };
        assert_eq!(MAP.update(&handle, &1, new).unwrap().as_deref(), Some(&2));
    });
    handle.flush();
    ends("Map::remove_if", 6, &|runs| {
        let wanted = |_: &u32, _: &u32| {
            if runs.next() {
                change();
            }
            true
        };
        assert!(MAP.remove_if(&handle.enter(), &1, wanted).is_some());
    });
    handle.flush();
    change();
    ends("Map::retain", 6, &|runs| {
        MAP.retain(&handle, |_, _| {
            if runs.next() {
                change();
            }
            false
        });
        assert!(MAP.is_empty(&handle));
    });
    handle.flush();
    // The closure runs once.
    ends("Map::get_or_insert_with", 1, &|runs| {
        let made = MAP.get_or_insert_with(&handle, 1, || {
            runs.next();
            change();
            9
        });
        assert_eq!(*made.unwrap(), 1);
    });
}

/// "With a pool it ends when that has no block left for the inner call."
#[test]
fn a_closure_that_always_changes_the_entry_ends_with_a_pool() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: RcuCell<u32, 16, App> = RcuCell::new(0);
    static MAP: Map<u32, u32, 1, 16, App> = Map::new();
    let handle = App::register().unwrap();
    MAP.insert(&handle, 1, 1).unwrap();
    let runs = Runs::default();
    let change = || {
        runs.next();
        let _ = MAP.upsert(&handle, 1, 1);
        let _ = CELL.replace(&handle, 7);
    };
    let new = |_: &u32| {
        change();
        8
    };
    assert_eq!(*CELL.update(&handle, new).unwrap(), 8);
    handle.flush();
    assert_eq!(MAP.update(&handle, &1, new).unwrap().as_deref(), Some(&8));
    handle.flush();
    let guard = handle.enter();
    let taken = MAP.remove_if(&guard, &1, |_, _| {
        change();
        true
    });
    assert!(taken.is_some());
    assert!(runs.0.get() > 3 * 8);
}

/// "Once that is retired, its own section holds it back": a section, and nothing else
/// that a value may own.
#[test]
fn a_value_with_a_section_of_its_own_holds_itself() {
    enum Owns<D: Domain> {
        Nothing,
        Handle(#[allow(dead_code)] Mutex<Handle<D>>),
        Cell(#[allow(dead_code)] HandleCell<D>),
        Structures(#[allow(dead_code)] Box<(Stack<Plan, 2, D>, RcuCell<Plan, 2, D>)>),
        Section(#[allow(dead_code)] Mutex<OwnedGuard<D>>),
    }
    domain!(App: Collector<4> = Collector::new());
    static CELL: RcuCell<Owns<App>, 8, App> = RcuCell::new(Owns::Nothing);
    let handle = App::register().unwrap();
    let claimed = || {
        let slots = App::COLLECTOR.slots();
        slots.filter(|slot| slot.owner.is_some()).count()
    };
    let cell = HandleCell::new();
    cell.with(|_| ()).unwrap();
    let structures = (Stack::new(), RcuCell::new(Plan));
    let values = [
        Owns::Handle(Mutex::new(App::register().unwrap())),
        Owns::Cell(cell),
        Owns::Structures(Box::new(structures)),
    ];
    for value in values {
        assert!(CELL.replace(&handle, value).is_ok());
    }
    assert!(CELL.replace(&handle, Owns::Nothing).is_ok());
    handle.flush();
    handle.flush();
    assert_eq!((App::COLLECTOR.stats().pending(), claimed()), (0, 1));

    let section = App::register().unwrap().enter_owned();
    assert!(
        CELL.replace(&handle, Owns::Section(Mutex::new(section)))
            .is_ok()
    );
    assert!(CELL.replace(&handle, Owns::Nothing).is_ok());
    handle.flush();
    handle.flush();
    assert!(App::COLLECTOR.stats().pending() > 0);
    assert_eq!(claimed(), 2);
}
