// A quiescent point takes the guard by `&mut`, so references that a safe layer
// ties to the guard cannot live across it.
fn tied<'g>(_: &'g hyaline::Guard<'_>) -> &'g u32 {
    &7
}

fn main() {
    let collector = hyaline::Collector::<1>::new();
    let handle = collector.register().unwrap();
    let mut guard = handle.enter();
    let seen = tied(&guard);
    guard.refresh();
    assert_eq!(*seen, 7);
}
