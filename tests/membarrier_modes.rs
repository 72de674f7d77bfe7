//! The modes of `Membarrier` as a model: each interleaving of a reader, a
//! reclaimer, and a thread that switches to fences and enters a sandbox, on
//! processors with store buffers (x86-TSO). The facts are in
//! `src/barrier/membarrier.rs`; each step that they rest on is left out once.

#![cfg(not(any(hyaline_loom, miri)))]

use std::collections::{HashSet, VecDeque};

const UNKNOWN: u8 = 0;
const KERNEL: u8 = 1;
const LEAVING: u8 = 2;
const FENCES: u8 = 3;

/// Locations in memory.
const ACTIVE: usize = 0;
const UNLINKED: usize = 1;
const MODE: usize = 2;
/// The kernel refuses the barrier.
const REFUSED: usize = 3;

const READER: usize = 0;
const WRITER: usize = 1;
const LEAVER: usize = 2;

/// The step that is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    /// `use_fences` goes from `KERNEL` to `FENCES` in one step.
    Leaving,
    /// It does not request a last barrier.
    LastBarrier,
    /// A reclaimer takes `LEAVING` for `FENCES`.
    BarrierInLeaving,
    /// A refused reclaimer does not reload the mode.
    SecondLook,
    /// The first use stores the mode instead of exchanging it.
    Exchange,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Thread {
    at: u8,
    /// The last value that it loaded.
    loaded: u8,
    /// Cores that have executed its kernel barrier.
    reached: [bool; 3],
    /// Reader: it holds the object. Reclaimer: it frees it.
    result: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    memory: [u8; 4],
    buffers: [VecDeque<(usize, u8)>; 3],
    threads: [Thread; 3],
}

const DONE: u8 = 100;
const ABORTED: u8 = 101;

impl State {
    fn load(&self, thread: usize, place: usize) -> u8 {
        let own = self.buffers[thread].iter().rev();
        own.filter(|store| store.0 == place)
            .map(|store| store.1)
            .next()
            .unwrap_or(self.memory[place])
    }

    fn store(&mut self, thread: usize, place: usize, value: u8) {
        self.buffers[thread].push_back((place, value));
    }

    /// For fences, exchanges and system calls that are barriers.
    fn is_flushed(&self, thread: usize) -> bool {
        self.buffers[thread].is_empty()
    }
}

/// The kernel's answer to the first use of a thread.
#[derive(Clone, Copy)]
struct Answers([u8; 2]);

/// The next states of a thread; none if it waits for its buffer, or has
/// finished.
fn step(state: &State, thread: usize, answers: Answers, without: Without) -> Vec<State> {
    let mut next = state.clone();
    let here = state.threads[thread];
    let flushed = state.is_flushed(thread);
    let mut to = here.at + 1;
    match (thread, here.at) {
        // Both, first use: asks, and sets the mode; a failed exchange loads it.
        (READER | WRITER, 10) => {
            let answer = answers.0[thread];
            if without == Without::Exchange {
                next.store(thread, MODE, answer);
                next.threads[thread].loaded = answer;
            } else if !flushed {
                return vec![];
            } else if state.memory[MODE] == UNKNOWN {
                next.memory[MODE] = answer;
                next.threads[thread].loaded = answer;
            } else {
                next.threads[thread].loaded = state.memory[MODE];
            }
            to = if thread == READER { 2 } else { 12 };
        }
        // Two sections: `active`, `light`, a load of the pointer.
        (READER, 0 | 20) => next.store(thread, ACTIVE, 1),
        (READER, 1 | 21) => match state.load(thread, MODE) {
            KERNEL => to = here.at + 2,
            UNKNOWN => to = 10,
            _ => {}
        },
        (READER, 2 | 22) if !flushed => return vec![], // a fence
        (READER, 2 | 22) => {}
        (READER, 3) => {}
        (READER, 4) => {
            next.store(thread, ACTIVE, 0);
            to = 20;
        }
        (READER, 23) => {
            next.threads[thread].result = state.load(thread, UNLINKED) == 0;
            to = DONE;
        }
        // Unlink, `heavy`, a load of `active`.
        (WRITER, 0) => next.store(thread, UNLINKED, 1),
        (WRITER, 1) => {
            next.threads[thread].loaded = state.load(thread, MODE);
            to = if next.threads[thread].loaded == UNKNOWN {
                10
            } else {
                12
            };
        }
        (WRITER, 12) => {
            let fences = here.loaded == FENCES
                || here.loaded == LEAVING && without == Without::BarrierInLeaving;
            to = if fences { 16 } else { 13 };
        }
        (WRITER, 13) => return kernel(state, thread, 14, 17),
        (WRITER, 17) => {
            let again = without != Without::SecondLook && state.load(thread, MODE) == FENCES;
            to = if again { 16 } else { ABORTED };
        }
        (WRITER, 16) if !flushed => return vec![], // a fence
        (WRITER, 16) => to = 14,
        (WRITER, 14) => {
            next.threads[thread].result = state.load(thread, ACTIVE) == 0;
            to = DONE;
        }
        // `use_fences`, then the sandbox.
        (LEAVER, 0 | 1) if !flushed => return vec![],
        (LEAVER, 0) => {
            if state.memory[MODE] == UNKNOWN {
                next.memory[MODE] = FENCES;
            }
        }
        (LEAVER, 1) => {
            if state.memory[MODE] == KERNEL {
                let leaving = without != Without::Leaving;
                next.memory[MODE] = if leaving { LEAVING } else { FENCES };
            } else {
                to = 4; // fences, whichever thread was asked first
            }
        }
        (LEAVER, 2) if without == Without::LastBarrier => {}
        (LEAVER, 2) => return kernel(state, thread, 3, ABORTED),
        (LEAVER, 3) => next.store(thread, MODE, FENCES),
        (LEAVER, 4) => {
            next.store(thread, REFUSED, 1);
            to = DONE;
        }
        _ => return vec![],
    }
    next.threads[thread].at = to;
    vec![next]
}

/// The system call: a barrier on each core, one after the other in any order,
/// between its begin and its return. Or it is refused.
fn kernel(state: &State, thread: usize, done: u8, refused: u8) -> Vec<State> {
    let here = state.threads[thread];
    let mut states = vec![];
    if here.reached == [false; 3] && state.load(thread, REFUSED) == 1 {
        let mut next = state.clone();
        next.threads[thread].at = refused;
        return vec![next];
    }
    // Its own core comes first.
    for core in 0..3 {
        if !here.reached[core] && state.is_flushed(core) && (core == thread || here.reached[thread])
        {
            let mut next = state.clone();
            next.threads[thread].reached[core] = true;
            if next.threads[thread].reached == [true; 3] {
                next.threads[thread].reached = [false; 3];
                next.threads[thread].at = done;
            }
            states.push(next);
        }
    }
    states
}

/// Whether an object that is held can be freed, and whether a thread can end in
/// an abort.
fn search(mode: u8, answers: [u8; 2], without: Without) -> (bool, bool) {
    let start = State {
        memory: [0, 0, mode, 0],
        buffers: Default::default(),
        threads: Default::default(),
    };
    let (mut seen, mut open) = (HashSet::from([start.clone()]), vec![start]);
    let (mut freed_while_held, mut aborts) = (false, false);
    while let Some(state) = open.pop() {
        let [reader, writer, leaver] = state.threads;
        freed_while_held |= reader.result && writer.result;
        aborts |= writer.at == ABORTED || leaver.at == ABORTED;
        let mut all = vec![];
        for thread in 0..3 {
            all.extend(step(&state, thread, Answers(answers), without));
            if !state.buffers[thread].is_empty() {
                let mut next = state.clone();
                if let Some((place, value)) = next.buffers[thread].pop_front() {
                    next.memory[place] = value;
                }
                all.push(next);
            }
        }
        open.extend(all.into_iter().filter(|next| seen.insert(next.clone())));
    }
    (freed_while_held, aborts)
}

const ALWAYS: [u8; 2] = [KERNEL, KERNEL];

#[test]
fn the_modes_are_right() {
    for mode in [UNKNOWN, KERNEL] {
        assert_eq!(search(mode, ALWAYS, Without::Nothing), (false, false));
    }
    // A filter of one thread: the answers differ. (A thread that is refused
    // what the mode promises aborts, which is left out here.)
    for answers in [[KERNEL, FENCES], [FENCES, KERNEL], [FENCES, FENCES]] {
        assert!(!search(UNKNOWN, answers, Without::Nothing).0);
    }
}

#[test]
fn each_step_is_needed() {
    for without in [
        Without::Leaving,
        Without::LastBarrier,
        Without::BarrierInLeaving,
    ] {
        assert!(search(KERNEL, ALWAYS, without).0);
    }
    assert!(search(UNKNOWN, [KERNEL, FENCES], Without::Exchange).0);
    assert_eq!(search(KERNEL, ALWAYS, Without::SecondLook), (false, true));
}
