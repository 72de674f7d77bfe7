//! Step 7: eras. An era step of one moves the clock with each object. With
//! `--cfg hyaline_narrow_era` the clock's low word wraps within these models.

use std::ptr::null_mut;

use hyaline::{Config, Robust};
use loom::{sync::Arc, thread};

use super::*;

const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();

/// The object is made after the reader entered: the reader must publish the
/// new era before it uses the object.
#[test]
fn protect_against_publish() {
    model(|| {
        let life = Arc::new(());
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (reader, writer) = (stage.register(), stage.register());
        replace(&stage.first, object(&writer, &life));
        let reading = thread::spawn(move || {
            read(&reader, &stage.first);
            reader
        });
        let old = replace(&stage.first, object(&writer, &life));
        retire(&writer, old);
        retire(&writer, replace(&stage.first, null_mut()));
        drop(reading.join().unwrap());
        drop(writer);
        assert_eq!(Arc::strong_count(&life), 1, "nothing is left pending");
        stage.close();
    });
}

/// The reader's era moves between two protects, and it still holds the first
/// pointer.
#[test]
fn era_moves_between_two_protects() {
    model(|| {
        let life = Arc::new(());
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (reader, writer) = (stage.register(), stage.register());
        replace(&stage.first, object(&writer, &life));
        let reading = thread::spawn(move || {
            let guard = reader.enter();
            let first = guard.protect(&stage.first, Ordering::Acquire);
            look(guard.protect(&stage.second, Ordering::Acquire));
            look(first);
            drop(guard);
            reader
        });
        replace(&stage.second, object(&writer, &life));
        retire(&writer, replace(&stage.first, null_mut()));
        retire(&writer, replace(&stage.second, null_mut()));
        drop(reading.join().unwrap());
        drop(writer);
        assert_eq!(Arc::strong_count(&life), 1, "nothing is left pending");
        stage.close();
    });
}

/// What a swap or a failed exchange brings is protected too.
#[test]
fn exchange_brings_a_younger_object() {
    model(|| {
        let life = Arc::new(());
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (reader, writer) = (stage.register(), stage.register());
        let reading = thread::spawn(move || {
            let guard = reader.enter();
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            let absent = null_mut::<Object>().wrapping_add(1);
            let found = guard.compare_exchange(&stage.first, absent, absent, success, failure);
            look(found.unwrap_err());
            drop(guard);
            reader
        });
        replace(&stage.first, object(&writer, &life));
        retire(&writer, replace(&stage.first, null_mut()));
        drop(reading.join().unwrap());
        drop(writer);
        assert_eq!(Arc::strong_count(&life), 1, "nothing is left pending");
        stage.close();
    });
}

/// What a swap brings is protected also from a thread that finds it gone, and
/// retires it.
#[test]
fn swap_brings_a_younger_object() {
    model(|| {
        let life = Arc::new(());
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (swapper, writer) = (stage.register(), stage.register());
        let swapping = thread::spawn(move || {
            let guard = swapper.enter();
            look(guard.swap(&stage.first, null_mut(), Ordering::AcqRel));
            drop(guard);
            swapper
        });
        let new = object(&writer, &life);
        replace(&stage.first, new);
        let gone = stage.first.load(Ordering::Acquire).is_null();
        if gone {
            retire(&writer, new);
        }
        drop(swapping.join().unwrap());
        if !gone {
            replace(&stage.first, null_mut());
            retire(&writer, new);
        }
        drop(writer);
        assert_eq!(Arc::strong_count(&life), 1, "nothing is left pending");
        stage.close();
    });
}

/// Two threads make objects and move the clock, one of which the reader finds.
#[test]
fn two_makers() {
    model(|| {
        let life = Arc::new(());
        let stage = Stage::<3, Robust>::new(CONFIG);
        let (reader, one, two) = (stage.register(), stage.register(), stage.register());
        let making = {
            let life = life.clone();
            thread::spawn(move || {
                replace(&stage.first, object(&one, &life));
                retire(&one, replace(&stage.first, null_mut()));
                one
            })
        };
        let reading = thread::spawn(move || {
            read(&reader, &stage.first);
            reader
        });
        let other = object(&two, &life);
        retire(&two, other);
        drop(making.join().unwrap());
        drop(reading.join().unwrap());
        drop(two);
        assert_eq!(Arc::strong_count(&life), 1, "nothing is left pending");
        stage.close();
    });
}
