//! Loom models of a check of a slot's eras, in one word and in two:
//! `RUSTFLAGS="--cfg hyaline_loom" cargo test --release --lib`, and the same with
//! `--cfg hyaline_narrow_era`.

use std::sync::Arc;

use loom::{cell::UnsafeCell, thread};

use super::{Clock, SlotEras, reach::Reach};
use crate::{Fences, sync::Init};

/// (5): a check that finds an era of a later section happens after the reads
/// of the section before it. Otherwise the reclaim would race with them.
fn comes_after(shows_later: impl Fn(&Reach, &Reach) -> bool + Sync + Send + Copy + 'static) {
    loom::model(move || {
        let clock = Arc::new(Clock::init());
        let eras = Arc::new(SlotEras::init());
        let object = Arc::new(UnsafeCell::new(0));
        eras.enter::<Fences>(&clock);
        let first = eras.look();
        let (others, read) = (eras.clone(), object.clone());
        let reading = thread::spawn(move || {
            // SAFETY: loom checks that no thread writes.
            read.with(|object| unsafe { *object });
            // Both words change, where there are two.
            (0..3).for_each(|_| clock.tick());
            others.enter::<Fences>(&clock);
        });
        let found = eras.look();
        if shows_later(&first, &found) {
            // SAFETY: loom checks that no thread reads.
            object.with_mut(|object| unsafe { *object = 1 });
        }
        reading.join().unwrap();
    });
}

#[test]
fn a_later_beginning_comes_after_the_section_before() {
    comes_after(|first, found| found.began != first.began);
}

#[test]
fn a_later_access_era_comes_after_the_section_before() {
    comes_after(|first, found| found.access != first.access);
}
