//! What the page on the bound counts.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
};

use super::{Call, OnPurpose, Op, Seat, Section, User, World};

/// Whether a reclaimer panics in a call.
pub(super) fn panics(f: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => false,
        Err(panic) if panic.is::<OnPurpose>() => true,
        Err(panic) => resume_unwind(panic),
    }
}

impl<const N: usize> World<N> {
    /// The stalls that a section or a call counts as when `more` objects have
    /// been retired.
    fn count_of(&self, section: &Section, more: usize) -> usize {
        let during = self.retired.get() + more - section.since;
        if during < N * self.limits.batch {
            0
        } else {
            1 + section.advanced
        }
    }

    fn stalls(&self, more: usize, except: Option<usize>) -> usize {
        let calls = self.calls.borrow();
        let calls = calls
            .iter()
            .filter(|call| self.retired.get() + more - call.since >= N);
        let seats = self.seats.borrow();
        let sections = seats.iter().enumerate().flat_map(|(index, seat)| {
            let open = seat.section.iter().filter(move |_| except != Some(index));
            open.chain(&seat.over)
        });
        calls.count()
            + sections
                .map(|section| self.count_of(section, more))
                .sum::<usize>()
    }

    pub(super) fn may_retire(&self, more: usize) -> bool {
        self.stalls(more, None) <= self.limits.stalls
    }

    /// An object was retired.
    pub(super) fn note_peak(&self) {
        let counts = !self.limits.inside || !self.calls.borrow().is_empty();
        if counts && !self.void.get() {
            self.peak.set(self.peak.get().max(self.pending()));
        }
    }

    pub(super) fn in_use(&self) -> usize {
        let seats = self.seats.borrow();
        let deferred = seats.iter().map(|seat| seat.deferred - seat.cleared);
        self.live.get() + deferred.sum::<usize>()
    }

    /// Whether the clock was moved since the seat's section loaded last.
    fn would_raise(&self, seat: usize) -> bool {
        let state = self.collector().slots().nth(seat).unwrap();
        state.since_read > Some(0)
    }

    /// What one more era counts in which the seat's section loads.
    fn for_an_era(&self, seat: usize) -> usize {
        2 + self.stalls(0, Some(seat))
    }

    fn is_counted(&self, seat: usize) -> bool {
        let seats = self.seats.borrow();
        let section = seats[seat].section.as_ref();
        section.is_some_and(|section| self.count_of(section, 0) > 0)
    }

    /// Loads under a guard, which may raise the section's era, unless that would be one
    /// stall too many.
    pub(super) fn advancing<T>(&self, seat: usize, f: impl FnOnce() -> T) -> Option<T> {
        let more = self.for_an_era(seat);
        let may = self.stalls(0, None) + more <= self.limits.stalls;
        if self.would_raise(seat) && self.is_counted(seat) && !may {
            return None;
        }
        Some(self.under_way(seat, true, f))
    }

    /// The last call executes a barrier: the steps that were armed run there.
    pub(super) fn passes_barrier(&self, light: bool) {
        let number = self.calls.borrow().len();
        let Some(last) = number.checked_sub(1) else {
            return;
        };
        let (seat, raises) = {
            let call = &mut self.calls.borrow_mut()[last];
            if light {
                call.lit.get_or_insert(self.retired.get());
            }
            (call.seat, call.loads && light)
        };
        if raises {
            let more = self.for_an_era(seat);
            if let Some(section) = &mut self.seats.borrow_mut()[seat].section {
                section.advanced += more;
            }
            // It loads again, in another era, because the clock was moved at its barrier.
            if self.stalls(0, None) > self.limits.stalls {
                self.void.set(true);
            }
        }
        match self.armed_at.get() {
            (0, _) => {}
            (1, steps) if number > self.locked.get() => {
                self.armed_at.set((0, 0));
                self.preempt(last, steps);
            }
            (wait, steps) => self.armed_at.set((wait - 1, steps)),
        }
    }

    /// Runs steps in the middle of a call.
    fn preempt(&self, call: usize, steps: usize) {
        let in_use = |seat: &Seat| seat.deferred - seat.cleared;
        let taken = self.seats.borrow().iter().map(in_use).collect();
        {
            let call = &mut self.calls.borrow_mut()[call];
            call.taken = Some(taken);
            call.stopped = true;
        }
        let locked = self.locked.replace(call + 1);
        for _ in 0..steps {
            self.next();
        }
        self.locked.set(locked);
        self.calls.borrow_mut()[call].taken = None;
    }

    /// The user of this seat is preempted at a barrier.
    pub(super) fn is_locked(&self, seat: usize) -> bool {
        let calls = self.calls.borrow();
        calls[..self.locked.get()]
            .iter()
            .any(|call| call.seat == seat)
    }

    /// A call was preempted at a barrier and has not returned.
    pub(super) fn is_stopped(&self) -> bool {
        self.calls.borrow().iter().any(|call| call.stopped)
    }

    fn begin(&self, seat: usize, limit: usize, loads: bool) {
        self.calls.borrow_mut().push(Call {
            seat,
            since: self.retired.get(),
            limit,
            ran: 0,
            loads,
            lit: None,
            panicked: false,
            stopped: false,
            taken: None,
        });
    }

    /// A call that reclaims nothing.
    pub(super) fn under_way<T>(&self, seat: usize, loads: bool, f: impl FnOnce() -> T) -> T {
        self.begin(seat, usize::MAX, loads);
        let result = f();
        self.calls.borrow_mut().pop();
        result
    }

    pub(super) fn is_busy(&self, seat: usize) -> bool {
        self.calls.borrow().iter().any(|call| call.seat == seat)
    }

    /// A call that may run reclaimers, `limit` at most.
    pub(super) fn call(&self, seat: usize, limit: usize, f: impl FnOnce()) -> Call {
        let runs = self.runs_reclaimers(seat);
        let waited: Vec<_> = (0..N).filter(|&slot| self.waits_at(slot)).collect();
        self.begin(seat, limit, false);
        let panicked = panics(f);
        let mut call = self.calls.borrow_mut().pop().expect("pushed above");
        call.panicked = panicked;
        if panicked {
            self.left_over.set(true);
        } else if runs && (1..limit).contains(&call.ran) {
            self.nothing_left_over();
        } else if call.ran >= limit || !runs && waited.iter().any(|&slot| !self.waits_at(slot)) {
            self.left_over.set(true);
        }
        self.section_over(seat);
        self.forget_over(|_| true);
        call
    }

    /// Whether objects wait at a slot.
    pub(super) fn waits_at(&self, slot: usize) -> bool {
        self.collector().slots().nth(slot).unwrap().waiting
    }

    /// Whether reclaimers may run in the seat's calls.
    pub(super) fn runs_reclaimers(&self, seat: usize) -> bool {
        let user = self.user(seat);
        let eager = user.is_none_or(|user| user.eager().is_some());
        eager && !self.is_busy(seat)
    }

    /// A call left nothing over. One with a limit that is under way, or in which a
    /// reclaimer may panic, may still do so, with what is in its hand. False if there is one.
    pub(super) fn nothing_left_over(&self) -> bool {
        let panics = self.ops.contains(&Op::Panic);
        let left = (self.calls.borrow().iter()).any(|call| panics || call.limit < usize::MAX);
        self.left_over.set(left);
        !left
    }

    /// Forgets the sections that are over and of which nothing waits or is left
    /// over, unless a call that was under way at their end may still have it.
    pub(super) fn forget_over(&self, keeps: impl Fn(&Section) -> bool) {
        if self.is_stopped() {
            return;
        }
        for (state, seat) in self.collector().slots().zip(&mut *self.seats.borrow_mut()) {
            let left = state.waiting || self.left_over.get();
            seat.over.retain(|section| left && keeps(section));
        }
    }

    /// The deferred objects on each slot that a call publishes: a collect those
    /// of all slots, a publish those of its own and of owners that do not
    /// publish.
    pub(super) fn deferred(&self, publisher: Option<usize>) -> Vec<usize> {
        let seats = self.seats.borrow();
        let takes = |(index, seat): (usize, &Seat)| {
            let passive = (seat.user.as_deref()).is_some_and(|user| user.eager().is_none());
            let taken = passive || publisher.is_none_or(|publisher| publisher == index);
            if taken { seat.deferred } else { 0 }
        };
        seats.iter().enumerate().map(takes).collect()
    }

    /// So many of the deferred objects are published, and none is left over, except for
    /// what calls have taken that are preempted.
    pub(super) fn clear(&self, deferred: Vec<usize>) {
        let calls = self.calls.borrow();
        let taken = calls.iter().rev().find_map(|call| call.taken.as_ref());
        let mut seats = self.seats.borrow_mut();
        for (number, (seat, deferred)) in seats.iter_mut().zip(deferred).enumerate() {
            let taken = taken.map_or(0, |taken| taken[number]);
            seat.cleared = seat.cleared.max(deferred.saturating_sub(taken));
        }
    }

    pub(super) fn user(&self, seat: usize) -> Option<Rc<User>> {
        self.seats.borrow()[seat].user.clone()
    }

    pub(super) fn idle_eager(&self, seat: usize) -> Option<Rc<User>> {
        let user = self.user(seat)?;
        (user.eager().is_some() && !self.is_busy(seat)).then_some(user)
    }

    pub(super) fn new_section(&self) -> Section {
        self.sections.set(self.sections.get() + 1);
        Section {
            number: self.sections.get(),
            since: self.retired.get(),
            advanced: 0,
        }
    }

    /// Records the end of a section. What waits for it may wait until a scan
    /// notices the end.
    pub(super) fn section_over(&self, seat: usize) {
        if self.is_busy(seat) {
            // A call under way uses its guard.
            return;
        }
        let waiting = self.waits_at(seat);
        let left = self.left_over.get() || self.is_stopped();
        let mut seats = self.seats.borrow_mut();
        if seats[seat].guards.is_empty() && seats[seat].lent == 0 {
            seats[seat].held.clear();
            if let Some(section) = seats[seat].section.take().filter(|_| waiting || left) {
                seats[seat].over.push(section);
            }
        }
    }
}
