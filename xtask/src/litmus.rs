//! `cargo xtask litmus`: the pairs on which the safety argument rests, in the
//! instructions that the compiler emits, under the memory models of the AArch64
//! and RISC-V architectures.
//!
//! A file of `models/litmus` whose name ends with the architecture must never
//! have the outcome that it describes. The others are the same with something
//! left out, named after it, and must show it. Files with `-c11` are in the
//! language's own terms (`rc11.cat`), and about a data race.

use std::{fs, process::Command, time::Duration};

use crate::shell;

const MISSING: &str = "\
herd7 is missing; Debian has no package of it. Its release 7.57 builds from
source with Debian's ocaml-nox, ocaml-dune, menhir, libmenhir-ocaml-dev and
libzarith-ocaml-dev, or with `opam install herdtools7`.";

pub fn run(arguments: lexopt::Parser) -> Result<(), String> {
    let [allow_missing] = crate::arguments::flags(arguments, ["allow-missing"])?;
    if !shell::exists("herd7") {
        if allow_missing {
            println!("skipped: {MISSING}");
            return Ok(());
        }
        return Err(MISSING.into());
    }
    let folder = shell::root().join("models/litmus");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "litmus"))
        .collect();
    files.sort();
    let (mut passed, mut failed) = (0, 0);
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let language = name.contains("-c11");
        let sound = ["-aarch64", "-riscv", "-c11"]
            .iter()
            .any(|end| name.ends_with(end));
        let expected = match (language, sound) {
            (true, true) => "no data race",
            (true, false) => "a data race",
            (false, true) => "Never",
            (false, false) => "Sometimes",
        };
        let mut herd = Command::new("herd7");
        if language {
            herd.arg("-model").arg(folder.join("rc11.cat"));
        }
        let ran = shell::run(herd.arg(file), Duration::from_secs(120))?;
        // `Observation NAME Never 0 3`: the outcome, and how many have it.
        let observed = ran
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("Observation "))
            .and_then(|line| line.split_whitespace().nth(1));
        let told = match observed {
            None => "nothing",
            Some(_) if language && ran.stdout.contains("Flag") => "a data race",
            Some(_) if language => "no data race",
            Some(observed) => observed,
        };
        let ok = ran.ok() && told == expected;
        println!("{} {name}: {told}", if ok { "ok    " } else { "FAILED" });
        if ok {
            passed += 1;
        } else {
            failed += 1;
            print!("{}", ran.tail(20));
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 {
        Ok(())
    } else {
        Err(String::new())
    }
}
