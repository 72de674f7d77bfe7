//! Child processes with a time limit, and the project's folders.

use std::{
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The result of a child process.
pub struct Output {
    /// Exit code; `None` when it was killed, by the time limit or a signal.
    pub code: Option<i32>,
    /// Standard output and standard error, one after the other.
    pub stdout: String,
    pub stderr: String,
    pub timed_out: bool,
}

impl Output {
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Why it did not succeed, in a few words.
    pub fn reason(&self) -> String {
        match self.code {
            _ if self.timed_out => "time limit reached".into(),
            Some(code) => format!("exit code {code}"),
            None => "killed by a signal".into(),
        }
    }

    /// The last lines of both streams, indented.
    pub fn tail(&self, lines: usize) -> String {
        let all: Vec<&str> = self.stdout.lines().chain(self.stderr.lines()).collect();
        let start = all.len().saturating_sub(lines);
        all[start..]
            .iter()
            .map(|line| format!("    {line}\n"))
            .collect()
    }
}

/// Runs a command with an empty standard input. At the limit it is killed,
/// together with its child processes.
pub fn run(command: &mut Command, limit: Duration) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let start = Instant::now();
    let mut timed_out = false;
    let status = loop {
        match child
            .try_wait()
            .map_err(|error| format!("{name}: {error}"))?
        {
            Some(status) => break status,
            None if start.elapsed() > limit && !timed_out => {
                timed_out = true;
                kill_below(child.id());
                // A failure means that it ended just now.
                let _ = child.kill();
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    Ok(Output {
        code: status.code(),
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
        timed_out,
    })
}

/// Kills what a process started: it would keep our end of the pipes open, and
/// hang as before. Not a process group, which would miss the user's Ctrl-C.
fn kill_below(parent: u32) {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return;
    };
    for process in processes.flatten() {
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // Number (name) state parent; a name may have parentheses of its own.
        let mut after_name = stat.rsplit(')').next().unwrap_or_default().split(' ');
        if after_name.nth(2).and_then(|field| field.parse().ok()) != Some(parent) {
            continue;
        }
        if let Some(child) = process.file_name().to_str().and_then(|n| n.parse().ok()) {
            kill_below(child);
            // It may have ended just now. The shell has its own `kill`.
            let _ = Command::new("sh")
                .args(["-c", &format!("kill -KILL {child}")])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Drains a pipe in its own thread: a full pipe would block the child.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).replace('\r', "")
    })
}

/// Whether a program of this name is on the search path.
pub fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The repository.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// The workspace of the firmware.
pub fn targets() -> PathBuf {
    root().join("targets")
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A build of the firmware workspace.
pub struct Build<'a> {
    pub package: &'a str,
    pub bin: &'a str,
    pub features: &'a [&'a str],
    /// Conditions for the compiler; such a build has its own folder.
    pub cfg: &'a [&'a str],
    pub target: &'a str,
    /// A cargo profile, also the folder of the result.
    pub profile: &'a str,
}

impl Build<'_> {
    /// Builds and returns the path of the ELF file, or the compiler's output.
    pub fn run(&self) -> Result<PathBuf, String> {
        let folder = targets();
        let output_folder = self
            .cfg
            .iter()
            .fold(folder.join("target"), |folder, name| folder.join(name));
        let mut command = cargo();
        command
            .current_dir(&folder)
            // The outer cargo's environment would redirect or re-profile the build.
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .args([
                "build",
                "--quiet",
                "--package",
                self.package,
                "--bin",
                self.bin,
            ])
            .args(["--profile", self.profile, "--target", self.target])
            .arg("--target-dir")
            .arg(&output_folder);
        for feature in self.features {
            command.args(["--features", feature]);
        }
        for name in self.cfg {
            // Flags of the target, in addition to the firmware's own
            // configuration.
            let flags = format!("target.{}.rustflags=['--cfg={name}']", self.target);
            command.args(["--config", &flags]);
        }
        let built = run(&mut command, Duration::from_secs(900))?;
        if !built.ok() {
            return Err(format!(
                "does not build: {}\n{}",
                built.reason(),
                built.tail(40)
            ));
        }
        Ok(output_folder
            .join(self.target)
            .join(self.profile)
            .join(self.bin))
    }
}

/// The names of the crate's tests.
#[cfg(test)]
pub fn tests() -> Vec<String> {
    let files = std::fs::read_dir(root().join("tests")).unwrap().flatten();
    let names =
        files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".rs")?.into()));
    let names: Vec<String> = names.collect();
    assert!(!names.is_empty());
    names
}

#[test]
fn the_limit_ends_what_a_child_started() {
    let start = Instant::now();
    let mut shell = Command::new("sh");
    let ran = run(
        shell.args(["-c", "sleep 60; true"]),
        Duration::from_millis(200),
    );
    assert!(ran.is_ok_and(|output| output.timed_out));
    assert!(start.elapsed() < Duration::from_secs(30));
}
