//! The statistics at every instruction of what changes them: with one object at a
//! time, never more than one is pending.

use std::cell::Cell;

use hyaline::{Basic, Collector, Config, Fences, Guard, Link, Linked, Robust, Role, Scheme};

use super::trap;

/// Does nothing: the object is its maker's.
unsafe fn ignored(_: *mut Link) {}

/// Where one object is retired and reclaimed.
type Body<S> = fn(&Collector<3, S>, *mut Linked<u32>);

fn retire<S: Scheme, R: Role>(guard: &Guard<'_, S, R>, object: *mut Linked<u32>) {
    // SAFETY: the object was never shared, and outlives the collector's use of it.
    unsafe { guard.defer_retire(object, ignored) };
}

fn unprotected<S: Scheme>(collector: &Collector<3, S>, object: *mut Linked<u32>) {
    // SAFETY: the object was never shared.
    unsafe { collector.with_unprotected(|guard| retire(guard, object)) };
}

fn collected<S: Scheme>(collector: &Collector<3, S>, object: *mut Linked<u32>) {
    let handle = collector.register().unwrap();
    retire(&handle.enter(), object);
    handle.collect();
}

fn at_once<S: Scheme>(collector: &Collector<3, S>, object: *mut Linked<u32>) {
    let handle = collector.register().unwrap();
    // SAFETY: as in `retire`.
    unsafe { handle.retire(object, ignored) };
}

/// By a handle that does not reclaim, and by one that does.
fn deferred<S: Scheme>(collector: &Collector<3, S>, object: *mut Linked<u32>) {
    retire(&collector.register_deferred().unwrap().enter(), object);
    collector.register().unwrap().collect();
}

/// Reads the statistics at every instruction.
fn sweep<S: Scheme<Barrier = Fences>>() {
    // Each with what is pending at most: what is retired unprotected counts when it is
    // reclaimed.
    let bodies: [(Body<S>, usize); 4] = [
        (unprotected, 0),
        (collected, 1),
        (at_once, 1),
        (deferred, 1),
    ];
    let collector = Collector::<3, S>::with_config(Config::new().batch::<1>());
    let maker = collector.register_deferred().unwrap();
    for (number, (body, expected)) in bodies.into_iter().enumerate() {
        let mut object = maker.link(7_u32);
        let object = &raw mut object;
        let (most, looks) = (Cell::new((0, 0)), Cell::new(0));
        let look = || {
            let (stats, (pending, peak)) = (collector.stats(), most.get());
            most.set((pending.max(stats.pending()), peak.max(stats.peak)));
            looks.set(looks.get() + 1);
            Some(1)
        };
        trap::stepped(1, &look, &|| body(&collector, object));
        assert_eq!(
            most.get(),
            (expected, expected),
            "pending and peak of body {number}"
        );
        assert!(looks.get() > 100, "{} looks", looks.get());
        let stats = collector.stats();
        assert_eq!((stats.pending(), stats.retired), (0, number + 1));
    }
}

#[test]
fn never_more_is_pending_than_there_is() {
    sweep::<Basic>();
    sweep::<Robust>();
}
