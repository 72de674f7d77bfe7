//! What the command lines of the examples have in common.

use std::ffi::OsString;
use std::time::Duration;

use lexopt::ValueExt;

/// What to do after the command line has been read.
pub enum Command<O> {
    Run(O),
    Help,
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
