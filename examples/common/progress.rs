//! Progress on a terminal.

#![allow(dead_code)] // each example uses a part of it

use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// A bar on stderr if that is a terminal, and otherwise nothing. It disappears
/// when the last copy is dropped.
pub fn bar(len: u64, title: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:14} {wide_bar} {percent:>3} %");
    ProgressBar::new(len)
        .with_style(style.expect("the template is valid"))
        .with_message(title)
        .with_finish(ProgressFinish::AndClear)
}

/// The items, with a bar that counts them.
pub fn each<I: ExactSizeIterator>(items: I, title: &'static str) -> impl Iterator<Item = I::Item> {
    bar(items.len() as u64, title).wrap_iter(items)
}

/// Waits for this long, unless there is a reason to stop before.
pub fn wait(time: Duration, title: &'static str, stop: impl Fn() -> bool) {
    let bar = bar(time.as_millis() as u64, title);
    let start = Instant::now();
    while !stop() {
        let left = time.saturating_sub(start.elapsed());
        if left.is_zero() {
            break;
        }
        thread::sleep(left.min(Duration::from_millis(50)));
        bar.set_position(start.elapsed().as_millis() as u64);
    }
    bar.finish_and_clear();
}
