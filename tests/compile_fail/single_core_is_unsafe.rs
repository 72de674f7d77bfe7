use hyaline::{Basic, Collector, Config, SingleCore};

static C: Collector<1, Basic<SingleCore>> =
    Collector::with_config(Config::new().barrier(SingleCore::new()));

fn main() {
    let _ = C.register();
}
