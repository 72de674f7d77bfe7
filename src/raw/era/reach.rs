//! The range of objects that a section can hold, by the eras that its slot
//! shows.

use crate::notes::Lifetime;

/// The eras that a slot shows of its section.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// Not later than the era in which the section began.
    pub(super) began: u64,
    /// Not earlier than any era in which it loaded a pointer that it holds.
    pub(super) access: u64,
}

impl Reach {
    #[inline]
    pub(super) fn may_hold(self, object: &Lifetime) -> bool {
        self.began <= object.retired && object.birth <= self.access
    }
}
