//! A batch: retired objects that share one reference count.
//!
//! While it grows it belongs to one slot: a ring through `chain`, of which
//! only the last object is kept. When it is published, the last object becomes
//! the *counting object*: its `refs` word is the count, and the others that
//! serve as link cells point to it with theirs. A link cell can be the
//! counting object itself, so a batch of `len` objects serves `len` slots.
//!
//! A count is kept as the odd number `1 + 2 * references`, a pointer is even:
//! the word tells what it is.

use core::ptr;

#[cfg(hyaline_loom)]
use crate::sync::FetchByte as _;
use crate::{
    Link,
    sync::{Cell, Ordering, impl_init},
};

/// The count of a batch to which nobody holds a reference.
const NONE: usize = 1;
/// One reference.
const ONE: usize = 2;

/// A batch that grows, kept in its owner's slot.
pub(crate) struct Batch {
    /// The last object of the ring; null while there is none.
    last: Cell<*mut Link>,
    /// Objects that may still join before the next try to publish.
    pub(crate) room: Cell<usize>,
}

impl_init!(
    Batch = Batch {
        last: Cell::new(ptr::null_mut()),
        room: Cell::new(0),
    }
);

impl Batch {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.last.get().is_null()
    }

    /// The last object, or null.
    #[inline]
    pub(crate) fn last(&self) -> *mut Link {
        self.last.get()
    }

    /// Adds a retired object.
    ///
    /// # Safety
    ///
    /// The object is retired and belongs to the caller; its header is valid.
    #[inline]
    pub(crate) unsafe fn push(&self, link: *mut Link) {
        let last = self.last.get();
        // SAFETY: `link` is the caller's, `last` this batch's.
        unsafe {
            if last.is_null() {
                (*link).chain.set(link);
            } else {
                (*link).chain.set((*last).chain.get());
                (*last).chain.set(link);
            }
        }
        self.last.set(link);
    }

    /// Takes the ring out; the caller has its last object, or null.
    #[inline]
    pub(crate) fn take(&self) -> *mut Link {
        self.last.replace(ptr::null_mut())
    }
}

/// Makes `counting` the counting object of its batch.
///
/// # Safety
///
/// The batch is the caller's and not published yet.
pub(super) unsafe fn start_count(counting: *mut Link) {
    // SAFETY: the caller's. Relaxed: the push of a link cell releases it.
    unsafe {
        (*counting)
            .refs
            .store(ptr::without_provenance_mut(NONE), Ordering::Relaxed);
    }
}

/// Points a link cell to its counting object.
///
/// # Safety
///
/// Both are of one batch, the caller's; the cell is not pushed yet.
pub(super) unsafe fn point_to(cell: *mut Link, counting: *mut Link) {
    if cell != counting {
        // SAFETY: the caller's. Relaxed: the push of this cell releases it.
        unsafe { (*cell).refs.store(counting, Ordering::Relaxed) };
    }
}

/// Adds the references that were given out. Returns whether all of them are
/// dropped again.
///
/// Up to here every drop took the count below [`NONE`], so that nobody else
/// can find it at zero.
///
/// # Safety
///
/// `counting` counts a batch that the caller published and has not added to.
pub(super) unsafe fn add_count(counting: *mut Link, references: usize) -> bool {
    // SAFETY: the batch lives until its count is zero, which it cannot be
    // before this.
    let refs = unsafe { &(*counting).refs };
    // AcqRel, with the drops. If the last drop comes before this, Acquire:
    // its section's accesses happen before our reclaim. If it comes after,
    // Release: this very access of the count happens before the other's
    // reclaim, which may free it.
    let before = refs.fetch_byte_add(references * ONE, Ordering::AcqRel);
    before.addr().wrapping_add(references * ONE) == NONE
}

/// Drops the reference that a link cell stands for. Returns the counting
/// object if it was the last: the batch is then the caller's.
///
/// # Safety
///
/// The cell was taken from an inbox by the caller, and not dropped before.
pub(super) unsafe fn drop_reference(cell: *mut Link) -> Option<*mut Link> {
    // SAFETY: the reference keeps the batch alive.
    // Relaxed: the take of the inbox acquired the word; if it is a count it
    // stays odd.
    let word = unsafe { (*cell).refs.load(Ordering::Relaxed) };
    let counting = if word.addr() & 1 == 0 { word } else { cell };
    // SAFETY: as above.
    let refs = unsafe { &(*counting).refs };
    // AcqRel. Release: all accesses of our sections happen before the reclaim
    // by whoever drops the last reference. Acquire: if that is us, those of
    // all others happen before ours.
    let before = refs.fetch_byte_sub(ONE, Ordering::AcqRel);
    (before.addr() == NONE + ONE).then_some(counting)
}
