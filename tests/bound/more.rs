//! Steps that are made more rarely.

use std::{cell::Cell, mem, rc::Rc, sync::atomic::Ordering};

use hyaline::Guard;

use super::{Object, Scheme, State, User, World, accounts::panics, here, reclaim};

impl<const N: usize> World<N> {
    /// Makes objects and retires them where no section can hold them. They are in use
    /// until the call returns.
    pub(super) fn unprotected(&self, times: usize) -> bool {
        // No slot: no seat has this number.
        let seat = N;
        let made = Cell::new(0);
        let retires = |guard: &Guard<'_, Scheme>| {
            for _ in 0..times {
                if self.in_use() == self.limits.live || !self.may_retire(1) {
                    return;
                }
                self.live.set(self.live.get() + 1);
                made.set(made.get() + 1);
                let id = self.states.borrow().len();
                self.states.borrow_mut().push(State::Retired);
                let object: *mut Object = Box::into_raw(Box::new(guard.handle().link(id)));
                self.retired.set(self.retired.get() + 1);
                self.note_peak();
                // SAFETY: nobody else ever saw it.
                unsafe { guard.defer_retire(object, reclaim) };
            }
        };
        self.under_way(seat, false, || {
            // SAFETY: it loads nothing, and retires what was never shared.
            panics(|| unsafe { self.collector().with_unprotected(retires) })
        });
        self.live.set(self.live.get() - made.get());
        made.get() > 0
    }

    /// A section that only an eviction ends.
    pub(super) fn forget(&self, seat: usize) -> bool {
        let seat = &mut self.seats.borrow_mut()[seat];
        let guard = seat.guards.pop();
        seat.lent += usize::from(guard.is_some());
        guard.map(mem::forget).is_some()
    }

    /// The handle becomes an owned guard for some steps of others.
    pub(super) fn own(&self, seat: usize, steps: usize) -> bool {
        let Some(user) = self.idle_eager(seat) else {
            return false;
        };
        {
            let seats = self.seats.borrow();
            let is_open = !seats[seat].guards.is_empty() || seats[seat].lent > 0;
            if is_open || !matches!(*user, User::Eager(_)) {
                return false;
            }
        }
        drop(user);
        let user = self.seats.borrow_mut()[seat]
            .user
            .take()
            .map(Rc::try_unwrap);
        let Some(Ok(User::Eager(handle))) = user else {
            unreachable!("no call of it is under way");
        };
        let new = self.new_section();
        {
            let seat = &mut self.seats.borrow_mut()[seat];
            seat.section.get_or_insert(new);
            seat.lent += 1;
        }
        let owned = self.under_way(seat, false, || handle.enter_owned());
        for number in 0..steps {
            if number == 0 {
                let cell = &self.cells[0];
                let load = || owned.protect(cell, Ordering::Acquire);
                if let Some(object) = self.advancing(seat, load) {
                    self.hold(seat, object);
                }
            }
            self.next();
        }
        {
            let seat = &mut self.seats.borrow_mut()[seat];
            seat.held.clear();
            seat.lent -= 1;
        }
        let left = Cell::new(None);
        self.call(seat, self.limit_of(seat), || left.set(Some(owned.leave())));
        match left.take() {
            Some(handle) => {
                self.seats.borrow_mut()[seat].user = Some(Rc::new(User::Eager(handle)));
            }
            // A reclaimer panicked, which drops the handle.
            None => self.register(seat, 0),
        }
        true
    }

    /// Allocates a block, or frees one: handles keep some.
    pub(super) fn block(&self, seat: usize, frees: bool) -> bool {
        let Some(user) = self.user(seat) else {
            return false;
        };
        if frees {
            let block = self.allocated.borrow_mut().pop();
            // SAFETY: from this pool, never shared, and not used again.
            return block
                .map(|block| unsafe { self.blocks.free(block) })
                .is_some();
        }
        if self.allocated.borrow().len() == self.blocks.capacity() {
            return false;
        }
        let block = self.under_way(
            seat,
            false,
            || each!(*user, handle => self.blocks.alloc(handle, 7)),
        );
        self.allocated
            .borrow_mut()
            .push(block.expect("some are free"));
        true
    }
}
