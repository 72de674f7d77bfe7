//! Boots a kernel with an initial file system of ours, and judges what it says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    build::{copy, sources},
    kernel::{Flavour, Kernel, fresh},
};
use crate::{capi::checked, shell};

const PACK: Duration = Duration::from_secs(60);

/// What a kernel says when something is wrong with it.
const COMPLAINTS: &[&str] = &[
    "BUG:",
    "kernel BUG",
    "WARNING:",
    "Oops",
    "Call Trace",
    "Kernel panic",
    "general protection fault",
    "detected stall",
    "blocked for more than",
    "BUG kmalloc",
    "Objects remaining",
    "scheduling while atomic",
];

/// Packs our first process, a shell and modules.
pub fn file_system(folder: &Path, shell: &Path, modules: &[PathBuf]) -> Result<PathBuf, String> {
    let root = folder.join("root");
    fresh(&root)?;
    for name in ["bin", "dev", "proc", "sys"] {
        fs::create_dir(root.join(name)).map_err(|error| error.to_string())?;
    }
    copy(shell, &root.join("bin/busybox"))?;
    copy(&sources().join("init"), &root.join("init"))?;
    for module in modules {
        copy(module, &root.join(module.file_name().unwrap_or_default()))?;
    }
    let packed = folder.join("initrd");
    let mut pack = Command::new("sh");
    pack.current_dir(&root).args([
        "-ec",
        "chmod 755 init bin/busybox; find . | cpio --quiet -o -H newc > ../initrd",
    ]);
    checked(&mut pack, PACK)?;
    Ok(packed)
}

/// Boots, and returns the console's text.
pub fn boot(
    flavour: &Flavour,
    kernel: &Kernel,
    files: &Path,
    parameters: &str,
    limit: Duration,
) -> Result<String, String> {
    let mut emulator = Command::new(flavour.emulator);
    emulator
        .args(["-accel", "tcg,thread=multi"])
        .args(flavour.machine)
        .args(["-smp", "4", "-m", "1024", "-kernel"])
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(files)
        .arg("-append")
        .arg(format!(
            "console={} quiet loglevel=7 printk.devkmsg=on panic=-1 oops=panic {parameters}",
            flavour.console
        ))
        .args(["-nodefaults", "-nographic", "-no-reboot"])
        .args(["-monitor", "none", "-serial", "stdio"]);
    let output = shell::run(&mut emulator, limit)?;
    if output.ok() {
        return Ok(output.stdout);
    }
    Err(format!("{}\n{}", output.reason(), output.tail(40)))
}

/// The first complaint of the kernel in its words.
pub fn complaint(text: &str) -> Option<&str> {
    text.lines()
        .find(|line| COMPLAINTS.iter().any(|words| line.contains(words)))
}

/// The last lines.
pub fn last(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Prints the console, or what is ours in it.
pub fn said(console: &str, all: bool) {
    for line in console.lines() {
        if all || line.contains("hyaline: ") && !line.contains(" PASS ") {
            println!("  {line}");
        }
    }
}

/// The verdict before the library is misused on purpose; what follows is how the
/// task ends.
const MISUSE: &str = "hyaline misuse-next";

/// Checks that each of these verdicts is there and that none is FAIL, and that the
/// kernel has no complaint. With a misuse at the end, that it ended in a `BUG`.
pub fn judge(console: &str, expected: &[String]) -> Result<(), String> {
    let misuse = format!("hyaline: PASS {MISUSE}");
    let (before, after) = match console.split_once(&misuse) {
        Some((before, after)) => (before, Some(after)),
        None => (console, None),
    };
    let mut wrong: Vec<String> = before
        .lines()
        .filter(|line| line.contains("hyaline: FAIL") || complaint(line).is_some())
        .map(String::from)
        .collect();
    let passed: Vec<&str> = console
        .lines()
        .filter_map(|line| Some(line.split_once("hyaline: PASS ")?.1.trim()))
        .collect();
    for name in expected {
        if !passed.contains(&name.as_str()) {
            wrong.push(format!("there is no verdict: {name}"));
        }
    }
    let stops = ["hyaline: panic: the token", "kernel BUG at"];
    if let Some(after) = after {
        let mut rest = after;
        for stop in stops {
            match rest.split_once(stop) {
                Some((_, next)) => rest = next,
                None => wrong.push(format!("misuse did not stop it: no '{stop}'")),
            }
        }
        let went_on = after.lines().find(|line| line.contains("hyaline: FAIL"));
        wrong.extend(went_on.map(String::from));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    const GOOD: &str = "[ 1.0] hyaline: PASS hyaline work\n\
        [ 2.0] hyaline: PASS hyaline misuse-next\n\
        [ 2.1] hyaline: panic: the token belongs to another collector\n\
        [ 2.2] kernel BUG at hooks.h:18!\n\
        [ 2.3] hyaline: PASS hyaline misuse\n";

    fn judged(console: &str) -> Result<(), String> {
        judge(
            console,
            &["hyaline work", "hyaline misuse-next", "hyaline misuse"].map(String::from),
        )
    }

    #[test]
    fn only_explicit_verdicts_pass() {
        assert_eq!(judged(GOOD), Ok(()));
        for line in [
            "PASS hyaline work",
            "panic: the token",
            "kernel BUG",
            "PASS hyaline misuse\n",
        ] {
            assert!(judged(&GOOD.replace(line, "")).is_err(), "{line}");
        }
        assert!(judged("").is_err());
        let renamed = GOOD.replace("PASS hyaline work", "PASS hyaline workers");
        assert!(judged(&renamed).is_err());
    }

    #[test]
    fn failures_and_complaints_fail() {
        for line in [
            "hyaline: FAIL test.c:1: x",
            "WARNING: CPU: 0",
            "BUG: unable",
        ] {
            assert!(judged(&format!("{line}\n{GOOD}")).is_err(), "{line}");
        }
        assert!(judged(&format!("{GOOD}hyaline: FAIL hyaline misuse\n")).is_err());
    }
}
