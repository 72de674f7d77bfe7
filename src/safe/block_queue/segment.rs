//! A segment of a block queue: cells that pushes claim one after another, and
//! pops in the same order.
//!
//! A cell is *empty* until the push that claimed it puts its value: then it is
//! *full*, and stays so, as the pop that claims it is the only one that reads it.
//! A pop that claims a cell whose push is not that far marks it *skipped*; the
//! push finds that, keeps its value, and claims another cell. So neither waits
//! for the other.
//!
//! **When a pop finds nothing.** It loads the number of pops, `i`, and so acquires
//! all pops that have claimed the cells before. It claims nothing if cell `i` is empty,
//! as are those that follow up to the number of pushes, and if there is no next
//! segment. Was the queue empty then? A push that happened before this call counts in
//! the number that is loaded, and its cell is full, or it is in the next segment. So it
//! was in a cell before `i`, and the pop of that cell is acquired. All others can be
//! thought to come later.
//!
//! So a pop skips a cell only if there is a value in a later one, and then the push of
//! that has put it: while some calls are made to begin again, others end.

use core::{cell::UnsafeCell, fmt, mem::MaybeUninit, ptr};

use super::super::node::loom_access;
use crate::{
    Linked,
    padding::Line,
    sync::{Access, AtomicHalf, AtomicPtr, AtomicUsize, Half, IN_MODEL, Ordering},
};

/// A segment of a [`BlockQueue`](super::BlockQueue), of `B` values: what a pool
/// that several of them share is made of. Nobody else can make or open one.
///
/// ```
/// use hyaline::{Collector, Pool, domain, safe::{BlockQueue, Segment, SharedPool}};
///
/// domain!(App: Collector<4> = Collector::new());
/// static SEGMENTS: Pool<Segment<u32, 16>, 8> = Pool::new();
/// static URGENT: BlockQueue<u32, 16, 8, App, SharedPool> = BlockQueue::in_pool(&SEGMENTS);
/// static OTHERS: BlockQueue<u32, 16, 8, App, SharedPool> = BlockQueue::in_pool(&SEGMENTS);
/// # assert_eq!(SEGMENTS.available(), 8);
/// ```
pub struct Segment<T, const B: usize> {
    /// Prepared in place: it may be too large for a stack.
    fields: MaybeUninit<Fields<T, B>>,
}

/// What pushes write, what pops write, and what both read have cache lines of their own.
#[repr(C)]
pub(super) struct Fields<T, const B: usize> {
    pushes: Padded<AtomicUsize>,
    pops: Padded<AtomicUsize>,
    after: Padded<After<T, B>>,
    cells: [Cell<T>; B],
}

struct Padded<T>(T, Line);

struct After<T, const B: usize> {
    next: AtomicPtr<Linked<Segment<T, B>>>,
    /// How many segments the queue had before, wrapping around.
    number: usize,
    /// Written by `prepare`, read by the others: for loom.
    prepared: Access,
}

struct Cell<T> {
    state: AtomicHalf,
    /// There if the cell is full and not claimed by a pop.
    value: UnsafeCell<MaybeUninit<T>>,
}

const EMPTY: Half = 0;
const FULL: Half = 1;
const SKIPPED: Half = 2;

/// Pushes that find a segment full are counted up to here, and then from 1 again.
const MOST_BEYOND: usize = if IN_MODEL { 1 } else { 1000 };

/// What a pop finds first in a segment.
enum Front<N> {
    /// A value, or a push that others have overtaken, is in this cell.
    Cell(usize),
    /// There was no value.
    Nothing,
    /// All cells were claimed by pushes, and this segment follows.
    Followed(N),
}

/// What a pop takes from a segment.
pub(super) enum Taken<T, N> {
    /// A value; and the next segment, if this one is used up with it.
    Value(T, Option<N>),
    /// There was no value.
    Nothing,
    /// The segment is used up, and this one follows.
    Followed(N),
}

type Ptr<T, const B: usize> = *mut Linked<Segment<T, B>>;

impl<T, const B: usize> Segment<T, B> {
    /// Makes a segment without values.
    ///
    /// # Safety
    ///
    /// `this` is valid, and the caller's alone.
    pub(super) unsafe fn prepare(this: Ptr<T, B>, number: usize) {
        // SAFETY: valid, and ours (# Safety).
        unsafe {
            let fields = (&raw mut (*this).value.fields).cast::<Fields<T, B>>();
            (&raw mut (*fields).pushes.0).write(AtomicUsize::new(0));
            (&raw mut (*fields).pops.0).write(AtomicUsize::new(0));
            let after = After {
                next: AtomicPtr::new(ptr::null_mut()),
                number,
                prepared: Access::new(),
            };
            after.prepared.write();
            (&raw mut (*fields).after.0).write(after);
            let cells = (&raw mut (*fields).cells).cast::<Cell<T>>();
            for index in 0..B {
                (&raw mut (*cells.add(index)).state).write(AtomicHalf::new(EMPTY));
            }
        }
    }

    /// The fields of a segment.
    ///
    /// # Safety
    ///
    /// It is prepared, and protected (or the caller's alone) for as long as the
    /// result is used.
    #[inline]
    pub(super) unsafe fn fields<'s>(this: Ptr<T, B>) -> &'s Fields<T, B> {
        // SAFETY: prepared and protected (# Safety). What is written while the
        // result lives is in cells.
        unsafe {
            loom_access(this);
            let fields = (*this).value.fields.assume_init_ref();
            fields.after.0.prepared.read();
            fields
        }
    }
}

impl<T, const B: usize> fmt::Debug for Segment<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").finish_non_exhaustive()
    }
}

impl<T, const B: usize> Fields<T, B> {
    /// Cells in a cache line. 1 where there are no caches, and nothing to compute.
    const IN_LINE: usize = match align_of::<Line>() / size_of::<Cell<T>>() {
        0 => 1,
        cells => cells,
    };
    /// Lines that are full of cells.
    const LINES: usize = B / Self::IN_LINE;

    /// Where the cell number `index` is. Successive ones are on different lines, as they
    /// are written at the same time.
    #[inline]
    fn place(index: usize) -> usize {
        if Self::IN_LINE == 1 || index >= Self::LINES * Self::IN_LINE {
            return index;
        }
        index % Self::LINES * Self::IN_LINE + index / Self::LINES
    }

    #[inline]
    fn cell(&self, index: usize) -> &Cell<T> {
        &self.cells[Self::place(index)]
    }

    /// The place of the next segment.
    #[inline]
    pub(super) fn next(&self) -> &AtomicPtr<Linked<Segment<T, B>>> {
        &self.after.0.next
    }

    /// How many segments the queue had before.
    #[inline]
    pub(super) fn number(&self) -> usize {
        self.after.0.number
    }

    /// Puts a value, unless the segment is full.
    #[inline]
    pub(super) fn put(&self, mut value: T) -> Result<(), T> {
        loop {
            // Relaxed: makes indices; the value travels with the cell's state.
            let index = self.pushes.0.fetch_add(1, Ordering::Relaxed);
            if index >= B {
                if index >= B + MOST_BEYOND {
                    // Pushes that are refused must not count until it wraps. Still
                    // more than B: see `has_later`. Relaxed: as above.
                    self.pushes.0.store(B + 1, Ordering::Relaxed);
                }
                return Err(value);
            }
            // SAFETY: the number is this call's alone, as it wraps nowhere.
            match unsafe { self.cell(index).put(value) } {
                Ok(()) => return Ok(()),
                Err(back) => value = back,
            }
        }
    }

    /// Takes the first value.
    #[inline]
    pub(super) fn take(&self) -> Taken<T, Ptr<T, B>> {
        loop {
            let (index, next) = match self.front() {
                Front::Nothing => return Taken::Nothing,
                Front::Followed(next) => {
                    // Release, and below: pairs with the Acquire in `front`. Without
                    // it a later pop could find that the cell after this one is
                    // empty, though this call began after the push into that.
                    let index = self.pops.0.fetch_add(1, Ordering::Release);
                    if index >= B {
                        return Taken::Followed(next);
                    }
                    (index, (index == B - 1).then_some(next))
                }
                Front::Cell(index) => {
                    // Relaxed on failure: it is loaded again.
                    let (success, failure) = (Ordering::Release, Ordering::Relaxed);
                    let claimed = self
                        .pops
                        .0
                        .compare_exchange(index, index + 1, success, failure);
                    if claimed.is_err() {
                        continue;
                    }
                    (index, None)
                }
            };
            // SAFETY: the number is this call's alone.
            if let Some(value) = unsafe { self.cell(index).take() } {
                return Taken::Value(value, next);
            }
        }
    }

    /// What is first in the segment.
    #[inline]
    fn front(&self) -> Front<Ptr<T, B>> {
        // Acquire, also below: pairs with the Release of the append; without it
        // the next segment might not be prepared when it becomes the head.
        let next = self.next().load(Ordering::Acquire);
        if !next.is_null() {
            return Front::Followed(next);
        }
        // Acquire: pairs with the Release in `take`, see there and the module.
        let index = self.pops.0.load(Ordering::Acquire);
        if index >= B {
            // Again: the last pop here may have seen one.
            let next = self.next().load(Ordering::Acquire);
            return match next.is_null() {
                true => Front::Nothing,
                false => Front::Followed(next),
            };
        }
        if self.cell(index).is_empty() && !self.has_later(index) {
            return Front::Nothing;
        }
        Front::Cell(index)
    }

    /// Whether there is a value, or was one during the call.
    pub(super) fn has_value(&self) -> bool {
        !matches!(self.front(), Front::Nothing)
    }

    /// Whether a cell after this one, or a later segment, has a value, or had one.
    #[cold]
    fn has_later(&self, index: usize) -> bool {
        for later in index + 1..B {
            // Relaxed: what happened before this call is seen. It is at most `later`
            // only if no push has claimed that cell, or found the segment full.
            if self.pushes.0.load(Ordering::Relaxed) <= later {
                return false;
            }
            if !self.cell(later).is_empty() {
                return true;
            }
        }
        // Relaxed: as above; it is loaded again where it is used.
        !self.next().load(Ordering::Relaxed).is_null()
    }

    /// How many pops, and how many pushes, have claimed a cell.
    pub(super) fn counts(&self) -> [usize; 2] {
        // Relaxed, both: numbers.
        [&self.pops, &self.pushes].map(|count| count.0.load(Ordering::Relaxed).min(B))
    }

    /// Takes the next value of a segment that the caller has alone.
    ///
    /// # Safety
    ///
    /// No other call uses it, or will.
    pub(super) unsafe fn take_alone(&self) -> Option<T> {
        // Relaxed: we have it alone.
        loop {
            let [index, pushes] = self.counts();
            if index >= pushes {
                return None;
            }
            self.pops.0.store(index + 1, Ordering::Relaxed);
            // SAFETY: the number is this call's alone, as no other counts
            // (# Safety).
            if let Some(value) = unsafe { self.cell(index).take() } {
                return Some(value);
            }
        }
    }
}

impl<T> Cell<T> {
    #[inline]
    fn is_empty(&self) -> bool {
        // Relaxed: what happened before this call is seen; `take` loads it again.
        self.state.load(Ordering::Relaxed) == EMPTY
    }

    /// Puts a value; hands it back if a pop skipped the cell.
    ///
    /// # Safety
    ///
    /// Of all pushes, the cell is this one's.
    #[inline]
    unsafe fn put(&self, value: T) -> Result<(), T> {
        // SAFETY: of all pushes it is ours (# Safety), and a pop does not look
        // before the cell is full.
        unsafe { (*self.value.get()).write(value) };
        // Release: pairs with the Acquire in `take`; without it the value might not
        // be there yet. Relaxed on failure: nothing is read from the pop.
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        match self.state.compare_exchange(EMPTY, FULL, success, failure) {
            Ok(_) => Ok(()),
            // SAFETY: written above, and read once: the pop has not seen a value.
            Err(_) => Err(unsafe { (*self.value.get()).assume_init_read() }),
        }
    }

    /// Takes the value; skips the cell if its push has not put one.
    ///
    /// # Safety
    ///
    /// Of all pops, the cell is this one's.
    #[inline]
    unsafe fn take(&self) -> Option<T> {
        // Acquire, both: pairs with the Release in `put`; without it the value
        // might not be there yet. A full cell is not written to: so its line is
        // shared with the other pops.
        if self.state.load(Ordering::Acquire) != FULL
            && self.state.swap(SKIPPED, Ordering::Acquire) != FULL
        {
            return None;
        }
        // SAFETY: put, and of all pops it is ours (# Safety): read once.
        Some(unsafe { (*self.value.get()).assume_init_read() })
    }
}

#[cfg(all(test, hyaline_loom))]
#[path = "models.rs"]
mod models;

#[cfg(all(test, not(hyaline_loom)))]
mod tests {
    use super::{Cell, Fields, Line};

    fn each_has_its_place<const B: usize>() {
        let mut places: [usize; B] = core::array::from_fn(Fields::<usize, B>::place);
        let cells = align_of::<Line>() / size_of::<Cell<usize>>();
        // With fewer than two lines there is no other line.
        if cells > 1 && B >= 2 * cells {
            let full = B - B % cells;
            let lines = |pair: &[usize]| pair[0] / cells != pair[1] / cells;
            assert!(places[..full].windows(2).all(lines), "{B} cells");
        }
        places.sort_unstable();
        assert!(places.into_iter().eq(0..B), "{B} cells");
    }

    #[test]
    fn each_cell_has_a_place_and_neighbours_another_line() {
        each_has_its_place::<1>();
        each_has_its_place::<7>();
        each_has_its_place::<8>();
        each_has_its_place::<9>();
        each_has_its_place::<16>();
        each_has_its_place::<31>();
        each_has_its_place::<100>();
        each_has_its_place::<1024>();
    }
}
