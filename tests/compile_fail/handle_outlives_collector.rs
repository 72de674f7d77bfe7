fn main() {
    let collector = hyaline::Collector::<1>::new();
    let handle = collector.register().unwrap();
    drop(collector);
    drop(handle);
}
