//! arc-swap, with an allocator.

use std::sync::{Arc, OnceLock};

use hyaline::{
    Collector, domain,
    safe::{ArcCell, Domain, Refused},
};

#[test]
fn new() {
    domain!(App: Collector<1> = Collector::new());
    static CONFIG: OnceLock<ArcCell<u32, App>> = OnceLock::new();
    let handle = App::register().unwrap();
    let config = CONFIG.get_or_init(|| ArcCell::new(&handle, Arc::new(7)).unwrap());
    assert_eq!(**config.load(&handle.enter()), 7);
}

#[test]
fn load() {
    domain!(App: Collector<1> = Collector::new());
    let handle = App::register().unwrap();
    let cell = ArcCell::<u32, App>::new(&handle, Arc::new(7)).unwrap();
    let guard = handle.enter();
    let value: &Arc<u32> = cell.load(&guard);
    assert_eq!((**value, Arc::strong_count(value)), (7, 1));
}

#[test]
fn load_full() {
    domain!(App: Collector<1> = Collector::new());
    let handle = App::register().unwrap();
    let cell = ArcCell::<u32, App>::new(&handle, Arc::new(7)).unwrap();
    let value: Arc<u32> = cell.load_full(&handle);
    drop(cell);
    assert_eq!(*value, 7);
}

#[test]
fn store() {
    domain!(App: Collector<1> = Collector::new());
    let handle = App::register().unwrap();
    let cell = ArcCell::<u32, App>::new(&handle, Arc::new(7)).unwrap();
    cell.store(&handle, Arc::new(8)).unwrap();
    assert_eq!(*cell.swap(&handle, Arc::new(9)).unwrap(), 8);
}

#[test]
fn compare_and_swap() {
    domain!(App: Collector<1> = Collector::new());
    let handle = App::register().unwrap();
    let cell = ArcCell::<u32, App>::new(&handle, Arc::new(7)).unwrap();
    let seven = cell.load_full(&handle);
    cell.compare_exchange(&handle, &seven, Arc::new(8)).unwrap();
    let refused = cell.compare_exchange(&handle, &seven, Arc::new(9));
    assert_eq!(refused, Err(Refused::Mismatch(Arc::new(9))));
}

#[test]
fn rcu() {
    domain!(App: Collector<1> = Collector::new());
    let handle = App::register().unwrap();
    let cell = ArcCell::<u32, App>::new(&handle, Arc::new(7)).unwrap();
    assert_eq!(*cell.rcu(&handle, |value| **value + 1).unwrap(), 7);
    assert_eq!(*cell.into_inner(), 8);
}

#[test]
fn option() {
    domain!(App: Collector<1> = Collector::new());
    let handle = App::register().unwrap();
    let cell = ArcCell::<Option<u32>, App>::new(&handle, Arc::new(None)).unwrap();
    cell.store(&handle, Arc::new(Some(7))).unwrap();
    assert_eq!(cell.load(&handle.enter()).as_ref(), &Some(7));
}

#[test]
fn cache() {
    domain!(App: Collector<1> = Collector::new());
    let handle = App::register().unwrap();
    let cell = ArcCell::<u32, App>::new(&handle, Arc::new(7)).unwrap();
    let mut guard = handle.enter();
    for number in 8..100 {
        cell.store(&handle, Arc::new(number)).unwrap();
        guard.refresh();
        assert_eq!(**cell.load(&guard), number);
    }
}

#[test]
fn map() {
    domain!(App: Collector<1> = Collector::new());
    let handle = App::register().unwrap();
    let cell = ArcCell::<_, App>::new(&handle, Arc::new((1, "one"))).unwrap();
    let guard = handle.enter();
    let name: &str = cell.load(&guard).1;
    assert_eq!(name, "one");
}
