#![forbid(unsafe_code)]

use std::rc::Rc;

use hyaline::{Collector, domain, safe::Queue};

domain!(App: Collector<1> = Collector::new());

static QUEUE: Queue<Rc<u32>, 2, App> = Queue::new();

fn main() {}
