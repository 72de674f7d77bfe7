//! Steps 1, 2, 4 and 6: enter, leave and refresh against publish.

use std::ptr::null_mut;

use hyaline::{Basic, Config, Fences, Robust, Scheme};
use loom::thread;

use super::*;

/// Steps 1 and 2. The reader sees the object or not; the writer sees the reader
/// or not.
fn enter_against_retire<S: Scheme<Barrier = Fences>>() {
    model(|| {
        let stage = Stage::<2, S>::new(Config::new().batch::<1>());
        let (reader, writer) = (stage.register(), stage.register());
        let old = stage.object(&writer);
        replace(&stage.first, old);
        let reading = thread::spawn(move || {
            read(&reader, &stage.first);
            reader
        });
        retire(&writer, replace(&stage.first, null_mut()));
        drop(reading.join().unwrap());
        drop(writer);
        stage.close();
    });
}

#[test]
fn enter_against_retire_basic() {
    enter_against_retire::<Basic>();
}

#[test]
fn enter_against_retire_robust() {
    enter_against_retire::<Robust>();
}

/// Steps 1, 2 and 6, through a batch: the writer is in a section itself, so the
/// chain may wait at two slots.
fn enter_against_publish<S: Scheme<Barrier = Fences>>() {
    model(|| {
        let stage = Stage::<2, S>::new(Config::new().batch::<2>());
        let (reader, writer) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        replace(&stage.second, stage.object(&writer));
        let reading = thread::spawn(move || {
            let guard = reader.enter();
            look(guard.protect(&stage.first, Ordering::Acquire));
            look(guard.protect(&stage.second, Ordering::Acquire));
            drop(guard);
            reader
        });
        let guard = writer.enter();
        defer(&guard, replace(&stage.first, null_mut()));
        defer(&guard, replace(&stage.second, null_mut()));
        drop(guard);
        drop(reading.join().unwrap());
        drop(writer);
        stage.close();
    });
}

#[test]
fn enter_against_publish_basic() {
    enter_against_publish::<Basic>();
}

#[test]
fn enter_against_publish_robust() {
    enter_against_publish::<Robust>();
}

/// Step 4: a reader that takes its inbox at a quiescent point.
#[test]
fn refresh_against_publish() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let (reader, writer) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        let reading = thread::spawn(move || {
            let mut guard = reader.enter();
            look(guard.protect(&stage.first, Ordering::Acquire));
            guard.refresh();
            look(guard.protect(&stage.first, Ordering::Acquire));
            drop(guard);
            reader
        });
        let new = stage.object(&writer);
        retire(&writer, replace(&stage.first, new));
        retire(&writer, replace(&stage.first, null_mut()));
        drop(reading.join().unwrap());
        drop(writer);
        stage.close();
    });
}

/// Step 1 at a quiescent point: a writer that left an object for the section
/// before it, and then sees the next one, reclaims the object. The next section
/// does not find it.
#[test]
fn refresh_against_collect() {
    model_within(1, || {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let (reader, writer) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        let reading = thread::spawn(move || {
            let mut guard = reader.enter();
            // Published, and waits for this section. So it is wanted.
            defer(&guard, stage.object(&reader));
            guard.refresh();
            look(guard.protect(&stage.first, Ordering::Acquire));
            drop(guard);
            reader
        });
        retire(&writer, replace(&stage.first, null_mut()));
        writer.collect();
        drop(reading.join().unwrap());
        drop(writer);
        stage.nothing_is_left();
        stage.close();
    });
}

/// Step 6: two writers publish to one reader, whose inbox gets both chains.
#[test]
fn two_writers() {
    model(|| {
        let stage = Stage::<3, Basic>::new(Config::new().batch::<1>());
        let (reader, one, two) = (stage.register(), stage.register(), stage.register());
        replace(&stage.first, stage.object(&one));
        replace(&stage.second, stage.object(&two));
        let writing = thread::spawn(move || {
            retire(&two, replace(&stage.second, null_mut()));
            two
        });
        let also_writing = thread::spawn(move || {
            retire(&one, replace(&stage.first, null_mut()));
            one
        });
        {
            let guard = reader.enter();
            look(guard.protect(&stage.first, Ordering::Acquire));
            look(guard.protect(&stage.second, Ordering::Acquire));
        }
        drop(also_writing.join().unwrap());
        drop(writing.join().unwrap());
        drop(reader);
        stage.close();
    });
}

/// Whatever ordering the caller asks for, what `protect` returns can be read.
#[test]
fn protect_acquires() {
    for order in [Ordering::Relaxed, Ordering::SeqCst] {
        model(move || {
            let stage = Stage::<2, Basic>::new(Config::new());
            let (reader, writer) = (stage.register(), stage.register());
            let reading = thread::spawn(move || {
                let guard = reader.enter();
                look(guard.protect(&stage.first, order));
                drop(guard);
                reader
            });
            replace(&stage.first, stage.object(&writer));
            drop(reading.join().unwrap());
            retire(&writer, replace(&stage.first, null_mut()));
            drop(writer);
            stage.close();
        });
    }
}

/// A swap whose caller asks for no ordering still makes the old object
/// readable, and publishes the new one with the Release that the caller asks
/// for; `publishing` is at least that.
fn swap_acquires<S: Scheme<Barrier = Fences>>(publishing: Ordering, order: Ordering) {
    model(move || {
        let stage = Stage::<2, S>::new(Config::new().batch::<1>());
        let (one, two) = (stage.register(), stage.register());
        let swapping = thread::spawn(move || {
            let guard = one.enter();
            let old = guard.swap(&stage.first, stage.object(&one), publishing);
            look(old);
            drop(guard);
            if !old.is_null() {
                retire(&one, old);
            }
            one
        });
        let guard = two.enter();
        let old = guard.swap(&stage.first, null_mut(), order);
        look(old);
        drop(guard);
        if !old.is_null() {
            retire(&two, old);
        }
        drop(swapping.join().unwrap());
        let rest = replace(&stage.first, null_mut());
        if !rest.is_null() {
            retire(&two, rest);
        }
        drop(two);
        stage.close();
    });
}

#[test]
fn swap_acquires_basic() {
    swap_acquires::<Basic>(Ordering::Release, Ordering::Relaxed);
    swap_acquires::<Basic>(Ordering::Release, Ordering::Release);
    swap_acquires::<Basic>(Ordering::SeqCst, Ordering::SeqCst);
}

#[test]
fn swap_acquires_robust() {
    swap_acquires::<Robust>(Ordering::Release, Ordering::Relaxed);
    swap_acquires::<Robust>(Ordering::Release, Ordering::Release);
    swap_acquires::<Robust>(Ordering::SeqCst, Ordering::SeqCst);
}
