#![forbid(unsafe_code)]

use hyaline::{
    Collector, domain,
    safe::{Domain, RcuCell},
};

domain!(App: Collector<1> = Collector::new());

static CELL: RcuCell<u32, 2, App> = RcuCell::new(0);

fn main() {
    let section = App::register().unwrap().enter_owned();
    let value = CELL.read(&section);
    std::thread::spawn(move || drop(section));
    assert_eq!(*value, 0);
}
