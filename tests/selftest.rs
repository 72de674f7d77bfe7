//! The self-test of the bare-metal targets, with threads as cores.

// A torture run takes too long under Miri.
#![cfg(not(any(hyaline_loom, miri)))]

use std::{fmt, thread};

use selftest::{Board, multi_core};

struct Host;

impl Board for Host {
    fn print(&self, line: fmt::Arguments<'_>) {
        println!("{line}");
    }

    fn relax(&self) {
        thread::yield_now();
    }
}

#[test]
fn four_threads_pass_what_four_cores_pass() {
    const CORES: usize = 4;
    // A core that fails would leave the others waiting for it.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("{info}");
        std::process::exit(101);
    }));
    thread::scope(|scope| {
        for core in 0..CORES {
            scope.spawn(move || multi_core(&Host, core, CORES));
        }
    });
}
