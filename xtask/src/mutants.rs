//! `cargo xtask mutants`: cargo-mutants over `src/`, in groups of files, each
//! with the tests that can detect its mutants. What is left out, and why, is in
//! `.cargo/mutants.toml`. Some hours in all; `--group NAME [FILE]` runs one
//! group, or a file of it, and `--part K/M` a part of each. The survivors are
//! in `target/mutants/NAME/mutants.out/missed.txt`. Fails if fewer than
//! `ENOUGH` percent are detected.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::shell;

/// The limit for installing.
const LIMIT: Duration = Duration::from_secs(1800);

/// Percent of the mutants that can be built.
const ENOUGH: usize = 95;

/// Mutants that the same tests can detect.
struct Group {
    name: &'static str,
    /// Selection of the mutants: options of cargo-mutants.
    which: &'static [&'static str],
    /// One after another; each gets the survivors of the previous ones.
    passes: &'static [Pass],
}

/// A way to test mutants.
struct Pass {
    /// Conditions for the compiler.
    conditions: &'static str,
    /// Options of `cargo test`.
    cargo: &'static [&'static str],
    /// Options of the tests: which of them.
    filter: &'static [&'static str],
    /// Seconds. About ten times the usual time, because a machine may be busy.
    limit: u32,
}

/// What depends on the width of a word: eras of two words, and how notes and
/// sections are packed.
const NARROW: &str = r"era/two_words|src/notes|raw/section";

const GROUPS: [Group; 5] = [
    Group {
        name: "algorithm",
        which: &[
            "--exclude=src/safe/**",
            "--exclude=src/safe.rs",
            "--exclude=src/bound.rs",
            "--exclude=src/barrier/membarrier.rs",
            "--exclude-re",
            NARROW,
        ],
        passes: &[
            // A second, and most are seen.
            Pass {
                conditions: "",
                cargo: &["--test=model", "--test=pool", "--test=reentrant"],
                filter: &[],
                limit: 15,
            },
            Pass {
                conditions: "",
                cargo: &[
                    "--test=authors",
                    "--test=collector",
                    "--test=supervise",
                    "--test=faults",
                    "--test=grace",
                    "--test=guarantees",
                ],
                filter: &[],
                limit: 30,
            },
            Pass {
                conditions: "",
                cargo: &[
                    "--test=coming_from",
                    "--test=messages",
                    "--test=run_time",
                    "--test=safe_deferred",
                    "--test=safe_heap",
                    "--test=small_memory",
                    "--test=zero",
                ],
                filter: &[],
                limit: 60,
            },
            // A hundred times slower: exhaustive, except for a few barriers.
            Pass {
                conditions: "--cfg hyaline_loom",
                cargo: &["--release", "--lib", "--test=loom"],
                filter: &["--", "--skip=nested", "--skip=pairs", "--skip=safe"],
                limit: 1800,
            },
        ],
    },
    Group {
        name: "bound",
        which: &["--file=src/bound.rs"],
        passes: &[Pass {
            conditions: "",
            cargo: &["--test=bound"],
            filter: &["the_formulas"],
            limit: 60,
        }],
    },
    // Each test forks.
    Group {
        name: "membarrier",
        which: &["--file=src/barrier/membarrier.rs"],
        passes: &[Pass {
            conditions: "",
            cargo: &[
                "--test=fork",
                "--test=membarrier",
                "--test=membarrier_modes",
            ],
            filter: &[],
            limit: 60,
        }],
    },
    // What one width does not compile survives there, and is for the next.
    Group {
        name: "narrow",
        which: &["--re", NARROW],
        passes: &[
            // 32 bits, which run here unchanged, close to where they wrap.
            Pass {
                conditions: "--cfg hyaline_late_era -Clinker=rust-lld \
                             -Clinker-flavor=ld.lld -Clink-self-contained=yes",
                cargo: &[
                    "--target=i686-unknown-linux-musl",
                    "--lib",
                    "--test=collector",
                    "--test=supervise",
                    "--test=faults",
                    "--test=model",
                    "--test=pool",
                ],
                filter: &[],
                limit: 60,
            },
            // 64 bits.
            Pass {
                conditions: "",
                cargo: &[
                    "--lib",
                    "--test=collector",
                    "--test=supervise",
                    "--test=model",
                    "--test=pool",
                ],
                filter: &[],
                limit: 60,
            },
            // Halves of 4 eras.
            Pass {
                conditions: "--cfg hyaline_narrow_era",
                cargo: &[
                    "--test=bound",
                    "--test=collector",
                    "--test=supervise",
                    "--test=model",
                ],
                filter: &[],
                limit: 120,
            },
            // The models of the clock, and of a section.
            Pass {
                conditions: "--cfg hyaline_loom --cfg hyaline_narrow_era",
                cargo: &["--release", "--lib", "--test=loom"],
                filter: &["--", "era", "section::", "steal::"],
                limit: 600,
            },
        ],
    },
    Group {
        name: "safe",
        which: &["--file=src/safe/**", "--file=src/safe.rs"],
        passes: &[
            Pass {
                conditions: "",
                cargo: &[
                    "--lib",
                    "--test=safe",
                    "--test=safe_block_queue",
                    "--test=safe_deferred",
                    "--test=safe_domain",
                    "--test=safe_heap",
                    "--test=safe_tags",
                    "--test=safe_walk",
                ],
                filter: &[],
                limit: 30,
            },
            Pass {
                conditions: "",
                cargo: &[
                    "--test=messages",
                    "--test=safe_linear",
                    "--test=safe_panics",
                    "--test=safe_chaos",
                    "--test=safe_reentrant",
                    "--test=safe_smallest",
                    "--test=safe_structures",
                    "--test=small_memory",
                ],
                filter: &[],
                limit: 120,
            },
            Pass {
                conditions: "--cfg hyaline_loom",
                cargo: &["--release", "--test=loom"],
                filter: &["safe"],
                limit: 1200,
            },
        ],
    },
];

pub fn run(mut arguments: lexopt::Parser) -> Result<(), String> {
    use lexopt::prelude::*;
    let (mut part, mut only, mut files) = (None, None, Vec::new());
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        match argument {
            Long("part") => part = Some(arguments.value().map_err(|e| e.to_string())?),
            Long("group") => only = Some(arguments.value().map_err(|e| e.to_string())?),
            Value(file) => files.push(PathBuf::from(file)),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let names = GROUPS.map(|group| group.name);
    if only
        .as_ref()
        .is_some_and(|only| names.iter().all(|name| only != name))
    {
        return Err(format!("there is no such group; there are {names:?}"));
    }
    if !files.is_empty() && only.is_none() {
        return Err("a file needs its group: --group NAME FILE".into());
    }
    install()?;
    let mut total = Found::default();
    for group in &GROUPS {
        if only.as_ref().is_some_and(|name| name != group.name) {
            continue;
        }
        let out = shell::root().join("target/mutants").join(group.name);
        // The results of an earlier run are of another source.
        if out.exists() {
            fs::remove_dir_all(&out).map_err(|e| e.to_string())?;
        }
        fs::create_dir_all(&out).map_err(|e| e.to_string())?;
        let mut found = Found::default();
        let mut missed: Vec<String> = Vec::new();
        for (number, pass) in group.passes.iter().enumerate() {
            let mut command = mutants(pass);
            command.arg("--output").arg(&out);
            if number == 0 {
                let is_chosen = |option: &&&str| files.is_empty() || !option.starts_with("--file");
                command.args(group.which.iter().filter(is_chosen));
                for file in &files {
                    command.arg("--file").arg(file);
                }
                if let Some(part) = &part {
                    // Each file has its share.
                    command
                        .args(["--sharding=round-robin", "--shard"])
                        .arg(part);
                }
            } else {
                // By their names: `--iterate` would choose a part of all that
                // is left, also of what no pass has tried.
                command.args(
                    missed
                        .iter()
                        .map(|name| format!("--re=^{}$", exactly(name))),
                );
            }
            println!("== {}: {}", group.name, pass.cargo.join(" "));
            let status = command.status().map_err(|e| e.to_string())?;
            // 2: some were missed; 3: some reached the limit. Tests that fail
            // without a mutant also end it.
            if !matches!(status.code(), Some(0 | 2 | 3)) {
                return Err(format!("cargo mutants ended with {status}"));
            }
            let pass = tell(&out.join("mutants.out"));
            found.caught += pass.caught;
            found.limit += pass.limit;
            // The next pass gets what this one missed.
            found.missed = pass.missed.len();
            missed = pass.missed;
            if missed.is_empty() {
                break;
            }
        }
        println!("== {}, all in all: {found}", group.name);
        total.caught += found.caught;
        total.limit += found.limit;
        total.missed += found.missed;
    }
    println!("== all: {total}");
    if total.all() == 0 {
        Err("there is nothing to mutate in what was chosen".into())
    } else if total.seen() * 100 >= total.all() * ENOUGH {
        Ok(())
    } else {
        Err(format!(
            "fewer than {ENOUGH} percent are detected; the survivors: \
             target/mutants/*/mutants.out/missed.txt"
        ))
    }
}

/// The results for mutants that could be built.
#[derive(Default)]
struct Found {
    caught: usize,
    limit: usize,
    missed: usize,
}

impl Found {
    fn seen(&self) -> usize {
        self.caught + self.limit
    }

    fn all(&self) -> usize {
        self.seen() + self.missed
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = 100.0 * self.seen() as f64 / self.all().max(1) as f64;
        write!(
            f,
            "{} mutants, {} caught, {} reached the limit, {} survive: {rate:.1} % are detected",
            self.all(),
            self.caught,
            self.limit,
            self.missed
        )
    }
}

/// What a pass found.
struct Outcome {
    caught: usize,
    limit: usize,
    /// Their names.
    missed: Vec<String>,
}

/// Prints what a pass found, and returns it. Mutants that ran into the limit
/// hang, which is seen.
fn tell(out: &Path) -> Outcome {
    let read = |name: &str| {
        let text = fs::read_to_string(out.join(name)).unwrap_or_default();
        text.lines().map(String::from).collect::<Vec<_>>()
    };
    let outcome = Outcome {
        caught: read("caught.txt").len(),
        limit: read("timeout.txt").len(),
        missed: read("missed.txt"),
    };
    let found = Found {
        caught: outcome.caught,
        limit: outcome.limit,
        missed: outcome.missed.len(),
    };
    println!("== {found}; {} cannot be built", read("unviable.txt").len());
    outcome
}

/// The regular expression that matches a text and no other.
fn exactly(text: &str) -> String {
    let escape = |c: char| match c {
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
            format!("\\{c}")
        }
        _ => c.into(),
    };
    text.chars().map(escape).collect()
}

/// cargo-mutants with the tests of a pass.
fn mutants(pass: &Pass) -> Command {
    let mut command = Command::new("cargo");
    command
        .current_dir(shell::root())
        .env("RUSTFLAGS", pass.conditions)
        // Only a file or two of the same crates are compiled again.
        .env("CARGO_INCREMENTAL", "1")
        // The first failure is enough.
        .env("PROPTEST_CASES", "300")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
        .args(["mutants", "--no-shuffle", "--colors=never"])
        .args(["--build-timeout=1200"])
        .arg(format!("--timeout={}", pass.limit))
        .args(pass.cargo.iter().map(|option| format!("-C={option}")))
        .args(
            pass.filter
                .iter()
                .map(|option| format!("--cargo-test-arg={option}")),
        );
    command
}

/// Installs what it needs, if it is missing; tries twice.
fn install() -> Result<(), String> {
    let there = || {
        let version = Command::new("cargo")
            .args(["mutants", "--version"])
            .output();
        version.is_ok_and(|output| output.status.success())
    };
    // Fails without rustup: then it is installed, or the build reports it.
    let mut rustup = Command::new("rustup");
    let _ = shell::run(
        rustup.args(["target", "add", "i686-unknown-linux-musl"]),
        LIMIT,
    );
    if there() {
        return Ok(());
    }
    eprintln!("installing cargo-mutants");
    for _ in 0..2 {
        let mut cargo = Command::new("cargo");
        shell::run(cargo.args(["install", "--locked", "cargo-mutants"]), LIMIT)?;
        if there() {
            return Ok(());
        }
    }
    Err(
        "cargo-mutants is missing and cannot be installed: `cargo install --locked cargo-mutants`"
            .into(),
    )
}
