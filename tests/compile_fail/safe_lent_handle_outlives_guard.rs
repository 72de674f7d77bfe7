use hyaline::{Collector, domain, safe::Domain};

domain!(App: Collector<2> = Collector::new());

fn main() {
    let handle = App::register().unwrap();
    let guard = handle.enter();
    let lent = guard.handle();
    drop(guard);
    drop(lent.enter());
}
