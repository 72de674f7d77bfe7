//! When a full batch is published: the batching policy. The callers say what happens;
//! `Config::batch` is the size.

use crate::{
    config::Settings,
    sync::{Cell, impl_init},
};

/// The objects to retire before the next publish. Never 0 in a claimed slot.
pub(super) struct Batch(Cell<u16>);

impl_init!(Batch = Batch(Cell::new(0)));

impl Batch {
    /// A batch begins, after a claim or a publish.
    #[inline]
    pub(super) fn begin(&self, settings: &Settings) {
        // `Config::batch` allows at most `u16::MAX`.
        self.0.set(settings.batch() as u16);
    }

    /// Something waits that the owner's next publish takes: what an earlier owner
    /// retired, or what a limit, a panic or a running reclaimer left. So the next
    /// object is published at once. Otherwise the objects of owners that retire fewer
    /// than a batch and die would accumulate, and so would what each call leaves.
    #[inline]
    pub(super) fn end_with_next(&self) {
        self.0.set(1);
    }

    /// An unprotected slot has no batches: its objects wait for no section.
    #[inline]
    pub(super) fn unlimited(&self) {
        self.0.set(u16::MAX);
    }

    /// Counts an object that was retired. True if the batch is full.
    #[inline(always)]
    pub(super) fn count(&self) -> bool {
        // One decrement in place.
        let left = self.0.get().wrapping_sub(1);
        self.0.set(left);
        left == 0
    }

    /// Lets at most a quarter of a pool's blocks wait for a full batch; `blocks`
    /// is their number, 0 if there is no pool.
    ///
    /// No section is known to hold what waits for a full batch. But a context that
    /// preempts this slot's next section, and finds no free block, can only
    /// publish it, and then that section holds it.
    #[inline(always)]
    pub(super) fn cap(&self, blocks: usize) {
        if blocks == 0 {
            return;
        }
        let most = (blocks / 4).clamp(1, u16::MAX.into()) as u16;
        if self.0.get() > most {
            self.0.set(most);
        }
    }
}
