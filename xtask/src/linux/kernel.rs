//! A kernel of Debian's with its headers: resolved by the name of a
//! metapackage, downloaded once, and unpacked without being installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use crate::{
    capi::{checked, target_folder},
    files::{ending, fresh},
    provide, shell,
};

const DOWNLOAD: Duration = Duration::from_secs(900);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(5);
const UNPACK: Duration = Duration::from_secs(300);

/// A build of the kernel, and the machine that boots it.
pub struct Flavour {
    /// The end of the packages' names.
    pub name: &'static str,
    /// Debian's name of the architecture.
    architecture: &'static str,
    pub target: &'static str,
    pub compiler: &'static str,
    /// Variables of the kernel's build.
    pub make: &'static [&'static str],
    pub emulator: &'static str,
    pub machine: &'static [&'static str],
    pub console: &'static str,
    /// Whether a collector whose interrupt is left out can fail. On AArch64 the
    /// store that opens a section is a store-release, and `protect` a load-acquire,
    /// which the architecture keeps in order: there the readers need no barrier.
    pub barrier_control: bool,
    /// What the kernel's command line can choose.
    pub preemption: &'static [&'static str],
}

pub const AMD64: Flavour = Flavour {
    name: "cloud-amd64",
    architecture: "amd64",
    target: "x86_64-unknown-none",
    compiler: "gcc-12",
    make: &[],
    emulator: "qemu-system-x86_64",
    machine: &["-machine", "q35", "-cpu", "max"],
    console: "ttyS0",
    barrier_control: true,
    preemption: &["", "preempt=full slub_debug=FZP"],
};

pub const RT: Flavour = Flavour {
    name: "rt-amd64",
    preemption: &[""],
    ..AMD64
};

pub const ARM64: Flavour = Flavour {
    name: "cloud-arm64",
    architecture: "arm64",
    target: "aarch64-unknown-none-softfloat",
    compiler: "aarch64-linux-gnu-gcc-12",
    make: &["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
    emulator: "qemu-system-aarch64",
    machine: &["-machine", "virt,gic-version=3", "-cpu", "cortex-a72"],
    console: "ttyAMA0",
    barrier_control: false,
    preemption: &[""],
};

/// An unpacked kernel.
pub struct Kernel {
    /// As `uname -r` says.
    pub release: String,
    /// Debian's version of the packages.
    pub version: String,
    pub image: PathBuf,
    /// For its first process.
    pub shell: PathBuf,
    pub headers: PathBuf,
}

/// The folder of everything that this command keeps.
pub fn cache() -> PathBuf {
    target_folder().join("linux")
}

impl Flavour {
    /// A command of apt for this architecture. Another one than the machine's has
    /// its own lists, so that the machine's apt stays as it is.
    fn apt(&self, program: &str) -> Result<Command, String> {
        let mut apt = Command::new(program);
        if self.architecture == AMD64.architecture {
            return Ok(apt);
        }
        let state = cache().join(format!("apt-{}", self.architecture));
        for folder in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(state.join(folder)).map_err(|error| error.to_string())?;
        }
        fs::write(state.join("status"), "").map_err(|error| error.to_string())?;
        let option = |name: &str, file: &str| format!("{name}={}", state.join(file).display());
        for setting in [
            format!("APT::Architecture={}", self.architecture),
            format!("APT::Architectures={}", self.architecture),
            option("Dir::State::status", "status"),
            option("Dir::State::lists", "lists"),
            option("Dir::Cache", "archives"),
        ] {
            apt.args(["-o", &setting]);
        }
        Ok(apt)
    }

    /// The packages that a package depends on.
    fn dependencies(&self, package: &str) -> Result<Vec<String>, String> {
        let mut apt = self.apt("apt-cache")?;
        let listed = shell::run(apt.args(["depends", package]), UNPACK)?;
        let names = listed
            .stdout
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "));
        let found: Vec<String> = names.map(String::from).collect();
        match found.is_empty() {
            true => Err(format!("apt knows no package {package}")),
            false => Ok(found),
        }
    }

    /// The kernel: from an earlier run, or downloaded.
    pub fn provide(&self) -> Result<Kernel, String> {
        let folder = cache().join(self.name);
        let done = folder.join("release");
        if !done.exists() {
            fresh(&folder)?;
            let release = self.unpack(&folder)?;
            // Last: what is there is whole.
            fs::write(&done, release).map_err(|error| error.to_string())?;
        }
        let text = fs::read_to_string(&done).map_err(|error| error.to_string())?;
        let (release, version) = text.split_once(' ').ok_or("its release is not known")?;
        Ok(Kernel {
            image: folder.join(format!("root/boot/vmlinuz-{release}")),
            shell: folder.join("root/bin/busybox"),
            headers: folder.join(format!("root/usr/src/linux-headers-{release}")),
            release: release.into(),
            version: version.into(),
        })
    }

    /// Returns the release and the version.
    pub(super) fn unpack(&self, folder: &Path) -> Result<String, String> {
        // Old lists name a kernel that is gone. Without a network, they may do.
        let updated = update(self);
        let meta = format!("linux-headers-{}", self.name);
        let headers = self.dependencies(&meta);
        let headers = headers.map_err(|why| match updated {
            Ok(()) => why,
            Err(failed) => format!("{why}\n{failed}"),
        })?;
        let headers = headers.iter().find(|name| name.ends_with(self.name));
        let headers = headers.ok_or_else(|| format!("{meta} depends on no headers"))?;
        let release = headers.trim_start_matches("linux-headers-");
        let mut own = vec![
            headers.clone(),
            format!("linux-image-{release}-unsigned"),
            "busybox-static".into(),
        ];
        let mut tools = Vec::new();
        for name in self.dependencies(headers)? {
            if name.starts_with("linux-headers-") {
                own.push(name);
            } else if name.starts_with("linux-kbuild-") {
                // Programs for the machine that builds.
                tools.push(name);
            }
        }
        download(self, folder, &own)?;
        download(&AMD64, folder, &tools)?;
        let root = folder.join("root");
        let mut version = String::new();
        for file in ending(folder, ".deb")? {
            let mut unpack = Command::new("dpkg-deb");
            checked(unpack.arg("-x").arg(&file).arg(&root), UNPACK)?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("linux-image") {
                version = name.split('_').nth(1).unwrap_or_default().into();
            }
            fs::remove_file(&file).map_err(|error| error.to_string())?;
        }
        // It expects to be installed. Relative, so that the folder may be moved.
        let makefile = root.join(format!("usr/src/linux-headers-{release}/Makefile"));
        let text = fs::read_to_string(&makefile).map_err(|error| error.to_string())?;
        let here = "$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../";
        fs::write(&makefile, text.replace("/usr/src/", here)).map_err(|error| error.to_string())?;
        Ok(format!("{release} {version}"))
    }
}

fn update(flavour: &Flavour) -> Result<(), String> {
    if flavour.architecture == AMD64.architecture {
        return provide::update();
    }
    checked(flavour.apt("apt-get")?.arg("update"), DOWNLOAD).map(drop)
}

/// Downloads packages without installing them; on failure updates the lists and
/// tries again.
pub fn download(flavour: &Flavour, folder: &Path, packages: &[String]) -> Result<(), String> {
    eprintln!("downloading {}", packages.join(" "));
    let mut why = String::new();
    for again in [false, true, true] {
        if again {
            thread::sleep(PAUSE);
            // The lists may be the fault; if not, the download says what is.
            let _ = update(flavour);
        }
        let mut apt = flavour.apt("apt-get")?;
        apt.current_dir(folder).arg("download").args(packages);
        let downloaded = shell::run(&mut apt, DOWNLOAD)?;
        if downloaded.ok() {
            return Ok(());
        }
        why = format!("{}\n{}", downloaded.reason(), downloaded.tail(5));
    }
    let names = packages.join(" ");
    Err(format!("{names} cannot be had: apt-get download: {why}"))
}
