//! `cargo xtask linux --rcutorture`: the kernel's rcutorture, with flavours of
//! ours.

use std::time::{Duration, Instant};

use super::{
    Options,
    boot::{self, LINUX},
    build,
    kernel::{Flavour, Kernel},
    source::{self, Patch},
};
use crate::{
    qemu::{Outcome, Tally},
    verdicts::{last, said},
};

const PATCHES: &[Patch] = &[
    Patch {
        file: "rcu/rcutorture.c",
        text: "static int __init\nrcu_torture_init(void)",
        by: "#include \"torture.h\"\n\nstatic int __init\nrcu_torture_init(void)",
    },
    Patch {
        file: "rcu/rcutorture.c",
        text: "&rcu_ops, &rcu_busted_ops,",
        by: "HYALINE_TORTURE_OPS &rcu_ops, &rcu_busted_ops,",
    },
    // Not exported; a flavour uses it that is not tested here.
    Patch {
        file: "rcu/rcutorture.c",
        text: "rcutorture_sched_setaffinity(current->pid, ",
        by: "set_cpus_allowed_ptr(current, ",
    },
];

/// The flavours of `targets/linux/c/torture.h`.
const TYPES: [&str; 6] = [
    "hyaline",
    "hyaline_task",
    "hyaline_robust",
    "hyaline_robust_task",
    "hyaline_platform",
    "hyaline_platform_task",
];

/// What rcutorture can do and is not asked to.
const OFF: &str = "\
off: extendables, since a region with preemption, bottom halves or interrupts off is no
     reader of ours (nor of SRCU); priority boosting, since nothing boosts a reader;
     polling for an expedited, a full or an earlier state, which there is not; changes
     of callback offloading, which concern RCU's own threads; CPU stalls";

/// Its readers have no section.
const BUSTED: &str = "hyaline_busted";

pub fn run(
    flavour: &Flavour,
    kernel: &Kernel,
    options: &Options,
    tally: &mut Tally,
) -> Result<(), String> {
    let chosen = |name: &&str| options.only.as_deref().is_none_or(|only| only == *name);
    let types: Vec<&str> = TYPES.into_iter().filter(chosen).collect();
    if types.is_empty() {
        return Err(format!("no such flavour; there is: {}", TYPES.join(", ")));
    }
    let folder = build::prepare(flavour, "torture")?;
    if let Err(reason) = source::add(kernel, &folder, PATCHES) {
        tally.note("rcutorture", Outcome::Missing(reason), Duration::ZERO);
        return Ok(());
    }
    let module = build::module(flavour, kernel, &folder, "hyaline_torture")?;
    println!("{OFF}");
    let files = boot::file_system(&folder, &kernel.shell, &[module])?;
    let seconds = options.seconds.unwrap_or(20);
    let start = Instant::now();
    let parameters = format!(
        "run=test_torture seconds={seconds} types={},{BUSTED}",
        types.join(",")
    );
    let limit = Duration::from_secs(200 + (types.len() as u64 + 1) * (60 + 2 * seconds));
    let console = boot::boot(flavour, kernel, &files, &parameters, limit)?;
    said(&console, options.verbose);
    let took = start.elapsed();
    if !console.contains("hyaline: PASS torture is over") {
        return Err(format!("it did not end\n{}", last(&console)));
    }
    for name in types {
        let judged = section(&console, name).and_then(good);
        if let Ok(figures) = &judged {
            println!("  {name}: {figures}");
        }
        let outcome = judged.map_or_else(Outcome::Failed, |_| Outcome::Passed);
        tally.note(name, outcome, took);
    }
    let caught = section(&console, BUSTED).and_then(bad);
    let outcome = caught.map_or_else(Outcome::Failed, |()| Outcome::Passed);
    tally.note("hyaline_busted is caught", outcome, took);
    Ok(())
}

/// What the console shows of one type.
fn section<'a>(console: &'a str, name: &str) -> Result<&'a str, String> {
    let begin = format!("hyaline: torture begins: {name}\n");
    let (_, rest) = console
        .split_once(&begin)
        .ok_or_else(|| format!("{name} did not begin"))?;
    let ends = ["hyaline: torture begins: ", "hyaline: PASS torture is over"];
    let end = ends.iter().filter_map(|end| rest.find(end)).min();
    Ok(&rest[..end.unwrap_or(rest.len())])
}

/// The counts after a word in the last line that has it.
fn counts(text: &str, word: &str) -> Vec<u64> {
    let line = text.lines().rev().find_map(|line| line.split_once(word));
    let words = line
        .map_or("", |(_, rest)| rest)
        .split([' ', '/', ':', ',']);
    let words = words.filter(|word| !word.is_empty());
    words.map_while(|word| word.parse().ok()).collect()
}

/// A successful run, in which something was tested: its figures.
fn good(text: &str) -> Result<String, String> {
    if !text.contains("End of test: SUCCESS") {
        return Err(format!("no SUCCESS\n{}", last(text)));
    }
    if let Some(line) = LINUX.complaint(text) {
        return Err(line.into());
    }
    let pipe = counts(text, "Reader Pipe: ");
    let [reads, one_later, late @ ..] = &pipe[..] else {
        return Err("it prints no Reader Pipe".into());
    };
    if *reads == 0 || late.iter().any(|count| *count > 0) || late.is_empty() {
        return Err(format!("Reader Pipe: {pipe:?}"));
    }
    // It is VER after the end.
    let text = text.to_lowercase();
    let versions = counts(&text, " ver: ").first().copied().unwrap_or(0);
    let timers = counts(&text, " nt: ").first().copied().unwrap_or(0);
    let barriers = counts(&text, " barrier: ").first().copied().unwrap_or(0);
    let (offline, online) = match &counts(&text, " onoff: ")[..] {
        [online, _, offline, ..] => (*offline, *online),
        _ => (0, 0),
    };
    let floods = text.matches("rcu_torture_fwd_prog_cr duration").count();
    let figures = format!(
        "{} reads, {versions} updates, {timers} timers, {barriers} barriers, {floods} floods, \
         {offline} times offline, {online} times online",
        reads + one_later
    );
    let all = [versions, timers, barriers, floods as u64, offline, online];
    match all.iter().all(|count| *count > 0) {
        true => Ok(figures),
        false => Err(format!("not everything was tested: {figures}")),
    }
}

/// A run that must fail, because readers found what was freed.
fn bad(text: &str) -> Result<(), String> {
    let pipe = counts(text, "Reader Pipe: ");
    let late = pipe.iter().skip(2).sum::<u64>();
    match text.contains("End of test: FAILURE") && late > 0 {
        true => Ok(()),
        false => Err(format!("it was not caught: Reader Pipe: {pipe:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "x-torture: rtc: 0 VER: 7151 tfle: 0 nt: 25 onoff: 8/8:10/10 10,34 \
        barrier: 160/160:0 read-exits: 64\nrcu_torture_fwd_prog_cr Duration 10\nx-torture: Reader Pipe:  733 11 0 0 0\n\
        x-torture:--- End of test: SUCCESS: nreaders=3\n";

    #[test]
    fn a_success_needs_reads_updates_and_no_complaint() {
        assert_eq!(
            good(GOOD).as_deref(),
            Ok(
                "744 reads, 7151 updates, 25 timers, 160 barriers, 1 floods, 10 times offline, \
                 8 times online"
            )
        );
        for (text, by) in [
            ("SUCCESS", "FAILURE"),
            ("733 11 0 0 0", "733 11 0 1 0"),
            ("733 11 0 0 0", "0 0 0 0 0"),
            ("Reader Pipe", "Pipe"),
            ("VER: 7151", "VER: 0"),
            ("nt: 25", "nt: 0"),
            ("8/8:10/10", "0/0:0/0"),
            ("160/160", "0/0"),
            ("fwd_prog_cr", "fwd_prog_nr"),
            ("x-torture: Reader", "WARNING: CPU: 3\nx-torture: Reader"),
        ] {
            let broken = GOOD.replace(text, by);
            assert_ne!(broken, GOOD);
            assert!(good(&broken).is_err(), "{by}");
        }
    }

    #[test]
    fn a_failure_needs_a_reader_that_found_it() {
        assert!(bad(GOOD).is_err());
        let failed = GOOD.replace("SUCCESS", "FAILURE");
        assert!(bad(&failed).is_err());
        assert_eq!(bad(&failed.replace("11 0 0", "11 3 0")), Ok(()));
    }

    #[test]
    fn each_type_has_its_own_part() {
        let console = "hyaline: torture begins: a\none\nhyaline: torture begins: a_task\ntwo\n\
            hyaline: PASS torture is over\n";
        assert_eq!(section(console, "a"), Ok("one\n"));
        assert_eq!(section(console, "a_task"), Ok("two\n"));
        assert!(section(console, "b").is_err());
    }
}
