//! The control: a barrier that does nothing must be caught. If it is not, the
//! torture proves nothing on this machine.

use crate::{Board, rendezvous::Team, world::World};
use core::hint::black_box;
use hyaline::{Barrier, Basic, Config, Scheme};
use portable_atomic::{AtomicUsize, Ordering, compiler_fence};

/// The most rounds of a core; the end comes with the first torn read.
const ROUNDS: usize = 3_000_000;

/// The same where threads share processors and seldom meet.
const FEW_ROUNDS: usize = 20_000;

/// How long a machine hunts.
fn rounds(board: &impl Board) -> usize {
    if board.owns_its_cores() {
        ROUNDS
    } else {
        FEW_ROUNDS
    }
}

/// What [`hyaline::SingleCore`] does, on several cores.
#[derive(Clone, Copy)]
struct Broken;

// SAFETY: deliberately not so. Only nodes on shelves are used with it, whose
// fields are atomics: the harm is a value that a reader does not expect.
unsafe impl Barrier for Broken {
    fn light() {
        // SeqCst: the compiler keeps the order that the core then breaks.
        compiler_fence(Ordering::SeqCst);
    }

    fn heavy() {
        // SeqCst: as in `light`.
        compiler_fence(Ordering::SeqCst);
    }
}

/// A writer and a reader that start each round together, with their statics. Two
/// pairs do not share a world: a third core that is stopped in the middle of a section
/// would keep every object alive for a time slice of the host.
struct Pair<S: Scheme> {
    world: World<S, 1>,
    /// The round that the writer has begun, and the one that the reader has ended.
    begun: Line,
    ended: Line,
    noise: [Line; 4],
}

/// A cache line of its own.
#[repr(align(128))]
struct Line(AtomicUsize);

type Pairs<S> = [Pair<S>; 2];

impl<S: Scheme<Barrier = Broken>> Pair<S> {
    #[expect(
        clippy::declare_interior_mutable_const,
        reason = "only statics start with it"
    )]
    const NEW: Self = Self {
        world: World::new(Config::new().batch::<1>().barrier(Broken)),
        begun: Line(AtomicUsize::new(0)),
        ended: Line(AtomicUsize::new(0)),
        noise: [const { Line(AtomicUsize::new(0)) }; 4],
    };
}

pub fn suite<B: Board>(board: &B, team: &Team) {
    static BASIC: Pairs<Basic<Broken>> = [const { Pair::NEW }; 2];
    hunt(&BASIC, board, team, "Basic");
    // On 32-bit targets robust readers publish an era of two words with a Release
    // store, which the emulator makes a full fence: what queued up in front of
    // "active" has drained then, and the few nanoseconds that are left do not show.
    #[cfg(target_pointer_width = "64")]
    {
        static ROBUST: Pairs<hyaline::Robust<Broken>> = [const { Pair::NEW }; 2];
        hunt(&ROBUST, board, team, "Robust");
    }
}

fn hunt<S: Scheme>(pairs: &'static Pairs<S>, board: &impl Board, team: &Team, label: &str) {
    static MOST: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: the next rendezvous orders it.
    team.leader(board, || MOST.store(0, Ordering::Relaxed));
    let pair = &pairs[team.core / 2];
    let rounds = match team.core % 2 {
        0 => pair.write(board, &|| caught(pairs)),
        _ => pair.read(board, &|| caught(pairs)),
    };
    // Relaxed: read after the rendezvous.
    MOST.fetch_max(rounds, Ordering::Relaxed);
    team.leader(board, || {
        // Relaxed: as above.
        let rounds = MOST.load(Ordering::Relaxed);
        if !board.owns_its_cores() && !caught(pairs) {
            board.print(format_args!(
                "{label} with a broken barrier: not caught in {rounds} rounds"
            ));
            return;
        }
        assert!(
            caught(pairs),
            "{label}: a barrier that does nothing passes as sound"
        );
        board.print(format_args!(
            "{label} with a broken barrier: caught in round {rounds}"
        ));
    });
}

fn caught<S: Scheme>(pairs: &Pairs<S>) -> bool {
    pairs.iter().any(|pair| pair.world.ledger.torn() > 0)
}

/// Some steps of one instruction or two; the two sides wait differently long, so that
/// over the rounds they meet at every distance.
fn delay(steps: usize) {
    (0..steps).for_each(|step| {
        black_box(step);
    });
}

impl<S: Scheme> Pair<S> {
    /// Waits until the other side has come to this round; false at the end of the hunt.
    fn meet(line: &Line, round: usize, board: &impl Board, caught: &dyn Fn() -> bool) -> bool {
        let mut tries = 0u32;
        // Acquire: the other side's round is over, or its preparations are.
        while line.0.load(Ordering::Acquire) < round {
            if caught() {
                return false;
            }
            // Giving the processor away each time would keep the two sides apart.
            tries = tries.wrapping_add(1);
            if tries.is_multiple_of(4096) {
                board.relax();
            }
        }
        true
    }

    /// Replaces the node once a round.
    fn write(&'static self, board: &impl Board, caught: &dyn Fn() -> bool) -> usize {
        let handle = self.world.register();
        for round in 1..rounds(board) {
            let node = self.world.shelves[0].make(&handle, &self.world.ledger);
            // Relaxed: only where the lines are matters, not what they hold.
            self.noise
                .iter()
                .for_each(|line| line.0.store(round, Ordering::Relaxed));
            // Release: pairs with the Acquire in `meet`.
            self.begun.0.store(round, Ordering::Release);
            delay(round % 61);
            match node {
                Some(node) => self.world.exchange(&handle, node),
                None => drop(handle.flush()),
            }
            if !Self::meet(&self.ended, round, board, caught) {
                return round;
            }
        }
        rounds(board)
    }

    /// Reads the node once a round.
    fn read(&'static self, board: &impl Board, caught: &dyn Fn() -> bool) -> usize {
        let handle = self.world.register();
        for round in 1..rounds(board) {
            if !Self::meet(&self.begun, round, board, caught) {
                return round;
            }
            delay(round % 43);
            // Relaxed: only where the lines are matters. These stores miss the cache
            // and queue up in front of the store of "active": it stays in the store
            // buffer longer, while the loads behind it go ahead.
            self.noise
                .iter()
                .for_each(|line| line.0.store(round, Ordering::Relaxed));
            let guard = handle.enter();
            self.world.look(&guard, 64);
            drop(guard);
            // Release: pairs with the Acquire in `meet`.
            self.ended.0.store(round, Ordering::Release);
        }
        rounds(board)
    }
}
