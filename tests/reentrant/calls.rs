//! The random calls: tables of them, and what the collector's own are.

use std::{cell::Cell, rc::Rc};

use super::{
    frames::{self, Place},
    run::{Home, Value, call, random},
    seat::{Seat, most},
    side::Side,
    task::Task,
    users::*,
};

/// A call of a user.
type Call = fn(&Side, &Seat);

/// Each call with its weight.
#[rustfmt::skip] // a table
const CALLS: &[(usize, Call)] = &[
    (6, enter), (6, leave), (6, protect), (3, refresh), (9, replace),
    (3, retire), (3, defer_retire), (2, publish_own), (3, keep), (2, free),
    (4, alloc_plain), (3, flush), (3, collect_at_most), (2, limit),
    (2, call_later), (2, poll), (1, synchronize),
];

/// A call of the side itself.
type Other = fn(&Side);

#[rustfmt::skip] // a table
const OTHERS: &[(usize, Other)] = &[
    (4, Side::register), (3, release), (3, own), (3, disown), (2, kill), (4, unprotected),
    (1, Side::watch),
];

fn choose<T: Copy>(table: &[(usize, T)], mut number: usize) -> Result<T, usize> {
    for (weight, call) in table {
        if number < *weight {
            return Ok(*call);
        }
        number -= weight;
    }
    Err(number)
}

fn total<T>(table: &[(usize, T)]) -> usize {
    table.iter().map(|(weight, _)| weight).sum()
}

/// A random call.
pub fn any(side: &Side) {
    let number = random(total(CALLS) + total(OTHERS));
    match choose(CALLS, number) {
        Ok(call) => match side.seat() {
            Some(seat) => {
                let _busy = seat.busy();
                call(side, &seat);
            }
            None => side.register(),
        },
        Err(rest) => {
            if let Ok(other) = choose(OTHERS, rest) {
                other(side);
            }
        }
    }
}

/// What a reclaimer does that always retires again, on the handle whose call runs it:
/// something publishes it meanwhile.
pub fn again(side: &Side) {
    let seat = frames::innermost(side).and_then(|place| side.seat_of(place));
    let Some(seat) = seat else {
        return;
    };
    if random(4) == 0 {
        call_later(side, &seat);
    } else {
        let object = make(side, &seat);
        seat.call(side, |task| {
            task.with_new_guard(&mut |guard| defer(side, guard, object));
        });
    }
    let other = side.seat().unwrap_or(seat);
    let _busy = other.busy();
    match random(2) {
        0 => collect(side, &other, random(2)),
        _ => starve(side, &other),
    }
}

/// Allocates until no block is free. The last attempt publishes everything.
fn starve(side: &Side, seat: &Seat) {
    let alloc = || seat.call(side, |task| task.handle().alloc_plain(&side.pools));
    while let Some(block) = alloc() {
        side.plain.borrow_mut().push(block);
    }
}

/// What an interrupt does on the handle of its CPU while a call of that is under way.
pub fn interrupt(side: &Side, busy: &[Rc<Seat>]) {
    let mut cpus = busy.iter().filter(|seat| seat.task.is_per_cpu());
    let Some(seat) = cpus.next() else { return };
    let new = make(side, seat);
    let held = seat.held.borrow().clone();
    seat.call(side, |task| {
        task.with_new_guard(&mut |guard| {
            let cell = &side.cells[random(3)];
            seat.hold(guard.protect(cell));
            let old = guard.swap(cell, new);
            if !old.is_null() {
                seat.hold(old);
                call(side.number);
                defer(side, guard, old);
            }
            // The section of the call may continue; what this guard loaded is not used.
            seat.held.replace(held.clone());
        });
    });
}

fn release(side: &Side) {
    let Some((task, _)) = side.take(false) else {
        return;
    };
    let slot = Place::Slot(task.id().slot());
    let most = most(&*task, 0);
    frames::call(side, slot, most, || drop(task));
}

/// Changes a user by a call that may drain.
fn change(side: &Side, f: impl FnOnce(Box<dyn Task>) -> Box<dyn Task>) {
    if let Some((task, limit)) = side.take(false) {
        let (slot, most) = (task.id().slot(), most(&*task, limit));
        let task = frames::call(side, Place::Slot(slot), most, || f(task));
        side.put(task, limit);
    }
}

fn own(side: &Side) {
    change(side, Task::own);
}

fn disown(side: &Side) {
    change(side, |mut task| {
        if random(2) == 0 {
            return task.disown();
        }
        task.refresh_owned();
        task
    });
}

/// A task dies in a section, and is evicted. Its handle may still be used.
fn kill(side: &Side) {
    let Some((task, _)) = side.take(true) else {
        return;
    };
    let id = task.id();
    frames::call(side, Place::Slot(id.slot()), 0, || {
        let object = task.handle().make(Value::new(side.number, Home::Box));
        let stale = task.die();
        side.evict(id);
        match stale {
            Some(stale) if random(2) == 0 => {
                // SAFETY: just made.
                unsafe { (&*object).retire() };
                stale.handle().retire(&side.pools, object);
                drop(stale);
            }
            _ => side.kept.borrow_mut().push(object),
        }
    });
}

thread_local!(static UNPROTECTED: Cell<usize> = const { Cell::new(0) });

/// Retires what was never shared, allocates and collects without a slot.
fn unprotected(side: &Side) {
    let way = random(5);
    let place = Place::Unprotected(UNPROTECTED.replace(UNPROTECTED.get() + 1) + 1);
    frames::call(side, place, usize::MAX, || {
        side.unprotected(&mut |handle, guard| {
            for _ in 0..1 + random(3) {
                let value = || Value::new(side.number, Home::Box);
                let most = usize::MAX;
                match way {
                    0 => frames::call(side, place, most, || {
                        defer(side, guard, handle.make(value()))
                    }),
                    1 => {
                        let object = handle.make(value());
                        // SAFETY: just made.
                        unsafe { (&*object).retire() };
                        frames::call(side, place, most, || handle.retire(&side.pools, object));
                    }
                    2 => {
                        let value = Value::new(side.number, Home::Pool);
                        let alloc = || handle.alloc(&side.pools, value);
                        if let Ok(object) = frames::call(side, place, most, alloc) {
                            frames::call(side, place, most, || defer(side, guard, object));
                        }
                    }
                    3 => {
                        let limit = random(3);
                        handle.limit(limit as u16);
                        let most = if limit == 0 { usize::MAX } else { limit };
                        frames::call(side, place, most, || handle.flush());
                    }
                    _ => call(side.number),
                }
            }
        });
    });
}
