//! Steps 3 and 5: an inbox that is stolen while its owner comes back.

use std::ptr::null_mut;

use hyaline::{Basic, Config};
use loom::thread;

use super::*;

/// A reader that leaves and comes back, while the writer publishes to it and
/// steals.
#[test]
fn owner_comes_back() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let (reader, writer) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        replace(&stage.second, stage.object(&writer));
        let reading = thread::spawn(move || {
            read(&reader, &stage.first);
            read(&reader, &stage.second);
            reader
        });
        retire(&writer, replace(&stage.first, null_mut()));
        retire(&writer, replace(&stage.second, null_mut()));
        writer.collect();
        drop(reading.join().unwrap());
        drop(writer);
        stage.close();
    });
}

/// Two thieves at one inbox, whose owner comes back.
#[test]
fn two_thieves() {
    model_within(1, || {
        let stage = Stage::<3, Basic>::new(Config::new().batch::<1>());
        let (reader, writer, thief) = (stage.register(), stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        let reading = thread::spawn(move || {
            read(&reader, &stage.first);
            read(&reader, &stage.first);
            reader
        });
        let stealing = thread::spawn(move || {
            thief.collect();
            thief
        });
        retire(&writer, replace(&stage.first, null_mut()));
        writer.collect();
        drop(reading.join().unwrap());
        drop(stealing.join().unwrap());
        drop(writer);
        stage.close();
    });
}

/// A thief has the inbox while the owner publishes a second object, retired by
/// the thief, to itself.
#[test]
fn thief_puts_it_back() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let (owner, thief) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&owner));
        replace(&stage.second, stage.object(&owner));
        let owning = thread::spawn(move || {
            {
                let guard = owner.enter();
                defer(&guard, replace(&stage.first, null_mut()));
            }
            read(&owner, &stage.second);
            owner
        });
        retire(&thief, replace(&stage.second, null_mut()));
        thief.collect();
        drop(owning.join().unwrap());
        drop(thief);
        stage.close();
    });
}

/// A thief puts a chain back while the owner is released. Both handles are
/// released in their threads: one of them must find the chain.
#[test]
fn owner_releases_while_the_thief_has_it() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let (owner, thief) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&owner));
        let owning = thread::spawn(move || {
            read(&owner, &stage.first);
            read(&owner, &stage.first);
            drop(owner);
        });
        retire(&thief, replace(&stage.first, null_mut()));
        drop(thief);
        owning.join().unwrap();
        stage.close();
    });
}

/// A thief that saw the slot before its owner entered must check it again: what
/// it took was pushed since.
#[test]
fn thief_looks_again() {
    model_within(1, || {
        let stage = Stage::<3, Basic>::new(Config::new().batch::<1>());
        let (reader, writer, thief) = (stage.register(), stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        let writing = thread::spawn(move || {
            retire(&writer, replace(&stage.first, null_mut()));
            writer
        });
        let stealing = thread::spawn(move || {
            thief.collect();
            thief
        });
        read(&reader, &stage.first);
        drop(writing.join().unwrap());
        drop(stealing.join().unwrap());
        drop(reader);
        stage.close();
    });
}

/// When both have flushed after their sections, nothing is left, although
/// neither handle is released.
#[test]
fn two_flushes() {
    model(|| {
        let stage = Stage::<2, Basic>::new(Config::new().batch::<1>());
        let (reader, writer) = (stage.register(), stage.register());
        replace(&stage.first, stage.object(&writer));
        let reading = thread::spawn(move || {
            read(&reader, &stage.first);
            reader.flush();
            reader
        });
        retire(&writer, replace(&stage.first, null_mut()));
        writer.flush();
        let reader = reading.join().unwrap();
        stage.nothing_is_left();
        drop((reader, writer));
        stage.close();
    });
}

/// What exceeds a limit is left over for any handle: the thread that takes it
/// sees the objects as the first one left them.
#[test]
fn what_is_left_over_changes_hands() {
    model(|| {
        let stage = Stage::<3, Basic>::new(Config::new().batch::<1>());
        let reader = stage.collector.register_deferred().unwrap();
        let (first, second) = (stage.register(), stage.register());
        let guard = reader.enter();
        for _ in 0..4 {
            retire(&first, stage.object(&first));
        }
        drop(guard);
        let collecting = thread::spawn(move || {
            first.collect();
            first
        });
        second.collect();
        drop((collecting.join().unwrap(), second, reader));
        stage.close();
    });
}
