//! Step 7: eras. An era step of one advances the clock with each object. With
//! `--cfg hyaline_narrow_era` the clock's low word wraps within these models.

use std::ptr::null_mut;

use hyaline::{Config, Robust};
use loom::{cell::UnsafeCell, sync::Arc, sync::atomic::AtomicBool, thread};

use super::*;

const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();

/// The object is made after the reader entered: the reader must publish the new
/// era before it uses the object.
#[test]
fn protect_against_publish() {
    model(|| {
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (reader, writer) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        let reading = thread::spawn(move || {
            read(&reader, &stage.first);
            reader
        });
        let old = replace(&stage.first, stage.object(&writer));
        retire(&writer, old);
        retire(&writer, replace(&stage.first, null_mut()));
        drop(reading.join().unwrap());
        drop(writer);
        stage.close();
    });
}

/// The reader's era moves between two protects, and it still holds the first
/// pointer.
#[test]
fn era_moves_between_two_protects() {
    model(|| {
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (reader, writer) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        let reading = thread::spawn(move || {
            let guard = reader.enter();
            let first = guard.protect(&stage.first, Ordering::Acquire);
            look(guard.protect(&stage.second, Ordering::Acquire));
            look(first);
            drop(guard);
            reader
        });
        replace(&stage.second, stage.object(&writer));
        retire(&writer, replace(&stage.first, null_mut()));
        retire(&writer, replace(&stage.second, null_mut()));
        drop(reading.join().unwrap());
        drop(writer);
        stage.close();
    });
}

/// What a failed exchange returns is protected too, whatever ordering its
/// caller asks for.
fn exchange_brings(failure: Ordering, is_weak: bool) {
    model(move || {
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (reader, writer) = (stage.register(), stage.register());
        let reading = thread::spawn(move || {
            let guard = reader.enter();
            let (cell, success) = (&stage.first, Ordering::AcqRel);
            let absent = null_mut::<Object>().wrapping_add(1);
            let found = if is_weak {
                guard.compare_exchange_weak(cell, absent, absent, success, failure)
            } else {
                guard.compare_exchange(cell, absent, absent, success, failure)
            };
            look(found.unwrap_err());
            drop(guard);
            reader
        });
        replace(&stage.first, stage.object(&writer));
        retire(&writer, replace(&stage.first, null_mut()));
        drop(reading.join().unwrap());
        drop(writer);
        stage.close();
    });
}

#[test]
fn exchange_brings_a_younger_object() {
    for failure in [Ordering::Relaxed, Ordering::SeqCst] {
        exchange_brings(failure, false);
        exchange_brings(failure, true);
    }
}

/// What a swap returns is protected also from a thread that finds it unlinked
/// and retires it.
#[test]
fn swap_brings_a_younger_object() {
    model(|| {
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (swapper, writer) = (stage.register(), stage.register());
        let swapping = thread::spawn(move || {
            let guard = swapper.enter();
            look(guard.swap(&stage.first, null_mut(), Ordering::AcqRel));
            drop(guard);
            swapper
        });
        let new = stage.object(&writer);
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
        stage.close();
    });
}

/// A swap that validated the era, and was too late once, publishes what it
/// swaps in.
#[test]
fn a_late_swap_publishes() {
    model(|| {
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (swapper, other) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&other));
        let done = Arc::new(AtomicBool::new(false));
        let swapping = {
            let done = done.clone();
            thread::spawn(move || {
                let new = stage.object(&swapper);
                let guard = swapper.enter();
                // From here on the swapper has no barrier that would publish.
                // SAFETY: not shared yet.
                unsafe { &*new }
                    .value
                    .with_mut(|value| unsafe { *value = ALIVE });
                let old = guard.swap(&stage.first, new, Ordering::Release);
                // Relaxed: it orders nothing.
                done.store(true, Ordering::Relaxed);
                drop(guard);
                if !old.is_null() {
                    retire(&swapper, old);
                }
                swapper
            })
        };
        let guard = other.enter();
        let old = guard.swap(&stage.first, null_mut(), Ordering::Acquire);
        let mut again = true;
        while again {
            // The last attempt follows the swap, without synchronising. Loom
            // would not reach it by itself, see `pool`.
            again = !done.load(Ordering::Relaxed);
            look(guard.protect(&stage.first, Ordering::Acquire));
            thread::yield_now();
        }
        drop(guard);
        if !old.is_null() {
            retire(&other, old);
        }
        drop(swapping.join().unwrap());
        let rest = replace(&stage.first, null_mut());
        if !rest.is_null() {
            retire(&other, rest);
        }
        drop(other);
        stage.close();
    });
}

/// A swap that returns an object which was taken out and put back acquires the
/// last put, also if it validated the era before that and was too late once.
#[test]
fn swap_acquires_what_came_back() {
    model(|| {
        let stage = Stage::<2, Robust>::new(CONFIG);
        let (swapper, writer) = (stage.register(), stage.register());
        let ours = stage.object(&writer);
        replace(&stage.first, ours);
        // Written by the thread that took the object out.
        let written = Arc::new(UnsafeCell::new(0));
        let swapping = {
            let written = written.clone();
            thread::spawn(move || {
                let guard = swapper.enter();
                let taken = guard.swap(&stage.first, null_mut(), Ordering::Acquire);
                if !taken.is_null() {
                    // SAFETY: the object is exclusively ours; loom checks it.
                    written.with(|times| unsafe { assert!(*times <= 2) });
                }
                drop(guard);
                swapper
            })
        };
        for _ in 0..2 {
            if replace(&stage.first, null_mut()).is_null() {
                break;
            }
            // SAFETY: the object is exclusively ours; loom checks it.
            written.with_mut(|times| unsafe { *times += 1 });
            replace(&stage.first, ours);
        }
        drop(swapping.join().unwrap());
        replace(&stage.first, null_mut());
        retire(&writer, ours);
        drop(writer);
        stage.close();
    });
}

/// Two threads make objects and advance the clock; the reader finds one of
/// these objects.
#[test]
fn two_makers() {
    model(|| {
        let stage = Stage::<3, Robust>::new(CONFIG);
        let (reader, one, two) = (stage.register(), stage.register(), stage.register());
        let making = thread::spawn(move || {
            replace(&stage.first, stage.object(&one));
            retire(&one, replace(&stage.first, null_mut()));
            one
        });
        let reading = thread::spawn(move || {
            read(&reader, &stage.first);
            reader
        });
        let other = stage.object(&two);
        retire(&two, other);
        drop(making.join().unwrap());
        drop(reading.join().unwrap());
        drop(two);
        stage.close();
    });
}
