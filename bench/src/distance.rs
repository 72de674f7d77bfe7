//! How far two threads were from each other.

use std::fmt;

use crate::runner::{Between, quartiles};

/// Nanoseconds from one thread to the other while a row ran.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    least: f64,
    median: f64,
    most: f64,
    /// Between these are nine of ten.
    most_of: [f64; 2],
    /// The part of the time in which both had a processor: that of the middle process.
    running: f64,
}

/// What nine of ten times from one thread to the other may differ by, as a factor, while
/// a row is calm; and the least part of the time in which both have a processor.
pub const CALM: (f64, f64) = (1.5, 0.95);

impl Distance {
    /// None of a row with one thread.
    pub fn of(between: &Between) -> Option<Self> {
        let mut sorted = between.one_way.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        Some(Self {
            least: sorted[0],
            most: sorted[last],
            most_of: [sorted[last / 20], sorted[last - last / 20]],
            median: quartiles(sorted)[1],
            running: quartiles(between.running.clone())[1],
        })
    }

    pub fn is_calm(&self) -> bool {
        let [short, long] = self.most_of;
        long <= CALM.0 * short && self.running >= CALM.1
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            least,
            median,
            most,
            running,
            ..
        } = self;
        write!(f, "{median:.0} ns ({least:.0} to {most:.0})")?;
        if *running < CALM.1 {
            write!(f, "; {:.0} % without a processor", (1.0 - running) * 100.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Distance;
    use crate::runner::Between;

    fn of(one_way: &[f64], running: &[f64]) -> Option<Distance> {
        Distance::of(&Between {
            one_way: one_way.into(),
            running: running.into(),
        })
    }

    #[test]
    fn the_median_and_the_range_are_those_of_all_processes() {
        let text = |running| {
            of(
                &[190.0, 31.4, 28.0, 30.0, 33.0],
                &[1.0, 1.0, running, 0.5, 0.5],
            )
        };
        let text = |running| text(running).map(|distance| distance.to_string());
        assert_eq!(text(0.99).as_deref(), Some("31 ns (28 to 190)"));
        let loaded = "31 ns (28 to 190); 20 % without a processor";
        assert_eq!(text(0.8).as_deref(), Some(loaded));
        assert_eq!(of(&[], &[]), None);
    }

    #[test]
    fn a_row_is_calm_while_the_distance_stays_and_both_threads_run() {
        let calm = |others: &[f64], running| {
            let one_way = [&[20.0, 29.0, 30.0].repeat(7), others].concat();
            of(&one_way, &[1.0, 1.0, running, 0.5, 0.5]).map(|distance| distance.is_calm())
        };
        assert_eq!(calm(&[], 0.96), Some(true));
        assert_eq!(calm(&[31.0], 0.96), Some(true));
        assert_eq!(calm(&[31.0, 31.0], 0.96), Some(false));
        assert_eq!(calm(&[], 0.94), Some(false));
    }
}
