#![forbid(unsafe_code)]

use std::cell::Cell;

use hyaline::{Collector, domain, safe::RcuCell};

domain!(App: Collector<1> = Collector::new());

static CELL: RcuCell<Cell<u32>, 2, App> = RcuCell::new(Cell::new(0));

fn main() {}
