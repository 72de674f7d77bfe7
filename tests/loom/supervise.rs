//! Eviction, and quiescent points of handles that leave the reclaiming to
//! others.

use std::{mem, ptr::null_mut};

use hyaline::{Basic, Config, Robust};
use loom::thread;

use super::*;

/// A task reads, retires an object of its own, and dies in its section. It is
/// evicted while a writer retires what it read. Task and supervisor are one
/// thread: loom does not explore an order in which one thread would first have
/// to wait for another.
fn death_against_publish<S: Scheme<Barrier = Fences>>() {
    model(|| {
        // No batch is full: a publish by the dying task would order everything.
        let stage = Stage::<2, S>::new(Config::new());
        let writer = stage.register();
        replace(&stage.first, stage.object(&writer));
        let own = stage.object(&writer);
        let dying = stage.register();
        let id = dying.id();
        let other = thread::spawn(move || {
            let guard = dying.enter();
            look(guard.protect(&stage.first, Ordering::Acquire));
            defer(&guard, own);
            mem::forget(guard);
            mem::forget(dying);
            // SAFETY: its guard and handle are forgotten.
            unsafe { stage.collector.evict(id) }.unwrap();
        });
        retire(&writer, replace(&stage.first, null_mut()));
        other.join().unwrap();
        writer.flush();
        stage.nothing_is_left();
        drop(writer);
        stage.close();
    });
}

#[test]
fn death_against_publish_basic() {
    death_against_publish::<Basic>();
}

#[test]
fn death_against_publish_robust() {
    death_against_publish::<Robust>();
}

/// Two supervisors: one knows the dead task, the other finds it among the slots.
/// One of them evicts it.
#[test]
fn one_of_two_supervisors_evicts() {
    model(|| {
        let stage = Stage::<1, Basic>::new(Config::new());
        let dead = stage.register();
        let id = dead.id();
        mem::forget(dead);
        let other = thread::spawn(move || {
            let owner = stage.collector.slots().find_map(|slot| slot.owner);
            // SAFETY: its handle is forgotten; nobody registers meanwhile.
            owner.is_some_and(|owner| unsafe { stage.collector.evict(owner) }.is_ok())
        });
        // SAFETY: its handle is forgotten; nobody registers meanwhile.
        let evicted = unsafe { stage.collector.evict(id) }.is_ok();
        assert!(evicted != other.join().unwrap(), "by one");
        drop(stage.register());
        stage.close();
    });
}

/// The slot of a dead task is evicted and claimed again, with its contents.
#[test]
fn an_evicted_slot_changes_hands() {
    model(|| {
        let stage = Stage::<1, Basic>::new(Config::new());
        let dead = stage.register();
        let id = dead.id();
        let guard = dead.enter();
        defer(&guard, stage.object(&dead));
        mem::forget(guard);
        let supervisor = thread::spawn(move || {
            // SAFETY: the guard is forgotten, and the handle inert.
            unsafe { stage.collector.evict(id) }.unwrap();
            drop(dead);
        });
        if let Ok(next) = stage.collector.register() {
            let guard = next.enter();
            defer(&guard, stage.object(&next));
        }
        supervisor.join().unwrap();
        stage.register().flush();
        stage.close();
    });
}

/// A guard of a deferred handle is kept, with a quiescent point between two
/// reads. A task retires what it read, and reclaims it.
#[test]
fn a_quiescent_point_releases() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let task = stage.register();
        let interrupt = stage.collector.register_deferred().unwrap();
        replace(&stage.first, stage.object(&task));
        let reading = thread::spawn(move || {
            let mut guard = interrupt.enter();
            look(guard.protect(&stage.first, Ordering::Acquire));
            guard.refresh();
            look(guard.protect(&stage.first, Ordering::Acquire));
        });
        retire(&task, replace(&stage.first, null_mut()));
        task.flush();
        reading.join().unwrap();
        drop(task);
        stage.close();
    });
}
