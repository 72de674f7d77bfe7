#![forbid(unsafe_code)]

use hyaline::{
    Collector, domain,
    safe::{Domain, RcuCell},
};

domain!(App: Collector<1> = Collector::new());

static CELL: RcuCell<u32, 2, App> = RcuCell::new(0);

fn main() {
    let handle = App::register().unwrap();
    let value = CELL.read(&handle.enter());
    assert_eq!(*value, 0);
}
