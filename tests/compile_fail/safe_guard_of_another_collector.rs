#![forbid(unsafe_code)]

use hyaline::{
    Collector, domain,
    safe::{Domain, RcuCell},
};

domain!(Here: Collector<1> = Collector::new());
domain!(Elsewhere: Collector<1> = Collector::new());

static CELL: RcuCell<u32, 2, Here> = RcuCell::new(0);

fn main() {
    let handle = Elsewhere::register().unwrap();
    CELL.read(&handle.enter());
}
