//! What is charged, and to whom.

use std::{
    alloc::Layout,
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use super::{Word, Work, add, load, run, run_with, store};
use crate::{
    caches::Kind,
    cost, heap,
    machine::{self, End},
    record::Counts,
};

/// The time of an operation.
fn each(counts: &Counts) -> u64 {
    counts.time / counts.operations
}

#[test]
fn a_barrier_on_all_cores_interrupts_the_others() {
    const CALLS: u64 = 1000;
    let (end, [callers, others]) = run(&[0, 1, 1], CALLS, 1_000_000, &|index| {
        let own = Word::default();
        loop {
            machine::next();
            match index {
                0 => machine::barrier(0),
                _ => store(&own.0, 1),
            }
        }
    });
    assert_eq!(end, End::Done);
    assert_eq!(each(&callers), cost::BARRIER);
    let (_, [alone, _]) = run(&[0], CALLS, 1_000_000, &|_| {
        loop {
            machine::next();
            machine::barrier(0);
        }
    });
    assert_eq!(each(&alone), cost::ALONE);
    // An interrupt leaves three quarters of the time to the others, whose operations take a
    // store, and begin late by 1 ns, which is not counted.
    let late = cost::JITTER / 2;
    let between = (cost::STORE + late) * cost::BARRIER / (cost::BARRIER - cost::INTERRUPT);
    let counted = between - late;
    assert!(
        each(&others).abs_diff(counted) < counted / 20,
        "{}",
        each(&others)
    );
}

/// Each thread does its work once.
fn once(threads: usize, work: Work<'_>) {
    let (end, _) = run(&vec![1; threads], 1000, 1_000_000, work);
    assert_eq!(end, End::Returned);
}

/// The running thread does nothing until then.
fn until(time: u64) {
    let now = machine::time();
    machine::pass(time.checked_sub(now).expect("in the future"), 0);
}

#[test]
fn a_barrier_on_all_cores_waits_for_what_is_in_the_buffers() {
    let (word, after) = (Word::default(), Cell::new(0));
    let begin = 50_000;
    once(2, &|index| match index {
        0 => {
            load(&word.0);
            until(begin + 1000);
            machine::barrier(0);
        }
        _ => {
            until(begin);
            // The line is with the other one.
            store(&word.0, 1);
            until(begin + 2000);
            after.set(machine::time());
        }
    });
    let left = begin + cost::NEAR + cost::STORE;
    assert_eq!(after.get(), left + cost::INTERRUPT);
}

#[test]
fn a_locked_operation_takes_its_turn_when_the_buffer_is_empty() {
    let (word, turn) = (Word::default(), Word::default());
    let first = Cell::new(usize::MAX);
    once(2, &|index| {
        match index {
            0 => {
                until(50_000);
                // Takes 17 ns, as the line is with the other one.
                store(&word.0, 1);
            }
            _ => {
                load(&word.0);
                until(60_000);
            }
        }
        if add(&turn.0) == 0 {
            first.set(index);
        }
    });
    assert_eq!(first.get(), 1);
}

#[test]
fn an_access_to_two_lines_counts_twice() {
    let words: [Word; 2] = Default::default();
    let address = words.as_ptr().addr() as u64 + 60;
    let (_, [_, counts]) = run(&[1], 1000, 1_000_000, &|_| {
        loop {
            machine::next();
            machine::access(Kind::Load, address, 8, 1);
        }
    });
    assert_eq!(counts.accesses, 2 * counts.operations);
}

#[test]
fn neither_rests_nor_what_came_before_is_counted() {
    const OPERATIONS: u64 = 100_000;
    let times = [const { Cell::new(0) }; 2];
    let (end, [_, counts]) = run_with(1, &[1], OPERATIONS, 10_000_000, &|_| {
        let word = Word::default();
        // Before counting begins.
        machine::next();
        machine::pass(1_000_000, 0);
        for round in 0.. {
            machine::next();
            add(&word.0);
            if round % (OPERATIONS - 1000) == 1000 {
                times[usize::from(round > 1000)].set(machine::time());
            }
        }
    });
    assert_eq!(end, End::Done);
    assert!(counts.operations >= OPERATIONS - 200);
    assert_eq!(each(&counts), cost::LOCKED);
    let [begin, end] = times.map(Cell::into_inner);
    let rests = (end - begin) / (OPERATIONS - 1000) - cost::LOCKED - cost::JITTER / 2;
    let expected = cost::LOCKED * cost::REST / 2 / cost::RESTS;
    assert!(rests.abs_diff(expected) < expected / 5, "{rests}");
}

#[test]
fn the_allocator_is_charged_for_its_accesses() {
    let layout = Layout::new::<Word>();
    let (_, [_, counts]) = run(&[1], 10_000, 1_000_000, &|_| {
        loop {
            machine::next();
            heap::free(heap::alloc(layout), layout);
        }
    });
    assert_eq!(counts.accesses, 6 * counts.operations);
    assert_eq!((counts.transfers, counts.upgrades), (0, 0));
    // One thread allocates what another one frees: the block comes back from there, and
    // the shared list with each batch.
    let full = RefCell::new(VecDeque::new());
    let (_, [takes, gives]) = run(&[0, 1], 10_000, 10_000_000, &|index| {
        loop {
            let due = full.borrow().len();
            match index {
                0 if due < 10 => {
                    machine::next();
                    let block = heap::alloc(layout);
                    full.borrow_mut().push_back(block);
                }
                1 if due > 0 => {
                    let block = full.borrow_mut().pop_front();
                    machine::next();
                    heap::free(block.expect("one is due"), layout);
                }
                _ => _ = machine::pass(10_000, 0),
            }
        }
    });
    let per_100 = |counts: &Counts| 100 * counts.transfers / counts.operations;
    let batches = 100 / 32;
    assert_eq!(per_100(&takes), 100 + batches);
    assert_eq!(per_100(&gives), batches);
    assert!(gives.upgrades.abs_diff(gives.operations) < 100);
}

#[test]
fn each_order_has_its_price() {
    unsafe extern "C" {
        fn __tsan_atomic64_store(at: *mut u64, new: u64, order: i32);
        fn __tsan_atomic64_fetch_add(at: *mut u64, by: u64, order: i32) -> u64;
        fn __tsan_atomic_thread_fence(order: i32);
    }
    const ACQ_REL: i32 = 4;
    const SEQ_CST: i32 = 5;
    let word = Word::default();
    let at = word.0.as_ptr();
    let time = |operation: &dyn Fn()| {
        let (_, [_, counts]) = run(&[1], 1000, 1_000_000, &|_| {
            loop {
                machine::next();
                operation();
            }
        });
        each(&counts)
    };
    // SAFETY: the functions are those of `shims`; the word is there.
    unsafe {
        assert_eq!(time(&|| __tsan_atomic64_store(at, 1, 3)), cost::STORE);
        assert_eq!(
            time(&|| __tsan_atomic64_store(at, 1, SEQ_CST)),
            cost::LOCKED
        );
        assert_eq!(time(&|| __tsan_atomic_thread_fence(ACQ_REL)), 0);
        assert_eq!(time(&|| __tsan_atomic_thread_fence(SEQ_CST)), cost::LOCKED);
        let relaxed = || _ = __tsan_atomic64_fetch_add(at, 1, 0);
        assert_eq!(time(&relaxed), cost::LOCKED);
    }
}
