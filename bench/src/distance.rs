//! How far two threads were from each other.

use std::fmt;

use crate::runner::{Between, quartiles};

/// Nanoseconds from one thread to the other while a row ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Distance {
    least: f64,
    median: f64,
    most: f64,
    /// The part of the time that both wanted a processor in which they had one: that of
    /// the middle process.
    running: f64,
    pub calm: Calm,
}

/// The rounds in which the distance stayed the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calm {
    /// The shortest time before and after one of them.
    pub from: f64,
    /// Their numbers. Rounds are numbered through all processes.
    pub rounds: Vec<usize>,
    /// Of so many.
    pub of: usize,
}

/// What the times from one thread to the other may differ by, as a factor, before and
/// after all calm rounds; and the least part of the time that both want a processor in
/// which they have one.
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
            median: quartiles(sorted)[1],
            running: quartiles(between.running.clone())[1],
            calm: Calm::of(between),
        })
    }
}

impl Calm {
    /// As many rounds as can be had.
    fn of(between: &Between) -> Self {
        let rounds: Vec<_> = rounds(between).collect();
        let calm = rounds.iter().map(|shortest| {
            let from = shortest.short;
            let has = |round: &Round| {
                round.running >= CALM.1 && round.short >= from && round.long <= CALM.0 * from
            };
            let numbers = 0..rounds.len();
            numbers
                .filter(|&number| has(&rounds[number]))
                .collect::<Vec<_>>()
        });
        let calm = calm.max_by_key(Vec::len).unwrap_or_default();
        let times = calm.iter().map(|&number| rounds[number].short);
        Self {
            from: times.min_by(f64::total_cmp).unwrap_or_default(),
            of: rounds.len(),
            rounds: calm,
        }
    }

    /// At least half of all.
    pub fn are_enough(&self) -> bool {
        !self.rounds.is_empty() && 2 * self.rounds.len() >= self.of
    }
}

/// What was measured before and after a round, the shorter time first, and the part of
/// the time in which both threads of its process ran.
struct Round {
    short: f64,
    long: f64,
    running: f64,
}

/// The rounds of all processes, one after another.
fn rounds(between: &Between) -> impl Iterator<Item = Round> {
    let each = between.one_way.len() / between.running.len().max(1);
    let processes = between.one_way.chunks(each.max(1)).zip(&between.running);
    processes.flat_map(|(one_way, &running)| {
        one_way.windows(2).map(move |times| Round {
            short: times[0].min(times[1]),
            long: times[0].max(times[1]),
            running,
        })
    })
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
    use super::{Calm, Distance};
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
    fn rounds_are_calm_while_the_distance_stays_and_both_threads_run() {
        // Two processes of four rounds.
        let near = [30.0, 20.0, 25.0, 190.0, 180.0];
        let calm = |second: [f64; 5], running: [f64; 2]| {
            of(&[near, second].concat(), &running).map(|distance| distance.calm)
        };
        let expected = |from, rounds: &[usize]| {
            let rounds = rounds.to_vec();
            Some(Calm {
                from,
                rounds,
                of: 8,
            })
        };
        let far = [190.0, 31.0, 28.0, 27.0, 180.0];
        assert_eq!(calm(far, [1.0; 2]), expected(20.0, &[0, 1, 6]));
        assert_eq!(
            calm([29.0; 5], [1.0; 2]),
            expected(20.0, &[0, 1, 4, 5, 6, 7])
        );
        assert_eq!(
            calm([200.0; 5], [1.0; 2]),
            expected(180.0, &[3, 4, 5, 6, 7])
        );
        assert_eq!(calm([29.0; 5], [0.94, 0.96]), expected(29.0, &[4, 5, 6, 7]));
        assert_eq!(calm(far, [1.0, 0.5]), expected(20.0, &[0, 1]));
        // What is shortest is a calm round's: 28 is not.
        let process = [29.0; 5];
        let calm = of(&[process, [28.0; 5]].concat(), &[0.96, 0.94]);
        assert_eq!(
            calm.map(|distance| distance.calm),
            expected(29.0, &[0, 1, 2, 3])
        );
    }

    #[test]
    fn half_of_the_rounds_are_enough() {
        let enough = |rounds, of| {
            let rounds = (0..rounds).collect();
            Calm {
                from: 1.0,
                rounds,
                of,
            }
            .are_enough()
        };
        assert!(enough(4, 8) && enough(5, 9));
        assert!(!enough(3, 8) && !enough(4, 9) && !enough(0, 0));
    }
}
