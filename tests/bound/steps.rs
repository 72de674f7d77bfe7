//! The steps. Each makes one call or a few, unless an assumption forbids it.

use std::{cell::RefCell, mem, num::NonZeroU16, ptr, rc::Rc, sync::atomic::Ordering};

use hyaline::AtomicPtr;

use super::{Object, Op, Open, Seat, Section, State, User, World, here, reclaim};

impl<const N: usize> World<N> {
    pub(super) fn make(&self, seat: usize) -> bool {
        let Some(user) = self.user(seat) else {
            return false;
        };
        if self.in_use() == self.limits.live {
            return false;
        }
        self.live.set(self.live.get() + 1);
        let id = self.states.borrow().len();
        self.states.borrow_mut().push(State::Live);
        let object = Box::into_raw(Box::new(each!(*user, handle => handle.link(id))));
        self.private.borrow_mut().push(object);
        true
    }

    /// Retires an object that is in no cell.
    fn retire(&self, seat: usize, object: *mut Object, now: bool) {
        let user = self.user(seat).expect("looked before");
        // SAFETY: unlinked, and retired once.
        let id = unsafe { **object };
        let later = user.eager().is_none() || self.is_busy(seat);
        self.states.borrow_mut()[id] = State::Retired;
        self.live.set(self.live.get() - 1);
        self.seats.borrow_mut()[seat].deferred += usize::from(later);
        self.retired.set(self.retired.get() + 1);
        let deferred = self.deferred(Some(seat));
        self.note_peak();
        let call = self.call(seat, self.limit_of(seat), || {
            if now {
                // SAFETY: unlinked; no guard of the seat uses it.
                unsafe { each!(*user, handle => handle.retire(object, reclaim)) };
                return;
            }
            self.lend(seat, |guard| {
                // SAFETY: unlinked.
                unsafe { each_open!(guard, guard => guard.defer_retire(object, reclaim)) };
            });
        });
        // It published, and left nothing over.
        let ran = !call.panicked && (1..call.limit).contains(&call.ran);
        if !later && !now && ran && self.nothing_left_over() {
            self.clear(deferred);
        }
    }

    pub(super) fn retire_private(&self, seat: usize, oldest: bool, now: bool) -> bool {
        if self.user(seat).is_none() || self.private.borrow().is_empty() || !self.may_retire(1) {
            return false;
        }
        // Its own guards do not count.
        let held = |object: &*mut Object| {
            // SAFETY: not retired.
            let id = unsafe { ***object };
            self.seats.borrow()[seat].held.contains(&id)
        };
        if now && self.private.borrow().iter().any(held) {
            return false;
        }
        // At once: steps may run at a barrier of the enter.
        let object = {
            let mut private = self.private.borrow_mut();
            let index = if oldest { 0 } else { private.len() - 1 };
            private.remove(index)
        };
        let eager = self.user(seat).is_some_and(|user| user.eager().is_some());
        if now && eager {
            self.retire(seat, object, true);
            return true;
        }
        let was_open = !self.seats.borrow()[seat].guards.is_empty();
        if !was_open {
            self.enter(seat);
        }
        let own = || {
            self.lend(seat, |guard| {
                // SAFETY: valid, and not shared any more.
                unsafe { each_open!(guard, guard => guard.protect_own(object)) };
            });
        };
        let may = self.advancing(seat, own).is_some() && self.may_retire(1);
        if may {
            self.retire(seat, object, now);
        } else {
            self.private.borrow_mut().push(object);
        }
        if !was_open {
            self.leave(seat);
        }
        may
    }

    pub(super) fn enter(&self, seat: usize) -> bool {
        let Some(user) = self.user(seat) else {
            return false;
        };
        if self.seats.borrow()[seat].guards.len() == 3 {
            return false;
        }
        let new = self.new_section();
        self.seats.borrow_mut()[seat].section.get_or_insert(new);
        let open = self.under_way(seat, false, || Open::new(&user));
        self.seats.borrow_mut()[seat].guards.push(open);
        true
    }

    pub(super) fn leave(&self, seat: usize) -> bool {
        let mut seats = self.seats.borrow_mut();
        let Some(guard) = seats[seat].guards.pop() else {
            return false;
        };
        if seats[seat].guards.is_empty() && seats[seat].lent == 0 {
            seats[seat].held.clear();
        }
        drop(seats);
        // An eager section lasts until the call is over.
        self.call(
            seat,
            self.limit_of(seat),
            || each_open!(guard, guard => drop(guard)),
        );
        true
    }

    /// Calls `f` with a guard, which is not in its seat meanwhile.
    fn lend<T>(&self, seat: usize, f: impl FnOnce(&mut Open) -> T) -> T {
        /// Puts it back, also if a reclaimer panics.
        struct Back<'a>(&'a RefCell<Vec<Seat>>, usize, Option<Open>);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                let seat = &mut self.0.borrow_mut()[self.1];
                seat.guards.extend(self.2.take());
                seat.lent -= 1;
            }
        }
        let guard = {
            let seat = &mut self.seats.borrow_mut()[seat];
            seat.lent += 1;
            seat.guards.pop().expect("the caller entered")
        };
        let mut back = Back(&self.seats, seat, Some(guard));
        f(back.2.as_mut().expect("it is here"))
    }

    pub(super) fn protect(&self, seat: usize, cell: &AtomicPtr<Object>) -> bool {
        if self.seats.borrow()[seat].guards.is_empty() {
            return false;
        }
        let load = || {
            self.lend(
                seat,
                |guard| each_open!(guard, guard => guard.protect(cell, Ordering::Acquire)),
            )
        };
        let Some(object) = self.advancing(seat, load) else {
            return false;
        };
        self.hold(seat, object);
        true
    }

    pub(super) fn hold(&self, seat: usize, object: *mut Object) {
        if !object.is_null() {
            // SAFETY: protected.
            let id = unsafe { **object };
            self.seats.borrow_mut()[seat].held.push(id);
        }
    }

    /// Puts an object into a cell and retires the one that was there.
    pub(super) fn exchange(&self, seat: usize, cell: &AtomicPtr<Object>, op: Op) -> bool {
        if self.user(seat).is_none() || !self.may_retire(1) {
            return false;
        }
        let was_open = !self.seats.borrow()[seat].guards.is_empty();
        let swap = op == Op::Swap;
        let new = if swap && self.make(seat) {
            self.private.borrow_mut().pop().expect("just made")
        } else if !swap {
            self.private.borrow_mut().pop().unwrap_or(ptr::null_mut())
        } else {
            ptr::null_mut()
        };
        if !was_open {
            self.enter(seat);
        }
        let exchange = |guard: &mut Open| {
            let order = (Ordering::AcqRel, Ordering::Acquire);
            each_open!(guard, guard => {
                if swap {
                    return Ok(guard.swap(cell, new, order.0));
                }
                let seen = guard.protect(cell, order.1);
                match op {
                    Op::Weak => guard.compare_exchange_weak(cell, seen, new, order.0, order.1),
                    // What is expected was never in a cell.
                    Op::Failing => {
                        guard.compare_exchange(cell, ptr::dangling_mut(), new, order.0, order.1)
                    }
                    _ => guard.compare_exchange(cell, seen, new, order.0, order.1),
                }
            })
        };
        let old = self.advancing(seat, || self.lend(seat, exchange));
        // Unlinked now, and retired when allowed; or not shared, if it failed.
        let private = match old {
            Some(Ok(old)) => old,
            _ => new,
        };
        if !private.is_null() {
            self.private.borrow_mut().push(private);
            if let Some(Ok(_)) = old {
                self.retire_private(seat, false, false);
            }
        }
        if !was_open {
            self.leave(seat);
        }
        old.is_some()
    }

    pub(super) fn refresh(&self, seat: usize) -> bool {
        let eager = self.runs_reclaimers(seat);
        let mut seats = self.seats.borrow_mut();
        if seats[seat].guards.len() != 1 || seats[seat].lent > 0 || self.is_busy(seat) {
            return false;
        }
        seats[seat].held.clear();
        drop(seats);
        let call = self.call(seat, self.limit_of(seat), || {
            self.lend(seat, |guard| each_open!(guard, guard => guard.refresh()));
        });
        if let Some(since) = call.lit {
            // It began another section there.
            let new = Section {
                since,
                ..self.new_section()
            };
            let seat = &mut self.seats.borrow_mut()[seat];
            let old = seat.section.replace(new);
            if !eager || self.left_over.get() || self.is_stopped() {
                seat.over.extend(old);
            }
        }
        true
    }

    pub(super) fn collect(&self, seat: usize, flush: bool, most: Option<usize>) -> bool {
        let Some(user) = self.idle_eager(seat) else {
            return false;
        };
        let handle = user.eager().expect("eager");
        let deferred = self.deferred(None);
        let seats = self.seats.borrow();
        let over = seats.iter().flat_map(|seat| &seat.over);
        let over: Vec<_> = over.map(|section| section.number).collect();
        drop(seats);
        let limit = most.unwrap_or_else(|| self.limit_of(seat));
        let call = self.call(seat, limit, || {
            match most {
                None if flush => handle.flush(),
                None => handle.collect(),
                Some(most) => handle.collect_at_most(most),
            };
        });
        if !call.panicked && call.ran < limit && self.nothing_left_over() {
            self.clear(deferred);
            // It saw that these were over.
            self.forget_over(|section| !over.contains(&section.number));
        }
        true
    }

    pub(super) fn limit_of(&self, seat: usize) -> usize {
        match self.seats.borrow()[seat].limit {
            0 => usize::MAX,
            limit => limit,
        }
    }

    pub(super) fn limit(&self, seat: usize, most: usize) -> bool {
        let Some(user) = self.idle_eager(seat) else {
            return false;
        };
        let handle = user.eager().expect("eager");
        handle.limit_reclaims(NonZeroU16::new(most as u16));
        self.seats.borrow_mut()[seat].limit = most;
        true
    }

    pub(super) fn register(&self, seat: usize, role: usize) {
        self.seats.borrow_mut()[seat].limit = 0;
        let collector = self.collector();
        let waited = self.waits_at(seat);
        let user = match role % 8 {
            0..4 => collector.register().map(User::Eager),
            4 => collector.register_deferred().map(User::Deferred),
            5 => collector.register_per_cpu().map(User::PerCpu),
            6 => (collector.register()).map(|handle| User::Erased(handle.erase())),
            _ => (collector.register_deferred()).map(|handle| User::Erased(handle.erase())),
        };
        // A reclaimer may have registered in the slot meanwhile.
        if let Ok(user) = user {
            let slot = each!(user, handle => handle.slot());
            assert_eq!(slot, seat);
            self.seats.borrow_mut()[seat].user = Some(Rc::new(user));
        }
        // It passes on what waited for the last owner's section.
        if waited && !self.waits_at(seat) {
            self.left_over.set(true);
        }
    }

    /// Gives the seat to another user.
    pub(super) fn retake(&self, seat: usize, role: usize, evict: bool) -> bool {
        // Slots are claimed in order, so no other slot may be free.
        if self.is_busy(seat) || self.seats.borrow().iter().any(|seat| seat.user.is_none()) {
            return false;
        }
        if !evict {
            let has_guards = |seat: &Seat| !seat.guards.is_empty() || seat.lent > 0;
            if has_guards(&self.seats.borrow()[seat]) {
                return false;
            }
            let user = self.seats.borrow_mut()[seat].user.take();
            self.call(seat, usize::MAX, || drop(user));
        } else {
            let (user, guards) = {
                let seat = &mut self.seats.borrow_mut()[seat];
                seat.held.clear();
                seat.lent = 0;
                (seat.user.take().unwrap(), mem::take(&mut seat.guards))
            };
            let id = each!(*user, handle => handle.id());
            guards.into_iter().for_each(mem::forget);
            mem::forget(Rc::try_unwrap(user).ok().expect("no call is under way"));
            // SAFETY: forgotten, and the same thread.
            unsafe { self.collector().evict(id) }.unwrap();
            self.section_over(seat);
        }
        self.register(seat, role);
        true
    }

    pub(super) fn synchronize(&self, seat: usize) -> bool {
        let Some(user) = self.idle_eager(seat) else {
            return false;
        };
        let handle = user.eager().expect("eager");
        self.under_way(seat, false, || {
            let mut token = handle.start_grace_period();
            token.poll(handle);
        });
        if self.calls.borrow().is_empty() && self.collector().slots().all(|slot| slot.guards == 0) {
            handle
                .synchronize(|| unreachable!("no section is open"))
                .unwrap();
        }
        true
    }

    pub(super) fn starve(&self, seat: usize) -> bool {
        if self.is_busy(seat) {
            return false;
        }
        let Some(user) = self.user(seat) else {
            return false;
        };
        self.call(seat, self.limit_of(seat), || {
            each!(*user, handle => assert!(self.pool.alloc(handle, 0).is_err()));
        });
        true
    }
}
