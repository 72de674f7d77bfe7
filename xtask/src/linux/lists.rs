//! A kernel is looked up in new lists: with stand-ins for apt, without a network.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{self, Command},
};

use super::kernel::{AMD64, ARM64};
use crate::files::fresh;

/// Tells the process whose apt is the stand-in; a folder for its kernels.
const FOLDER: &str = "HYALINE_KERNELS";

/// Knows release 1 until the lists of the architecture are updated, and then
/// release 2, the only one that can be downloaded.
const APT: &str = r#"#!/bin/sh
case "$*" in *Architecture=arm64*) name=arm64 ;; *) name=amd64 ;; esac
updated=${0%/*}/updated-$name
release=1
if [ -e "$updated" ]; then release=2; fi
case "$*" in
*update) touch "$updated" ;;
*"depends linux-headers-cloud-$name") echo "  Depends: linux-headers-6.1.0-$release-cloud-$name" ;;
*"depends linux-headers-6.1.0-$release-cloud-$name") echo "  Depends: linux-kbuild-6.1" ;;
*"download linux-headers-6.1.0-2-"*) touch "linux-image-6.1.0-2-cloud-${name}_6.1.7-1_$name.deb" ;;
*"download linux-kbuild-6.1") ;;
*) exit 100 ;;
esac
"#;

/// "Unpacks" the one file of such a package that is changed.
const DPKG_DEB: &str = r#"#!/bin/sh
release=${2##*/linux-image-}
headers=$3/usr/src/linux-headers-${release%%_*}
mkdir -p "$headers" && echo "include /usr/src/common/Makefile" >"$headers/Makefile"
"#;

/// No sudo, which would find the real apt.
const ID: &str = "#!/bin/sh\necho 0\n";

fn unpacks(folder: &Path) {
    for flavour in [&AMD64, &ARM64] {
        let folder = folder.join(flavour.name);
        fresh(&folder).unwrap();
        let unpacked = flavour.unpack(&folder);
        assert_eq!(unpacked, Ok(format!("6.1.0-2-{} 6.1.7-1", flavour.name)));
    }
}

#[test]
fn old_lists_are_updated_before_a_kernel_is_looked_up() {
    if let Some(folder) = env::var_os(FOLDER) {
        return unpacks(Path::new(&folder));
    }
    let place = env::temp_dir().join(format!("hyaline-lists-{}", process::id()));
    fresh(&place).unwrap();
    let programs = [
        ("apt-get", APT),
        ("apt-cache", APT),
        ("dpkg-deb", DPKG_DEB),
        ("id", ID),
    ];
    for (name, script) in programs {
        fs::write(place.join(name), script).unwrap();
        fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [place.clone()].into_iter().chain(env::split_paths(&path));
    // In a process of its own: the path is one for all threads.
    let name = "linux::lists::old_lists_are_updated_before_a_kernel_is_looked_up";
    let ran = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("PATH", env::join_paths(path).unwrap())
        .env("CARGO_TARGET_DIR", place.join("target"))
        .env(FOLDER, place.join("kernels"))
        .output()
        .unwrap();
    fs::remove_dir_all(&place).unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    // Not when its name is wrong either.
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}
