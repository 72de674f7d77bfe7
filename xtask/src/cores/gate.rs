//! `cargo xtask cores --gate`: the requests for lines of the crate's contestants,
//! compared with the recorded ones.

use std::fmt::Write as _;

use super::Figures;
use crate::recorded::Record;

/// The numbers of threads.
pub const THREADS: [usize; 2] = [2, 16];

/// Rows in which more threads would meet in the pool, if they did not part.
pub const MANY: (&[&str], &[usize]) = (&["swap", "map-50"], &[64]);

/// How much a figure may grow: by 15 percent, or a request in 20 operations. An access
/// more, which moves no line, made a difference of 5 percent at most, and another seed one
/// of 10, in `fib-beside` with 16 threads, whose budget ends it early.
const MORE: [f64; 2] = [1.15, 0.05];

/// Whose figures are kept. Another barrier touches the same lines.
pub fn has(name: &str) -> bool {
    name.starts_with("hyaline") && !name.starts_with("hyaline membarrier")
}

/// A line for each contestant and number of threads.
fn lines(figures: &Figures) -> Result<String, String> {
    let mut text = String::new();
    for (entry, cells) in figures {
        for (threads, cell) in cells {
            if let Some(requests) = cell.requests_each()? {
                let (row, name) = (&entry.row, &entry.name);
                let _ = writeln!(text, "{row} {name}, {threads} threads: {requests:.2}");
            }
        }
    }
    Ok(text)
}

pub fn run(figures: &Figures, compiler: &str, accept: bool) -> Result<(), String> {
    let now = lines(figures)?;
    print!("{now}");
    let record = Record {
        file: "bench/expected/transfers-x86_64.txt",
        what: "line requests",
        command: "cargo xtask cores --gate",
        grew,
    };
    record.check(compiler, &now, accept)
}

fn grew(before: f64, now: f64) -> bool {
    now > (before * MORE[0]).max(before + MORE[1])
}

#[test]
fn what_is_worse_is_told() {
    let kept = "rustc\na x, 2 threads: 1.00\na y, 2 threads: 0.00\nb x, 2 threads: 2.00\n";
    let now = "a x, 2 threads: 1.15\na y, 2 threads: 0.06\nc x, 2 threads: 2.00\n";
    let told = [
        "a y, 2 threads: 0.00 before, now 0.06",
        "c x, 2 threads: not recorded, now 2.00",
        "b x, 2 threads: recorded, not counted any more",
    ];
    assert_eq!(crate::recorded::worse(kept, now, grew), told);
}
