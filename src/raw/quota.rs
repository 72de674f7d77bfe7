//! How much a slot's owner retires before it publishes, and reclaims in one call.

use core::num::NonZeroU16;

use crate::sync::{Cell, impl_init};

/// The objects to retire before the next publish. Never 0 in a claimed slot.
pub(super) struct Room(Cell<u16>);

impl_init!(Room = Room(Cell::new(0)));

impl Room {
    /// Starts a batch of this size.
    #[inline]
    pub(super) fn start(&self, objects: u16) {
        self.0.set(objects);
    }

    /// Has the next object published at once.
    #[inline]
    pub(super) fn start_last(&self) {
        self.start(1);
    }

    /// Counts an object. True if the batch is full.
    #[inline(always)]
    pub(super) fn count(&self) -> bool {
        // One decrement in place.
        let room = self.0.get().wrapping_sub(1);
        self.0.set(room);
        room == 0
    }

    /// Lets at most so many more objects into the batch; at least 1.
    #[inline(always)]
    pub(super) fn cap(&self, most: u16) {
        if self.0.get() > most {
            self.0.set(most);
        }
    }
}

/// The number of reclaimers that one call may run; 0 is no limit.
pub(crate) struct Limit(Cell<u16>);

impl_init!(Limit = Limit(Cell::new(0)));

impl Limit {
    #[inline]
    pub(crate) fn set(&self, limit: Option<NonZeroU16>) {
        self.0.set(limit.map_or(0, NonZeroU16::get));
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<NonZeroU16> {
        NonZeroU16::new(self.0.get())
    }
}
