#![forbid(unsafe_code)]

use hyaline::{
    Collector, domain,
    safe::{Domain, Stack},
};

domain!(App: Collector<1> = Collector::new());

fn main() {
    let handle = App::register().unwrap();
    let stack: Stack<u32, 1, App> = Stack::new();
    let _ = stack.push(&handle, 1);
}
