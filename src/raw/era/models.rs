//! Loom models of the two-word clock, with halves of four eras. The clock
//! starts at era 6: low word 6, high word 1. Run with
//! `RUSTFLAGS="--cfg hyaline_loom --cfg hyaline_narrow_era" cargo test --release --lib`.

use std::sync::Arc;

use loom::{sync::atomic::AtomicBool, thread};

use super::{Clock, SlotEras};
use crate::{
    Fences,
    sync::{Init, Ordering, interrupt},
};

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

/// Ticks in another thread and waits for the end without synchronising: the
/// caller may still see any of the older words. (Loom does not try an order of
/// two threads if the later access was preceded by a load of the same thread, so
/// the model leads it there.)
fn ticks_elsewhere(clock: &Arc<Clock>, count: usize) -> thread::JoinHandle<()> {
    let (clock, done) = (clock.clone(), Arc::new(AtomicBool::new(false)));
    let told = done.clone();
    let ticking = thread::spawn(move || {
        ticks(&clock, count);
        // Relaxed: see above.
        told.store(true, Ordering::Relaxed);
    });
    while !done.load(Ordering::Relaxed) {
        thread::yield_now();
    }
    ticking
}

/// A slot whose access era is the start of the clock.
fn slot(clock: &Clock) -> SlotEras {
    let eras = SlotEras::init();
    eras.raise::<Fences>(clock);
    assert_eq!(eras.look().access, START);
    eras
}

/// (2): a current high word must not be joined with an old low word.
#[test]
fn a_stamp_is_not_in_the_future() {
    model(|| {
        let clock = Arc::new(Clock::init());
        let ticking = ticks_elsewhere(&clock, 6);
        assert!(clock.at_most() <= START + 6);
        ticking.join().unwrap();
        assert_eq!(clock.at_most(), START + 6);
    });
}

/// (4): the two words belong together, though the clock enters the next half
/// between the loads. Loaded singly they would be off by half the range of `low`.
#[test]
fn now_reads_both_words_of_one_moment() {
    model(|| {
        let clock = Arc::new(Clock::init());
        let ticking = ticks_elsewhere(&clock, 6);
        let now = clock.at_least();
        assert!((START..=START + 6).contains(&now), "{now}");
        ticking.join().unwrap();
    });
}

/// (1): the high word must not run ahead when another thread ticks with an old
/// low word.
#[test]
fn the_high_word_does_not_run_ahead() {
    model(|| {
        let clock = Arc::new(Clock::init());
        let other = clock.clone();
        let ticking = thread::spawn(move || ticks(&other, 5));
        clock.tick();
        ticking.join().unwrap();
        assert!(clock.at_most() <= START + 6);
    });
}

/// (6): an old high word joined with a new low word would be an era before the
/// reader's.
#[test]
fn a_torn_access_era_is_not_too_old() {
    model(|| {
        let clock = Clock::init();
        let eras = Arc::new(slot(&clock));
        let other = eras.clone();
        let publishing = thread::spawn(move || assert!(other.look().access >= START));
        ticks(&clock, 6);
        eras.raise::<Fences>(&clock);
        publishing.join().unwrap();
    });
}

/// (5): the era in which a section began must not be too late.
#[test]
fn a_torn_beginning_is_not_too_late() {
    model(|| {
        let clock = Arc::new(Clock::init());
        let eras = Arc::new(SlotEras::init());
        let other = eras.clone();
        let ticking = ticks_elsewhere(&clock, 7);
        let publishing = thread::spawn(move || assert!(other.look().began <= START + 7));
        eras.enter::<Fences>(&clock);
        ticking.join().unwrap();
        publishing.join().unwrap();
    });
}

/// (3): an access era is not taken for that of a round later, in which the low
/// word is the same, by a reader that found a pointer in between.
#[test]
fn an_access_era_of_a_round_ago_is_not_current() {
    model(|| {
        let clock = Arc::new(Clock::init());
        let eras = slot(&clock);
        let published = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicBool::new(false));
        let (others, told, end) = (clock.clone(), published.clone(), done.clone());
        let ticking = thread::spawn(move || {
            ticks(&others, 2);
            // Release: pairs with the Acquire below. It stands for a pointer
            // that is shared in that era; without it the reader need not know
            // of the eras so far.
            told.store(true, Ordering::Release);
            ticks(&others, 6);
            // Relaxed: as in `ticks_elsewhere`.
            end.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        if published.load(Ordering::Acquire) {
            assert!(!eras.access().is_current(&clock));
        }
        ticking.join().unwrap();
    });
}

/// (4): nor is it when the reader reads the clock.
#[test]
fn an_access_era_is_not_too_old() {
    model(|| {
        let clock = Arc::new(Clock::init());
        let eras = SlotEras::init();
        let birth = clock.at_most();
        let ticking = ticks_elsewhere(&clock, 6);
        eras.raise::<Fences>(&clock);
        assert!(eras.look().access >= birth);
        ticking.join().unwrap();
    });
}

/// (6): an interrupt before each access of a raise. It raises the era itself.
/// Before each access that follows, a publisher looks: it finds the task's last
/// era or a later one. What is left in the end is not an era in the future.
#[test]
fn an_interrupted_raise_is_not_torn() {
    fn watch(eras: Arc<SlotEras>, last: u64) {
        interrupt::arm(0, move || {
            assert!(eras.look().access >= last, "what the task held before");
            watch(eras, last);
        });
    }
    for at in 0..16 {
        for case in 0..5 * 9 * 16 {
            let (last, behind, more) = (case % 5, case / 5 % 9, 1 + case / 45);
            model(move || {
                let clock = Arc::new(Clock::init());
                ticks(&clock, last);
                let eras = Arc::new(SlotEras::init());
                eras.raise::<Fences>(&clock);
                ticks(&clock, behind);
                let (other_clock, other) = (clock.clone(), eras.clone());
                let last = START + last as u64;
                interrupt::arm(at, move || {
                    ticks(&other_clock, more);
                    if !other.access().is_current(&other_clock) {
                        other.raise::<Fences>(&other_clock);
                    }
                    assert_eq!(other.look().access, last + (behind + more) as u64);
                    watch(other, last);
                });
                eras.raise::<Fences>(&clock);
                interrupt::disarm();
                let found = eras.look().access;
                assert!((last + behind as u64..=clock.at_least()).contains(&found));
            });
        }
    }
}

/// (3): an interrupt between the loads of the own words. They are not taken for
/// an era that the slot does not show.
#[test]
fn an_interrupted_load_of_the_own_era_is_not_current() {
    for case in 0..3 * 16 * 17 {
        let (at, more, later) = (case % 3, 1 + case / 3 % 16, case / 48);
        model(move || {
            let clock = Arc::new(Clock::init());
            let eras = Arc::new(slot(&clock));
            let (other_clock, other) = (clock.clone(), eras.clone());
            interrupt::arm(at, move || {
                ticks(&other_clock, more);
                other.raise::<Fences>(&other_clock);
            });
            let own = eras.access();
            interrupt::disarm();
            ticks(&clock, later);
            if own.is_current(&clock) {
                assert!(eras.look().access >= clock.at_least());
            }
        });
    }
}

/// (3): an access era of 8 is not taken for current by a reader that holds an
/// object of era 11, though the low word returns to the same value at era 16.
#[test]
fn an_access_era_of_an_earlier_round_is_not_current() {
    model(|| {
        let clock = Arc::new(Clock::init());
        ticks(&clock, 2);
        let eras = SlotEras::init();
        eras.raise::<Fences>(&clock);
        assert_eq!(eras.look().access, 8);
        ticks(&clock, 3);
        assert_eq!(clock.at_most(), 11);
        let ticking = ticks_elsewhere(&clock, 5);
        assert!(!eras.access().is_current(&clock));
        ticking.join().unwrap();
    });
}
