//! Compares all contestants in all rows: prints the tables, and writes
//! `docs/performance.md` and its plots.
//!
//! `compare [--quick] [--only ROW,ROW] [--out FOLDER]`, or, for the gate,
//! `compare --instructions`

use std::{
    env,
    error::Error,
    fs,
    io::{IsTerminal, Write as _, stderr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use hyaline_bench::{
    child,
    distance::Distance,
    gate, memory, order, plot,
    report::{self, Measured},
    rows::{self, Row},
    runner::{Effort, Timing},
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match child::roomy(|| run(&args).map_err(|error| error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::from(2)
        }
    }
}

/// Rows whose instructions are counted even with `--quick`.
const QUICKLY_COUNTED: [&str; 3] = ["read-1", "swap", "publish"];

struct Options {
    quick: bool,
    only: Option<Vec<String>>,
    out: PathBuf,
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut options = Options {
        quick: false,
        only: None,
        out: PathBuf::from("docs"),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--only" => options.only = Some(value()?.split(',').map(str::to_owned).collect()),
            "--out" => options.out = PathBuf::from(value()?),
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    Ok(options)
}

fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    if child::serve(args) {
        return Ok(());
    }
    if args == ["--instructions"] {
        print!("{}", gate::counts()?);
        return Ok(());
    }
    let options = options(args)?;
    let (processes, effort) = if options.quick {
        (3, effort(9, 300))
    } else {
        (7, effort(31, 1500))
    };
    let mut rows = rows::all();
    if let Some(only) = &options.only {
        if let Some(id) = only.iter().find(|id| rows.iter().all(|row| row.id != **id)) {
            return Err(format!("there is no row {id}").into());
        }
        rows.retain(|row| only.iter().any(|id| id == row.id));
    }
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cores.md");
    let model = fs::read_to_string(model)?;
    let mut all = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let at = format!("{} ({} of {})", row.id, index + 1, rows.len());
        progress(&format!("{at}: timing"));
        let timing = times(row.id, processes, effort)?;
        let counted = row.alone && (!options.quick || QUICKLY_COUNTED.contains(&row.id));
        if counted {
            progress(&format!("{at}: counting"));
        }
        let measured = Measured {
            id: row.id,
            title: row.title,
            figures: timing.figures,
            instructions: if counted { counts(row) } else { Vec::new() },
            distance: Distance::of(&timing.between),
        };
        progress("");
        println!("{}\n\n{}", measured.title, measured.table());
        all.push(measured);
    }
    let targets = report::targets(&all);
    let order = order::agreement(&all, &model);
    println!("{targets}\n{order}");
    if options.only.is_some() {
        return Ok(());
    }
    fs::create_dir_all(&options.out)?;
    let peaks = peaks(&options)?;
    println!("{peaks}");
    plots(&options.out, &all)?;
    let how = format!(
        "Each row ran in {processes} processes of {} rounds; in each round every contestant has a turn of {} µs, in changing order, after as long a one that does not count, as the others have taken the caches.",
        effort.rounds,
        effort.turn.as_micros()
    );
    let page = report::page(&all, &targets, &order, &peaks, &how);
    fs::write(options.out.join("performance.md"), page)?;
    Ok(())
}

fn effort(rounds: usize, micros: u64) -> Effort {
    Effort {
        rounds,
        turn: Duration::from_micros(micros),
    }
}

/// Reports the current step: in one line that changes on a terminal, and in
/// separate lines elsewhere.
fn progress(what: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
        let _ = stderr().flush();
    } else if !what.is_empty() {
        eprintln!("{what}");
    }
}

/// The rounds of all processes, one after another.
fn times(id: &str, processes: usize, effort: Effort) -> Result<Timing, String> {
    let mut all = child::row(id, effort)?;
    for _ in 1..processes {
        all.extend(child::row(id, effort)?);
    }
    Ok(all)
}

/// The instruction count of each contestant.
fn counts(row: &Row) -> Vec<Option<f64>> {
    let all: Vec<_> = (row.contestants.iter())
        .map(|one| (row.id, one.name))
        .collect();
    child::all_instructions(&all)
}

/// Peaks of memory, and the plot of the stalled reader.
fn peaks(options: &Options) -> Result<String, Box<dyn Error>> {
    let changes = if options.quick { 20_000 } else { 200_000 };
    let (mut peaks, mut courses) = (Vec::new(), Vec::new());
    for one in memory::contestants() {
        let mut of_one = Vec::new();
        for work in memory::WORKS {
            progress(&format!("{}: memory, {work}", one.name));
            let going = child::course(work, one.name, changes, false)?;
            let stalled = child::course(work, one.name, changes, true)?;
            of_one.push([going.peak, stalled.peak]);
            if work == "swap" {
                courses.push(stalled);
            }
        }
        peaks.push((one.name, of_one));
    }
    progress("");
    let lines: Vec<plot::Line<'_>> = (courses.iter())
        .map(|stalled| (stalled.name.as_str(), stalled.points.as_slice()))
        .collect();
    plot::lines(
        &options.out.join("stalled.svg"),
        "Retired and not reclaimed while one reader is stalled",
        &lines,
    )?;
    Ok(report::peaks(&memory::WORKS, &peaks, changes))
}

fn plots(out: &Path, all: &[Measured]) -> Result<(), Box<dyn Error>> {
    let plots: [(&str, &[&str]); 4] = [
        (
            "performance-read.svg",
            &["read-1", "read-8", "read-1-two", "reads-beside"],
        ),
        (
            "performance-write.svg",
            &["swap", "swap-two", "writes-beside", "stack-one"],
        ),
        (
            "performance-structures.svg",
            &["stack", "queue", "list-50", "list-90", "map-50", "map-90"],
        ),
        ("performance-fib.svg", &["fib", "fib-beside"]),
    ];
    for (file, ids) in plots {
        let rows = ids
            .iter()
            .filter_map(|id| all.iter().find(|row| row.id == *id));
        let charts: Vec<plot::Bars> = rows.map(Measured::chart).collect();
        plot::bars(&out.join(file), &charts)?;
    }
    Ok(())
}
