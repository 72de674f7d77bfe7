//! The state of a run: the random numbers, the calls that are left, and the objects,
//! which make random calls when they are reclaimed.

use std::{
    cell::{Cell, RefCell},
    mem,
    panic::resume_unwind,
    ptr,
    thread::panicking,
};

use hyaline::{Linked, Pool};

pub use super::random::random;
use super::{calls, frames, side::Side};

thread_local! {
    /// How many calls this step may still make, and how deep they are.
    static BUDGET: Cell<u32> = const { Cell::new(0) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Each reclaimer of this step retires another object.
    static AGAIN: Cell<bool> = const { Cell::new(false) };
    /// A reclaimer of this step may panic, the first one that does.
    static PANICS: Cell<bool> = const { Cell::new(false) };
    static STATES: RefCell<Vec<State>> = const { RefCell::new(Vec::new()) };
    /// Null, or from a box.
    static SIDES: Cell<*mut [Side; 2]> = const { Cell::new(ptr::null_mut()) };
}

/// The payload of a reclaimer's panic.
pub struct OnPurpose;

/// Levels of calls in reclaimers and at barriers.
const DEEPEST: u32 = 40;

/// Begins a run.
pub fn begin(seed: u64) {
    super::random::seed(seed);
    calm();
    STATES.take();
}

/// From now on these make calls. A run that fails leaks them, with all that would fail
/// in their drops.
pub fn share(sides: [Side; 2]) {
    SIDES.set(Box::into_raw(Box::new(sides)));
}

/// Ends a run, and checks what its sides left.
pub fn end() {
    calm();
    (0..2).for_each(|number| side(number).end());
    // SAFETY: from `share`; all borrows have ended with the calls.
    drop(unsafe { Box::from_raw(SIDES.replace(ptr::null_mut())) });
}

pub fn side(number: usize) -> &'static Side {
    // SAFETY: it is there until `end`, after the last call.
    let sides = unsafe { SIDES.get().as_ref() };
    &sides.expect("a run")[number]
}

/// From now on reclaimers make no calls.
pub fn calm() {
    start(0, false, false);
}

/// Begins a step of so many calls at most.
pub fn start(calls: u32, again: bool, panics: bool) {
    BUDGET.set(calls);
    DEPTH.set(0);
    AGAIN.set(again);
    PANICS.set(panics);
}

pub fn has_budget() -> bool {
    BUDGET.get() > 0
}

/// Makes a random call on this side, if calls are left.
pub fn call(number: usize) {
    struct Level;
    impl Drop for Level {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
    let Some(left) = BUDGET.get().checked_sub(1) else {
        return;
    };
    BUDGET.set(left);
    if DEPTH.get() < DEEPEST {
        DEPTH.set(DEPTH.get() + 1);
        let _level = Level;
        calls::any(side(number));
    }
}

/// Calls `f`, which nothing preempts.
pub fn alone(f: impl FnOnce()) {
    let budget = BUDGET.replace(0);
    f();
    BUDGET.set(budget);
}

/// Calls `f`, in which no reclaimer panics: a barrier may not.
pub fn without_panics(f: impl FnOnce()) {
    let panics = PANICS.replace(false);
    f();
    PANICS.set(panics);
}

/// What user code does in a reclaimer, and where a value is dropped otherwise.
fn act(number: usize, is_reclaimer: bool) {
    // Without an end the call that runs these would have none.
    if let (true, Some(left)) = (is_reclaimer && AGAIN.get(), BUDGET.get().checked_sub(1)) {
        BUDGET.set(left);
        calls::again(side(number));
    }
    for _ in 0..random(3) {
        let other = random(5) == 0;
        call(if other { 1 - number } else { number });
    }
    // A second one during unwinding aborts, as `Reclaimer` documents.
    if PANICS.get() && !panicking() && random(16) == 0 {
        PANICS.set(false);
        resume_unwind(Box::new(OnPurpose));
    }
}

/// Where an object's memory comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Home {
    Box,
    Pool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    Retired,
    Gone,
}

pub struct Value {
    pub id: usize,
    pub home: Home,
    side: usize,
}

pub type Object = Linked<Value>;
/// An object whose reclaimer runs no user code.
pub type Plain = Linked<u32>;

/// A pool in which no handle keeps blocks, and one in which handles do.
#[derive(Default)]
pub struct Pools {
    pub plain: Pool<u32, PLAIN>,
    pub values: Pool<Value, VALUES>,
}

pub const PLAIN: usize = 4;
pub const VALUES: usize = 64;

impl Value {
    pub fn new(side: usize, home: Home) -> Self {
        STATES.with_borrow_mut(|states| {
            states.push(State::Live);
            let id = states.len() - 1;
            Self { id, home, side }
        })
    }

    /// It is about to be retired.
    pub fn retire(&self) {
        let state = self.change(State::Retired);
        assert_eq!(state, State::Live, "the test retires it once");
        let side = side(self.side);
        side.retired.set(side.retired.get() + 1);
    }

    fn change(&self, to: State) -> State {
        STATES.with_borrow_mut(|states| mem::replace(&mut states[self.id], to))
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        let state = self.change(State::Gone);
        assert_ne!(state, State::Gone, "{} is reclaimed twice", self.id);
        let side = side(self.side);
        // Also a value that was never retired may make calls in its drop.
        let _running = (state == State::Retired).then(|| {
            assert!(
                !side.is_held(self.id),
                "{} is reclaimed while held",
                self.id
            );
            frames::reclaims(side)
        });
        act(self.side, state == State::Retired);
    }
}

/// Of a callback; its word is the number of its side.
pub fn called(number: usize) {
    let _running = frames::reclaims(side(number));
    act(number, true);
}
