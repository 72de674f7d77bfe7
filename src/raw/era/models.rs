//! Loom models of the two-word clock, with halves of four eras. The clock
//! starts at era 6: low word 6, high word 1. Run with
//! `RUSTFLAGS="--cfg hyaline_loom --cfg hyaline_narrow_era" cargo test --release --lib`.

use std::sync::Arc;

use loom::{sync::atomic::AtomicBool, thread};

use super::{Clock, Mark, O};
use crate::sync::Init;

/// The era at the start.
const START: u64 = 6;

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(body);
}

fn ticks(clock: &Clock, count: usize) {
    for _ in 0..count {
        clock.tick();
    }
}

/// Ticks in another thread and waits for the end, but without synchronising:
/// whoever called may still see any of the older words. (Loom does not try an
/// order of two threads if the later access was preceded by a load of the same
/// thread, so it needs to be led there.)
fn ticks_elsewhere(clock: &Arc<Clock>, count: usize) -> thread::JoinHandle<()> {
    let (clock, done) = (clock.clone(), Arc::new(AtomicBool::new(false)));
    let told = done.clone();
    let ticking = thread::spawn(move || {
        ticks(&clock, count);
        // Relaxed: see above.
        told.store(true, O::Relaxed);
    });
    while !done.load(O::Relaxed) {
        thread::yield_now();
    }
    ticking
}

/// A mark that follows a clock at its start.
fn mark(clock: &Clock) -> Mark {
    let mark = Mark::init();
    mark.follow(clock);
    assert_eq!(mark.read(), START);
    mark
}

/// (2): a high word of now must not be joined with a low word of long ago.
#[test]
fn a_stamp_is_not_in_the_future() {
    model(|| {
        let clock = Arc::new(Clock::init());
        let ticking = ticks_elsewhere(&clock, 6);
        assert!(clock.stamp() <= START + 6);
        ticking.join().unwrap();
        assert_eq!(clock.stamp(), START + 6);
    });
}

/// (1): nor must the high word run ahead, when another thread ticks with an
/// old low word in hand.
#[test]
fn the_high_word_does_not_run_ahead() {
    model(|| {
        let clock = Arc::new(Clock::init());
        let other = clock.clone();
        let ticking = thread::spawn(move || ticks(&other, 5));
        clock.tick();
        ticking.join().unwrap();
        assert!(clock.stamp() <= START + 6);
    });
}

/// (4): an old high word joined with a new low word would be an era before
/// the reader's.
#[test]
fn a_torn_mark_is_not_too_old() {
    model(|| {
        let clock = Clock::init();
        let mark = Arc::new(mark(&clock));
        let other = mark.clone();
        let publishing = thread::spawn(move || assert!(other.read() >= START));
        ticks(&clock, 6);
        mark.follow(&clock);
        publishing.join().unwrap();
    });
}

/// (3): the same when the reader reads the clock.
#[test]
fn what_a_mark_follows_is_not_too_old() {
    model(|| {
        let clock = Arc::new(Clock::init());
        let mark = Mark::init();
        let birth = clock.stamp();
        let ticking = ticks_elsewhere(&clock, 6);
        mark.follow(&clock);
        assert!(mark.read() >= birth);
        ticking.join().unwrap();
    });
}

/// (3): a mark of era 8 is not taken for current by a reader who holds an
/// object of era 11, though the low word comes round to the mark's at era 16.
#[test]
fn a_mark_of_an_earlier_round_is_not_current() {
    model(|| {
        let clock = Arc::new(Clock::init());
        ticks(&clock, 2);
        let mark = Mark::init();
        mark.follow(&clock);
        // The same era, as it is seen once the high word is brought up.
        mark.high.store(2, O::Relaxed);
        assert_eq!(mark.read(), 8);
        ticks(&clock, 3);
        assert_eq!(clock.stamp(), 11);
        let ticking = ticks_elsewhere(&clock, 5);
        assert!(!mark.is_current(&clock));
        ticking.join().unwrap();
    });
}
