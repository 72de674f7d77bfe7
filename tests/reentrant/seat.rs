//! The users of the slots, and what their sections may use.

use std::cell::{Cell, RefCell};

use super::{
    frames::{self, Place},
    run::Object,
    side::Side,
    task::Task,
};

/// A user of a slot.
pub struct Seat {
    pub task: Box<dyn Task>,
    /// The limit of its reclaimers, 0 for none.
    pub limit: Cell<usize>,
    /// The numbers of the objects that its section may use.
    pub held: RefCell<Vec<usize>>,
    /// Its calls under way.
    pub busy: Cell<usize>,
    /// A context that must not use it preempts one that does.
    pub locked: Cell<usize>,
}

pub struct Busy<'a>(&'a Cell<usize>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Seat {
    pub fn new(task: Box<dyn Task>, limit: usize) -> Self {
        Self {
            task,
            limit: Cell::new(limit),
            held: RefCell::default(),
            busy: Cell::new(0),
            locked: Cell::new(0),
        }
    }

    pub fn slot(&self) -> usize {
        self.task.id().slot()
    }

    pub fn is_idle(&self) -> bool {
        self.busy.get() == 0 && self.locked.get() == 0
    }

    pub fn is_locked(&self) -> bool {
        self.locked.get() > 0
    }

    /// It is in use until this is dropped.
    pub fn busy(&self) -> Busy<'_> {
        self.busy.set(self.busy.get() + 1);
        Busy(&self.busy)
    }

    /// Makes a call that drains up to the limit.
    pub fn call<T>(&self, side: &Side, f: impl FnOnce(&dyn Task) -> T) -> T {
        self.call_most(side, most(&*self.task, self.limit.get()), f)
    }

    /// Makes a call that reclaims so much.
    pub fn call_most<T>(&self, side: &Side, most: usize, f: impl FnOnce(&dyn Task) -> T) -> T {
        let _busy = self.busy();
        frames::call(side, Place::Slot(self.slot()), most, || f(&*self.task))
    }

    /// The section may use it until it ends.
    pub fn hold(&self, object: *mut Object) {
        if !object.is_null() {
            // SAFETY: it is protected now, or not shared yet.
            let id = unsafe { (&*object).id };
            self.held.borrow_mut().push(id);
        }
    }

    /// The section does not use it any more.
    pub fn release(&self, object: *mut Object) {
        // SAFETY: it was not retired yet.
        let id = unsafe { (&*object).id };
        self.held.borrow_mut().retain(|held| *held != id);
    }

    /// One of the guards is about to end. If it is the last one, the section does.
    pub fn ends(&self) {
        if self.task.guards() == 1 && self.task.idle_guards() == 1 {
            self.held.borrow_mut().clear();
        }
    }
}

/// How much a call of this user may reclaim.
pub fn most(task: &dyn Task, limit: usize) -> usize {
    match limit {
        _ if !task.handle().is_eager() => 0,
        0 => usize::MAX,
        limit => limit,
    }
}
