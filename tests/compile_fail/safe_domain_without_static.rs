#![forbid(unsafe_code)]

use hyaline::{
    Collector,
    safe::{CollectorRef, Domain},
};

struct App;

impl Domain for App {
    type Collector = Collector<1>;
    const COLLECTOR: CollectorRef<Collector<1>> = CollectorRef::new(&Collector::new());
}

fn main() {}
