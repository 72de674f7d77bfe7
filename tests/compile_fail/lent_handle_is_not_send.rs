fn main() {
    let collector = hyaline::Collector::<1>::new();
    let handle = collector.register().unwrap();
    let guard = handle.enter();
    let lent = guard.handle();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(lent.enter()));
    });
}
