//! A handle of any scheme and role behind one interface. All lifetimes that the
//! compiler cannot follow are here.

use std::{
    cell::{Cell, RefCell},
    mem,
    num::NonZeroU16,
    process,
    sync::atomic::Ordering::{AcqRel, Acquire},
};

use hyaline::{
    AtomicPtr, Busy, Callback, Deferred, Eager, Erased, Guard, Handle, HandleId, Nested,
    OwnedGuard, PerCpu, Role, Scheme, Token, reclaim,
};

use super::run::{Home, Object, Plain, Pools, Value};

/// The calls of a handle. Those that only eager ones have return `None` for others.
pub trait Calls {
    fn make(&self, value: Value) -> *mut Object;
    /// The value comes back if no block is free.
    fn alloc(&self, pools: &Pools, value: Value) -> Result<*mut Object, Value>;
    fn alloc_plain(&self, pools: &Pools) -> Option<*mut Plain>;
    fn retire(&self, pools: &Pools, object: *mut Object);
    fn retire_plain(&self, pools: &Pools, object: *mut Plain);
    fn flush(&self) -> usize;
    fn collect_at_most(&self, most: usize) -> Option<usize>;
    fn limit(&self, most: u16) -> Option<()>;
    fn call_later(&self, callback: &'static Callback, word: usize) -> Result<(), Busy>;
    fn start_grace_period(&self) -> Token;
    fn poll(&self, token: &mut Token) -> bool;
    fn synchronize(&self);
    /// Whether its calls may run reclaimers.
    fn is_eager(&self) -> bool;
}

/// The calls of a guard.
pub trait Section {
    fn protect(&self, cell: &AtomicPtr<Object>) -> *mut Object;
    fn protect_own(&self, object: *mut Object);
    fn swap(&self, cell: &AtomicPtr<Object>, new: *mut Object) -> *mut Object;
    /// A weak exchange if `weak`.
    fn exchange(
        &self,
        cell: &AtomicPtr<Object>,
        seen: *mut Object,
        new: *mut Object,
        weak: bool,
    ) -> Result<*mut Object, *mut Object>;
    fn defer_retire(&self, pools: &Pools, object: *mut Object);
    fn restart_requested(&self) -> bool;
}

/// A handle or an owned guard, and its guards.
pub trait Task {
    fn id(&self) -> HandleId;
    fn handle(&self) -> &dyn Calls;
    fn is_per_cpu(&self) -> bool;
    fn is_owned(&self) -> bool;
    /// The open guards, those that a call uses and an owned one included.
    fn guards(&self) -> usize;
    /// Those of them that no call uses.
    fn idle_guards(&self) -> usize;
    fn enter(&self);
    /// Drops a guard, if there is one that no call uses.
    fn leave(&self, which: usize) -> bool;
    /// Refreshes a guard, if there is one that no call uses.
    fn refresh(&self, which: usize);
    /// Calls `f` with one of the guards, if there is one that no call uses.
    fn with_guard(&self, which: usize, f: &mut dyn FnMut(&dyn Section));
    /// Calls `f` with a new guard, and drops it. No reclaimer panics in it.
    fn with_new_guard(&self, f: &mut dyn FnMut(&dyn Section));
    /// Forgets the guards and an owned one. Returns what is left, a stale handle.
    fn die(self: Box<Self>) -> Option<Box<dyn Task>>;
    /// From a handle to an owned guard, and back. A per-CPU handle stays as it is.
    fn own(self: Box<Self>) -> Box<dyn Task>;
    fn disown(self: Box<Self>) -> Box<dyn Task>;
    fn refresh_owned(&mut self);
}

/// Roles, of which some are eager.
pub trait AsEager: Role + Sized + 'static {
    fn eager<'a, 'c, S: Scheme>(handle: &'a Handle<'c, S, Self>) -> Option<&'a Handle<'c, S>>;
}

impl AsEager for Eager {
    fn eager<'a, 'c, S: Scheme>(handle: &'a Handle<'c, S>) -> Option<&'a Handle<'c, S>> {
        Some(handle)
    }
}

impl AsEager for Erased {
    fn eager<'a, 'c, S: Scheme>(handle: &'a Handle<'c, S, Self>) -> Option<&'a Handle<'c, S>> {
        handle.as_eager()
    }
}

impl AsEager for Deferred {
    fn eager<'a, 'c, S: Scheme>(_: &'a Handle<'c, S, Self>) -> Option<&'a Handle<'c, S>> {
        None
    }
}

impl AsEager for Nested {
    fn eager<'a, 'c, S: Scheme>(_: &'a Handle<'c, S, Self>) -> Option<&'a Handle<'c, S>> {
        None
    }
}

impl<S: Scheme, R: AsEager> Calls for Handle<'_, S, R> {
    fn make(&self, value: Value) -> *mut Object {
        Box::into_raw(Box::new(self.link(value)))
    }

    fn alloc(&self, pools: &Pools, value: Value) -> Result<*mut Object, Value> {
        let made = pools.values.alloc(self, value);
        made.map_err(hyaline::PoolExhausted::into_inner)
    }

    fn alloc_plain(&self, pools: &Pools) -> Option<*mut Plain> {
        pools.plain.alloc(self, 7).ok()
    }

    fn retire(&self, pools: &Pools, object: *mut Object) {
        // SAFETY: the callers unlinked it or never shared it, retire it once, and
        // this handle's guards do not use it. Its home is where it comes from, and
        // the pools outlive the collector.
        unsafe {
            match (&*object).home {
                Home::Box => Handle::retire(self, object, reclaim::boxed::<Object>),
                Home::Pool => pools.values.retire(self, object),
            }
        }
    }

    fn retire_plain(&self, pools: &Pools, object: *mut Plain) {
        // SAFETY: from this pool, never shared, retired once.
        unsafe { pools.plain.retire(self, object) };
    }

    fn flush(&self) -> usize {
        Handle::flush(self)
    }

    fn collect_at_most(&self, most: usize) -> Option<usize> {
        Some(R::eager(self)?.collect_at_most(most))
    }

    fn limit(&self, most: u16) -> Option<()> {
        R::eager(self)?.limit_reclaims(NonZeroU16::new(most));
        Some(())
    }

    fn call_later(&self, callback: &'static Callback, word: usize) -> Result<(), Busy> {
        callback.call_later(self, super::run::called, word)
    }

    fn start_grace_period(&self) -> Token {
        Handle::start_grace_period(self)
    }

    fn poll(&self, token: &mut Token) -> bool {
        token.poll(self)
    }

    fn synchronize(&self) {
        if let Some(eager) = R::eager(self) {
            // A panic in it would wait.
            let waited = eager.synchronize(|| {
                eprintln!("it waits, and no section is open");
                process::abort();
            });
            assert!(waited.is_ok(), "no guard of its own is open");
        }
    }

    fn is_eager(&self) -> bool {
        R::eager(self).is_some()
    }
}

impl<S: Scheme, R: Role> Section for Guard<'_, S, R> {
    fn protect(&self, cell: &AtomicPtr<Object>) -> *mut Object {
        Guard::protect(self, cell, Acquire)
    }

    fn protect_own(&self, object: *mut Object) {
        // SAFETY: the caller has just made it.
        unsafe { Guard::protect_own(self, object) };
    }

    fn swap(&self, cell: &AtomicPtr<Object>, new: *mut Object) -> *mut Object {
        Guard::swap(self, cell, new, AcqRel)
    }

    fn exchange(
        &self,
        cell: &AtomicPtr<Object>,
        seen: *mut Object,
        new: *mut Object,
        weak: bool,
    ) -> Result<*mut Object, *mut Object> {
        if weak {
            self.compare_exchange_weak(cell, seen, new, AcqRel, Acquire)
        } else {
            self.compare_exchange(cell, seen, new, AcqRel, Acquire)
        }
    }

    fn defer_retire(&self, pools: &Pools, object: *mut Object) {
        // SAFETY: the callers unlinked it or never shared it, and retire it once.
        // Its home is where it comes from; the pools outlive the collector.
        unsafe {
            match (&*object).home {
                Home::Box => Guard::defer_retire(self, object, reclaim::boxed::<Object>),
                Home::Pool => pools.values.defer_retire(self, object),
            }
        }
    }

    fn restart_requested(&self) -> bool {
        Guard::restart_requested(self)
    }
}

type Get<S, R> = for<'a> fn(&'a PerCpu<'static, S>) -> &'a Handle<'static, S, R>;

/// What holds the slot.
pub enum Hold<S: Scheme, R: Role> {
    Handle(Handle<'static, S, R>),
    Cpu(PerCpu<'static, S>, Get<S, R>),
    Owned(OwnedGuard<'static, S, R>),
}

pub struct Holder<S: Scheme, R: Role> {
    hold: Hold<S, R>,
    /// Guards of `hold`. None is left when it is moved or dropped.
    guards: RefCell<Vec<Guard<'static, S, R>>>,
    /// Guards that calls use.
    lent: Cell<usize>,
}

/// A guard that a call uses. It comes back, also if a reclaimer panics.
struct Lent<'a, S: Scheme, R: AsEager>(&'a Holder<S, R>, Option<Guard<'static, S, R>>);

impl<S: Scheme, R: AsEager> Lent<'_, S, R> {
    fn guard(&mut self) -> &mut Guard<'static, S, R> {
        self.1.as_mut().expect("it is here until the end")
    }
}

impl<S: Scheme, R: AsEager> Drop for Lent<'_, S, R> {
    fn drop(&mut self) {
        self.0.lent.set(self.0.lent.get() - 1);
        self.0.guards.borrow_mut().extend(self.1.take());
    }
}

impl<S: Scheme, R: AsEager> Holder<S, R> {
    pub fn task(hold: Hold<S, R>) -> Box<dyn Task> {
        Box::new(Self {
            hold,
            guards: RefCell::default(),
            lent: Cell::new(0),
        })
    }

    fn its_handle(&self) -> &Handle<'static, S, R> {
        match &self.hold {
            Hold::Handle(handle) => handle,
            Hold::Cpu(cpu, get) => get(cpu),
            Hold::Owned(owned) => owned.handle(),
        }
    }

    fn new_guard(&self) -> Guard<'static, S, R> {
        let guard = match &self.hold {
            Hold::Owned(owned) => owned.guard(),
            _ => self.its_handle().enter(),
        };
        // SAFETY: a guard borrows what it was made from, `hold`. That stays where
        // it is until its guards are dropped or forgotten.
        unsafe { mem::transmute::<Guard<'_, S, R>, Guard<'static, S, R>>(guard) }
    }

    fn take(&self, which: usize) -> Option<Guard<'static, S, R>> {
        let mut guards = self.guards.borrow_mut();
        let which = which.checked_rem(guards.len())?;
        Some(guards.swap_remove(which))
    }

    fn lend(&self, which: usize) -> Option<Lent<'_, S, R>> {
        let guard = self.take(which)?;
        self.lent.set(self.lent.get() + 1);
        Some(Lent(self, Some(guard)))
    }
}

impl<S: Scheme, R: AsEager> Task for Holder<S, R> {
    fn id(&self) -> HandleId {
        self.its_handle().id()
    }

    fn handle(&self) -> &dyn Calls {
        self.its_handle()
    }

    fn is_per_cpu(&self) -> bool {
        matches!(self.hold, Hold::Cpu(..))
    }

    fn is_owned(&self) -> bool {
        matches!(self.hold, Hold::Owned(_))
    }

    fn guards(&self) -> usize {
        self.guards.borrow().len() + self.lent.get() + usize::from(self.is_owned())
    }

    fn idle_guards(&self) -> usize {
        self.guards.borrow().len()
    }

    fn enter(&self) {
        let guard = self.new_guard();
        self.guards.borrow_mut().push(guard);
    }

    fn leave(&self, which: usize) -> bool {
        self.take(which).is_some()
    }

    fn refresh(&self, which: usize) {
        if let Some(mut lent) = self.lend(which) {
            lent.guard().refresh();
        }
    }

    fn with_guard(&self, which: usize, f: &mut dyn FnMut(&dyn Section)) {
        if let Some(mut lent) = self.lend(which) {
            f(lent.guard());
        }
    }

    fn with_new_guard(&self, f: &mut dyn FnMut(&dyn Section)) {
        let guard = self.new_guard();
        self.lent.set(self.lent.get() + 1);
        f(&guard);
        self.lent.set(self.lent.get() - 1);
    }

    fn die(self: Box<Self>) -> Option<Box<dyn Task>> {
        self.guards.take().into_iter().for_each(mem::forget);
        match self.hold {
            Hold::Owned(owned) => {
                mem::forget(owned);
                None
            }
            other => Some(Self::task(other)),
        }
    }

    fn own(self: Box<Self>) -> Box<dyn Task> {
        assert!(self.guards.borrow().is_empty(), "they borrow it");
        match self.hold {
            Hold::Handle(handle) => Self::task(Hold::Owned(handle.enter_owned())),
            other => Self::task(other),
        }
    }

    fn disown(self: Box<Self>) -> Box<dyn Task> {
        assert!(self.guards.borrow().is_empty(), "they borrow it");
        match self.hold {
            Hold::Owned(owned) => Self::task(Hold::Handle(owned.leave())),
            other => Self::task(other),
        }
    }

    fn refresh_owned(&mut self) {
        assert!(self.guards.borrow().is_empty(), "they borrow it");
        if let Hold::Owned(owned) = &mut self.hold {
            owned.refresh();
        }
    }
}
