#![forbid(unsafe_code)]

use hyaline::{
    Collector, domain,
    safe::{Domain, Queue},
};

domain!(Here: Collector<1> = Collector::new());
domain!(Elsewhere: Collector<1> = Collector::new());

static QUEUE: Queue<u32, 2, Here> = Queue::new();

fn main() {
    let handle = Elsewhere::register().unwrap();
    let _ = QUEUE.push(&handle, 1);
}
