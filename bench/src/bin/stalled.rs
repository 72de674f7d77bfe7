//! Unreclaimed objects over time while one reader is stalled: a table, and
//! `docs/stalled.svg`.
//!
//! `stalled [--replacements N] [--out FOLDER]`

use std::{env, error::Error, fs, path::PathBuf, process::ExitCode};

use hyaline_bench::{child, memory, plot};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match child::roomy(|| run(&args).map_err(|error| error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stalled: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    if child::serve(args) {
        return Ok(());
    }
    let mut replacements = 200_000;
    let mut out = PathBuf::from("docs");
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--replacements" => replacements = value.parse()?,
            "--out" => out = PathBuf::from(value),
            _ => return Err(format!("unknown option {arg}").into()),
        }
    }
    let all: Result<Vec<_>, _> = (memory::contestants().iter())
        .map(|one| child::course("swap", one.name, replacements, true))
        .collect();
    let all = all?;
    println!("Retired and not reclaimed, one reader stalled:");
    println!(
        "{:26}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "replaced", "25 %", "50 %", "75 %", "100 %", "peak"
    );
    for course in &all {
        let at = |quarter: usize| {
            let index = (course.points.len() * quarter / 4).saturating_sub(1);
            course.points.get(index).map_or(0, |point| point.1)
        };
        println!(
            "{:26}{:>10}{:>10}{:>10}{:>10}{:>10}",
            course.name,
            at(1),
            at(2),
            at(3),
            at(4),
            course.peak
        );
    }
    fs::create_dir_all(&out)?;
    let lines: Vec<plot::Line<'_>> = (all.iter())
        .map(|course| (course.name.as_str(), course.points.as_slice()))
        .collect();
    plot::lines(
        &out.join("stalled.svg"),
        "Retired and not reclaimed while one reader is stalled",
        &lines,
    )?;
    Ok(())
}
