//! A collector with its users, cells and pools, and what must hold at the end.

use std::{
    cell::{Cell, RefCell},
    iter, ptr,
    rc::Rc,
    sync::atomic::Ordering::Relaxed,
};

use hyaline::{AtomicPtr, Callback, CollectorView, Config, HandleId, Scheme, Token};

use super::{
    frames::{self, Place},
    run::{Home, Object, PLAIN, Plain, Pools, VALUES, Value, random},
    seat::Seat,
    task::{Calls, Hold, Holder, Section, Task},
};

/// A collector of any scheme.
trait Registry {
    fn register(&self, kind: usize) -> Option<Box<dyn Task>>;
    fn evict(&self, id: HandleId);
    fn unprotected(&self, f: &mut dyn FnMut(&dyn Calls, &dyn Section));
    /// What a supervisor calls.
    fn watch(&self, slot: usize);
    fn pending(&self) -> usize;
    /// Frees the collector, which is not used any more.
    fn free(&self);
}

/// The kind of an eager handle.
const EAGER: usize = 6;

struct Of<S: Scheme>(*mut CollectorView<S>);

impl<S: Scheme> Of<S> {
    fn get(&self) -> &'static CollectorView<S> {
        // SAFETY: made in `Side::new`, and freed in `free`, when no handle is left.
        unsafe { &*self.0 }
    }
}

impl<S: Scheme> Registry for Of<S> {
    fn register(&self, kind: usize) -> Option<Box<dyn Task>> {
        let collector = self.get();
        Some(match kind {
            0 | 1 => Holder::task(Hold::Handle(collector.register_deferred().ok()?)),
            2 => Holder::task(Hold::Cpu(collector.register_per_cpu().ok()?, |cpu| {
                // SAFETY: one thread, whose contexts nest strictly.
                unsafe { cpu.get() }
            })),
            3 => Holder::task(Hold::Handle(collector.register().ok()?.erase())),
            4 => Holder::task(Hold::Handle(collector.register_deferred().ok()?.erase())),
            5 => Holder::task(Hold::Handle(collector.register_per_cpu().ok()?.erase())),
            _ => Holder::task(Hold::Handle(collector.register().ok()?)), // EAGER
        })
    }

    fn evict(&self, id: HandleId) {
        // SAFETY: one thread. No call of the handle is under way, its guards are
        // forgotten, and it is used only as a stale one may be.
        unsafe { self.get().evict(id) }.expect("it is the owner");
    }

    fn unprotected(&self, f: &mut dyn FnMut(&dyn Calls, &dyn Section)) {
        // SAFETY: the callers load no pointer in it, and retire what was never shared.
        unsafe { (self.get()).with_unprotected(|guard| f(&*guard.handle(), guard)) };
    }

    fn watch(&self, slot: usize) {
        self.get().request_restart(slot);
        let oldest = self.get().oldest();
        let guards: usize = self.get().slots().map(|slot| slot.guards).sum();
        assert!(oldest.is_none() || guards > 0, "no section is open");
    }

    fn pending(&self) -> usize {
        self.get().stats().pending()
    }

    fn free(&self) {
        // SAFETY: made from a box in `Side::new`. `Side::end` has dropped all handles.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

pub struct Side {
    pub number: usize,
    pub seats: RefCell<Vec<Option<Rc<Seat>>>>,
    registry: Box<dyn Registry>,
    pub cells: [AtomicPtr<Object>; 3],
    pub pools: Pools,
    /// Objects that were made and not shared.
    pub kept: RefCell<Vec<*mut Object>>,
    pub plain: RefCell<Vec<*mut Plain>>,
    /// From boxes, freed in `end`.
    callbacks: [*mut Callback; 2],
    pub token: RefCell<Option<Token>>,
    /// Objects and callbacks that were.
    pub retired: Cell<usize>,
    pub reclaimed: Cell<usize>,
}

impl Side {
    pub fn new<S: Scheme>(number: usize, slots: usize, config: Config<S::Barrier>) -> Self {
        let collector = CollectorView::<S>::boxed(slots, config).expect("memory");
        Self {
            number,
            seats: RefCell::new((0..slots).map(|_| None).collect()),
            registry: Box::new(Of(Box::into_raw(collector))),
            cells: [const { AtomicPtr::new(ptr::null_mut()) }; 3],
            pools: Pools::default(),
            kept: RefCell::default(),
            plain: RefCell::default(),
            callbacks: [(); 2].map(|()| Box::into_raw(Box::new(Callback::new()))),
            token: RefCell::default(),
            retired: Cell::new(0),
            reclaimed: Cell::new(0),
        }
    }

    pub fn callback(&self) -> &'static Callback {
        // SAFETY: it is there until the collector is gone.
        unsafe { &*self.callbacks[random(2)] }
    }

    pub fn pending(&self) -> usize {
        self.retired.get() - self.reclaimed.get()
    }

    pub fn is_held(&self, id: usize) -> bool {
        let seats = self.seats.borrow();
        (seats.iter().flatten()).any(|seat| seat.held.borrow().contains(&id))
    }

    /// A user, unless the call of another one preempts it.
    pub fn seat(&self) -> Option<Rc<Seat>> {
        let seats = self.seats.borrow();
        let seat = seats[random(seats.len())].clone()?;
        (!seat.is_locked()).then_some(seat)
    }

    /// The user of a slot that is reclaiming.
    pub fn seat_of(&self, place: Place) -> Option<Rc<Seat>> {
        let Place::Slot(slot) = place else {
            return None;
        };
        let seat = self.seats.borrow()[slot].clone()?;
        (!seat.is_locked()).then_some(seat)
    }

    /// Takes a user of which no call is under way out of its seat, with its limit. It
    /// has no guards but the one that it owns, unless it is to die.
    pub fn take(&self, dies: bool) -> Option<(Box<dyn Task>, usize)> {
        let mut seats = self.seats.borrow_mut();
        let number = random(seats.len());
        let bare = |seat: &Seat| seat.task.guards() == usize::from(seat.task.is_owned());
        let idle = |seat: &&mut Rc<Seat>| seat.is_idle() && (dies || bare(seat));
        seats[number].as_mut().filter(idle)?;
        let seat = seats[number].take().map(Rc::try_unwrap)?;
        let Ok(seat) = seat else {
            unreachable!("calls have the others");
        };
        Some((seat.task, seat.limit.get()))
    }

    pub fn put(&self, task: Box<dyn Task>, limit: usize) {
        let slot = task.id().slot();
        let seat = &mut self.seats.borrow_mut()[slot];
        assert!(seat.is_none(), "the slot was claimed twice");
        *seat = Some(Rc::new(Seat::new(task, limit)));
    }

    pub fn register(&self) {
        if let Some(task) = self.registry.register(random(8)) {
            self.put(task, 0);
        }
    }

    pub fn evict(&self, id: HandleId) {
        self.registry.evict(id);
    }

    pub fn watch(&self) {
        self.registry.watch(random(4));
    }

    pub fn unprotected(&self, f: &mut dyn FnMut(&dyn Calls, &dyn Section)) {
        self.registry.unprotected(f);
    }

    /// Locks the users of which calls are under way, and returns them.
    pub fn lock(&self) -> Vec<Rc<Seat>> {
        let seats = self.seats.borrow();
        let busy = seats.iter().flatten().filter(|seat| seat.busy.get() > 0);
        let busy: Vec<_> = busy.cloned().collect();
        busy.iter()
            .for_each(|seat| seat.locked.set(seat.locked.get() + 1));
        busy
    }

    pub fn unlock(busy: &[Rc<Seat>]) {
        busy.iter()
            .for_each(|seat| seat.locked.set(seat.locked.get() - 1));
    }

    /// Ends all sections, and returns the users.
    fn close(&self) -> Vec<Box<dyn Task>> {
        let close = |seat: Rc<Seat>| {
            seat.held.borrow_mut().clear();
            let Ok(seat) = Rc::try_unwrap(seat) else {
                unreachable!("no call is under way");
            };
            while seat.task.leave(0) {}
            seat.task.disown()
        };
        let seats = self
            .seats
            .borrow_mut()
            .iter_mut()
            .map(Option::take)
            .collect::<Vec<_>>();
        frames::unlimited(self, || seats.into_iter().flatten().map(close).collect())
    }

    /// Without sections one collect leaves nothing, grace periods are over, and all
    /// blocks can be had. Frees the collector's objects.
    pub fn end(&self) {
        let mut tasks = self.close();
        let all = self.seats.borrow().len();
        let gone = match random(3) {
            0 => 0,
            1 => tasks.len(),
            // One slot is free, for a handle that collects.
            _ => usize::from(tasks.len() == all),
        };
        frames::unlimited(self, || drop(tasks.drain(..gone)));
        if !tasks.iter().any(|task| task.handle().is_eager()) {
            frames::unlimited(self, || tasks.truncate(all - 1));
            tasks.extend(self.registry.register(EAGER));
        }
        let eager = tasks.iter().find(|task| task.handle().is_eager());
        let handle = eager.expect("there was a slot").handle();
        frames::unlimited(self, || handle.collect_at_most(usize::MAX));
        assert_eq!(self.pending(), 0, "one collect left something");
        assert_eq!(self.registry.pending(), 0, "by the collector's counts");
        let over = self
            .token
            .take()
            .is_none_or(|mut token| handle.poll(&mut token));
        assert!(over, "a grace period is not over");
        frames::unlimited(self, || {
            self.fill(handle);
            self.kept
                .take()
                .into_iter()
                .for_each(|object| self.free(object));
            for object in self.plain.take() {
                // SAFETY: from this pool, and nobody else uses it.
                unsafe { self.pools.plain.free(object) };
            }
        });
        frames::unlimited(self, || drop(tasks));
        self.registry.free();
        for callback in self.callbacks {
            // SAFETY: from a box in `new`. The collector has called it and is gone.
            drop(unsafe { Box::from_raw(callback) });
        }
    }

    /// All blocks can be had, and no more.
    fn fill(&self, handle: &dyn Calls) {
        let mut blocks = Vec::new();
        while let Ok(block) = handle.alloc(&self.pools, Value::new(self.number, Home::Pool)) {
            blocks.push(block);
        }
        let mut plain = self.plain.borrow_mut();
        plain.extend(iter::from_fn(|| handle.alloc_plain(&self.pools)));
        assert_eq!(plain.len(), PLAIN, "plain blocks are lost");
        let used = self
            .cells
            .iter()
            .map(|cell| cell.load(Relaxed))
            .chain(self.kept.take());
        blocks.extend(used.filter(|object| !object.is_null()));
        // SAFETY: nothing is retired any more, and no handle uses them.
        let is_pooled = |object: &*mut Object| unsafe { (&**object).home == Home::Pool };
        let pooled = blocks.iter().copied().filter(is_pooled).count();
        assert_eq!(pooled, VALUES, "blocks are lost");
        self.kept.replace(blocks);
    }

    /// Frees an object that was never shared.
    pub fn free(&self, object: *mut Object) {
        // SAFETY: nobody else uses it, and its home is where it comes from.
        unsafe {
            match (&*object).home {
                Home::Box => drop(Box::from_raw(object)),
                Home::Pool => self.pools.values.free(object),
            }
        }
    }
}
