//! `cargo xtask stack`: the stack that each call needs, compared with the
//! recorded figures.

use crate::{
    arguments, provide,
    qemu::diff,
    shell::{self, Build},
};
use std::{fs, process::Command, time::Duration};

const TARGET: &str = "thumbv7em-none-eabihf";
const EMULATOR: &str = "qemu-system-arm";
const BOARD: &[&str] = &["-M", "mps2-an386"];
/// In `targets/expected`.
const KEPT: &str = "stack-thumbv7em.txt";

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let [accept] = arguments::flags(parser, ["accept"])?;
    let table = measure()?;
    print!("{table}");
    let path = shell::targets().join("expected").join(KEPT);
    if accept {
        return fs::write(&path, table).map_err(|error| error.to_string());
    }
    let kept = fs::read_to_string(&path)
        .map_err(|error| format!("{KEPT}: {error}; cargo xtask stack --accept makes it"))?;
    judge(&kept, &table)
}

fn measure() -> Result<String, String> {
    provide::target(TARGET)?;
    provide::program(EMULATOR, &[])?;
    let image = Build {
        package: "stack-use",
        bin: "stack-use",
        features: &[],
        cfg: &[],
        target: TARGET,
        profile: "release",
    }
    .run()?;
    let mut emulator = Command::new(EMULATOR);
    emulator
        .args(BOARD)
        .args(crate::machines::SEMIHOSTING)
        .arg("-kernel")
        .arg(image);
    let output = shell::run(&mut emulator, Duration::from_secs(60))?;
    if output.ok() {
        Ok(output.stdout)
    } else {
        Err(format!("{}\n{}", output.reason(), output.tail(20)))
    }
}

/// Any change fails: less is good news, and has to be recorded as well.
fn judge(kept: &str, actual: &str) -> Result<(), String> {
    if kept == actual {
        return Ok(());
    }
    Err(format!(
        "the stack use of some calls differs from the recorded figures\n{}    cargo xtask stack --accept",
        diff(kept, actual)
    ))
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn any_change_fails() {
        assert!(judge("| a | 8 |\n", "| a | 8 |\n").is_ok());
        assert!(judge("| a | 8 |\n", "| a | 16 |\n").is_err());
        assert!(judge("| a | 8 |\n", "").is_err());
    }
}
