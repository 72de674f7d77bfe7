//! Grace periods, callbacks, and the points at which nothing may be left.

use super::{
    oracle::Call,
    world::{Period, Role, World},
};

impl World {
    pub fn start(&mut self, slot: usize, grace: usize) {
        let memory = &self.memory.graces[grace];
        let waits = self.oracle.open();
        let Some(result) = self.actor(slot).start(memory) else {
            return;
        };
        match (&self.periods[grace], &result) {
            (Period::Free, Err(_)) => panic!("a free grace period is busy"),
            (Period::Held { .. }, Ok(_)) => panic!("two tokens of one grace period"),
            _ => (),
        }
        if let Ok(token) = result {
            self.periods[grace] = Period::Held {
                token,
                waits,
                over: false,
            };
        }
    }

    pub fn drop_token(&mut self, grace: usize) {
        let period = &mut self.periods[grace];
        *period = match period {
            // Its link is nowhere.
            Period::Held { over: true, .. } | Period::Free => Period::Free,
            _ => Period::Abandoned,
        };
    }

    pub fn poll(&mut self, slot: usize, grace: usize) {
        let must_be_over = self.nothing_holds(slot);
        let actor = self.actors[slot].as_ref().expect("the slot has a handle");
        let Period::Held { token, waits, over } = &mut self.periods[grace] else {
            return;
        };
        let Some(now) = actor.poll(token) else {
            return;
        };
        assert!(now || !must_be_over, "no section is open, but it waits");
        assert!(
            !now || *over || !self.oracle.is_any_open(waits),
            "the grace period is over, but section {waits:?} is open"
        );
        assert!(now || !*over, "what is over is not over any more");
        *over = now;
        self.after(slot, Call::Any);
    }

    /// Whether a grace period is over at once, when this slot asks.
    fn nothing_holds(&self, slot: usize) -> bool {
        // The link may be in a queue that a limit stopped.
        let may_queue = self.oracle.slots.iter().any(|slot| slot.may_queue);
        let limited = self.oracle.slots[slot].limit.is_some();
        self.oracle.open().is_empty() && !limited && !may_queue && self.stuck.is_empty()
    }

    pub fn synchronize(&mut self, slot: usize) {
        let is_inside = self.oracle.slots[slot].guards > 0;
        if !is_inside && !self.nothing_holds(slot) {
            return;
        }
        if let Some(result) = self.actor(slot).synchronize() {
            assert_eq!(result.is_err(), is_inside, "it would wait for itself");
            self.after(slot, Call::Any);
        }
    }

    pub fn call_later(&mut self, slot: usize, callback: usize) {
        let memory = &self.memory.callbacks[callback];
        let free = self.oracle.is_called(callback);
        if free {
            self.oracle.call_later(callback);
        }
        let result = self.actor(slot).call_later(memory, callback);
        assert_eq!(result.is_ok(), free, "busy exactly while it is under way");
        self.after(slot, Call::Any);
    }

    /// Ends all sections but those of guards that were forgotten.
    fn end_sections(&mut self) {
        for slot in self.slots() {
            self.leave_section(slot);
        }
    }

    /// Flushes these handles, deferred ones first, with no limits. Their own
    /// ones are theirs again afterwards.
    fn flush_all(&mut self, mut slots: Vec<usize>) {
        slots.sort_by_key(|slot| self.oracle.slots[*slot].eager);
        for slot in slots {
            let limit = self.oracle.slots[slot].limit;
            self.limit(slot, 0);
            self.flush(slot);
            self.limit(slot, limit.unwrap_or(0) as u16);
        }
    }

    /// An eager handle, registered if there is none; or none if there is no
    /// slot either.
    fn eager_slot(&mut self) -> Option<usize> {
        let eager = |world: &Self| {
            let mut slots = world.slots().into_iter();
            slots.find(|slot| world.oracle.slots[*slot].eager)
        };
        if eager(self).is_none() {
            self.register(Role::Eager);
        }
        eager(self)
    }

    pub fn settle(&mut self) {
        self.end_sections();
        let eager = self.eager_slot();
        self.flush_all(self.slots());
        if eager.is_some() && self.oracle.open().is_empty() {
            self.nothing_is_left("all sections ended and all handles flushed");
        }
    }

    /// One handle stays inside: what the others flush goes to its inbox, and
    /// its refresh is enough.
    pub fn settle_under(&mut self, slot: usize) {
        if !self.oracle.slots[slot].eager {
            return;
        }
        self.end_sections();
        if !self.oracle.open().is_empty() {
            return;
        }
        self.enter(slot);
        let limit = self.oracle.slots[slot].limit;
        self.limit(slot, 0);
        let mut others = self.slots();
        others.retain(|other| *other != slot);
        self.flush_all(others);
        self.flush(slot);
        self.refresh(slot, 0);
        self.nothing_is_left("all handles flushed and the one that is active refreshed");
        self.limit(slot, limit.unwrap_or(0) as u16);
    }

    /// What was flushed is anybody's.
    pub fn settle_by_collect(&mut self, slot: usize) {
        if !self.oracle.slots[slot].eager {
            return;
        }
        let limits: Vec<_> = self.oracle.slots.iter().map(|slot| slot.limit).collect();
        for slot in self.slots() {
            if self.actor(slot).is_section() {
                self.leave_section(slot);
            }
            self.limit(slot, 0);
        }
        self.flush_all(self.slots());
        self.end_sections();
        if let Some(returned) = self.actor(slot).collect() {
            self.after(slot, Call::Collect(returned));
        }
        if self.oracle.open().is_empty() {
            self.nothing_is_left("all handles flushed, and one has collected");
        }
        for slot in self.slots() {
            self.limit(slot, limits[slot].unwrap_or(0) as u16);
        }
    }

    fn nothing_is_left(&mut self, why: &str) {
        self.oracle.nothing_waits(why);
        for period in &mut self.periods {
            if matches!(period, Period::Abandoned) && self.stuck.is_empty() {
                *period = Period::Free;
            }
        }
    }
}
