#![forbid(unsafe_code)]

use hyaline::{
    Collector, domain,
    safe::{Domain, RcuCell},
};

domain!(App: Collector<1> = Collector::new());

static CELL: RcuCell<u32, 2, App> = RcuCell::new(0);

async fn read() {
    let section = App::register().unwrap().enter_owned();
    // A plain guard stays on its thread, even next to a section.
    let guard = section.handle().enter();
    let value = CELL.read(&guard);
    std::future::ready(()).await;
    assert_eq!(*value, 0);
}

fn main() {
    fn spawn(_: impl Future + Send) {}
    spawn(read());
}
