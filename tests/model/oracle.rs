//! What must be, by the simplest means: for each retired object the sections
//! that may still use it. It knows nothing of batches, inboxes and limbo.

use super::object::{Event, take_events};

/// The number of a section, unique in a sequence.
pub type SectionId = u32;

/// Something that was retired, or a callback that is to be called.
#[derive(Debug)]
pub struct Waiting {
    /// It must wait while one of these is open.
    pins: Vec<SectionId>,
    /// A handle was forgotten that may have it. Then nobody but the collector
    /// finds it.
    may_stick: bool,
}

#[derive(Debug)]
enum Fate {
    Live,
    Retired(Waiting),
    Reclaimed,
}

/// A slot as its users know it.
#[derive(Debug, Default)]
pub struct Slot {
    pub claimed: bool,
    pub eager: bool,
    /// Guards that are open, those that were forgotten included.
    pub guards: usize,
    section: Option<SectionId>,
    /// Objects that the section protected.
    held: Vec<usize>,
    /// Objects that there were at the last call.
    seen: usize,
    /// What one call may reclaim.
    pub limit: Option<usize>,
    /// It may have a remainder queued, from a call that had a limit.
    pub may_queue: bool,
}

/// How a call may reclaim.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// On the way, up to the slot's limit.
    Any,
    /// Reclaims all it can up to the slot's limit, and says how many.
    Collect(usize),
    /// The same with a limit of its own.
    CollectAtMost { limit: usize, returned: usize },
    /// A release: without a limit.
    Release,
}

pub struct Oracle {
    robust: bool,
    /// Each object is born in an era of its own.
    era_each: bool,
    objects: Vec<Fate>,
    callbacks: [Option<Waiting>; 2],
    pub slots: Vec<Slot>,
    sections: SectionId,
    /// The collector is being dropped: no section counts.
    over: bool,
}

impl Oracle {
    pub fn new(slots: usize, robust: bool, era_each: bool) -> Self {
        Self {
            robust,
            era_each,
            objects: Vec::new(),
            callbacks: [None, None],
            slots: (0..slots).map(|_| Slot::default()).collect(),
            sections: 0,
            over: false,
        }
    }

    pub fn claim(&mut self, slot: usize, eager: bool) {
        let entry = &mut self.slots[slot];
        assert!(!entry.claimed, "slot {slot} has two owners");
        *entry = Slot {
            claimed: true,
            eager,
            ..Slot::default()
        };
    }

    /// The handle was dropped. A slot in which a guard was forgotten stays.
    pub fn release(&mut self, slot: usize) {
        self.slots[slot].claimed = self.slots[slot].guards > 0;
        self.slots[slot].may_queue = false;
    }

    /// The slot was taken from its owner, and its sections are over.
    pub fn evict(&mut self, slot: usize) {
        self.slots[slot] = Slot::default();
    }

    /// A handle was forgotten, and with it what it has; or all that were are
    /// evicted.
    pub fn stick(&mut self, may_stick: bool) {
        let objects = self.objects.iter_mut().filter_map(|fate| match fate {
            Fate::Retired(waiting) => Some(waiting),
            _ => None,
        });
        for waiting in objects.chain(self.callbacks.iter_mut().flatten()) {
            waiting.may_stick = may_stick;
        }
    }

    pub fn enter(&mut self, slot: usize) {
        self.slots[slot].guards += 1;
        if self.slots[slot].guards == 1 {
            self.begin(slot);
        }
    }

    fn begin(&mut self, slot: usize) {
        self.sections += 1;
        self.slots[slot].section = Some(self.sections);
        self.slots[slot].held.clear();
    }

    pub fn leave(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        slot.guards -= 1;
        if slot.guards == 0 {
            slot.section = None;
            slot.held.clear();
        }
    }

    pub fn refresh(&mut self, slot: usize) {
        if self.slots[slot].guards == 1 {
            self.begin(slot);
        }
    }

    pub fn end(&mut self) {
        self.over = true;
    }

    pub fn born(&mut self) -> usize {
        self.objects.push(Fate::Live);
        self.objects.len() - 1
    }

    /// An object that was given back, and never retired.
    pub fn freed(&mut self, id: usize) {
        self.objects[id] = Fate::Reclaimed;
    }

    pub fn protect(&mut self, slot: usize, id: usize) {
        self.slots[slot].held.push(id);
    }

    /// The objects that are protected now.
    pub fn held(&self) -> Vec<usize> {
        let held = self.slots.iter().flat_map(|slot| &slot.held);
        held.copied().collect()
    }

    /// An object is about to be retired by a slot, under its own guard or
    /// without; or by a handle that has no slot any more.
    pub fn retire(&mut self, id: usize, slot: usize, deferred: bool) {
        let Fate::Live = self.objects[id] else {
            panic!("the test retires object {id} twice");
        };
        if let Some(slot) = self.slots.get_mut(slot).filter(|_| !deferred) {
            slot.held.retain(|held| *held != id);
        }
        // In basic mode a section may have come by the object in any way.
        let may_use = |(index, other): &(usize, &Slot)| match *index == slot {
            true => deferred,
            false => !self.robust || other.held.contains(&id),
        };
        let slots = self.slots.iter().enumerate().filter(may_use);
        let pins = slots.filter_map(|(_, slot)| slot.section).collect();
        self.objects[id] = Fate::Retired(Waiting {
            pins,
            may_stick: false,
        });
    }

    /// Whether a retire without a guard has to reclaim the object before it
    /// returns: if no other section is open that the object is not too young
    /// for.
    pub fn at_once(&self, id: usize, slot: usize) -> bool {
        let others = self.slots.iter().enumerate().filter(|(i, _)| *i != slot);
        let too_young = |other: &Slot| self.robust && self.era_each && other.seen <= id;
        let me = &self.slots[slot];
        me.eager
            && me.limit.is_none()
            && others
                .filter(|(_, other)| other.section.is_some())
                .all(|(_, other)| too_young(other))
    }

    pub fn is_reclaimed(&self, id: usize) -> bool {
        matches!(self.objects[id], Fate::Reclaimed)
    }

    /// A callback is about to be called for when all that is open has ended.
    pub fn call_later(&mut self, callback: usize) {
        self.callbacks[callback] = Some(Waiting {
            pins: self.open(),
            may_stick: false,
        });
    }

    pub fn is_called(&self, callback: usize) -> bool {
        self.callbacks[callback].is_none()
    }

    /// The sections that are open.
    pub fn open(&self) -> Vec<SectionId> {
        let open = self.slots.iter().filter_map(|slot| slot.section);
        open.filter(|_| !self.over).collect()
    }

    pub fn is_any_open(&self, sections: &[SectionId]) -> bool {
        self.open().iter().any(|open| sections.contains(open))
    }

    /// Checks what a call on this slot reclaimed. `hidden` is how many links
    /// of grace periods may be among what it counted.
    pub fn after(&mut self, slot: usize, call: Call, hidden: usize) {
        let count = self.check_events();
        let objects = self.objects.len();
        let slot = &mut self.slots[slot];
        slot.seen = objects;
        let limit = match call {
            _ if !slot.eager => Some(0),
            Call::Release => None,
            Call::CollectAtMost { limit, .. } => Some(limit),
            Call::Any | Call::Collect(_) => slot.limit,
        };
        if let Some(limit) = limit {
            assert!(
                count <= limit,
                "{count} reclaimed, but the limit is {limit}"
            );
        }
        match call {
            Call::Any => slot.may_queue |= slot.limit.is_some(),
            Call::Release => slot.may_queue = false,
            Call::Collect(returned) | Call::CollectAtMost { returned, .. } => {
                assert!(
                    (count..=count + hidden).contains(&returned),
                    "{count} reclaimed, but the call says {returned}",
                );
                assert!(limit.is_none_or(|limit| returned <= limit));
                slot.may_queue = slot.eager && limit.is_some_and(|limit| returned == limit);
            }
        }
    }

    /// Checks that all that was reclaimed may be, and was not before. Returns
    /// how much it was.
    pub fn check_events(&mut self) -> usize {
        let events = take_events();
        for event in &events {
            let waiting = match *event {
                Event::Reclaimed(id) => {
                    match std::mem::replace(&mut self.objects[id], Fate::Reclaimed) {
                        Fate::Retired(waiting) => waiting,
                        fate => panic!("object {id} is reclaimed, but it was {fate:?}"),
                    }
                }
                Event::Called(callback) => self.callbacks[callback]
                    .take()
                    .unwrap_or_else(|| panic!("callback {callback} is called, but not asked for")),
                Event::Ghost => panic!("a reclaimer is called twice, or with a wrong link"),
            };
            assert!(
                !self.is_any_open(&waiting.pins),
                "{event:?} too early: sections {:?} are open, it waits for {:?}",
                self.open(),
                waiting.pins
            );
        }
        events.len()
    }

    /// Checks that a handle that is alone, and not inside, has flushed all.
    pub fn after_flush(&self, slot: usize) {
        let alone = self.slots.iter().filter(|slot| slot.claimed).count() == 1;
        let slot = &self.slots[slot];
        if alone && slot.section.is_none() && slot.eager && slot.limit.is_none() {
            self.nothing_waits("a flush by the only handle");
        }
    }

    /// Checks that nothing that is retired is left, but for what may be in a
    /// handle that was forgotten.
    pub fn nothing_waits(&self, why: &str) {
        let stuck = |waiting: &Waiting| waiting.may_stick && !self.over;
        for (id, fate) in self.objects.iter().enumerate() {
            if let Fate::Retired(waiting) = fate {
                assert!(stuck(waiting), "object {id} is left after {why}");
            }
        }
        for (callback, waiting) in self.callbacks.iter().enumerate() {
            if let Some(waiting) = waiting {
                assert!(stuck(waiting), "callback {callback} is left after {why}");
            }
        }
    }
}
