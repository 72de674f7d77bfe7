#![forbid(unsafe_code)]

use hyaline::{Collector, safe::Domain};

struct App;

impl Domain for App {
    type Collector = Collector<1>;
    const COLLECTOR: &'static Collector<1> = &Collector::new();
}

fn main() {}
