static C: hyaline::Collector<0> = hyaline::Collector::new();

fn main() {
    let _ = C.register();
}
