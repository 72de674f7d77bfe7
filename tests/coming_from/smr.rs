//! FreeBSD's SMR.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hyaline::{Collector, Pool, reclaim};

use crate::objects::guards;

#[test]
fn smr_enter() {
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let section = handle.enter();
    let nested = handle.enter(); // there it is a panic
    assert_eq!(guards(&collector, 0), 2);
    drop((section, nested));
    assert_eq!(guards(&collector, 0), 0);
}

#[test]
fn smr_advance() {
    static C: Collector<2> = Collector::new();
    let (reader, writer) = (C.register().unwrap(), C.register().unwrap());
    let section = reader.enter();
    let mut goal = writer.start_grace_period();
    assert!(!goal.poll(&writer));
    drop(section);
    // smr_wait, smr_poll with wait: true.
    while !goal.poll(&writer) {
        thread::yield_now();
    }
}

#[test]
fn smr_synchronize() {
    let collector = Collector::<2>::new();
    let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let mut section = Some(reader.enter());
    let mut waits = 0;
    let waited = writer.synchronize(|| {
        waits += 1;
        section.take();
    });
    assert!(waited.is_ok() && waits > 0 && section.is_none());
}

#[test]
fn uma_zfree_smr() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Item;
    impl Drop for Item {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::SeqCst);
        }
    }
    let zone = Pool::<Item, 2>::new();
    let collector = Collector::<2>::new();
    let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let section = reader.enter();
    let item = zone.alloc(&writer, Item).unwrap();
    // SAFETY: never shared; the zone outlives the collector.
    unsafe { writer.retire(item, reclaim::pooled::<Item>) };
    writer.flush();
    assert_eq!((zone.available(), DROPS.load(Ordering::SeqCst)), (1, 0));
    drop(section);
    writer.flush();
    assert_eq!((zone.available(), DROPS.load(Ordering::SeqCst)), (2, 1));
}
