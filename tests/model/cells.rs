//! Objects: made, put into cells, protected, retired.

use std::sync::atomic::Ordering::{AcqRel, Acquire};

use super::{
    object::{self, Body, Event, Home, NONE, Object, SIZES},
    ops::New,
    oracle::Call,
    world::World,
};

impl World {
    /// A new object, if there is room, or null if `new` says so. A section has
    /// no handle to make it with.
    pub fn make(&mut self, slot: usize, new: New) -> *mut Object {
        match new {
            New::Null => NONE,
            _ if self.actor(slot).is_section() => NONE,
            New::Boxed => {
                let id = self.oracle.born();
                let object = self.actor(slot).boxed(Body::new(id));
                self.oracle.made();
                object::born(object, id, Home::Box);
                object
            }
            New::Pooled(pool) => self.alloc(slot, pool).unwrap_or(NONE),
        }
    }

    fn alloc(&mut self, slot: usize, pool: usize) -> Option<*mut Object> {
        let pools = &self.memory.pools;
        let id = self.oracle.born();
        let result = self.actor(slot).pooled(pools, pool, Body::new(id));
        let panicked = self.oracle.after(slot, Call::Any);
        let taken = object::in_pool(pool) + usize::from(result.is_ok());
        // Blocks that handles keep are neither taken nor available.
        let keepers = self.oracle.slots.iter().filter(|slot| slot.claimed).count();
        let kept = keepers * object::kept_by_a_handle(pool);
        let free = SIZES[pool] - taken;
        let available = pools.available(pool);
        assert!(available <= free && free <= available + kept);
        match result {
            Ok(object) => {
                self.oracle.made();
                object::born(object, id, Home::Pool(pool));
                Some(object)
            }
            Err(back) => {
                assert_eq!(back, id, "the value comes back");
                if !panicked {
                    assert_eq!(available, 0, "exhausted, but there is room");
                    self.oracle.after_flush(slot);
                }
                self.oracle.freed(id);
                None
            }
        }
    }

    /// What is retired without a slot is reclaimed at once, and nothing else.
    pub fn unprotected(&mut self, retire: bool) {
        let id = self.oracle.born();
        let made = self.registry.unprotected(Body::new(id), retire);
        self.oracle.made();
        let events = object::take_events();
        object::take_panicked();
        match (made, events.as_slice()) {
            (Some(object), []) => self.kept.push(object),
            (None, [Event::Reclaimed(reclaimed)]) if *reclaimed == id => self.oracle.freed(id),
            (_, events) => panic!("object {id} was made or reclaimed, but there is {events:?}"),
        }
    }

    pub fn free(&mut self, count: usize) {
        for object in self.kept.drain(..count.min(self.kept.len())) {
            self.oracle.freed(object::id_of(object).expect("it lives"));
            self.memory.pools.free(object);
        }
    }

    pub fn allocate(&mut self, slot: usize, pool: usize, count: usize) {
        for _ in 0..count {
            match self.alloc(slot, pool) {
                Some(object) => self.kept.push(object),
                None => return,
            }
        }
    }

    pub fn protect(&mut self, slot: usize, guard: usize, cell: usize) {
        let in_section = self.actor(slot).is_section() && guard % 2 == 0;
        let guard = (!in_section).then(|| self.guard(slot, guard));
        let seen = self.actors[slot]
            .as_ref()
            .map_or(NONE, |actor| actor.protect(guard, &self.cells[cell]));
        self.hold(slot, seen);
    }

    /// Records that the slot's section protects the object.
    fn hold(&mut self, slot: usize, object: *mut Object) {
        self.after(slot, Call::Any);
        if !object.is_null() {
            let id = object::id_of(object).expect("a cell leads to an object that is gone");
            self.oracle.protect(slot, id);
            check(object, id);
        }
    }

    pub fn look(&self) {
        for id in self.oracle.held() {
            let object = object::find(id).expect("what is protected is there");
            check(object, id);
        }
    }

    pub fn replace(&mut self, slot: usize, guard: usize, cell: usize, new: New) {
        let new = self.make(slot, new);
        let old = self.swap(slot, guard, cell, new);
        self.defer_retire(slot, guard, old);
    }

    pub fn replace_by_own(&mut self, slot: usize, guard: usize, cell: usize, new: New) {
        let new = self.make(slot, new);
        let guard = self.guard(slot, guard);
        if let Some(id) = object::id_of(new) {
            self.actor(slot).protect_own(guard, new);
            self.oracle.protect(slot, id);
            self.after(slot, Call::Any);
        }
        // No load goes through the guard, which would also protect it.
        let old = self.cells[cell].load(Acquire);
        let cell = &self.cells[cell];
        let actor = self.actors[slot].as_ref().expect("it is there");
        assert!(actor.exchange(guard, cell, old, new));
        self.defer_retire(slot, guard, old);
    }

    fn swap(&mut self, slot: usize, guard: usize, cell: usize, new: *mut Object) -> *mut Object {
        let guard = self.guard(slot, guard);
        let old = self.actors[slot]
            .as_ref()
            .map_or(NONE, |actor| actor.swap(guard, &self.cells[cell], new));
        self.hold(slot, old);
        old
    }

    pub fn exchange(&mut self, slot: usize, guard: usize, cell: usize, new: New) {
        let new = self.make(slot, new);
        let index = self.guard(slot, guard);
        let cells = &self.cells;
        let actor = self.actors[slot].as_ref().expect("it is there");
        let old = actor.protect(Some(index), &cells[cell]);
        let other = cells[(cell + 1) % 3].load(Acquire);
        if other != old {
            assert!(!actor.exchange(index, &cells[cell], other, new));
        }
        assert!(actor.exchange(index, &cells[cell], old, new));
        self.hold(slot, old);
        self.defer_retire(slot, guard, old);
    }

    pub fn shift(&mut self, slot: usize, guard: usize, from: usize, to: usize) {
        let moved = self.swap(slot, guard, from, NONE);
        let old = self.swap(slot, guard, to, moved);
        self.defer_retire(slot, guard, old);
    }

    pub fn defer_retire(&mut self, slot: usize, guard: usize, object: *mut Object) {
        if !object.is_null() {
            let id = object::id_of(object).expect("it is there");
            let guard = self.guard(slot, guard);
            self.oracle.retire(id, slot, true);
            self.actor(slot).defer_retire(guard, object);
            self.after(slot, Call::Any);
        }
    }

    pub fn replace_and_retire(&mut self, slot: usize, cell: usize, new: New) {
        let new = self.make(slot, new);
        // AcqRel: as any swap of a shared pointer.
        let old = self.cells[cell].swap(new, AcqRel);
        self.retire(slot, old);
    }

    /// Retires without a guard.
    pub fn retire(&mut self, slot: usize, object: *mut Object) {
        if !object.is_null() {
            let id = object::id_of(object).expect("it is there");
            self.oracle.retire(id, slot, false);
            let at_once = self.oracle.at_once(id, slot);
            self.actor(slot).retire(object);
            let panicked = self.oracle.after(slot, Call::Any);
            assert!(
                !at_once || panicked || self.oracle.is_reclaimed(id),
                "object {id} waits, but nobody else is active"
            );
        }
    }
}

/// Reads an object.
fn check(object: *mut Object, id: usize) {
    // SAFETY: it is protected, and the oracle found it alive.
    let body: &Body = unsafe { &*object };
    assert!(body.id == id && body.is_alive());
}
