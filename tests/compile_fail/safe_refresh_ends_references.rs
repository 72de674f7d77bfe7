#![forbid(unsafe_code)]

use hyaline::{
    Collector, domain,
    safe::{Domain, Map},
};

domain!(App: Collector<1> = Collector::new());

static MAP: Map<u32, u32, 1, 1, App> = Map::new();

fn main() {
    let handle = App::register().unwrap();
    let mut guard = handle.enter();
    let value = MAP.get(&guard, &1);
    guard.refresh();
    assert_eq!(value, None);
}
