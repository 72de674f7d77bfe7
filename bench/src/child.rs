//! The binaries run themselves again: each row in several processes, because
//! the addresses that a process happens to get can make a contestant slower by
//! half; each course of memory in its own process; and each instruction count
//! under callgrind.

use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    memory::{self, Course},
    rows,
    runner::{Between, Effort, Figure, Timing, run},
};

/// Does what the parent asked for, if there is one, and returns whether there
/// was one.
pub fn serve(args: &[String]) -> bool {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args.as_slice() {
        ["--row", id, rounds, micros] => {
            let rows = rows::all();
            let row = rows.iter().find(|row| row.id == id).expect("a row");
            let effort = Effort {
                rounds: rounds.parse().expect("a number"),
                turn: Duration::from_micros(micros.parse().expect("a number")),
            };
            print!("{}", text(&run(&row.contestants, row.alone, effort)));
        }
        ["--count", id, name, operations] => {
            let rows = rows::all();
            let row = rows.iter().find(|row| row.id == id).expect("a row");
            let one = row.contestants.iter().find(|one| one.name == name);
            (one.expect("a contestant").make)()(operations.parse().expect("a number"));
        }
        ["--course", work, name, changes, stalled] => {
            let all = memory::contestants();
            let one = all.iter().find(|one| one.name == name);
            let changes = changes.parse().expect("a number");
            let course = (one.expect("a contestant").run)(work, changes, stalled == "true");
            println!("{}", course.peak);
            for (count, waiting) in course.points {
                println!("{count}\t{waiting}");
            }
        }
        _ => return false,
    }
    true
}

/// Runs on a thread whose stack has room for pools.
pub fn roomy<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 20);
        let thread = thread.spawn_scoped(scope, work).expect("a thread");
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The standard output of this program with other arguments.
fn output(args: &[&str]) -> Result<String, String> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(this)
        .args(args)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{} failed: {}", args.join(" "), output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

/// Times a row in its own process.
pub fn row(id: &str, effort: Effort) -> Result<Timing, String> {
    let (rounds, micros) = (
        effort.rounds.to_string(),
        effort.turn.as_micros().to_string(),
    );
    read(&output(&["--row", id, &rounds, &micros])?)
}

/// What is between the threads, and the rounds of each contestant, a line each.
fn text(timing: &Timing) -> String {
    let line = |name: &str, numbers: &[f64]| {
        let numbers = numbers.iter().map(|number| format!("\t{number}"));
        format!("{name}{}\n", numbers.collect::<String>())
    };
    let figures = timing.figures.iter();
    line("one way", &timing.between.one_way)
        + &line("running", &timing.between.running)
        + &figures
            .map(|figure| line(&figure.name, &figure.rounds))
            .collect::<String>()
}

fn read(text: &str) -> Result<Timing, String> {
    let mut lines = text.lines().map(|line| {
        let mut words = line.split('\t');
        let name = words.next().unwrap_or_default().to_owned();
        let rounds: Result<Vec<f64>, _> = words.map(str::parse).collect();
        let rounds = rounds.map_err(|error| format!("{line}: {error}"))?;
        Ok(Figure { name, rounds })
    });
    let mut first = || lines.next().unwrap_or_else(|| Err("no times".into()));
    let (one_way, running) = (first()?.rounds, first()?.rounds);
    Ok(Timing {
        between: Between { one_way, running },
        figures: lines.collect::<Result<_, String>>()?,
    })
}

/// Follows a contestant's unreclaimed objects in its own process.
pub fn course(work: &str, name: &str, changes: u64, stalled: bool) -> Result<Course, String> {
    let (changes, stalled) = (changes.to_string(), stalled.to_string());
    let text = output(&["--course", work, name, &changes, &stalled])?;
    let wrong = || format!("no course for {name}");
    let mut lines = text.lines();
    let peak = lines.next().and_then(|line| line.parse().ok());
    let points: Option<Vec<(u64, i64)>> = lines
        .map(|line| {
            let (count, waiting) = line.split_once('\t')?;
            Some((count.parse().ok()?, waiting.parse().ok()?))
        })
        .collect();
    Ok(Course {
        name: name.to_owned(),
        points: points.ok_or_else(wrong)?,
        peak: peak.ok_or_else(wrong)?,
    })
}

/// Instructions for one operation of each (row, contestant), two at a time.
pub fn all_instructions(which: &[(&str, &str)]) -> Vec<Option<f64>> {
    let mut all = Vec::new();
    for pair in which.chunks(2) {
        thread::scope(|scope| {
            let both: Vec<_> = (pair.iter())
                .map(|&(id, name)| scope.spawn(move || instructions(id, name)))
                .collect();
            all.extend(both.into_iter().map(|one| one.join().unwrap_or(None)));
        });
    }
    all
}

/// Instructions for one operation, by callgrind: the difference of two runs.
/// `None` if callgrind is missing.
fn instructions(id: &str, name: &str) -> Option<f64> {
    // A multiple of each batch size, so that all batches are whole.
    let (few, many) = (6_400, 19_200);
    let (low, high) = (count(id, name, few)?, count(id, name, many)?);
    Some((high as f64 - low as f64) / (many - few) as f64)
}

fn count(id: &str, name: &str, operations: u64) -> Option<u64> {
    let this = env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["--count", id, name, &operations.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let words = text.split("Collected :").nth(1)?;
    words.split_whitespace().next()?.parse().ok()
}

#[test]
fn what_a_child_prints_is_read() {
    let figure = |name: &str, rounds: &[f64]| Figure {
        name: name.into(),
        rounds: rounds.into(),
    };
    let figures = vec![figure("hyaline, Box", &[1.5, 0.25]), figure("sdd", &[3.0])];
    for one_way in [vec![], vec![31.0, 28.5]] {
        let running = one_way.iter().map(|_| 0.75).collect();
        let timing = Timing {
            figures: figures.clone(),
            between: Between { one_way, running },
        };
        assert_eq!(read(&text(&timing)), Ok(timing));
    }
    assert!(read("").is_err());
    assert!(read("one way\tfar\n").is_err());
}
