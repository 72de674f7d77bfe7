//! Snapshots of the slots. They order nothing.

use core::fmt;

use super::{EraPolicy, Global, Scheme, owner::OwnerWord};
use crate::HandleId;

/// A snapshot of a slot, from [`Collector::slots`](crate::CollectorView::slots).
///
/// ```
/// let collector = hyaline::Collector::<2>::new();
/// let reader = collector.register()?;
/// let guard = reader.enter();
/// for state in collector.slots() {
///     println!("{state}"); // slot 0: active; slot 1: free
/// }
/// # assert!(collector.slots().next().unwrap().to_string().starts_with("slot 0: active"));
/// # Ok::<(), hyaline::SlotsExhausted>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct SlotState {
    /// The number of the slot.
    pub slot: usize,
    /// The slot's owner, if it has one: for
    /// [`Collector::evict`](crate::CollectorView::evict).
    pub owner: Option<HandleId>,
    /// The number of open guards; the slot is active if there are any.
    pub guards: usize,
    /// Whether objects wait for the end of its section, or for a call that sees
    /// that it has ended.
    pub waiting: bool,
    /// The age of the section: eras since it began in robust mode, batches
    /// published since then in basic mode with feature `stats`. `None` if it is not
    /// known, or no section is open.
    pub age: Option<u64>,
    /// Eras since the section last loaded a pointer, or protected or retired an
    /// object of its own. `None` in basic mode, or if no section is open.
    pub since_read: Option<u64>,
}

impl<S: Scheme> Global<S> {
    /// A snapshot of a slot.
    pub(crate) fn state(&self, index: usize) -> Option<SlotState> {
        let slot = self.slots.get(index)?;
        let owner = slot.owner();
        let guards = slot.section.look().depth();
        let ages = S::Eras::ages(&self.clock, &slot.eras);
        let (age, since_read) = ages.unzip();
        let age = age.or_else(|| slot.tally.age(&self.totals));
        Some(SlotState {
            slot: index,
            owner: OwnerWord::is_claimed(owner).then_some(HandleId { slot: index, owner }),
            guards,
            waiting: !slot.inbox.seems_empty(),
            age: age.filter(|_| guards > 0),
            since_read: since_read.filter(|_| guards > 0),
        })
    }

    /// Samples the number of pending objects.
    #[inline]
    pub(super) fn sample(&self) {
        self.totals
            .sample(|| self.slots.iter().map(|slot| &slot.tally));
    }

    #[cfg(feature = "stats")]
    pub(crate) fn stats(&self) -> super::Stats {
        self.totals
            .stats(|| self.slots.iter().map(|slot| &slot.tally))
    }
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.owner, self.guards) {
            (None, _) => "free",
            (Some(_), 0) => "idle",
            _ => "active",
        };
        write!(f, "slot {}: {state}", self.slot)?;
        if let Some(age) = self.age {
            write!(f, ", age {age}")?;
        }
        if self.waiting {
            write!(f, ", batches wait")?;
        }
        Ok(())
    }
}
