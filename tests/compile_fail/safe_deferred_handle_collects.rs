use hyaline::{Collector, domain, safe::Domain};

domain!(App: Collector<2> = Collector::new());

fn main() {
    let deferred = App::register_deferred().unwrap();
    deferred.flush();
    deferred.collect();
}
