//! Grace periods, callbacks, and the points at which nothing may be left.

use super::{
    object,
    oracle::{Call, Patience},
    world::{Period, Role, World},
};

impl World {
    pub fn start(&mut self, slot: usize, period: usize) {
        let waits = self.oracle.open();
        self.periods[period] = Some(Period {
            token: self.actor(slot).start(),
            waits,
            over: false,
            patience: Patience::default(),
        });
        self.after(slot, Call::Any);
    }

    pub fn poll(&mut self, slot: usize, period: usize) {
        let slots = self.actors.len();
        let open = self.oracle.open();
        let actor = self.actors[slot].as_ref().expect("the slot has a handle");
        let Some(period) = &mut self.periods[period] else {
            return;
        };
        let now = actor.poll(&mut period.token);
        assert!(now || !open.is_empty(), "no section is open, but it waits");
        assert!(
            !now || period.over || !self.oracle.is_any_open(&period.waits),
            "the grace period is over, but section {:?} is open",
            period.waits
        );
        assert!(
            now || !period.over,
            "a token that was over is not over any more"
        );
        period.over = now;
        if !now {
            period.patience.look(&open, slots);
        }
        self.after(slot, Call::Any);
    }

    pub fn synchronize(&mut self, slot: usize) {
        let is_inside = self.oracle.slots[slot].guards > 0;
        if !is_inside && !self.oracle.open().is_empty() {
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

    /// Ends all sections except those of forgotten guards.
    fn end_sections(&mut self) {
        for slot in self.slots() {
            self.leave_section(slot);
        }
    }

    /// One call that reclaims all it can, whatever the handle's own limit is.
    fn collect_all(&mut self, slot: usize) {
        // A panic now would excuse leftovers.
        object::panic_in(0);
        let limit = usize::MAX;
        let returned = match self.oracle.slots[slot].limit {
            Some(_) => self.actor(slot).collect_at_most(limit),
            None => self.actor(slot).collect(),
        };
        let returned = returned.expect("the handle is an eager one");
        self.after(slot, Call::CollectAtMost { limit, returned });
    }

    /// An eager handle, registered if there is none; `None` if no slot is free
    /// either.
    fn eager_slot(&mut self, number: usize) -> Option<usize> {
        let eager = |world: &Self| {
            let mut slots = world.slots();
            slots.retain(|slot| world.oracle.slots[*slot].eager);
            let number = number.checked_rem(slots.len())?;
            Some(slots[number])
        };
        if eager(self).is_none() {
            self.register(Role::Eager);
        }
        eager(self)
    }

    /// All sections end, and one handle collects once: nothing is left,
    /// whatever the others have done before.
    pub fn quiesce(&mut self, number: usize) {
        self.end_sections();
        let eager = self.eager_slot(number);
        if let Some(slot) = eager.filter(|_| self.oracle.open().is_empty()) {
            self.collect_all(slot);
            self.nothing_is_left("all sections ended, and one handle has collected");
        }
    }

    /// The same, where sections cannot be ended because a guard was forgotten:
    /// their handles are evicted. So this is possible in any state.
    pub fn close(&mut self, number: usize) {
        if number % 2 == 0 {
            self.evict_the_forgotten();
            self.end_sections();
        } else {
            self.end_sections();
            self.evict_the_forgotten();
        }
        assert!(self.oracle.open().is_empty(), "the model's own");
        let slot = self.eager_slot(number).unwrap_or_else(|| {
            // One of the others releases its slot.
            let slot = number % self.actors.len();
            match self.actors[slot] {
                Some(_) => self.release(slot),
                None => self.evict_slot(slot),
            }
            self.eager_slot(number).expect("a slot is free")
        });
        self.collect_all(slot);
        self.nothing_is_left("all is closed, and one handle has collected");
    }

    /// Sections end and others begin between any two scans, and at each scan
    /// some section is open. What waits does so for one section after another,
    /// and not forever: the oracle counts.
    pub fn churn(&mut self, number: usize) {
        let Some(looks) = self.eager_slot(number) else {
            return;
        };
        for round in 0..2 * self.actors.len() + 2 {
            for slot in self.slots() {
                self.renew(slot, number + round);
            }
            if !self.is_eager(looks) || self.actor(looks).is_section() {
                return;
            }
            self.collect_all(looks);
            (0..self.periods.len()).for_each(|period| self.poll(looks, period));
        }
    }

    /// Replaces an open section by another one, and opens one in some of the
    /// other slots.
    fn renew(&mut self, slot: usize, number: usize) {
        if self.actor(slot).is_section() {
            self.drop_guards(slot);
            self.refresh(slot, 0);
        } else if self.actor(slot).guards() == 1 && number % 2 == 0 {
            self.refresh(slot, 0);
        } else if self.actor(slot).guards() > 0 {
            self.drop_guards(slot);
            self.enter(slot);
        } else if (slot + number / 4) % 2 == 0 {
            self.enter(slot);
        }
    }

    /// Evicts the handles whose guards were forgotten.
    fn evict_the_forgotten(&mut self) {
        for slot in 0..self.actors.len() {
            let known = self.actors[slot]
                .as_ref()
                .map_or(0, |actor| actor.guards() + usize::from(actor.is_section()));
            if self.oracle.slots[slot].guards > known {
                match self.actors[slot] {
                    Some(_) => self.kill(slot),
                    None => self.evict_slot(slot),
                }
            }
        }
    }

    /// One handle stays inside: what it flushes goes to its inbox, and its
    /// refresh is enough.
    pub fn quiesce_under(&mut self, slot: usize) {
        self.end_sections();
        if !self.is_eager(slot) || !self.oracle.open().is_empty() {
            return;
        }
        object::panic_in(0);
        self.enter(slot);
        let limit = self.oracle.slots[slot].limit;
        self.limit(slot, 0);
        self.flush(slot);
        self.refresh(slot, 0);
        self.oracle
            .nothing_waits("the handle with an open section has flushed and refreshed");
        self.limit(slot, limit.unwrap_or(0) as u16);
    }

    /// Everything is published before the sections end. Those of deferred
    /// handles end without checking what waits for them.
    pub fn quiesce_by_collect(&mut self, slot: usize) {
        for slot in self.slots() {
            if !self.actor(slot).is_section() {
                self.flush(slot);
            }
        }
        self.end_sections();
        if self.is_eager(slot) && self.oracle.open().is_empty() {
            self.collect_all(slot);
            self.nothing_is_left("all handles flushed, and one has collected");
        }
    }

    /// Whether there is still an eager handle in the slot.
    fn is_eager(&self, slot: usize) -> bool {
        self.actors[slot].is_some() && self.oracle.slots[slot].eager
    }

    /// No section is open. Then nothing is retired, and all grace periods are
    /// over.
    fn nothing_is_left(&mut self, why: &str) {
        self.oracle.nothing_waits(why);
        assert_eq!(self.registry.pending(), 0, "left after {why}");
        if let Some(slot) = self.slots().pop() {
            (0..self.periods.len()).for_each(|period| self.poll(slot, period));
            self.synchronize(slot);
        }
    }
}
