//! Runs many sections: `section KIND COUNT READS`, as `c/section.c` does. Each
//! call of a function runs one section.

use std::{hint::black_box, process::ExitCode, ptr, sync::atomic::Ordering};

use hyaline::{AtomicPtr, Basic, Collector, Config, Handle, Robust, Scheme, SingleCore};

static PLACE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

#[inline(never)]
fn section<S: Scheme>(handle: &Handle<'_, S>) {
    drop(handle.enter());
}

#[inline(never)]
fn read<S: Scheme>(handle: &Handle<'_, S>) {
    let guard = handle.enter();
    black_box(guard.protect(&PLACE, Ordering::Acquire));
}

fn run<S: Scheme>(collector: Collector<1, S>, count: u64, reads: bool) -> ExitCode {
    let Ok(handle) = collector.register() else {
        return ExitCode::FAILURE;
    };
    let one = black_box(if reads { read::<S> } else { section::<S> });
    for _ in 0..count {
        one(&handle);
    }
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, kind, count, reads] = &arguments[..] else {
        return ExitCode::FAILURE;
    };
    let (Ok(count), reads) = (count.parse(), reads == "1") else {
        return ExitCode::FAILURE;
    };
    // SAFETY: one thread.
    let single = Config::new().barrier(unsafe { SingleCore::new() });
    match kind.as_str() {
        "hyaline" => run::<Basic>(Collector::new(), count, reads),
        "hyaline_robust" => run::<Robust>(Collector::with_config(Config::new()), count, reads),
        "hyaline_single" => run::<Basic<SingleCore>>(Collector::with_config(single), count, reads),
        "hyaline_robust_single" => {
            run::<Robust<SingleCore>>(Collector::with_config(single), count, reads)
        }
        _ => ExitCode::FAILURE,
    }
}
