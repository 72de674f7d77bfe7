//! Grace periods: a section's accesses happen before what follows the period.

use hyaline::{Basic, Callback, Config};
use loom::{
    cell::UnsafeCell,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize},
    thread,
};

use super::*;

/// A reader uses something that is not an object, if it finds it. The writer
/// removes it, waits, and destroys it.
fn against_enter(wait: fn(&Handle<'_, Basic>)) {
    model(move || {
        let stage = Stage::<2, Basic>::new(Config::new());
        let (reader, writer) = (stage.register(), stage.register());
        let thing = Arc::new((AtomicUsize::new(1), UnsafeCell::new(ALIVE)));
        let reading = {
            let thing = thing.clone();
            thread::spawn(move || {
                let guard = reader.enter();
                // Acquire: as `protect`.
                if thing.0.load(Ordering::Acquire) == 1 {
                    // SAFETY: loom checks it.
                    let seen = thing.1.with(|value| unsafe { *value });
                    assert_eq!(seen, ALIVE, "destroyed while in use");
                }
                drop(guard);
                reader
            })
        };
        // Release: no section finds it from here on.
        thing.0.store(0, Ordering::Release);
        wait(&writer);
        // SAFETY: the section has ended.
        thing.1.with_mut(|value| unsafe { *value = 0 });
        drop(reading.join().unwrap());
        drop(writer);
        stage.close();
    });
}

#[test]
fn synchronize_against_enter() {
    against_enter(|writer| writer.synchronize(thread::yield_now).unwrap());
}

#[test]
fn token_against_enter() {
    against_enter(|writer| {
        let mut token = writer.start_grace_period();
        while !token.poll(writer) {
            thread::yield_now();
        }
    });
}

/// A callback is used again, while it is called or after it. The last use
/// follows the other thread's end, without synchronising with it; see `pool`.
#[test]
fn callback_changes_hands() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let callback: &'static Callback = Box::leak(Box::new(Callback::new()));
        let (one, two) = (stage.register(), stage.register());
        let done = Arc::new(AtomicBool::new(false));
        let calling = {
            let done = done.clone();
            thread::spawn(move || {
                let _ = callback.call_later(&one, |_| (), 1);
                // Relaxed: it orders nothing.
                done.store(true, Ordering::Relaxed);
                one
            })
        };
        let mut again = true;
        while again {
            // Relaxed: it orders nothing.
            again = !done.load(Ordering::Relaxed);
            let _ = callback.call_later(&two, |_| (), 2);
            thread::yield_now();
        }
        drop(calling.join().unwrap());
        drop(two);
        stage.close();
    });
}
