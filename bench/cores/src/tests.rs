//! The machine, its threads and its order, without the compiler's
//! instrumentation: the tests call what it would call.

mod prices;

use std::{
    cell::Cell,
    ffi::c_void,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    caches::Kind,
    cost, lent,
    machine::{self, CLASSES, ENOUGH, End, Plan},
    record::Counts,
};

/// One machine at a time.
static ONE: Mutex<()> = Mutex::new(());

type Work<'a> = &'a dyn Fn(usize);

extern "C" fn entry(work: *const c_void, index: u32) {
    // SAFETY: `run` passes a `Work`, which it keeps.
    let work = unsafe { *work.cast::<Work<'_>>() };
    work(index as usize);
}

/// Threads of these classes do the work, without noise.
fn run(classes: &[u8], operations: u64, budget: u64, work: Work<'_>) -> (End, [Counts; CLASSES]) {
    run_with(0, classes, operations, budget, work)
}

fn run_with(
    seed: u64,
    classes: &[u8],
    operations: u64,
    budget: u64,
    work: Work<'_>,
) -> (End, [Counts; CLASSES]) {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    assert!(lent::possible(), "an old kernel");
    let plan = Plan {
        threads: classes.len() as u32,
        classes: classes.as_ptr(),
        warm: 100,
        operations,
        budget,
        seed,
        entry,
        data: (&raw const work).cast(),
    };
    // SAFETY: a class for each thread; the work outlives the run, after which its
    // coroutines do not run; one at a time.
    let (end, counts, _) = unsafe { machine::run(&plan) };
    (end, counts)
}

fn load(word: &AtomicU64) -> u64 {
    machine::access(Kind::Load, word.as_ptr().addr() as u64, 8, 1);
    word.load(Relaxed)
}

fn store(word: &AtomicU64, value: u64) {
    machine::access(Kind::Store, word.as_ptr().addr() as u64, 8, 2);
    word.store(value, Relaxed);
}

fn add(word: &AtomicU64) -> u64 {
    machine::access(Kind::Locked, word.as_ptr().addr() as u64, 8, 3);
    word.fetch_add(1, Relaxed)
}

/// A word on a line of its own.
#[repr(align(64))]
#[derive(Default)]
struct Word(AtomicU64);

#[test]
fn a_ball_moves_once_for_each_throw() {
    let ball = Word::default();
    let (end, [_, counts]) = run(&[1, 1], 1000, 1_000_000, &|index| {
        for round in 0.. {
            while load(&ball.0) != 2 * round + index as u64 {}
            machine::next();
            store(&ball.0, 2 * round + index as u64 + 1);
        }
    });
    assert_eq!(end, End::Done);
    let n = counts.operations;
    assert_eq!(
        (counts.transfers, counts.upgrades, counts.invalidations),
        (n, n, n)
    );
    // For each throw, the copy is taken, and the line comes: for both threads,
    // which wait for each other.
    let each = counts.time / n / 2;
    assert!(
        (2 * cost::NEAR..2 * cost::NEAR + cost::JITTER).contains(&each),
        "{each}"
    );
    assert!(n >= 1000 - 2, "{n}");
}

#[test]
fn a_counter_moves_once_for_each_addition() {
    for threads in [1, 2, 8, 64] {
        let word = Word::default();
        let classes = vec![1; threads];
        let (end, [_, counts]) = run(&classes, 1000, 1_000_000, &|_| {
            loop {
                machine::next();
                add(&word.0);
            }
        });
        assert_eq!(end, End::Done);
        let moves = if threads == 1 { 0 } else { counts.operations };
        assert_eq!((counts.transfers, counts.invalidations), (moves, moves));
    }
}

#[test]
fn threads_of_their_own_lines_move_nothing() {
    let words: [Word; 16] = Default::default();
    let (end, [_, counts]) = run(&[1; 16], 1000, 1_000_000, &|index| {
        loop {
            machine::next();
            add(&words[index].0);
            load(&words[index].0);
        }
    });
    assert_eq!(end, End::Done);
    assert_eq!(
        (counts.transfers, counts.upgrades, counts.fetches),
        (0, 0, 0)
    );
}

#[test]
fn two_runs_of_a_seed_agree_in_every_digit() {
    let once = |seed| {
        let words: [Word; 3] = Default::default();
        run_with(seed, &[0, 1, 1, 0, 1], 3000, 1_000_000, &|index| {
            for round in 0.. {
                machine::next();
                match (index + round) % 3 {
                    0 => _ = add(&words[index % 3].0),
                    1 => store(&words[0].0, round as u64),
                    _ => _ = load(&words[1].0),
                }
            }
        })
    };
    assert_eq!(once(0), once(0));
    assert_eq!(once(1), once(1));
    assert_ne!(once(1), once(2));
}

#[test]
fn a_thread_that_spins_alone_ends_with_the_budget() {
    let word = Word::default();
    let (end, _) = run(&[1, 1], 1000, 10_000, &|_| {
        machine::next();
        while load(&word.0) == 0 {}
    });
    assert!(matches!(end, End::Stuck(_, 1)), "{end:?}");
}

#[test]
fn another_thread_of_the_process_is_noticed() {
    // The one that waits for the tests is another.
    assert!(!lent::alone());
}

#[test]
fn a_thread_that_yields_lets_the_other_run() {
    let word = Word::default();
    let (end, [_, counts]) = run(&[1, 1], 100, 100_000, &|index| {
        for round in 0.. {
            while load(&word.0) != 2 * round + index as u64 {
                assert!(machine::pass(cost::SYSTEM_CALL, 0));
            }
            machine::next();
            add(&word.0);
        }
    });
    assert_eq!(end, End::Done);
    assert!(counts.operations > 90);
}

#[test]
fn the_budget_ends_a_run_that_has_done_enough() {
    let slow = |accesses: u64| {
        run(&[0, 1], 50_000, 1_000_000, &|index| {
            let word = Word::default();
            loop {
                machine::next();
                for _ in 0..[1, accesses][index] {
                    load(&word.0);
                }
            }
        })
    };
    let (end, [fast, slowly]) = slow(50);
    assert_eq!(end, End::Done);
    assert!(fast.operations > 50_000, "{fast:?}");
    assert!(
        (50_000 / ENOUGH..50_000).contains(&slowly.operations),
        "{slowly:?}"
    );
    // The run continues until they have.
    let (end, [_, slowly]) = slow(1000);
    assert_eq!(
        (end, slowly.operations),
        (End::Done, 50_000u64.div_ceil(ENOUGH))
    );
    let (end, _) = slow(100_000);
    assert!(matches!(end, End::Stuck(..)), "{end:?}");
}

#[test]
fn each_thread_has_its_own_storage() {
    thread_local!(static MINE: Cell<u64> = const { Cell::new(0) });
    let word = Word::default();
    let wrong = AtomicU64::new(0);
    let (end, _) = run(&[1; 4], 1000, 1_000_000, &|index| {
        MINE.set(index as u64);
        loop {
            machine::next();
            add(&word.0);
            if MINE.get() != index as u64 {
                wrong.fetch_add(1, Relaxed);
            }
        }
    });
    assert_eq!((end, wrong.into_inner()), (End::Done, 0));
    assert_eq!(MINE.get(), 0);
}

#[test]
fn threads_that_return_end_the_run() {
    let (end, _) = run(&[1; 3], 1000, 10_000, &|_| machine::next());
    assert_eq!(end, End::Returned);
}
