//! arc-swap.

use std::sync::Arc;

use hyaline::{
    Collector, domain,
    safe::{Domain, RcuCell, Refused},
};

#[test]
fn load() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: RcuCell<&str, 4, App> = RcuCell::new("first");
    let handle = App::register().unwrap();
    let guard = handle.enter();
    let seen = CELL.read(&guard);
    CELL.replace(&handle, "second").unwrap(); // store
    assert_eq!((*seen, *CELL.read(&guard)), ("first", "second"));
}

#[test]
fn load_full() {
    domain!(App: Collector<2> = Collector::new());
    static COPIED: RcuCell<u32, 4, App> = RcuCell::new(7);
    static CELL: RcuCell<Option<Arc<u32>>, 4, App> = RcuCell::new(None); // ArcSwapOption
    let handle = App::register().unwrap();
    assert_eq!(COPIED.snapshot(&handle), 7);
    CELL.replace(&handle, Some(Arc::new(7))).unwrap();
    let kept = CELL.snapshot(&handle).unwrap();
    CELL.replace(&handle, None).unwrap();
    handle.collect();
    // No guard is open, and the version is dropped: the count keeps the value.
    assert_eq!((Arc::strong_count(&kept), *kept), (1, 7));
}

#[test]
fn swap() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: RcuCell<u32, 4, App> = RcuCell::new(1);
    let handle = App::register().unwrap();
    let old = loop {
        let guard = handle.enter();
        let old = CELL.read(&guard);
        match CELL.compare_exchange(&handle, old, 2) {
            Ok(()) => break *old,
            Err(Refused::Mismatch(_)) => {} // another writer was faster
            Err(Refused::Full(_)) => panic!("readers hold all versions"),
        }
    };
    assert_eq!((old, CELL.snapshot(&handle)), (1, 2));
}

#[test]
fn rcu() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: RcuCell<Vec<u32>, 4, App> = RcuCell::new(Vec::new());
    let handle = App::register().unwrap();
    let new = CELL.update(&handle, |old| [&old[..], &[1]].concat());
    assert_eq!(*new.unwrap(), [1], "the new version, and not the old one");
}

#[test]
fn compare_and_swap() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: RcuCell<u32, 4, App> = RcuCell::new(1);
    let handle = App::register().unwrap();
    let guard = handle.enter();
    let seen = CELL.read(&guard);
    // The same version, not an equal one.
    assert_eq!(
        CELL.compare_exchange(&handle, &1, 2),
        Err(Refused::Mismatch(2))
    );
    assert_eq!(CELL.compare_exchange(&handle, seen, 2), Ok(()));
}

#[test]
fn cache() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: RcuCell<u32, 4, App> = RcuCell::new(1);
    let (reader, writer) = (App::register().unwrap(), App::register().unwrap());
    let mut guard = reader.enter(); // kept; `read` is a load
    assert_eq!(*CELL.read(&guard), 1);
    CELL.replace(&writer, 2).unwrap();
    guard.refresh(); // now and then, so that others can reclaim
    assert_eq!(*CELL.read(&guard), 2);
}
