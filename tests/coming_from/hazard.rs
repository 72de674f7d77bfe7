//! Hazard pointers: haphazard and folly.

use std::{
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use hyaline::{AtomicPtr, Collector, Config, Robust};

use crate::objects::{Object, boxed, count, guards, object, retire_one};

#[test]
fn domain() {
    let domain = Collector::<2>::new();
    let hazard_pointers = domain.register().unwrap();
    assert_eq!(hazard_pointers.slot(), 0);
    assert_eq!(guards(&domain, 0), 0, "protects nothing before it enters");
}

#[test]
fn protect() {
    let drops = AtomicUsize::new(0);
    let domain = Collector::<2>::new();
    let (reader, writer) = (domain.register().unwrap(), domain.register().unwrap());
    let src = AtomicPtr::new(object(&writer, &drops));
    let hazard = reader.enter();
    let seen = hazard.protect(&src, Ordering::Acquire);
    // SAFETY: unlinked by the swap.
    unsafe { writer.retire(src.swap(ptr::null_mut(), Ordering::AcqRel), boxed()) };
    writer.flush();
    // SAFETY: protected.
    assert_eq!(count(unsafe { &*seen }.0), 0);
    drop(hazard);
    writer.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn many() {
    const MANY: usize = 10;
    let drops = AtomicUsize::new(0);
    let domain = Collector::<2>::new();
    let (reader, writer) = (domain.register().unwrap(), domain.register().unwrap());
    let places = [(); MANY].map(|()| AtomicPtr::new(object(&writer, &drops)));
    let hazard = reader.enter();
    let seen: Vec<*mut Object<'_>> = places
        .iter()
        .map(|place| hazard.protect(place, Ordering::Acquire))
        .collect();
    for place in places {
        // SAFETY: nobody else reads the cells any more.
        unsafe { writer.retire(place.into_inner(), boxed()) };
    }
    writer.flush();
    for object in seen {
        // SAFETY: one guard protects them all.
        assert_eq!(count(unsafe { &*object }.0), 0);
    }
    drop(hazard);
    writer.flush();
    assert_eq!(count(&drops), MANY);
}

#[test]
fn reset_protection() {
    let drops = AtomicUsize::new(0);
    let domain = Collector::<2>::new();
    let (reader, writer) = (domain.register().unwrap(), domain.register().unwrap());
    let mut hazard = reader.enter();
    // SAFETY: never shared.
    unsafe { writer.retire(object(&writer, &drops), boxed()) };
    writer.flush();
    assert_eq!(count(&drops), 0);
    hazard.refresh();
    assert_eq!(count(&drops), 1);
}

#[test]
fn retire() {
    let drops = AtomicUsize::new(0);
    let domain = Collector::<1>::new();
    let handle = domain.register().unwrap();
    let place = AtomicPtr::new(object(&handle, &drops));
    let replaced = place.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: unlinked by the swap.
    unsafe { handle.retire(replaced, boxed()) };
    assert_eq!(count(&drops), 1, "at once, as nobody is active");
}

#[test]
fn eager_reclaim() {
    let drops = AtomicUsize::new(0);
    let domain = Collector::<1>::new();
    let handle = domain.register().unwrap();
    retire_one(&handle, &handle.enter(), &drops);
    assert_eq!(handle.flush(), 1); // hazptr_cleanup
    assert_eq!(count(&drops), 1);
}

/// Why people choose hazard pointers: a stalled reader costs no more than what
/// it may hold.
#[test]
fn bounded() {
    const CONFIG: Config = Config::new().batch::<4>().era_step::<1>();
    let drops = AtomicUsize::new(0);
    let domain = Collector::<2, Robust>::with_config(CONFIG);
    let (stalled, writer) = (domain.register().unwrap(), domain.register().unwrap());
    let place = AtomicPtr::new(object(&writer, &drops));
    let hazard = stalled.enter();
    hazard.protect(&place, Ordering::Acquire);
    for _ in 0..1000 {
        let old = place.swap(object(&writer, &drops), Ordering::AcqRel);
        // SAFETY: unlinked by the swap.
        unsafe { writer.retire(old, boxed()) };
    }
    let pending = domain.stats().pending();
    assert!(
        (1..=CONFIG.most_pending(2, 1, 2)).contains(&pending),
        "{pending}"
    );
    drop(hazard);
    // SAFETY: no other reference to it exists.
    unsafe { writer.retire(place.into_inner(), boxed()) };
    writer.flush();
    assert_eq!(count(&drops), 1001);
}
