fn main() {
    let collector = hyaline::Collector::<1>::new();
    let handle = collector.register().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| handle.flush());
    });
}
