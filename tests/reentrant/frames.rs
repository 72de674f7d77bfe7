//! The calls under way, and what each may reclaim.
//!
//! - A reclaimer runs in a call on its collector, and not in a call that is made in a
//!   reclaimer on the same slot. So reclaimers nest at most once for each slot, besides
//!   those in `with_unprotected`.
//! - A call runs at most as many as its limit.

use std::{
    cell::{Cell, RefCell},
    thread::panicking,
};

use super::side::Side;

thread_local! {
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
    /// The most reclaimers that ran inside each other.
    static DEEPEST: Cell<usize> = const { Cell::new(0) };
}

pub fn deepest() -> usize {
    DEEPEST.get()
}

/// Which slot a call uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Slot(usize),
    /// That of a `with_unprotected`, with its number.
    Unprotected(usize),
}

/// A call under way.
#[derive(Debug)]
struct Frame {
    side: usize,
    place: Place,
    /// How many reclaimers it may run, has run, and whether one is running.
    most: usize,
    ran: usize,
    runs: bool,
}

/// Makes a call on this side and slot, which runs so many reclaimers at most.
pub fn call<T>(side: &Side, place: Place, most: usize, f: impl FnOnce() -> T) -> T {
    struct Pop;
    impl Drop for Pop {
        fn drop(&mut self) {
            FRAMES.with_borrow_mut(Vec::pop);
        }
    }
    // The call that runs the reclaimer continues with the work.
    let most = if is_running(side.number, place) {
        0
    } else {
        most
    };
    let frame = Frame {
        side: side.number,
        place,
        most,
        ran: 0,
        runs: false,
    };
    FRAMES.with_borrow_mut(|frames| frames.push(frame));
    let _pop = Pop;
    f()
}

/// Calls at the end of a run, of any handle and as many as are necessary.
pub fn unlimited<T>(side: &Side, f: impl FnOnce() -> T) -> T {
    call(side, Place::Unprotected(0), usize::MAX, f)
}

/// Whether no call is under way.
pub fn none() -> bool {
    FRAMES.with_borrow(Vec::is_empty)
}

/// Whether a reclaimer runs on this slot.
fn is_running(side: usize, place: Place) -> bool {
    let runs = |frame: &Frame| frame.runs && (frame.side, frame.place) == (side, place);
    FRAMES.with_borrow(|frames| frames.iter().any(runs))
}

/// The place of the innermost call, if it is on this side.
pub fn innermost(side: &Side) -> Option<Place> {
    FRAMES.with_borrow(|frames| {
        let frame = frames.last().filter(|frame| frame.side == side.number);
        frame.map(|frame| frame.place)
    })
}

/// A reclaimer that runs, in the frame with this number.
pub struct Running(usize);

impl Drop for Running {
    fn drop(&mut self) {
        FRAMES.with_borrow_mut(|frames| frames[self.0].runs = false);
    }
}

/// A reclaimer of this side begins.
pub fn reclaims(side: &Side) -> Running {
    side.reclaimed.set(side.reclaimed.get() + 1);
    let place = innermost(side).expect("in a call on another collector");
    assert!(
        !is_running(side.number, place),
        "a reclaimer runs inside another one of the same slot"
    );
    FRAMES.with_borrow_mut(|frames| {
        let number = frames.len() - 1;
        let frame = &mut frames[number];
        frame.ran += 1;
        frame.runs = true;
        // A panic ends a drain, and the drops during unwinding drain again.
        assert!(
            frame.ran <= frame.most || panicking(),
            "more than its limit: {frame:?}"
        );
        let nested = frames.iter().filter(|frame| frame.runs).count();
        DEEPEST.set(DEEPEST.get().max(nested));
        Running(number)
    })
}
