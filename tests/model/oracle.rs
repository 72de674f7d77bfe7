//! The specification, by the simplest means: for each retired object the
//! sections that may still use it. It does not model batches, inboxes and
//! walks.
//!
//! Safety: nothing is reclaimed while a section is open that may use it.
//! Progress: when a call has published everything and had no limit, what no
//! open section can hold is gone; what is left has waited for at most one
//! section of each slot, or two.

use super::object::{Event, take_events, take_panicked};

/// The number of a section, unique in a sequence.
pub type SectionId = u32;

/// A retired object, or a callback that is to be called.
#[derive(Debug)]
pub struct Waiting {
    /// It must wait while one of these is open.
    pins: Vec<SectionId>,
    /// The number of objects that had been made when it was certainly
    /// published.
    published: Option<usize>,
    patience: Patience,
}

impl Waiting {
    fn new(pins: Vec<SectionId>) -> Self {
        Self {
            pins,
            published: None,
            patience: Patience::default(),
        }
    }
}

/// How long something waits: the number of scans that found all sections over
/// that were open at the previous one.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    open: Vec<SectionId>,
    renewals: usize,
}

impl Patience {
    /// A scan that found these sections open, and that it waits. A chain goes
    /// from slot to slot, and waits for one section of each; or two, if no scan
    /// came before the first was left by `refresh`, or no object was made
    /// meanwhile.
    pub fn look(&mut self, open: &[SectionId], slots: usize) {
        if !self.open.iter().any(|before| open.contains(before)) {
            self.open = open.to_vec();
            self.renewals += 1;
        }
        assert!(
            self.renewals <= 2 * slots,
            "it waits forever, for each new section"
        );
    }
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
    /// Open guards, including forgotten ones.
    pub guards: usize,
    section: Option<SectionId>,
    /// The number of objects that had been made when the section began.
    began: usize,
    /// Objects that the section protected.
    held: Vec<usize>,
    /// The number of objects that existed at the last call.
    seen: usize,
    /// The limit of one call.
    pub limit: Option<usize>,
}

/// How a call may reclaim.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// Incidentally, up to the slot's limit.
    Any,
    /// Reclaims all it can up to the slot's limit, and returns how many.
    Collect(usize),
    /// The same with a limit of its own.
    CollectAtMost { limit: usize, returned: usize },
    /// A release: without a limit.
    Release,
}

pub struct Oracle {
    robust: bool,
    /// Each object is born in its own era.
    era_each: bool,
    objects: Vec<Fate>,
    callbacks: [Option<Waiting>; 2],
    pub slots: Vec<Slot>,
    sections: SectionId,
    /// Objects that were made: eras that have passed, if each has its own.
    made: usize,
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
            made: 0,
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
    }

    /// The slot was taken from its owner, and its sections are over.
    pub fn evict(&mut self, slot: usize) {
        self.slots[slot] = Slot::default();
    }

    pub fn enter(&mut self, slot: usize) {
        self.slots[slot].guards += 1;
        if self.slots[slot].guards == 1 {
            self.slots[slot].began = self.made;
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

    /// It gives up what it held. Whether it is another section then is up to
    /// the collector, which is why `began` stays.
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

    /// The object that was born last has been made.
    pub fn made(&mut self) {
        self.made += 1;
    }

    /// An object that was returned, and never retired.
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
        // In basic mode a section may have obtained the object in any way.
        let may_use = |(index, other): &(usize, &Slot)| match *index == slot {
            true => deferred,
            false => !self.robust || other.held.contains(&id),
        };
        let slots = self.slots.iter().enumerate().filter(may_use);
        let pins = slots.filter_map(|(_, slot)| slot.section).collect();
        self.objects[id] = Fate::Retired(Waiting::new(pins));
    }

    /// Whether a retire without a guard has to reclaim the object before it
    /// returns: it has to if the object is too young for every other open
    /// section.
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

    /// A callback is about to be registered for the end of all open sections.
    pub fn call_later(&mut self, callback: usize) {
        self.callbacks[callback] = Some(Waiting::new(self.open()));
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

    /// Checks what a call on this slot reclaimed, and what it left. Returns
    /// whether a reclaimer panicked.
    pub fn after(&mut self, slot: usize, call: Call) -> bool {
        let panicked = take_panicked();
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
        let eager = slot.eager;
        match call {
            Call::Any => return panicked,
            Call::Release => (),
            Call::Collect(returned) | Call::CollectAtMost { returned, .. } => {
                assert!(
                    panicked || returned == count,
                    "{count} reclaimed, but the call returned {returned}",
                );
            }
        }
        if eager {
            self.publish();
            if !panicked && limit.is_none_or(|limit| count < limit) {
                self.nothing_waits_in_vain();
            }
        }
        panicked
    }

    /// What is retired, with the object's number if it is an object.
    fn waiting(&mut self) -> impl Iterator<Item = (Option<usize>, &mut Waiting)> {
        let objects = self.objects.iter_mut().enumerate();
        let objects = objects.filter_map(|(id, fate)| match fate {
            Fate::Retired(waiting) => Some((Some(id), waiting)),
            _ => None,
        });
        let callbacks = self.callbacks.iter_mut().flatten();
        objects.chain(callbacks.map(|waiting| (None, waiting)))
    }

    /// How many objects and callbacks are retired and not reclaimed.
    pub fn pending(&mut self) -> usize {
        self.waiting().count()
    }

    /// Everything has been published by now.
    fn publish(&mut self) {
        let made = self.made;
        for (_, waiting) in self.waiting() {
            waiting.published.get_or_insert(made);
        }
    }

    /// Checks what is left after a call that published everything and had no
    /// limit, or did not reach it.
    fn nothing_waits_in_vain(&mut self) {
        let open = self.open();
        let sections = self.slots.iter().filter(|slot| slot.section.is_some());
        // The objects that each can hold: none younger than those that existed
        // at its last call, and none that was published before it began.
        let reach: Vec<_> = sections.map(|slot| (slot.seen, slot.began)).collect();
        let by_eras = self.robust && self.era_each;
        let slots = self.slots.len();
        for (id, waiting) in self.waiting() {
            let published = waiting.published.expect("everything is");
            let held = reach.iter().any(|(seen, began)| {
                let too_young = id.is_some_and(|id| *seen <= id);
                !by_eras || !too_young && *began <= published
            });
            assert!(held, "no section can hold {id:?}, but it is left");
            waiting.patience.look(&open, slots);
        }
    }

    /// Checks that everything reclaimed was allowed to be, and was not
    /// reclaimed before. Returns the number.
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
                    .unwrap_or_else(|| panic!("callback {callback} is called, but not registered")),
                Event::Ghost => panic!("a reclaimer is called twice, or with a wrong link"),
            };
            assert!(
                !self.is_any_open(&waiting.pins),
                "{event:?} too early: sections {:?} are open, it waited for {:?}",
                self.open(),
                waiting.pins
            );
        }
        events.len()
    }

    /// A call on this slot has flushed, because there was no room.
    pub fn after_flush(&mut self, slot: usize) {
        if self.slots[slot].eager {
            self.publish();
            if self.slots[slot].limit.is_none() {
                self.nothing_waits_in_vain();
            }
        }
    }

    /// Checks that nothing retired is left.
    pub fn nothing_waits(&mut self, why: &str) {
        let left: Vec<_> = self.waiting().map(|(id, _)| id).collect();
        assert!(
            left.is_empty(),
            "left after {why}: {left:?} (none: callbacks)"
        );
    }
}
