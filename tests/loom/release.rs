//! Registering and releasing slots against publish, and leftovers.

use std::ptr::null_mut;

use hyaline::{Basic, Config, Robust};
use loom::thread;

use super::*;

/// A reader registers, reads and releases, while a writer retires and releases.
#[test]
fn register_and_release_against_publish() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let writer = stage.register();
        replace(&stage.first, stage.object(&writer));
        let reading = thread::spawn(move || {
            let reader = stage.register();
            read(&reader, &stage.first);
        });
        retire(&writer, replace(&stage.first, null_mut()));
        drop(writer);
        reading.join().unwrap();
        stage.close();
    });
}

/// Two handles with something pending are released at the same time: each may
/// leave its work to the other, and one of them must notice.
#[test]
fn two_releases() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new());
        let (one, two) = (stage.register(), stage.register());
        let (first, second) = (stage.object(&one), stage.object(&two));
        let releasing = thread::spawn(move || {
            let guard = two.enter();
            defer(&guard, second);
            drop(guard);
            drop(two);
        });
        let guard = one.enter();
        defer(&guard, first);
        drop(guard);
        drop(one);
        releasing.join().unwrap();
        stage.close();
    });
}

/// A slot passes from one owner to the next, with its owner-only fields.
#[test]
fn slot_changes_hands() {
    model(|| {
        let stage = Stage::<1, Basic>::new(Config::new());
        let use_slot = move || {
            if let Ok(handle) = stage.collector.register() {
                let guard = handle.enter();
                defer(&guard, stage.object(&handle));
            }
        };
        let other = thread::spawn(use_slot);
        use_slot();
        other.join().unwrap();
        stage.close();
    });
}

/// What one thread retired is taken by another, while a reader holds it.
#[test]
fn retired_objects_change_hands() {
    model_within(1, || {
        let stage = Stage::<3, Basic>::new(Config::new());
        let (reader, writer, adopter) = (stage.register(), stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        // In a section from the start, so that the object always waits.
        let guard = reader.enter();
        let held = guard.protect(&stage.first, Ordering::Acquire);
        let writing = thread::spawn(move || {
            let guard = writer.enter();
            defer(&guard, replace(&stage.first, null_mut()));
            writer.flush();
            drop(guard);
            writer
        });
        let adopting = thread::spawn(move || {
            adopter.collect();
            adopter
        });
        look(held);
        drop(guard);
        drop(writing.join().unwrap());
        drop(adopting.join().unwrap());
        drop(reader);
        stage.close();
    });
}

/// A slot passes from a deferred owner to an eager one, who takes what waits for the
/// section before, while a writer publishes and may push late.
fn a_claim_takes_the_inbox<S: Scheme<Barrier = Fences>>() {
    model_within(2, || {
        let stage = Stage::<2, S>::new(Config::new().batch::<1>().era_step::<1>());
        let writer = stage.register();
        let deferred = stage.collector.register_deferred().unwrap();
        replace(&stage.first, stage.object(&writer));
        let writing = thread::spawn(move || {
            retire(&writer, replace(&stage.first, null_mut()));
            writer
        });
        let guard = deferred.enter();
        look(guard.protect(&stage.first, Ordering::Acquire));
        drop(guard);
        drop(deferred);
        let eager = stage.register();
        read(&eager, &stage.first);
        let writer = writing.join().unwrap();
        // One collect leaves nothing, in whatever place it was.
        writer.collect();
        stage.nothing_is_left();
        drop((writer, eager));
        stage.close();
    });
}

#[test]
fn a_claim_takes_the_inbox_basic() {
    a_claim_takes_the_inbox::<Basic>();
}

#[test]
fn a_claim_takes_the_inbox_robust() {
    a_claim_takes_the_inbox::<Robust>();
}

/// What a deferred handle retires is handed over.
#[test]
fn deferred_handle_hands_over() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let task = stage.register();
        let interrupt = stage.collector.register_deferred().unwrap();
        replace(&stage.first, stage.object(&task));
        let retiring = thread::spawn(move || {
            // SAFETY: unlinked by the replacement.
            unsafe { interrupt.retire(replace(&stage.first, null_mut()), reclaim) };
        });
        read(&task, &stage.first);
        task.collect();
        retiring.join().unwrap();
        drop(task);
        stage.close();
    });
}
