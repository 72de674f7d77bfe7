//! `cargo xtask sizes`: what the crate adds to a firmware, and that reading
//! neither masks interrupts nor uses exclusive accesses.

use crate::{
    arguments, provide,
    shell::{self, Build},
};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

struct Row {
    target: &'static str,
    features: &'static [&'static str],
    /// The most bytes of code at opt-level z, where there is a limit.
    code: Option<u64>,
}

const SINGLE: &[&str] = &["assume-single-core"];

const ROWS: &[Row] = &[
    Row {
        target: "thumbv6m-none-eabi",
        features: SINGLE,
        code: Some(2080),
    },
    Row {
        target: "thumbv7m-none-eabi",
        features: &[],
        code: None,
    },
    Row {
        target: "thumbv7em-none-eabihf",
        features: &[],
        code: Some(1792),
    },
    Row {
        target: "thumbv8m.main-none-eabihf",
        features: &[],
        code: None,
    },
    Row {
        target: "riscv32imc-unknown-none-elf",
        features: SINGLE,
        code: None,
    },
    Row {
        target: "riscv32imac-unknown-none-elf",
        features: &[],
        code: None,
    },
    Row {
        target: "riscv64gc-unknown-none-elf",
        features: &[],
        code: None,
    },
    Row {
        target: "aarch64-unknown-none",
        features: &[],
        code: None,
    },
];

/// The most bytes of RAM for a slot, and for a header, on 32-bit targets.
const SLOT_32: u64 = 48;
const HEADER_32: u64 = 16;

/// Instructions that must not be in enter or leave: masking interrupts, and
/// exclusive or other read-modify-write accesses.
const FORBIDDEN: &[&str] = &[
    "cpsid", "primask", "ldrex", "strex", "ldaex", "ldxr", "ldaxr", "amo", "lr.w", "lr.d", "sc.w",
    "csrrc", "csrc",
];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    arguments::flags(parser, [])?;
    provide::llvm_tools()?;
    println!("| target | scheme | .text z | .text s | bytes a slot | a collector | header |");
    println!("|---|---|---|---|---|---|---|");
    let mut faults = Vec::new();
    for row in ROWS {
        for scheme in ["Basic", "Robust"] {
            if let Err(fault) = measure(row, scheme) {
                faults.push(format!("{} {scheme}: {fault}", row.target));
            }
        }
    }
    println!("\n{} faults", faults.len());
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}

fn measure(row: &Row, scheme: &str) -> Result<(), String> {
    provide::target(row.target)?;
    let build = |profile, with: &[&'static str]| {
        Build {
            package: "footprint",
            bin: "footprint",
            features: &[row.features, with].concat(),
            cfg: &[],
            target: row.target,
            profile,
        }
        .run()
    };
    let with: &[&str] = if scheme == "Robust" {
        &["robust"]
    } else {
        &["with-hyaline"]
    };
    let mut code = [0; 2];
    for (profile, code) in ["size-z", "size-s"].into_iter().zip(&mut code) {
        let without = text(&build(profile, &[])?)?;
        *code = text(&build(profile, with)?)? - without;
    }
    let image = build("size-z", with)?;
    let words = if row.target.contains("64") { 8 } else { 4 };
    let [slot, collector, header] = footprint(&image, words)?;
    println!(
        "| {} | {scheme} | {} | {} | {slot} | {collector} | {header} |",
        row.target, code[0], code[1]
    );
    reading_is_plain(&image)?;
    let limits = [
        ("code", code[0], row.code.filter(|_| scheme == "Basic")),
        ("a slot", slot, (words == 4).then_some(SLOT_32)),
        ("a header", header, (words == 4).then_some(HEADER_32)),
    ];
    for (what, bytes, limit) in limits {
        if limit.is_some_and(|limit| bytes > limit) {
            return Err(format!(
                "{what} has {bytes} bytes, more than {}",
                limit.unwrap_or(0)
            ));
        }
    }
    Ok(())
}

/// Runs one of the LLVM tools that come with rustup's component.
fn tool(name: &str, arguments: &[&str], image: &Path) -> Result<String, String> {
    let limit = Duration::from_secs(60);
    let rustc = |arguments: &[&str]| -> Result<String, String> {
        Ok(shell::run(Command::new("rustc").args(arguments), limit)?.stdout)
    };
    let version = rustc(&["-vV"])?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap_or_default();
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let path = sysroot
        .join("lib/rustlib")
        .join(host)
        .join("bin")
        .join(name);
    let output = shell::run(Command::new(path).args(arguments).arg(image), limit)?;
    if output.ok() {
        Ok(output.stdout)
    } else {
        Err(format!("{name}: {}", output.reason()))
    }
}

/// Bytes of code: all sections whose name starts with `.text`.
fn text(image: &Path) -> Result<u64, String> {
    let table = tool("llvm-size", &["-A"], image)?;
    let sizes = table.lines().filter(|line| line.starts_with(".text"));
    Ok(sizes
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum())
}

/// The three numbers in the symbol `FOOTPRINT`.
fn footprint(image: &Path, words: u64) -> Result<[u64; 3], String> {
    let symbols = tool("llvm-nm", &[], image)?;
    let address = symbols
        .lines()
        .find_map(|line| line.strip_suffix(" FOOTPRINT"))
        .and_then(|line| u64::from_str_radix(line.split_whitespace().next()?, 16).ok())
        .ok_or("no symbol FOOTPRINT")?;
    let start = format!("--start-address={address}");
    let stop = format!("--stop-address={}", address + 3 * words);
    let dump = tool(
        "llvm-objdump",
        &["-s", "-j", ".rodata", &start, &stop],
        image,
    )?;
    let mut bytes = Vec::new();
    for line in dump.lines() {
        // " 20000 30000000 10000000 ...  ascii": up to four groups of four bytes.
        let Some((position, rest)) = line.trim_start().split_once(' ') else {
            continue;
        };
        if u64::from_str_radix(position, 16).is_err() {
            continue;
        }
        let groups = rest.split("  ").next().unwrap_or_default();
        let digits: String = groups.split_whitespace().collect();
        for pair in digits.as_bytes().chunks(2) {
            let pair = str::from_utf8(pair).map_err(|error| error.to_string())?;
            bytes.push(u8::from_str_radix(pair, 16).map_err(|error| error.to_string())?);
        }
    }
    let word = |index: usize| {
        let word = bytes.get(index * words as usize..(index + 1) * words as usize)?;
        Some(
            word.iter()
                .rev()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        )
    };
    match (word(0), word(1), word(2)) {
        (Some(slot), Some(collector), Some(header)) => Ok([slot, collector, header]),
        _ => Err("FOOTPRINT cannot be read".into()),
    }
}

/// Checks the disassembly of enter and leave, without the out-of-line code that
/// a leave may call when its inbox is not empty.
fn reading_is_plain(image: &Path) -> Result<(), String> {
    let symbols = "--disassemble-symbols=probe_enter,probe_leave";
    let listing = tool("llvm-objdump", &["--no-show-raw-insn", symbols], image)?;
    for probe in ["<probe_enter>:", "<probe_leave>:"] {
        if !listing.contains(probe) {
            return Err(format!("no {probe} in the disassembly"));
        }
    }
    let is_forbidden = |line: &&str| FORBIDDEN.iter().any(|word| line.contains(word));
    match listing.lines().find(is_forbidden) {
        Some(line) => Err(format!("reading is not plain: {}", line.trim())),
        None => Ok(()),
    }
}
