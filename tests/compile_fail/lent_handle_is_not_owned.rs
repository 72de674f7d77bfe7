fn main() {
    let collector = hyaline::Collector::<1>::new();
    let handle = collector.register().unwrap();
    let guard = handle.enter();
    let lent = guard.handle();
    let _section = lent.enter_owned();
}
