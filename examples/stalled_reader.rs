//! What a stalled reader costs: unreclaimed objects over time, in basic and in
//! robust mode.
//!
//! A reader enters a section, protects one object, and stalls there. A writer
//! keeps replacing the objects of a small table and retires the old ones. In
//! basic mode no object that is published from then on is reclaimed. In robust
//! mode the reader holds back only objects that were made before it stalled.
//!
//! `cargo run --release --example stalled_reader`; `--help` says more.

#[path = "common/args.rs"]
mod args;
#[path = "common/progress.rs"]
mod progress;

use std::{
    fmt::Write as _,
    fs,
    process::ExitCode,
    ptr,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use crate::args::Command;
use hyaline::{AtomicPtr, Basic, Collector, Config, Fences, Link, Linked, Robust, Scheme};

const USAGE: &str = "\
What a stalled reader costs: unreclaimed objects over time, in basic and in
robust mode.

Usage: stalled_reader [OPTIONS]

  --updates N   objects that are replaced in each mode, at least 1000 for each
                sample [default: 100000]
  --samples N   lines of the table, at least 4 [default: 20]
  --plot FILE   write a chart, an SVG
  --json        print one line of JSON
  -h, --help    print this help

Exit status: 0 if the robust line is flat and below the bound that the crate
computes, and the reader's object is unharmed; 1 if not; 2 if the command line
is invalid or the chart cannot be written.";

const SLOTS: usize = 2;
/// Objects in use at a time: those in the table, and one that is being made.
const LIVE: usize = TABLE + 1;
const TABLE: usize = 32;
const CONFIG: Config = Config::new().batch::<8>().era_step::<4>();
const BOUND: usize = CONFIG.most_pending(SLOTS, 1, LIVE);

const ALIVE: usize = 0x600d;

type Object = Linked<AtomicUsize>;

static RECLAIMED: AtomicUsize = AtomicUsize::new(0);

/// Poisons the object, counts it and frees it.
unsafe fn reclaim(link: *mut Link) {
    // SAFETY: the collector calls this once for each object, and all of them
    // are boxed `Object`s.
    let object = unsafe { Box::from_raw(Link::cast::<Object>(link)) };
    // Relaxed: a statistic, and a canary that only a broken collector exposes.
    object.store(0xdead, Ordering::Relaxed);
    RECLAIMED.fetch_add(1, Ordering::Relaxed);
}

/// One run.
struct Run {
    /// Unreclaimed objects, at equal intervals.
    samples: Vec<usize>,
    peak: usize,
    /// Unreclaimed objects after the reader has left.
    left: usize,
    /// Whether the reader found its object unchanged.
    intact: bool,
}

fn run<S: Scheme<Barrier = Fences>>(updates: usize, samples: usize, title: &'static str) -> Run {
    RECLAIMED.store(0, Ordering::Relaxed); // Relaxed: only one thread runs
    let collector: Collector<SLOTS, S> = Collector::with_config(CONFIG);
    let writer = collector.register().expect("a slot for the writer");
    let make = || Box::into_raw(Box::new(writer.link(AtomicUsize::new(ALIVE))));
    let table: Vec<AtomicPtr<Object>> = (0..TABLE).map(|_| AtomicPtr::new(make())).collect();
    let (stalled, wait_until_stalled) = mpsc::channel();
    let (go_on, wait_to_go_on) = mpsc::channel::<()>();
    let mut result = Run {
        samples: Vec::new(),
        peak: 0,
        left: 0,
        intact: false,
    };
    thread::scope(|scope| {
        let (collector, table) = (&collector, &table);
        let reader = scope.spawn(move || {
            let handle = collector.register().expect("a slot for the reader");
            let guard = handle.enter();
            let object = guard.protect(&table[0], Ordering::Acquire);
            stalled.send(()).expect("the writer waits");
            let _ = wait_to_go_on.recv();
            // SAFETY: protected while the guard is open.
            unsafe { &*object }.load(Ordering::Relaxed) == ALIVE // Relaxed: see `reclaim`
        });
        wait_until_stalled.recv().expect("the reader stalls");
        let mut retired = 0;
        for update in progress::each(0..updates, title) {
            let guard = writer.enter();
            // AcqRel: publishes the new object, and acquires the old one.
            let old = guard.swap(&table[update % TABLE], make(), Ordering::AcqRel);
            // SAFETY: the swap unlinked it, so it is retired once; it is boxed.
            unsafe { guard.defer_retire(old, reclaim) };
            drop(guard);
            retired += 1;
            let pending = retired - RECLAIMED.load(Ordering::Relaxed); // Relaxed: a statistic
            result.peak = result.peak.max(pending);
            if (update + 1) % (updates / samples) == 0 {
                result.samples.push(pending);
            }
        }
        drop(go_on);
        result.intact = reader.join().is_ok_and(|intact| intact);
        writer.flush();
        result.left = retired - RECLAIMED.load(Ordering::Relaxed); // Relaxed: as above
    });
    for cell in &table {
        // AcqRel: as above.
        let old = cell.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: unlinked by the swap, and boxed.
        unsafe { writer.retire(old, reclaim) };
    }
    result
}

struct Options {
    json: bool,
    plot: Option<String>,
    updates: usize,
    samples: usize,
}

fn options(mut parser: lexopt::Parser) -> Result<Command<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options {
        json: false,
        plot: None,
        updates: 100_000,
        samples: 20,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => options.json = true,
            Long("plot") => options.plot = Some(parser.value()?.string()?),
            Long("updates") => options.updates = parser.value()?.parse()?,
            Long("samples") => options.samples = parser.value()?.parse()?,
            Short('h') | Long("help") => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    if options.samples < 4 || options.updates / options.samples < 1000 {
        return Err("at least 4 samples, of at least 1000 updates each".into());
    }
    Ok(Command::Run(options))
}

fn main() -> ExitCode {
    let options = args::read(USAGE, options);
    let basic = run::<Basic>(options.updates, options.samples, "basic");
    let robust = run::<Robust>(options.updates, options.samples, "robust");
    if options.json {
        println!(
            r#"{{"updates":{},"basic_peak":{},"robust_peak":{},"bound":{BOUND},"basic_left":{},"robust_left":{}}}"#,
            options.updates, basic.peak, robust.peak, basic.left, robust.left
        );
    } else {
        print_table(&options, &basic, &robust);
    }
    if let Some(file) = &options.plot {
        if let Err(error) = fs::write(file, plot(&options, &basic, &robust)) {
            eprintln!("stalled_reader: {file}: {error}");
            return ExitCode::from(2);
        }
    }
    match judge(&basic, &robust) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("stalled_reader: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Checks what must hold.
fn judge(basic: &Run, robust: &Run) -> Result<(), String> {
    if !(basic.intact && robust.intact) {
        return Err("the stalled reader's object was reclaimed".into());
    }
    if robust.peak > BOUND {
        return Err(format!(
            "robust mode: {} pending, bound {BOUND}",
            robust.peak
        ));
    }
    let (first, second) = robust.samples.split_at(robust.samples.len() / 2);
    let highest = |part: &[usize]| part.iter().copied().max().unwrap_or(0);
    // Samples differ by up to a batch, depending on when they are taken.
    if highest(second) > highest(first) + 8 {
        return Err("robust mode: the line rises".into());
    }
    if basic.left + robust.left > 0 {
        return Err("objects are left after the reader resumed".into());
    }
    Ok(())
}

fn print_table(options: &Options, basic: &Run, robust: &Run) {
    println!("unreclaimed objects while a reader is stalled, {TABLE} in use\n");
    println!("{:>10} {:>10} {:>10}", "updates", "basic", "robust");
    for (index, (b, r)) in basic.samples.iter().zip(&robust.samples).enumerate() {
        let updates = (index + 1) * (options.updates / options.samples);
        println!("{updates:>10} {b:>10} {r:>10}");
    }
    println!("{:>10} {:>10} {:>10}", "peak", basic.peak, robust.peak);
    println!("{:>10} {:>10} {BOUND:>10}", "bound", "none");
    println!(
        "{:>10} {:>10} {:>10}  after the reader came back",
        "left", basic.left, robust.left
    );
}

/// A line chart with a logarithmic axis.
fn plot(options: &Options, basic: &Run, robust: &Run) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 320.0;
    const LEFT: f64 = 70.0;
    const BOTTOM: f64 = 40.0;
    let top = (basic.peak.max(BOUND) as f64).log10().ceil();
    let x = |i: usize| LEFT + (WIDTH - LEFT - 90.0) * (i + 1) as f64 / options.samples as f64;
    let y = |v: f64| HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 20.0) * v.max(1.0).log10() / top;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>"##
    );
    let mut add = |text: String| svg.write_str(&text).expect("a string takes all");
    for power in 0..=top as u32 {
        let at = y(10_f64.powi(power as i32));
        add(format!(
            r##"<path d="M{LEFT} {at:.1}H{}" stroke="#ddd"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"##,
            WIDTH - 90.0,
            LEFT - 6.0,
            at + 4.0,
            10_u64.pow(power)
        ));
    }
    let flat = vec![BOUND; options.samples];
    for (name, colour, dash, values) in [
        ("basic", "#c33", "", &basic.samples),
        ("robust", "#27c", "", &robust.samples),
        ("bound", "#777", "4 4", &flat),
    ] {
        let points: Vec<String> = (values.iter().enumerate())
            .map(|(i, v)| format!("{:.1},{:.1}", x(i), y(*v as f64)))
            .collect();
        let last = y(values.last().copied().unwrap_or(1) as f64);
        add(format!(
            r##"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/><text x="{:.1}" y="{:.1}" fill="{colour}">{name}</text>"##,
            points.join(" "),
            x(options.samples - 1) + 6.0,
            last + 4.0
        ));
    }
    add(format!(
        r##"<text x="{:.1}" y="{:.1}" text-anchor="middle">unreclaimed objects over {} updates with one stalled reader</text></svg>"##,
        WIDTH / 2.0,
        HEIGHT - 12.0,
        options.updates
    ));
    svg + "\n"
}
