//! A handle, its guards and its section, of any scheme and role, behind one
//! interface. All unsafe lifetime handling is here.

use std::{mem, num::NonZeroU16, sync::atomic::Ordering};

use hyaline::{
    AtomicPtr, Callback, CollectorView, Deferred, Eager, Erased, Guard, Handle, HandleId, Nested,
    OwnedGuard, PerCpu, Role, Scheme, Token, WouldDeadlock,
};

use super::object::{Body, Home, Object, Pools, RECLAIM, born, called, calm};

pub type Cells = [AtomicPtr<Object>; 3];

/// The interpreter's view of a collector.
pub trait Registry {
    fn register(&self) -> Option<Box<dyn Actor>>;
    fn register_deferred(&self) -> Option<Box<dyn Actor>>;
    fn register_per_cpu(&self) -> Option<Box<dyn Actor>>;
    /// Whether a section is open in the slot.
    fn request_restart(&self, slot: usize) -> bool;
    /// Evicts this owner, and returns whether it was the owner. The interpreter
    /// then uses the handle only as a stale one may be used.
    fn evict(&self, id: HandleId) -> bool;
    /// Makes an object under an unprotected guard; retires it there, or returns it.
    fn unprotected(&self, body: Body, retire: bool) -> Option<*mut Object>;
    /// Objects and callbacks that were retired and are not reclaimed.
    fn pending(&self) -> usize;
}

/// The interpreter's view of a handle. Methods that only eager handles have
/// return `None` for others. Where a reclaimer may panic the method returns
/// nevertheless; its result is then meaningless.
pub trait Actor {
    fn id(&self) -> HandleId;
    fn guards(&self) -> usize;
    fn is_section(&self) -> bool;
    /// A per-CPU handle: it becomes no section, and its guards are dropped.
    fn is_per_cpu(&self) -> bool;

    fn enter(&mut self);
    fn leave(&mut self, guard: usize);
    fn forget_guard(&mut self, guard: usize);
    fn refresh(&mut self, guard: usize);
    fn refresh_section(&mut self);
    fn open_section(&mut self);
    /// Nothing is left of it if a reclaimer panics.
    fn leave_section(&mut self);
    /// Drops the handle or the section.
    fn release(&mut self);
    /// Forgets the handle or the section, and all guards.
    fn forget(&mut self);
    /// Forgets the guards and a section, but not a handle.
    fn die(&mut self);

    /// Without a guard: through the section.
    fn protect(&self, guard: Option<usize>, cell: &AtomicPtr<Object>) -> *mut Object;
    fn swap(&self, guard: usize, cell: &AtomicPtr<Object>, new: *mut Object) -> *mut Object;
    fn exchange(
        &self,
        guard: usize,
        cell: &AtomicPtr<Object>,
        current: *mut Object,
        new: *mut Object,
    ) -> bool;
    fn defer_retire(&self, guard: usize, object: *mut Object);
    fn restart_requested(&self, guard: usize) -> bool;

    fn boxed(&self, body: Body) -> *mut Object;
    /// Or the number of the body that comes back.
    fn pooled(&self, pools: &'static Pools, pool: usize, body: Body) -> Result<*mut Object, usize>;
    /// Protects an object that was not shared yet.
    fn protect_own(&self, guard: usize, object: *mut Object);
    /// Whether there is neither handle nor section.
    fn is_gone(&self) -> bool;
    fn retire(&self, object: *mut Object);
    fn flush(&self) -> usize;
    fn collect(&self) -> Option<usize>;
    fn collect_at_most(&self, limit: usize) -> Option<usize>;
    fn limit(&self, limit: u16) -> Option<()>;
    fn start(&self) -> Token;
    fn poll(&self, token: &mut Token) -> bool;
    /// Does not wait: all sections are over.
    fn synchronize(&self) -> Option<Result<(), WouldDeadlock>>;
    fn call_later(&self, callback: &'static Callback, word: usize) -> Result<(), hyaline::Busy>;
}

/// A collector, and whether its handles are erased.
pub struct On<S: Scheme> {
    pub collector: &'static CollectorView<S>,
    pub erased: bool,
}

/// A handle whose role is known at run time.
fn erased<S: Scheme>(handle: Of<S, Erased>) -> Box<dyn Actor> {
    let hold = Hold::Handle(handle);
    Box::new(Holder::<S, Erased>::new(hold, |handle| handle.as_eager()))
}

impl<S: Scheme> Registry for On<S> {
    fn register(&self) -> Option<Box<dyn Actor>> {
        let handle = self.collector.register().ok()?;
        if self.erased {
            return Some(erased(handle.erase()));
        }
        let hold = Hold::Handle(handle);
        Some(Box::new(Holder::<S, Eager>::new(hold, |eager| Some(eager))))
    }

    fn register_deferred(&self) -> Option<Box<dyn Actor>> {
        let handle = self.collector.register_deferred().ok()?;
        if self.erased {
            return Some(erased(handle.erase()));
        }
        let hold = Hold::Handle(handle);
        Some(Box::new(Holder::<S, Deferred>::new(hold, |_| None)))
    }

    fn register_per_cpu(&self) -> Option<Box<dyn Actor>> {
        let cpu = self.collector.register_per_cpu().ok()?;
        // SAFETY: one thread, and nothing preempts it.
        let hold = Hold::Cpu(cpu, |cpu| unsafe { cpu.get() });
        Some(Box::new(Holder::<S, Nested>::new(hold, |_| None)))
    }

    fn request_restart(&self, slot: usize) -> bool {
        self.collector.request_restart(slot)
    }

    fn evict(&self, id: HandleId) -> bool {
        // SAFETY: one thread; its guards are forgotten, as is a section, and
        // its handle is used only as a stale one may be.
        unsafe { self.collector.evict(id) }.is_ok()
    }

    fn unprotected(&self, body: Body, retire: bool) -> Option<*mut Object> {
        let id = body.id;
        let make = |guard: &Guard<'_, S>| {
            let object = Box::into_raw(Box::new(guard.handle().link(body)));
            born(object, id, Home::Box);
            if retire {
                // SAFETY: nobody else ever saw it.
                unsafe { guard.defer_retire(object, RECLAIM) };
            }
            object
        };
        // SAFETY: the guard loads nothing, and the object is new.
        let made = calm(|| unsafe { self.collector.with_unprotected(make) });
        made.filter(|_| !retire)
    }

    fn pending(&self) -> usize {
        self.collector.stats().pending()
    }
}

type Of<S, R> = Handle<'static, S, R>;
/// The handle, if it is an eager one.
type AsEager<S, R> = fn(&Of<S, R>) -> Option<&Of<S, Eager>>;

/// The handle of a CPU.
type GetOf<S, R> = for<'a> fn(&'a PerCpu<'static, S>) -> &'a Of<S, R>;

/// What holds the slot.
enum Hold<S: Scheme, R: Role> {
    Handle(Of<S, R>),
    Cpu(PerCpu<'static, S>, GetOf<S, R>),
    Owned(OwnedGuard<'static, S, R>),
    Gone,
}

struct Holder<S: Scheme, R: Role> {
    hold: Hold<S, R>,
    /// Guards of `hold`: none of them is left when it is dropped, see `SAFETY`.
    guards: Vec<Guard<'static, S, R>>,
    eager: AsEager<S, R>,
}

impl<S: Scheme, R: Role> Holder<S, R> {
    fn new(hold: Hold<S, R>, eager: AsEager<S, R>) -> Self {
        Self {
            hold,
            guards: Vec::new(),
            eager,
        }
    }

    /// The handle; a section has none to lend.
    fn handle(&self) -> Option<&Of<S, R>> {
        match &self.hold {
            Hold::Handle(handle) => Some(handle),
            Hold::Cpu(cpu, get) => Some(get(cpu)),
            _ => None,
        }
    }

    fn eager(&self) -> Option<&Of<S, Eager>> {
        (self.eager)(self.handle()?)
    }

    /// The handle, for operations that the interpreter does not perform on
    /// sections.
    fn own(&self) -> &Of<S, R> {
        self.handle().expect("it is no section")
    }

    /// Takes what holds the slot, which no guard borrows.
    fn take(&mut self) -> Hold<S, R> {
        assert!(self.guards.is_empty(), "the compiler would not allow it");
        mem::replace(&mut self.hold, Hold::Gone)
    }
}

impl<S: Scheme, R: Role> Actor for Holder<S, R> {
    fn id(&self) -> HandleId {
        self.own().id()
    }

    fn guards(&self) -> usize {
        self.guards.len()
    }

    fn is_section(&self) -> bool {
        matches!(self.hold, Hold::Owned(_))
    }

    fn is_per_cpu(&self) -> bool {
        matches!(self.hold, Hold::Cpu(..))
    }

    fn enter(&mut self) {
        let guard: Guard<'_, S, R> = match &self.hold {
            Hold::Owned(section) => section.guard(),
            _ => self.own().enter(),
        };
        // SAFETY: a guard borrows what it was made from, `hold`. Here that
        // stays until its guards are dropped or forgotten: `take` checks it.
        let guard = unsafe { mem::transmute::<Guard<'_, S, R>, Guard<'static, S, R>>(guard) };
        self.guards.push(guard);
    }

    fn leave(&mut self, guard: usize) {
        let guard = self.guards.remove(guard);
        calm(|| drop(guard));
    }

    fn forget_guard(&mut self, guard: usize) {
        mem::forget(self.guards.remove(guard));
    }

    fn refresh(&mut self, guard: usize) {
        calm(|| self.guards[guard].refresh());
    }

    fn refresh_section(&mut self) {
        assert!(self.guards.is_empty(), "the compiler would not allow it");
        if let Hold::Owned(section) = &mut self.hold {
            calm(|| section.refresh());
        }
    }

    fn open_section(&mut self) {
        self.hold = match self.take() {
            Hold::Handle(handle) => Hold::Owned(handle.enter_owned()),
            other => other,
        };
    }

    fn leave_section(&mut self) {
        self.hold = match self.take() {
            Hold::Owned(section) => {
                let handle = calm(|| section.leave());
                handle.map_or(Hold::Gone, Hold::Handle)
            }
            other => other,
        };
    }

    fn release(&mut self) {
        let hold = self.take();
        calm(|| drop(hold));
    }

    fn forget(&mut self) {
        self.guards.drain(..).for_each(mem::forget);
        mem::forget(self.take());
    }

    fn die(&mut self) {
        self.guards.drain(..).for_each(mem::forget);
        if self.is_section() {
            mem::forget(self.take());
        }
    }

    fn protect(&self, guard: Option<usize>, cell: &AtomicPtr<Object>) -> *mut Object {
        match (guard, &self.hold) {
            (Some(guard), _) => self.guards[guard].protect(cell, Ordering::Acquire),
            (None, Hold::Owned(section)) => section.protect(cell, Ordering::Acquire),
            (None, _) => unreachable!("no section"),
        }
    }

    fn swap(&self, guard: usize, cell: &AtomicPtr<Object>, new: *mut Object) -> *mut Object {
        self.guards[guard].swap(cell, new, Ordering::AcqRel)
    }

    fn exchange(
        &self,
        guard: usize,
        cell: &AtomicPtr<Object>,
        current: *mut Object,
        new: *mut Object,
    ) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        self.guards[guard]
            .compare_exchange(cell, current, new, success, failure)
            .is_ok()
    }

    fn defer_retire(&self, guard: usize, object: *mut Object) {
        // SAFETY: the interpreter unlinked the object and retires it once, and
        // the reclaimer is that of all objects.
        calm(|| unsafe { self.guards[guard].defer_retire(object, RECLAIM) });
    }

    fn restart_requested(&self, guard: usize) -> bool {
        self.guards[guard].restart_requested()
    }

    fn boxed(&self, body: Body) -> *mut Object {
        Box::into_raw(Box::new(self.own().link(body)))
    }

    fn pooled(&self, pools: &'static Pools, pool: usize, body: Body) -> Result<*mut Object, usize> {
        let id = body.id;
        let made = calm(|| match pool {
            0 => pools.small.alloc(self.own(), body),
            _ => pools.large.alloc(self.own(), body),
        });
        match made {
            Some(made) => made.map_err(|full| full.into_inner().id),
            None => Err(id),
        }
    }

    fn protect_own(&self, guard: usize, object: *mut Object) {
        // SAFETY: the interpreter has just made it.
        unsafe { self.guards[guard].protect_own(object) };
    }

    fn is_gone(&self) -> bool {
        matches!(self.hold, Hold::Gone)
    }

    fn retire(&self, object: *mut Object) {
        // SAFETY: the interpreter unlinked the object, retires it once, and makes this
        // handle's section forget it; the reclaimer is that of all objects.
        calm(|| unsafe { self.own().retire(object, RECLAIM) });
    }

    fn flush(&self) -> usize {
        calm(|| self.own().flush()).unwrap_or(0)
    }

    fn collect(&self) -> Option<usize> {
        let eager = self.eager()?;
        Some(calm(|| eager.collect()).unwrap_or(0))
    }

    fn collect_at_most(&self, limit: usize) -> Option<usize> {
        let eager = self.eager()?;
        Some(calm(|| eager.collect_at_most(limit)).unwrap_or(0))
    }

    fn limit(&self, limit: u16) -> Option<()> {
        self.eager()?.limit_reclaims(NonZeroU16::new(limit));
        Some(())
    }

    fn start(&self) -> Token {
        self.own().start_grace_period()
    }

    fn poll(&self, token: &mut Token) -> bool {
        token.poll(self.own())
    }

    fn synchronize(&self) -> Option<Result<(), WouldDeadlock>> {
        let eager = self.eager()?;
        Some(eager.synchronize(|| panic!("no section is open, but it waits")))
    }

    fn call_later(&self, callback: &'static Callback, word: usize) -> Result<(), hyaline::Busy> {
        // It is under way when a reclaimer panics.
        calm(|| callback.call_later(self.own(), called, word)).unwrap_or(Ok(()))
    }
}
