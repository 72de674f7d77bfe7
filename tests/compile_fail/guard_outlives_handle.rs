fn main() {
    let collector = hyaline::Collector::<1>::new();
    let handle = collector.register().unwrap();
    let guard = handle.enter();
    drop(handle);
    drop(guard);
}
