//! What the command lines of the examples have in common, and how a program
//! ends.

#![allow(dead_code)] // each example uses a part of it

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{self, ExitCode};
use std::time::Duration;

use lexopt::ValueExt;
use lexopt::prelude::*;

const NAME: &str = env!("CARGO_BIN_NAME");

/// What to do after the command line has been read.
pub enum Command<O> {
    Run(O),
    Help,
}

/// Reads the command line. If it asks for help or is wrong, the program ends:
/// with the usage on stdout and status 0, or on stderr and status 2.
pub fn read<O>(
    usage: &str,
    parse: impl FnOnce(lexopt::Parser) -> Result<Command<O>, lexopt::Error>,
) -> O {
    match parse(lexopt::Parser::from_env()) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            let printed = writeln!(io::stdout(), "{usage}");
            process::exit(if printed.is_ok() { 0 } else { 2 })
        }
        Err(error) => {
            eprintln!("{NAME}: {error}\n\n{usage}");
            process::exit(2)
        }
    }
}

/// The command line of an example that has no options.
pub fn none(about: &str) {
    let usage = format!("{about}\n\nUsage: {NAME}\n\n  -h, --help  print this help");
    read(&usage, |mut parser| match parser.next()? {
        None => Ok(Command::Run(())),
        Some(Short('h') | Long("help")) => Ok(Command::Help),
        Some(argument) => Err(argument.unexpected()),
    });
}

/// Prints the result, and ends with the status.
pub fn print(text: &str, status: u8) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{NAME}: cannot write the result: {error}");
            ExitCode::from(2)
        }
    }
}

/// The value of `--seconds`: more than zero, at most a day.
pub fn seconds(value: OsString) -> Result<Duration, lexopt::Error> {
    let seconds: f64 = value.parse()?;
    if seconds > 0.0 && seconds <= 86_400.0 {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("--seconds {seconds}: must be more than 0, at most 86400").into())
    }
}

/// The value of an option that counts something, from `least` to `most`.
pub fn count(
    name: &str,
    value: OsString,
    least: usize,
    most: usize,
) -> Result<usize, lexopt::Error> {
    let count: usize = value.parse()?;
    if (least..=most).contains(&count) {
        Ok(count)
    } else {
        Err(format!("{name} {count}: must be from {least} to {most}").into())
    }
}
