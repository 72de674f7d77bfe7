//! The objects, their reclaimers, and the log that these write.
//!
//! A reclaimer has only its link. It looks the address up before it touches
//! anything, so that the test reports a second call and does not crash.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
};

use hyaline::{Link, Linked, Pool, Reclaimer, reclaim};

/// A pool in which no handle keeps blocks, and one in which handles do.
pub const SIZES: [usize; 2] = [6, 40];

/// The most blocks that a handle keeps, as `Pool::alloc` documents.
pub fn kept_by_a_handle(pool: usize) -> usize {
    SIZES[pool] / 32
}

#[derive(Default)]
pub struct Pools {
    pub small: Pool<Body, { SIZES[0] }>,
    pub large: Pool<Body, { SIZES[1] }>,
}

/// Where an object's memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    Box,
    Pool(usize),
}

pub struct Body {
    pub id: usize,
    canary: Cell<u32>,
}

pub type Object = Linked<Body>;

const ALIVE: u32 = 0x600d_600d;
const DEAD: u32 = 0xdead_dead;

impl Body {
    pub fn new(id: usize) -> Self {
        Self {
            id,
            canary: Cell::new(ALIVE),
        }
    }

    pub fn is_alive(&self) -> bool {
        self.canary.get() == ALIVE
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.canary.set(DEAD);
    }
}

/// What the collector called.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    Reclaimed(usize),
    Called(usize),
    /// A reclaimer was called with an object that does not exist.
    Ghost,
}

/// An existing object: its number, its home, and the pointer to it.
type There = (usize, Home, *mut Object);

#[derive(Default)]
struct Log {
    /// The existing objects, by address.
    there: BTreeMap<usize, There>,
    events: Vec<Event>,
}

thread_local!(static LOG: RefCell<Log> = RefCell::default());

thread_local! {
    /// The reclaimer with this number from now on panics; 0: none does.
    static PANIC_IN: Cell<usize> = const { Cell::new(0) };
    /// One has panicked, and the interpreter has not noticed yet.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// The payload of a reclaimer's panic.
struct OnPurpose;

/// Makes a reclaimer panic after its work is done: the first, the second, or
/// none.
pub fn panic_in(reclaimers: usize) {
    PANIC_IN.set(reclaimers);
}

/// Called by each reclaimer at its end.
fn count_down() {
    let left = PANIC_IN.get();
    PANIC_IN.set(left.saturating_sub(1));
    if left == 1 {
        resume_unwind(Box::new(OnPurpose));
    }
}

/// Makes a call; returns `None` if a reclaimer panicked in it.
pub fn calm<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(panic) if panic.is::<OnPurpose>() => {
            PANICKED.set(true);
            None
        }
        Err(panic) => resume_unwind(panic),
    }
}

/// Whether a reclaimer has panicked since the last call of this function.
pub fn take_panicked() -> bool {
    PANICKED.take()
}

/// Forgets the remains of an earlier sequence, which exist if it failed.
pub fn reset_log() {
    LOG.take();
    PANIC_IN.take();
    PANICKED.take();
}

pub fn take_events() -> Vec<Event> {
    LOG.with_borrow_mut(|log| mem::take(&mut log.events))
}

/// Objects that are in a pool.
pub fn in_pool(pool: usize) -> usize {
    let here = |(_, home, _): &&There| *home == Home::Pool(pool);
    LOG.with_borrow(|log| log.there.values().filter(here).count())
}

/// Records a new object.
pub fn born(object: *mut Object, id: usize, home: Home) {
    let before = LOG.with_borrow_mut(|log| log.there.insert(object.addr(), (id, home, object)));
    assert!(
        before.is_none(),
        "the memory of {before:?} is allocated twice"
    );
}

/// Records that an object is gone, and returns what it was.
fn gone(address: usize) -> Option<There> {
    LOG.with_borrow_mut(|log| log.there.remove(&address))
}

/// Reads the number of an object.
pub fn id_of(object: *mut Object) -> Option<usize> {
    LOG.with_borrow(|log| log.there.get(&object.addr()).map(|there| there.0))
}

/// The address of the object with this number.
pub fn find(id: usize) -> Option<*mut Object> {
    LOG.with_borrow(|log| {
        let mut there = log.there.values();
        there.find(|(other, ..)| *other == id).map(|there| there.2)
    })
}

/// The reclaimer of all objects.
pub const RECLAIM: Reclaimer = reclaim;

unsafe fn reclaim(link: *mut Link) {
    let event = match gone(link.addr()) {
        // SAFETY: it exists, and the collector calls this once.
        Some((id, Home::Box, _)) => unsafe {
            reclaim::boxed::<Object>(link);
            Event::Reclaimed(id)
        },
        // SAFETY: it exists, and the collector calls this once.
        Some((id, Home::Pool(_), _)) => unsafe {
            reclaim::pooled::<Body>(link);
            Event::Reclaimed(id)
        },
        None => Event::Ghost,
    };
    LOG.with_borrow_mut(|log| log.events.push(event));
    count_down();
}

/// What callbacks call.
pub fn called(callback: usize) {
    LOG.with_borrow_mut(|log| log.events.push(Event::Called(callback)));
    count_down();
}

impl Pools {
    pub fn available(&self, pool: usize) -> usize {
        [self.small.available(), self.large.available()][pool]
    }

    /// Frees an object that is exclusively ours.
    pub fn free(&self, object: *mut Object) {
        // SAFETY: the object is exclusively ours, and from where the log says.
        match gone(object.addr()).expect("it is there").1 {
            // SAFETY: exclusively ours, and from a box.
            Home::Box => drop(unsafe { Box::from_raw(object) }),
            // SAFETY: exclusively ours, and from this pool.
            Home::Pool(0) => unsafe { self.small.free(object) },
            // SAFETY: exclusively ours, and from this pool.
            Home::Pool(_) => unsafe { self.large.free(object) },
        }
    }
}

/// An object that is exclusively ours, in a cell, or null.
pub const NONE: *mut Object = ptr::null_mut();
