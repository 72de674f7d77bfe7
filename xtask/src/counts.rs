//! `cargo xtask counts`: instructions of each operation, compared with the
//! recorded ones.

use crate::{
    arguments,
    machines::PASSED,
    provide,
    qemu::{Outcome, Tally, diff},
    shell::{self, Build},
};
use std::{collections::HashMap, fs, process::Command, time::Duration, time::Instant};

struct Row {
    name: &'static str,
    package: &'static str,
    features: &'static [&'static str],
    target: &'static str,
    emulator: &'static str,
    arguments: &'static [&'static str],
}

const ROWS: &[Row] = &[
    Row {
        name: "thumbv6m",
        package: "cortex-m-boards",
        features: &["microbit", "assume-single-core"],
        target: "thumbv6m-none-eabi",
        emulator: "qemu-system-arm",
        arguments: &["-M", "microbit", "-icount", "shift=10"],
    },
    Row {
        name: "thumbv7em",
        package: "cortex-m-boards",
        features: &["mps2-an386"],
        target: "thumbv7em-none-eabihf",
        emulator: "qemu-system-arm",
        arguments: &["-M", "mps2-an386", "-icount", "shift=10"],
    },
    Row {
        name: "riscv32imac",
        package: "riscv32",
        features: &[],
        target: "riscv32imac-unknown-none-elf",
        emulator: "qemu-system-riscv32",
        arguments: &[
            "-M", "virt", "-cpu", "rv32", "-bios", "none", "-icount", "shift=0",
        ],
    },
    Row {
        name: "riscv64gc",
        package: "riscv64",
        features: &[],
        target: "riscv64gc-unknown-none-elf",
        emulator: "qemu-system-riscv64",
        arguments: &["-M", "virt", "-bios", "none", "-icount", "shift=0"],
    },
    Row {
        name: "aarch64",
        package: "aarch64",
        features: &[],
        target: "aarch64-unknown-none",
        emulator: "qemu-system-aarch64",
        arguments: &["-M", "virt", "-cpu", "cortex-a53", "-icount", "shift=0"],
    },
];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let known = ROWS.iter().map(|row| row.name);
    let ([accept, allow_missing], names) =
        arguments::flags_and_names(parser, ["accept", "allow-missing"], known)?;
    let mut tally = Tally::new(allow_missing);
    for row in ROWS {
        if names.choose(row.name) {
            let start = Instant::now();
            let outcome = count(row, accept).unwrap_or_else(Outcome::Failed);
            tally.note(row.name, outcome, start.elapsed());
        }
    }
    tally.close()
}

fn count(row: &Row, accept: bool) -> Result<Outcome, String> {
    let provided = provide::target(row.target).and_then(|()| provide::program(row.emulator, &[]));
    if let Err(reason) = provided {
        return Ok(Outcome::Missing(reason));
    }
    let image = Build {
        package: row.package,
        bin: "counts",
        features: row.features,
        cfg: &[],
        target: row.target,
        profile: "release",
    }
    .run()?;
    let mut emulator = Command::new(row.emulator);
    emulator
        .args(row.arguments)
        .args(crate::machines::SEMIHOSTING)
        .arg("-kernel")
        .arg(image);
    let output = shell::run(&mut emulator, Duration::from_secs(60))?;
    if !output.ok() || output.stdout.lines().last() != Some(PASSED) {
        return Err(format!("{}\n{}", output.reason(), output.tail(20)));
    }
    let path = shell::targets().join(format!("expected/counts-{}.txt", row.name));
    if accept {
        fs::write(&path, &output.stdout).map_err(|error| error.to_string())?;
        return Ok(Outcome::Passed);
    }
    let kept = fs::read_to_string(&path).map_err(|error| {
        format!(
            "{error}: cargo xtask counts --accept makes {}",
            path.display()
        )
    })?;
    judge(&kept, &output.stdout)
}

/// A rise, or an operation that is not in both lists, fails; a fall is good
/// news.
fn judge(kept: &str, actual: &str) -> Result<Outcome, String> {
    let before: HashMap<&str, u32> = kept.lines().filter_map(parse).collect();
    let now: HashMap<&str, u32> = actual.lines().filter_map(parse).collect();
    let worse = now
        .iter()
        .any(|(name, count)| before.get(name).is_none_or(|kept| count > kept));
    let gone = before.keys().any(|name| !now.contains_key(name));
    if worse || gone {
        let changed = diff(kept, actual);
        return Err(format!(
            "more instructions than recorded\n{changed}    cargo xtask counts --accept"
        ));
    }
    if kept != actual {
        eprint!("fewer instructions than recorded:\n{}", diff(kept, actual));
    }
    Ok(Outcome::Passed)
}

/// A line `scheme operation: count`.
fn parse(line: &str) -> Option<(&str, u32)> {
    let (name, count) = line.rsplit_once(": ")?;
    Some((name, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_rise_fails_and_a_fall_passes() {
        assert!(judge("a b: 7\n", "a b: 7\n").is_ok());
        assert!(judge("a b: 7\n", "a b: 6\n").is_ok());
        assert!(judge("a b: 7\n", "a b: 8\n").is_err());
        assert!(judge("a b: 7\n", "").is_err());
        assert!(judge("", "a b: 7\n").is_err());
    }
}
