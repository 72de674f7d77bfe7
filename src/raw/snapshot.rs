//! A snapshot of the slots. It orders nothing.

use super::{EraPolicy, Global, Scheme, owner::OwnerWord};
#[cfg(feature = "stats")]
use crate::Stats;
use crate::{HandleId, SlotState};

impl<S: Scheme> Global<S> {
    /// What a slot does now.
    pub(crate) fn state(&self, index: usize) -> Option<SlotState> {
        let slot = self.slots.get(index)?;
        let owner = slot.owner();
        let guards = slot.section.look().depth();
        let age = S::Eras::age(&self.clock, &slot.eras).or_else(|| slot.tally.age(&self.totals));
        Some(SlotState {
            slot: index,
            owner: OwnerWord::is_claimed(owner).then_some(HandleId { slot: index, owner }),
            guards,
            waiting: !slot.inbox.seems_empty(),
            age: age.filter(|_| guards > 0),
        })
    }

    /// Notes how many objects are pending.
    #[inline]
    pub(super) fn sample(&self) {
        self.totals
            .sample(|| self.slots.iter().map(|slot| &slot.tally));
    }

    #[cfg(feature = "stats")]
    pub(crate) fn stats(&self) -> Stats {
        let (retired, reclaimed) = self
            .totals
            .sums(|| self.slots.iter().map(|slot| &slot.tally));
        Stats {
            retired,
            reclaimed,
            // Relaxed: a number for a person to read.
            peak: self.totals.peak.load(core::sync::atomic::Ordering::Relaxed),
        }
    }
}
