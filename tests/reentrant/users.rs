//! What a user of a slot calls.

use std::{cell::Cell, ptr, rc::Rc};

use super::{
    frames,
    run::{Home, Object, Plain, Value, alone, random},
    seat::Seat,
    side::Side,
    task::Section,
};

/// A new object from a box.
pub fn make(side: &Side, seat: &Seat) -> *mut Object {
    let value = Value::new(side.number, Home::Box);
    seat.call_most(side, 0, |task| task.handle().make(value))
}

/// A new object, or the null pointer.
fn make_any(side: &Side, seat: &Seat) -> *mut Object {
    match random(5) {
        0 => ptr::null_mut(),
        1 => alloc(side, seat).unwrap_or(ptr::null_mut()),
        _ => make(side, seat),
    }
}

pub fn alloc(side: &Side, seat: &Seat) -> Option<*mut Object> {
    let value = Value::new(side.number, Home::Pool);
    let made = seat.call(side, |task| task.handle().alloc(&side.pools, value));
    // The drop of a refused value makes calls, too.
    made.ok()
}

/// Retires an object under a guard.
pub fn defer(side: &Side, guard: &dyn Section, object: *mut Object) {
    // SAFETY: it is unlinked, and the guard has protected it.
    unsafe { (&*object).retire() };
    guard.defer_retire(&side.pools, object);
}

/// Retires an object that the user's guards do not use.
fn retire_now(side: &Side, seat: &Seat, object: *mut Object) {
    seat.release(object);
    // SAFETY: it was not retired yet.
    unsafe { (&*object).retire() };
    seat.call(side, |task| task.handle().retire(&side.pools, object));
}

/// Takes an object that was not shared, or makes one.
fn take_or_make(side: &Side, seat: &Seat) -> *mut Object {
    let kept = side.kept.borrow_mut().pop();
    kept.unwrap_or_else(|| make(side, seat))
}

pub fn enter(side: &Side, seat: &Seat) {
    if seat.task.guards() < 3 {
        seat.call_most(side, 0, |task| task.enter());
    }
}

pub fn leave(side: &Side, seat: &Seat) {
    let which = random(8);
    seat.call(side, |task| {
        seat.ends();
        task.leave(which)
    });
}

pub fn refresh(side: &Side, seat: &Seat) {
    let which = random(8);
    seat.call(side, |task| {
        seat.ends();
        task.refresh(which);
    });
}

pub fn protect(side: &Side, seat: &Seat) {
    let (which, cell) = (random(8), &side.cells[random(3)]);
    seat.call_most(side, 0, |task| {
        task.with_guard(which, &mut |guard| {
            seat.hold(guard.protect(cell));
            guard.restart_requested();
        });
    });
}

/// Puts an object or null into a cell in one way or another, and retires what was there.
pub fn replace(side: &Side, seat: &Seat) {
    let was_open = seat.task.guards() > 0;
    if !was_open {
        seat.call_most(side, 0, |task| task.enter());
    }
    let new = make_any(side, seat);
    let cell = &side.cells[random(3)];
    let way = random(5);
    let unlinked = Cell::new(new);
    seat.call(side, |task| {
        task.with_guard(random(8), &mut |guard| {
            let old = match way {
                0 => Ok(guard.swap(cell, new)),
                1 => {
                    // What it sees is elsewhere, so it fails, except for null.
                    let seen = guard.protect(&side.cells[random(3)]);
                    guard.exchange(cell, seen, new, false)
                }
                _ => guard.exchange(cell, guard.protect(cell), new, way == 2),
            };
            match old {
                Ok(old) => {
                    seat.hold(old);
                    unlinked.set(old);
                    if !old.is_null() && random(4) > 0 {
                        unlinked.set(ptr::null_mut());
                        defer(side, guard, old);
                    }
                }
                Err(seen) => seat.hold(seen),
            }
        });
    });
    // What is not retired yet: the old one; or the new one, if it failed.
    let left = unlinked.get();
    if !left.is_null() {
        retire_now(side, seat, left);
    }
    if !was_open {
        leave(side, seat);
    }
}

pub fn retire(side: &Side, seat: &Seat) {
    let object = take_or_make(side, seat);
    retire_now(side, seat, object);
}

pub fn defer_retire(side: &Side, seat: &Seat) {
    let object = take_or_make(side, seat);
    let retired = Cell::new(false);
    seat.call(side, |task| {
        task.with_guard(random(8), &mut |guard| {
            seat.hold(object);
            retired.set(true);
            defer(side, guard, object);
        });
    });
    if !retired.get() {
        side.kept.borrow_mut().push(object);
    }
}

/// Protects an object of its own, shares it, and reads it on.
pub fn publish_own(side: &Side, seat: &Seat) {
    let object = take_or_make(side, seat);
    let old = Cell::new(object);
    seat.call(side, |task| {
        task.with_guard(random(8), &mut |guard| {
            guard.protect_own(object);
            seat.hold(object);
            old.set(guard.swap(&side.cells[random(3)], object));
            if !old.get().is_null() {
                seat.hold(old.get());
                defer(side, guard, old.replace(ptr::null_mut()));
            }
        });
    });
    if !old.get().is_null() {
        side.kept.borrow_mut().push(object);
    }
}

pub fn keep(side: &Side, seat: &Seat) {
    if let Some(object) = alloc(side, seat) {
        side.kept.borrow_mut().push(object);
    }
}

pub fn free(side: &Side, _: &Seat) {
    let object = side.kept.borrow_mut().pop();
    if let Some(object) = object {
        side.free(object);
    }
}

pub fn alloc_plain(side: &Side, seat: &Seat) {
    let made = seat.call(side, |task| task.handle().alloc_plain(&side.pools));
    let retire = |object: *mut Plain| {
        seat.call(side, |task| task.handle().retire_plain(&side.pools, object));
    };
    match made {
        Some(object) if random(2) == 0 => retire(object),
        Some(object) => side.plain.borrow_mut().push(object),
        None => {
            let kept = side.plain.borrow_mut().pop();
            kept.into_iter().for_each(retire);
        }
    }
}

pub fn flush(side: &Side, seat: &Seat) {
    seat.call(side, |task| task.handle().flush());
}

pub fn collect_at_most(side: &Side, seat: &Seat) {
    collect(side, seat, [0, 1, 2, usize::MAX][random(4)]);
}

pub fn collect(side: &Side, seat: &Seat, most: usize) {
    seat.call_most(side, most, |task| task.handle().collect_at_most(most));
}

pub fn limit(_: &Side, seat: &Seat) {
    let limit = random(3);
    if seat.task.handle().limit(limit as u16).is_some() {
        seat.limit.set(limit);
    }
}

pub fn call_later(side: &Side, seat: &Seat) {
    let callback = side.callback();
    side.retired.set(side.retired.get() + 1);
    let busy = Cell::new(true);
    // Counted before it runs.
    seat.call(side, |task| {
        let result = task.handle().call_later(callback, side.number);
        busy.set(result.is_err());
    });
    if busy.get() {
        side.retired.set(side.retired.get() - 1);
    }
}

pub fn poll(side: &Side, seat: &Seat) {
    let token = side.token.take();
    seat.call_most(side, 0, |task| {
        let handle = task.handle();
        let mut token = token.unwrap_or_else(|| handle.start_grace_period());
        if !handle.poll(&mut token) {
            side.token.replace(Some(token));
        }
    });
}

/// Where it does not wait: no section is open, and none begins at its barrier.
pub fn synchronize(side: &Side, seat: &Seat) {
    let open = |seat: &Rc<Seat>| seat.task.guards() > 0;
    if frames::none() && !side.seats.borrow().iter().flatten().any(open) {
        seat.call_most(side, 0, |task| {
            alone(|| task.handle().synchronize());
        });
    }
}
