//! The interpreter: performs the operations on a real collector, and consults
//! the oracle after each call.

use std::ptr;

use hyaline::{AtomicPtr, Callback, HandleId, Token};

use super::{
    actor::{Actor, Cells, Registry},
    object::{self, Object, Pools},
    ops::{New, Op, Step},
    oracle::{Call, Oracle, Patience, SectionId},
};

/// A grace period, as its users know it.
#[derive(Clone)]
pub struct Period {
    pub token: Token,
    /// The sections that were open at its start.
    pub waits: Vec<SectionId>,
    pub over: bool,
    pub patience: Patience,
}

/// The role in which a slot is claimed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Eager,
    Deferred,
    PerCpu,
}

/// What has to outlive the collector; freed by `super::run`.
pub struct Memory {
    pub pools: Pools,
    pub callbacks: [Callback; 2],
}

/// The slot of a handle that was evicted.
const NO_SLOT: usize = usize::MAX;

pub struct World {
    pub registry: Box<dyn Registry>,
    pub memory: &'static Memory,
    /// By slot; `None` where no handle is known.
    pub actors: Vec<Option<Box<dyn Actor>>>,
    pub cells: Cells,
    pub periods: [Option<Period>; 2],
    /// Objects that were allocated and not shared.
    pub kept: Vec<*mut Object>,
    pub oracle: Oracle,
    /// Slots whose current or next section was asked to restart.
    pub asked: Vec<bool>,
    /// The owners of the slots, in the order of registration.
    pub ids: Vec<HandleId>,
    /// Handles that were evicted, and do not know.
    pub stale: Vec<Box<dyn Actor>>,
}

impl World {
    pub fn perform(&mut self, op: Op) {
        match op {
            Op::Register => self.register(Role::Eager),
            Op::RegisterDeferred => self.register(Role::Deferred),
            Op::RegisterPerCpu => self.register(Role::PerCpu),
            Op::RequestRestart(slot) => self.request_restart(slot % self.actors.len()),
            Op::Look => self.look(),
            Op::Free(count) => self.free(count),
            Op::CopyToken(to) => self.periods[to % 2] = self.periods[(to + 1) % 2].clone(),
            Op::Quiesce(number) => self.quiesce(number),
            Op::Close(number) => self.close(number),
            Op::Churn(number) => self.churn(number),
            Op::Panic(reclaimers) => object::panic_in(reclaimers),
            Op::Evict(number) => self.evict(number),
            Op::Stale(new) => self.use_stale(new),
            Op::Unprotected { retire } => self.unprotected(retire),
            Op::On(slot, step) => {
                let there = self.slots();
                if !there.is_empty() {
                    self.step(there[slot % there.len()], step);
                }
            }
        }
        // The oracle has checked everything that was reclaimed by now.
        assert_eq!(self.oracle.check_events(), 0, "reclaimed without a call");
        assert_eq!(self.registry.pending(), self.oracle.pending(), "counts");
    }

    fn step(&mut self, slot: usize, step: Step) {
        let actor = self.actor(slot);
        let (guards, is_section) = (actor.guards(), actor.is_section());
        match step {
            Step::Release => self.release(slot),
            Step::Forget { flush_first } => self.forget(slot, flush_first),
            Step::Kill => self.kill(slot),
            Step::Enter => self.enter(slot),
            Step::Leave { guard } if guards > 0 => self.leave(slot, guard),
            Step::ForgetGuard { .. } if actor.is_per_cpu() => (),
            Step::ForgetGuard { guard } if guards > 0 => actor.forget_guard(guard % guards),
            Step::Restart { guard } if guards > 0 => {
                let asked = actor.restart_requested(guard % guards);
                assert_eq!(asked, self.asked[slot], "once for each request");
                self.asked[slot] = false;
            }
            Step::Refresh { guard } => self.refresh(slot, guard),
            Step::IntoSection => self.open_section(slot),
            Step::LeaveSection => self.leave_section(slot),
            Step::Protect { guard, cell } => self.protect(slot, guard, cell % 3),
            Step::Replace { guard, cell, new } => self.replace(slot, guard, cell % 3, new),
            Step::ReplaceByOwn { guard, cell, new } => {
                self.replace_by_own(slot, guard, cell % 3, new);
            }
            Step::Exchange { guard, cell, new } => self.exchange(slot, guard, cell % 3, new),
            Step::Shift { guard, from, to } => self.shift(slot, guard, from % 3, to % 3),
            Step::QuiesceUnder => self.quiesce_under(slot),
            Step::QuiesceByCollect => self.quiesce_by_collect(slot),
            // The others need the handle itself.
            _ if is_section => (),
            Step::Retire { cell, new } => self.replace_and_retire(slot, cell % 3, new),
            Step::RetireFresh { new } => {
                let new = self.make(slot, new);
                self.retire(slot, new);
            }
            Step::DeferFresh { guard, new } => {
                let new = self.make(slot, new);
                self.defer_retire(slot, guard, new);
            }
            Step::Flush => self.flush(slot),
            Step::Collect => {
                if let Some(returned) = actor.collect() {
                    self.after(slot, Call::Collect(returned));
                }
            }
            Step::CollectAtMost { limit } => {
                if let Some(returned) = actor.collect_at_most(limit) {
                    self.after(slot, Call::CollectAtMost { limit, returned });
                }
            }
            Step::Limit { limit } => self.limit(slot, limit),
            Step::Synchronize => self.synchronize(slot),
            Step::StartGrace(grace) => self.start(slot, grace % 2),
            Step::PollGrace(grace) => self.poll(slot, grace % 2),
            Step::CallLater(callback) => self.call_later(slot, callback % 2),
            Step::Allocate { pool, count } => self.allocate(slot, pool % 2, count),
            Step::Exhaust { pool } => self.allocate(slot, pool % 2, usize::MAX),
            Step::Leave { .. } | Step::ForgetGuard { .. } | Step::Restart { .. } => (),
        }
    }

    /// The slots with handles.
    pub fn slots(&self) -> Vec<usize> {
        let there = |slot: &usize| self.actors[*slot].is_some();
        (0..self.actors.len()).filter(there).collect()
    }

    pub fn actor(&mut self, slot: usize) -> &mut dyn Actor {
        &mut **self.actors[slot].as_mut().expect("the slot has a handle")
    }

    /// Consults the oracle about a call on the slot.
    pub fn after(&mut self, slot: usize, call: Call) {
        self.oracle.after(slot, call);
    }

    pub fn register(&mut self, role: Role) {
        let actor = match role {
            Role::Eager => self.registry.register(),
            Role::Deferred => self.registry.register_deferred(),
            Role::PerCpu => self.registry.register_per_cpu(),
        };
        let free = self.oracle.slots.iter().any(|slot| !slot.claimed);
        assert_eq!(actor.is_some(), free, "a slot is free, or none is");
        if let Some(actor) = actor {
            let id = actor.id();
            let slot = id.slot();
            self.ids.push(id);
            self.oracle.claim(slot, role == Role::Eager);
            self.asked[slot] = false;
            self.actors[slot] = Some(actor);
        }
    }

    fn request_restart(&mut self, slot: usize) {
        let is_open = self.oracle.slots[slot].guards > 0;
        assert_eq!(self.registry.request_restart(slot), is_open);
        self.asked[slot] |= is_open;
    }

    pub fn enter(&mut self, slot: usize) {
        self.oracle.enter(slot);
        self.actor(slot).enter();
        self.after(slot, Call::Any);
    }

    /// The guard with this number; opens one if there is none.
    pub fn guard(&mut self, slot: usize, guard: usize) -> usize {
        if self.actor(slot).guards() == 0 {
            self.enter(slot);
        }
        guard % self.actor(slot).guards()
    }

    pub fn leave(&mut self, slot: usize, guard: usize) {
        let guards = self.actor(slot).guards();
        self.oracle.leave(slot);
        self.actor(slot).leave(guard % guards);
        self.after(slot, Call::Any);
    }

    pub fn refresh(&mut self, slot: usize, guard: usize) {
        let guards = self.actor(slot).guards();
        if guards > 0 {
            self.oracle.refresh(slot);
            self.actor(slot).refresh(guard % guards);
        } else if self.actor(slot).is_section() {
            self.oracle.refresh(slot);
            self.actor(slot).refresh_section();
        }
        self.after(slot, Call::Any);
    }

    /// Drops the guards, the oldest first. The section of a handle that has
    /// become one stays.
    pub fn drop_guards(&mut self, slot: usize) {
        while self.actor(slot).guards() > 0 {
            self.leave(slot, 0);
        }
    }

    /// For a handle that is forgotten: a guard of a CPU is not.
    pub fn drop_guards_of_cpu(&mut self, slot: usize) {
        if self.actor(slot).is_per_cpu() {
            self.drop_guards(slot);
        }
    }

    fn open_section(&mut self, slot: usize) {
        if !self.actor(slot).is_section() && !self.actor(slot).is_per_cpu() {
            self.drop_guards(slot);
            self.oracle.enter(slot);
            self.actor(slot).open_section();
            self.after(slot, Call::Any);
        }
    }

    pub fn leave_section(&mut self, slot: usize) {
        self.drop_guards(slot);
        if self.actor(slot).is_section() {
            self.oracle.leave(slot);
            self.actor(slot).leave_section();
            if self.actor(slot).is_gone() {
                // A reclaimer panicked, and the handle was dropped with it.
                self.after(slot, Call::Release);
                self.oracle.release(slot);
                self.actors[slot] = None;
            } else {
                self.after(slot, Call::Any);
            }
        }
    }

    pub fn release(&mut self, slot: usize) {
        self.drop_guards(slot);
        if self.actor(slot).is_section() {
            self.oracle.leave(slot);
        }
        self.actor(slot).release();
        self.after(slot, Call::Release);
        self.oracle.release(slot);
        self.actors[slot] = None;
    }

    fn forget(&mut self, slot: usize, flush_first: bool) {
        if flush_first && !self.actor(slot).is_section() {
            self.flush(slot);
        }
        self.drop_guards_of_cpu(slot);
        self.actor(slot).forget();
        self.actors[slot] = None;
    }

    /// Evicts an id that has no handle here any more.
    fn evict(&mut self, number: usize) {
        let id = self.ids[number % self.ids.len()];
        let slot = id.slot();
        if self.actors[slot].is_none() || self.last_id(slot) != id {
            let is_owner = self.oracle.slots[slot].claimed && self.last_id(slot) == id;
            assert_eq!(self.registry.evict(id), is_owner, "evicts the owner");
            if is_owner {
                self.evicted(slot);
            }
        }
    }

    fn last_id(&self, slot: usize) -> HandleId {
        let mut ids = self.ids.iter().rev();
        *ids.find(|id| id.slot() == slot).expect("it had an owner")
    }

    fn evicted(&mut self, slot: usize) {
        self.oracle.evict(slot);
    }

    /// Takes the slot from a handle that no longer exists.
    pub fn evict_slot(&mut self, slot: usize) {
        let id = self.last_id(slot);
        assert!(self.registry.evict(id), "it was the owner");
        self.evicted(slot);
    }

    pub fn kill(&mut self, slot: usize) {
        if let Some(mut actor) = self.actors[slot].take() {
            actor.die();
            let id = self.last_id(slot);
            self.evict_slot(slot);
            assert!(!self.registry.evict(id), "it is not any more");
            if !actor.is_gone() {
                self.stale.push(actor);
            }
        }
    }

    /// A stale handle does nothing, but what it retires is not lost.
    fn use_stale(&mut self, new: New) {
        let Some(mut actor) = self.stale.pop() else {
            return;
        };
        assert_eq!(actor.flush(), 0);
        assert_eq!(actor.collect().unwrap_or(0), 0);
        actor.limit(1);
        let maker = self.slots().into_iter().next();
        if let Some(maker) = maker {
            let object = self.make(maker, new);
            if let Some(id) = object::id_of(object) {
                self.oracle.retire(id, NO_SLOT, false);
                actor.retire(object);
            }
        }
        actor.release();
    }

    pub fn flush(&mut self, slot: usize) {
        let returned = self.actor(slot).flush();
        self.after(slot, Call::Collect(returned));
    }

    pub fn limit(&mut self, slot: usize, limit: u16) {
        if self.actor(slot).limit(limit).is_some() {
            let limit = (limit > 0).then_some(limit.into());
            self.oracle.slots[slot].limit = limit;
        }
    }
}

pub fn empty_cells() -> Cells {
    [(); 3].map(|()| AtomicPtr::new(ptr::null_mut()))
}
