//! The forwarding table: other tables, wrong answers, tables that it refuses.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{assert_status, numbers, run, stderr, stdout};

/// A file for one test.
fn file(name: &str, content: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).expect("the temporary directory can be written");
    path.into_os_string()
        .into_string()
        .expect("a path in UTF-8")
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// Prefixes in one another, and one that stands twice.
const NESTED: &str = "\
10.0.0.0/8,AA
10.1.0.0/16,BB
10.1.2.0/24,CC
10.1.2.0/23,DD
10.1.2.3/32,EE
0.0.0.0/0,FF
10.1.2.3/32,GG
255.255.255.255/32,HH
";

#[track_caller]
fn assert_sound(numbers: &HashMap<String, f64>, prefixes: f64) {
    assert_eq!(numbers["prefixes"], prefixes);
    assert_eq!(numbers["mismatches"], 0.0);
    assert_eq!(numbers["pending"], 0.0);
    assert_eq!(numbers["retired"], numbers["reclaimed"]);
    for positive in [
        "lookups_per_s",
        "updates_per_s",
        "rwlock_lookups_per_s",
        "peak_pending",
    ] {
        assert!(numbers[positive] > 0.0, "{positive}: {numbers:?}");
    }
}

#[test]
fn fib_runs_with_the_sample() {
    let output = run("fib", &["--seconds", "1", "--json"]);
    assert_status(&output, 0);
    assert_eq!(
        stderr(&output),
        "",
        "no progress when stderr is not a terminal"
    );
    assert_sound(&numbers(&output), 24_000.0);
}

#[test]
fn fib_runs_in_robust_mode() {
    let output = run(
        "fib",
        &["--seconds", "1", "--json", "--robust", "--writers", "2"],
    );
    assert_status(&output, 0);
    assert_sound(&numbers(&output), 24_000.0);
}

#[test]
fn fib_takes_nested_and_repeated_prefixes() {
    let table = file("nested.csv", NESTED.as_bytes());
    // More writers than prefixes.
    let args = [
        "--seconds",
        "0.5",
        "--json",
        "--writers",
        "9",
        "--table",
        &table,
    ];
    let output = run("fib", &args);
    assert_status(&output, 0);
    let numbers = numbers(&output);
    assert_sound(&numbers, 8.0);
    assert_eq!(numbers["repeated"], 1.0);
    assert_eq!(numbers["nested"], 6.0);
}

#[test]
fn fib_takes_gzip_whatever_its_name() {
    // Two members, as `cat a.gz b.gz` makes them; carriage returns; no end of
    // line at the end.
    let mut content = gzip(NESTED.replace('\n', "\r\n").as_bytes());
    content.extend(gzip(b"192.0.2.0/24,ZZ"));
    let table = file("nested-table", &content);
    let output = run("fib", &["--seconds", "0.5", "--json", "--table", &table]);
    assert_status(&output, 0);
    assert_sound(&numbers(&output), 9.0);
}

#[test]
fn fib_prints_a_comparison() {
    let output = run("fib", &["--seconds", "0.2"]);
    assert_status(&output, 0);
    let words = [
        "spin::RwLock",
        "lookups/s",
        "updates/s",
        "retired",
        "reclaimed",
        "pending",
    ];
    for word in words {
        assert!(
            stdout(&output).contains(word),
            "{word}: {}",
            stdout(&output)
        );
    }
}

#[test]
fn fib_finds_a_wrong_answer() {
    let output = run("fib", &["--seconds", "0.2", "--json", "--plant-error"]);
    assert_status(&output, 1);
    assert!(numbers(&output)["mismatches"] > 0.0);
    assert!(
        stderr(&output).contains("wrong answers under hyaline"),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("wrong answers under the lock"),
        "{}",
        stderr(&output)
    );
}

/// The example refuses the table: nothing on stdout, the reason on stderr.
#[track_caller]
fn assert_refused(table: &str, place: &str, reason: &str) {
    let output = run("fib", &["--table", table]);
    assert_status(&output, 2);
    assert_eq!(stdout(&output), "");
    let expected = format!("fib: {table}{place}: ");
    let message = stderr(&output);
    assert!(
        message.starts_with(&expected),
        "{expected:?} does not start {message:?}"
    );
    assert!(message.contains(reason), "{reason:?} is not in {message:?}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn fib_names_the_malformed_line() {
    let long = "1".repeat(10_000);
    let cases = [
        ("", "no comma"),
        ("10.0.0.0/8", "no comma"),
        ("10.0.0.0,AA", "no prefix length"),
        ("10.0.0/8,AA", "no IPv4 address"),
        ("10.0.0.256/32,AA", "no IPv4 address"),
        ("2001:db8::/32,AA", "no IPv4 address"),
        ("10.0.0.0/33,AA", "no prefix length from 0 to 32"),
        ("10.0.0.0/+8,AA", "no prefix length from 0 to 32"),
        ("10.0.0.0/,AA", "no prefix length from 0 to 32"),
        ("10.0.0.1/8,AA", "bits set after the prefix"),
        ("10.0.0.0/8,", "no country code"),
        ("10.0.0.0/8,aa", "no country code"),
        ("10.0.0.0/8,AA,BB", "no country code"),
        (long.as_str(), "more than 64 bytes"),
    ];
    for (index, (line, reason)) in cases.into_iter().enumerate() {
        let table = file(
            &format!("malformed-{index}.csv"),
            format!("192.0.2.0/24,AA\n198.51.100.0/24,BB\n{line}\n203.0.113.0/24,CC\n").as_bytes(),
        );
        assert_refused(&table, ":3", reason);
    }
    let table = file("malformed-bytes.csv", b"192.0.2.0/24,AA\n\xff\xfe\n");
    assert_refused(&table, ":2", "not UTF-8");
}

#[test]
fn fib_refuses_what_it_cannot_read() {
    assert_refused("/nonexistent/table.csv", "", "cannot be read");
    assert_refused(env!("CARGO_TARGET_TMPDIR"), "", "cannot be read");
    assert_refused(&file("empty.csv", b""), "", "holds no prefixes");

    let mut lines = String::new();
    for third in 0..=255 {
        lines.push_str(&format!("10.0.{third}.0/24,AA\n"));
    }
    let whole = gzip(lines.as_bytes());
    let table = file("truncated.csv.gz", &whole[..whole.len() / 2]);
    let output = run("fib", &["--table", &table]);
    assert_status(&output, 2);
    assert_eq!(stdout(&output), "");
    let line = stderr(&output).strip_prefix(&format!("fib: {table}:"));
    let line = line.and_then(|rest| rest.split_once(": cannot be read"));
    let (line, _) = line.unwrap_or_else(|| panic!("{}", stderr(&output)));
    assert!((1..=256).contains(&line.parse::<u32>().expect("a line number")));
}

#[test]
fn fib_refuses_a_table_larger_than_the_pool() {
    // Each prefix needs three nodes of its own.
    let mut lines = String::new();
    for index in 0..70_000_u32 {
        let [a, b, c, d] = (index << 12).to_be_bytes();
        lines.push_str(&format!("{a}.{b}.{c}.{d}/32,AA\n"));
    }
    let table = file("large.csv", lines.as_bytes());
    let output = run("fib", &["--table", &table]);
    assert_status(&output, 2);
    assert_eq!(stdout(&output), "");
    let message = stderr(&output);
    assert!(message.contains("larger than the pool"), "{message}");
    let line = message
        .strip_prefix(&format!("fib: {table}:"))
        .expect("file and line");
    let (line, _) = line.split_once(':').expect("a line");
    assert!(
        (40_000..70_000).contains(&line.parse::<u32>().expect("a line number")),
        "{message}"
    );
}
