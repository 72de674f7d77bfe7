//! Cores wait for each other between the phases of a test.

use crate::board::Board;
use portable_atomic::{AtomicUsize, Ordering};

/// A meeting point that the same cores can use any number of times.
pub struct Rendezvous(AtomicUsize);

impl Rendezvous {
    pub const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }
}

/// The role of one core among the cores that run a test together.
pub struct Team {
    pub core: usize,
    pub cores: usize,
    pub meet: &'static Rendezvous,
}

impl Team {
    /// Returns when every core has called it as often as this one.
    pub fn wait(&self, board: &impl Board) {
        // AcqRel: what a core did before it arrived is visible to all that
        // leave.
        let before = self.meet.0.fetch_add(1, Ordering::AcqRel);
        let target = (before / self.cores + 1) * self.cores;
        // Acquire: pairs with the arrivals of the others.
        while self.meet.0.load(Ordering::Acquire) < target {
            board.relax();
        }
    }

    /// Core 0 alone runs the body; the others wait for it.
    pub fn leader(&self, board: &impl Board, body: impl FnOnce()) {
        self.wait(board);
        if self.core == 0 {
            body();
        }
        self.wait(board);
    }
}
