use hyaline::{Collector, domain, safe::HandleCell};

domain!(App: Collector<2> = Collector::new());
static CELL: HandleCell<App> = HandleCell::new();

fn main() {
    let _handle = CELL.with(|handle| handle);
    let _guard = CELL.with(|handle| handle.enter());
}
