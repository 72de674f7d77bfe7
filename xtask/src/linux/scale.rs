//! `cargo xtask linux --scale`: the kernel's refscale and rcuscale, which measure
//! sections and grace periods, with ours beside RCU and SRCU.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Options, boot, build,
    kernel::{Flavour, Kernel},
    source::{self, Patch},
};
use crate::qemu::{Outcome, Tally};

const PATCHES: &[Patch] = &[
    Patch {
        file: "rcu/refscale.c",
        text: "static int __init\nref_scale_init(void)",
        by: "#include \"scale.h\"\n\nstatic int __init\nref_scale_init(void)",
    },
    Patch {
        file: "rcu/refscale.c",
        text: "&rcu_ops, &srcu_ops,",
        by: "HYALINE_SCALE_OPS &rcu_ops, &srcu_ops,",
    },
    Patch {
        file: "rcu/rcuscale.c",
        text: "static int __init\nrcu_scale_init(void)",
        by: "#include \"scale.h\"\n\nstatic int __init\nrcu_scale_init(void)",
    },
    Patch {
        file: "rcu/rcuscale.c",
        text: "&rcu_ops, &srcu_ops,",
        by: "HYALINE_SCALE_OPS &rcu_ops, &srcu_ops,",
    },
    // Its sections are empty, so that a grace period seldom finds a reader. These
    // last 100 us, and `init` asks for 1 ms between two grace periods: otherwise
    // many of them fall between the same two sections.
    Patch {
        file: "rcu/rcuscale.c",
        text: "\t\tidx = cur_ops->readlock();\n\t\tcur_ops->readunlock(idx);",
        by: "\t\tidx = cur_ops->readlock();\n\t\tudelay(100);\n\t\tcur_ops->readunlock(idx);",
    },
];

const BOOTS: usize = 3;
const ROUNDS: usize = 3;

/// Nanoseconds of each type in one round of one boot, by what was measured.
type Round = BTreeMap<(String, String), f64>;

pub fn run(
    flavour: &Flavour,
    kernel: &Kernel,
    options: &Options,
    tally: &mut Tally,
) -> Result<(), String> {
    let folder = build::prepare(flavour, "scale")?;
    if let Err(reason) = source::add(kernel, &folder, PATCHES) {
        tally.note("scale", Outcome::Missing(reason), Duration::ZERO);
        return Ok(());
    }
    let mut modules = Vec::new();
    for name in ["hyaline_refscale", "hyaline_rcuscale"] {
        modules.push(build::module(flavour, kernel, &folder, name)?);
    }
    let files = boot::file_system(&folder, &kernel.shell, &modules)?;
    let parameters = format!("run=test_scale rounds={ROUNDS} log_buf_len=4M");
    let mut rounds = Vec::new();
    let start = std::time::Instant::now();
    for _ in 0..BOOTS {
        let limit = Duration::from_secs(900);
        let console = boot::boot(flavour, kernel, &files, &parameters, limit)?;
        if options.verbose {
            print!("{console}");
        }
        boot::LINUX.judge(&console, &["scale is over".into()])?;
        rounds.extend(read(&console)?);
    }
    print!("{}", table(&rounds)?);
    tally.note("scale", Outcome::Passed, start.elapsed());
    Ok(())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The rounds of one boot.
fn read(console: &str) -> Result<Vec<Round>, String> {
    let mut rounds: BTreeMap<usize, Round> = BTreeMap::new();
    for run in console.split("hyaline: scale: ").skip(1) {
        let (head, text) = run.split_once('\n').unwrap_or((run, ""));
        let words: Vec<&str> = head.split_whitespace().collect();
        let [what, round, name] = words[..] else {
            return Err(format!("a run has another head: {head}"));
        };
        // The last word of a line with a measurement: the average of an
        // experiment, or one grace period.
        let lines = text.lines();
        let values: Vec<f64> = if what == "section" {
            let results = lines.skip_while(|line| !line.contains("Runs\tTime(ns)"));
            results
                .skip(1)
                .filter_map(|line| line.rsplit(['\t', ' ']).next()?.parse().ok())
                .take(5)
                .collect()
        } else {
            let results = lines.filter(|line| line.contains("writer-duration:"));
            results
                .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
                .collect()
        };
        let middle = median(values).ok_or_else(|| format!("{head}: no measurement"))?;
        let round = round.parse().map_err(|_| format!("no round: {head}"))?;
        rounds
            .entry(round)
            .or_default()
            .insert((what.into(), name.into()), middle);
    }
    Ok(rounds.into_values().collect())
}

/// Each type beside RCU and SRCU of the same round: the median of the ratios, with
/// the least and the greatest.
fn table(rounds: &[Round]) -> Result<String, String> {
    let first = rounds.first().ok_or("nothing was measured")?;
    let mut text = format!(
        "{} rounds; ratios within a round: median (least to greatest)\n",
        rounds.len()
    );
    for key in first.keys() {
        let (what, name) = key;
        let all = rounds.iter().filter_map(|round| round.get(key).copied());
        let middle = median(all.collect()).unwrap_or_default();
        let shown = match what.as_str() {
            "section" => format!("{middle:.1} ns"),
            _ => format!("{:.0} us", middle / 1000.0),
        };
        text += &format!("{what:<8} {name:<24} {shown:>10}");
        for base in ["rcu", "srcu"] {
            let base_key = (what.clone(), base.to_string());
            let mut ratios: Vec<f64> = rounds
                .iter()
                .filter_map(|round| Some(round.get(key)? / round.get(&base_key)?))
                .collect();
            ratios.sort_by(f64::total_cmp);
            let (Some(least), Some(greatest)) = (ratios.first(), ratios.last()) else {
                return Err(format!("{what}: no {base}"));
            };
            let middle = ratios[ratios.len() / 2];
            text += &format!("   {middle:.3} {base} ({least:.3} to {greatest:.3})");
        }
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_read_and_compared() {
        let console = "[ 1] hyaline: scale: section 1 rcu\n[ 2] Runs\tTime(ns)\n[ 2] 1\t4.000\n\
            2\t5.000\n3\t6.000\n[ 3] hyaline: scale: section 1 srcu\n[ 3] Runs\tTime(ns)\n\
            [ 3] 1\t10.000\n[ 4] hyaline: scale: section 1 hyaline\n[ 5] Runs\tTime(ns)\n1\t20.0\n\
            [ 6] hyaline: scale: grace0 1 rcu\n[ 7] rcu-scale:    0 writer-duration:     0 400\n\
            [ 6] hyaline: scale: grace0 1 srcu\n[ 7] srcu-scale:    0 writer-duration:     0 100\n";
        let rounds = read(console).unwrap();
        assert_eq!(rounds.len(), 1);
        let key = |what: &str, name: &str| (what.to_string(), name.to_string());
        assert_eq!(rounds[0][&key("section", "rcu")], 5.0);
        assert_eq!(rounds[0][&key("grace0", "srcu")], 100.0);
        let table = table(&rounds).unwrap();
        assert!(
            table.contains("4.000 rcu (4.000 to 4.000)   2.000 srcu"),
            "{table}"
        );
        assert!(read("hyaline: scale: section 1 rcu\nnothing\n").is_err());
    }
}
