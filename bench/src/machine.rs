//! The machine and the software of the measurements.

use std::{fs, path::Path, process::Command, thread};

/// The processor, without anything that distinguishes machines of one kind.
pub fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| {
            line.split_once(':')
                .is_some_and(|(key, _)| key.trim() == name)
        });
        line.and_then(|line| line.split_once(':'))
            .map_or("unknown", |(_, value)| value.trim())
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{} (family {}, model {}), {cores} hardware threads, {}",
        field("model name"),
        field("cpu family"),
        field("model"),
        std::env::consts::ARCH,
    )
}

/// The compiler.
pub fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "rustc, version unknown".to_owned())
}

/// A peer's version, from the lock file. Of several it is the newest: older ones are
/// what other peers depend on.
pub fn version(package: &str) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = [here.join("../Cargo.lock"), here.join("Cargo.lock")];
    let name = format!("name = \"{package}\"");
    (lock.iter().filter_map(|path| fs::read_to_string(path).ok()))
        .find_map(|text| {
            // Sorted.
            let (_, entry) = text.rsplit_once(&name)?;
            Some(entry.split('"').nth(1)?.to_owned())
        })
        .unwrap_or_else(|| "unknown".to_owned())
}
