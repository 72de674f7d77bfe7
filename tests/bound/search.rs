//! A search for schedules with many pending objects: it keeps scripts, mutates
//! them, and continues with those that reach a higher peak.

use std::panic::{self, AssertUnwindSafe};

use hyaline::Config;

use super::{
    random::Random,
    world::{ALL, Limits, Op, Preempting, Step, World},
};

fn step(random: &mut Random) -> Step {
    let mut byte = || random.below(256) as u8;
    [byte(), byte(), byte()]
}

/// What to search.
#[derive(Clone, Copy)]
pub struct Setup {
    pub config: Config<Preempting>,
    pub limits: Limits,
    pub ops: &'static [Op],
}

/// A script and the peak that it reaches.
pub type Found = (usize, Vec<Step>);

const LONGEST: usize = 120;

impl Setup {
    fn peak<const N: usize>(&self, script: &[Step]) -> usize {
        let run = || World::<N>::run(self.config, self.limits, self.ops, script.to_vec(), false);
        // A failure of another kind is worse than any peak.
        panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(usize::MAX)
    }

    pub fn bound<const N: usize>(&self) -> usize {
        let Limits { stalls, live, .. } = self.limits;
        self.config.most_pending(N, stalls, live)
    }

    /// Searches while `may` returns true; its argument is the number of scripts
    /// run.
    pub fn search<const N: usize>(&self, seed: u64, mut may: impl FnMut(usize) -> bool) -> Found {
        let mut random = Random(seed);
        let mut kept: Vec<Found> = Vec::new();
        let mut runs = 0;
        while may(runs) {
            let script = if kept.len() < 24 {
                (0..20 + random.below(40))
                    .map(|_| step(&mut random))
                    .collect()
            } else {
                change(&kept, &mut random)
            };
            runs += 1;
            let peak = self.peak::<N>(&script);
            if peak > self.bound::<N>() {
                return (peak, script);
            }
            if kept.len() < 24 {
                kept.push((peak, script));
                continue;
            }
            // The new script replaces the worst of three, unless it is worse
            // itself.
            let loser = (0..3)
                .map(|_| random.below(kept.len()))
                .min_by_key(|at| kept[*at].0);
            let loser = loser.expect("three");
            if peak >= kept[loser].0 {
                kept[loser] = (peak, script);
            }
        }
        kept.into_iter()
            .max_by_key(|(peak, _)| *peak)
            .expect("some")
    }

    /// Shortens a script, and runs it once more to print its steps.
    pub fn show<const N: usize>(&self, (peak, script): Found) {
        let script = self.shrink::<N>(script, peak);
        World::<N>::run(self.config, self.limits, self.ops, script, true);
    }

    /// Removes steps as long as the peak does not fall.
    fn shrink<const N: usize>(&self, mut script: Vec<Step>, peak: usize) -> Vec<Step> {
        for length in [16, 4, 1] {
            let mut at = 0;
            while at < script.len() {
                let mut shorter = script.clone();
                shorter.drain(at..(at + length).min(script.len()));
                if self.peak::<N>(&shorter) >= peak {
                    script = shorter;
                } else {
                    at += length;
                }
            }
        }
        script
    }
}

/// Makes a variant of a kept script.
fn change(kept: &[Found], random: &mut Random) -> Vec<Step> {
    let best = (0..3)
        .map(|_| random.below(kept.len()))
        .max_by_key(|at| kept[*at].0);
    let mut script = kept[best.expect("three")].1.clone();
    for _ in 0..1 + random.below(4) {
        let length = script.len();
        if length == 0 {
            script.push(step(random));
            continue;
        }
        let at = random.below(length);
        let many = 1 + random.below(8.min(length - at));
        match random.below(8) {
            0 => script[at] = step(random),
            1 => script[at][random.below(3)] = random.below(256) as u8,
            2 | 3 => script.insert(at, step(random)),
            4 => drop(script.drain(at..at + many)),
            5 => {
                // Repeats it elsewhere.
                let part = script[at..at + many].to_vec();
                let to = random.below(length);
                script.splice(to..to, part);
            }
            6 => {
                // Appends the end of another script.
                let other = &kept[random.below(kept.len())].1;
                let from = random.below(other.len().max(1));
                script.truncate(at);
                script.extend(other.iter().skip(from));
            }
            _ => script.swap(at, random.below(length)),
        }
    }
    script.truncate(LONGEST);
    script
}

/// Every operation is tried by a search that names none.
pub const ANY: &[Op] = ALL;
