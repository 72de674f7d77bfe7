//! Runs the examples as a user does: their output, and their messages on bad
//! input.

#![cfg(not(any(hyaline_loom, miri)))]

#[path = "examples/fib.rs"]
mod fib;
#[cfg(target_os = "linux")]
#[path = "examples/terminal.rs"]
mod terminal;

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// The names of all examples: files, and folders with a `main.rs`.
fn names() -> Vec<String> {
    let entries = fs::read_dir(FOLDER).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_example = |path: &Path| match path.is_dir() {
        true => path.join("main.rs").exists(),
        false => path.extension().is_some_and(|extension| extension == "rs"),
    };
    let name = |path: &Path| Some(path.file_stem()?.to_str()?.to_owned());
    let names: Vec<_> = paths
        .filter(|path| is_example(path))
        .filter_map(|path| name(&path))
        .collect();
    assert!(!names.is_empty(), "{FOLDER} has no example");
    names
}

/// The kept run of an example, `examples/NAME.txt`: the arguments, which stand
/// in the first line after `$ NAME`, and the lines that it prints.
fn kept(name: &str) -> (Vec<String>, String) {
    let file = format!("{FOLDER}/{name}.txt");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("each example has a kept run, but {file} cannot be read: {error}")
    });
    let (command, printed) = text.split_once('\n').expect("a line");
    let args = command.strip_prefix(&format!("$ {name}"));
    let args = args.unwrap_or_else(|| panic!("{file} does not begin with `$ {name}`"));
    let args = args.split_whitespace().map(str::to_owned).collect();
    (args, printed.to_owned())
}

/// Whether what was printed is what was kept, whatever the white space. In the
/// kept text `*` stands for a part of a word that differs from run to run.
fn matches(kept: &str, printed: &str) -> bool {
    let word = |kept: &str, printed: &str| match kept.split_once('*') {
        None => kept == printed,
        Some((before, after)) => printed
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|part| !part.is_empty()),
    };
    let line = |kept: &str, printed: &str| {
        let (kept, printed) = (kept.split_whitespace(), printed.split_whitespace());
        kept.clone().count() == printed.clone().count()
            && kept.zip(printed).all(|(k, p)| word(k, p))
    };
    let (kept, printed) = (kept.lines(), printed.lines());
    kept.clone().count() == printed.clone().count() && kept.zip(printed).all(|(k, p)| line(k, p))
}

/// The built example. `cargo test` builds the examples next to the tests.
fn example(name: &str) -> Command {
    let test = env::current_exe().expect("this test has a path");
    let target = test.ancestors().nth(2).expect("it is in deps/");
    let path = target
        .join("examples")
        .join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{name} is not built: run `cargo build --examples` before"
    );
    Command::new(path)
}

fn run(name: &str, args: &[&str]) -> Output {
    example(name)
        .args(args)
        .output()
        .expect("the example starts")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

#[track_caller]
fn assert_status(output: &Output, status: i32) {
    assert_eq!(
        output.status.code(),
        Some(status),
        "{}{}",
        stdout(output),
        stderr(output)
    );
}

/// The numbers of a line of JSON that has no nested values.
fn numbers(output: &Output) -> HashMap<String, f64> {
    let line = stdout(output).strip_suffix('\n').expect("a line");
    assert!(!line.contains('\n'), "one line: {line}");
    let fields = line
        .strip_prefix('{')
        .and_then(|line| line.strip_suffix('}'));
    let fields = fields.expect("an object").split(',');
    let parse = |field: &str| {
        let (name, value) = field.split_once(':').expect("a field");
        let name = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'));
        // Strings are not numbers.
        value
            .parse()
            .ok()
            .map(|value| (name.expect("a name").to_owned(), value))
    };
    fields.filter_map(parse).collect()
}

#[test]
fn bad_command_lines_are_refused() {
    let cases: [(&str, &[&str]); 12] = [
        ("fib", &["--unknown"]),
        ("fib", &["table.csv"]),
        ("fib", &["--readers", "0"]),
        ("fib", &["--readers", "40", "--writers", "40"]),
        ("fib", &["--writers", "-1"]),
        ("fib", &["--seconds", "0"]),
        ("fib", &["--seconds", "NaN"]),
        ("fib", &["--seconds", "1e300"]),
        ("fib", &["--table"]),
        ("fib", &["--json=yes"]),
        ("torture", &["--threads", "1000"]),
        ("torture", &["--unknown"]),
    ];
    for (name, args) in cases {
        let output = run(name, args);
        assert_status(&output, 2);
        assert_eq!(stdout(&output), "");
        let message = stderr(&output);
        assert!(message.starts_with(&format!("{name}: ")), "{message}");
        assert!(message.contains("Usage:"), "{args:?}: {message}");
    }
}

#[test]
fn each_example_refuses_what_it_does_not_know() {
    for name in names() {
        for args in [&["--no-such-option"][..], &["-X"], &["no-such-argument"]] {
            let output = run(&name, args);
            assert_status(&output, 2);
            assert_eq!(stdout(&output), "", "{name}");
            let message = stderr(&output);
            assert!(message.starts_with(&format!("{name}: ")), "{message}");
            assert!(message.contains(&args[0][1..]), "{message}");
            assert!(message.contains(&format!("Usage: {name}")), "{message}");
        }
    }
}

#[test]
fn each_example_has_help() {
    for name in names() {
        let help = |arg| {
            let output = run(&name, &[arg]);
            assert_status(&output, 0);
            assert_eq!(stderr(&output), "", "{name}");
            stdout(&output).to_owned()
        };
        let text = help("--help");
        assert_eq!(text, help("-h"), "{name}");
        assert!(text.contains(&format!("\nUsage: {name}")), "{text}");
        for line in text.lines() {
            assert!(line.len() <= 80, "{name}: {line}");
        }
    }
}

/// Nothing on stderr: it is no terminal.
#[test]
fn each_example_prints_what_is_kept() {
    for name in names() {
        let (args, expected) = kept(&name);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let output = run(&name, &args);
        assert_status(&output, 0);
        assert_eq!(stderr(&output), "", "{name}");
        let printed = stdout(&output);
        assert!(
            matches(&expected, printed),
            "{name} printed\n{printed}\ninstead of\n{expected}"
        );
    }
}

/// The lines that it prints on the way are the progress.
const WITHOUT_A_BAR: [&str; 1] = ["periodic_reclaim"];

#[cfg(target_os = "linux")]
#[test]
fn each_example_shows_progress_on_a_terminal() {
    for name in names() {
        if !WITHOUT_A_BAR.contains(&&*name) {
            let shown = terminal::stderr_of(example(&name).args(kept(&name).0));
            assert!(shown.contains(" %"), "{name} showed {shown:?}");
        }
    }
}

#[test]
fn torture_finds_nothing() {
    for mode in [&[][..], &["--robust"]] {
        let output = run("torture", &[&["--seconds", "1", "--json"], mode].concat());
        assert_status(&output, 0);
        assert_eq!(stderr(&output), "");
        let numbers = numbers(&output);
        assert_eq!(numbers["violations"], 0.0);
        assert_eq!(numbers["retired"], numbers["reclaimed"]);
        assert!(
            numbers["retired"] > 0.0 && numbers["ops"] > 0.0,
            "{numbers:?}"
        );
        assert!(numbers["peak_pending"] > 0.0, "{numbers:?}");
        assert!(numbers["evicted"] > 0.0, "{numbers:?}");
        assert!(numbers["panicked"] > 0.0, "{numbers:?}");
        assert!(numbers["rests"] > 0.0, "{numbers:?}");
    }
}

/// The window that a missing barrier opens is about ten instructions wide.
/// Unoptimised code between the reader's store and its load is wider than a
/// store buffer, and so is itself a barrier.
#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "needs optimised examples: cargo test --release"
)]
fn torture_catches_a_broken_barrier() {
    // On one core there is nothing to detect.
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return;
    }
    // Usually within a second; longer on a busy machine.
    let output = run("torture", &["--broken", "--seconds", "60", "--json"]);
    assert_status(&output, 1);
    assert!(numbers(&output)["violations"] > 0.0);
    // Either a reader notices, or a thread that waited for the readers.
    let found = ["is protected, but", "is over"];
    let said = stderr(&output);
    assert!(found.iter().any(|what| said.contains(what)), "{said}");
}
