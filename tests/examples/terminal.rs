//! A terminal for a program to write to.

use std::ffi::{CStr, c_char, c_int};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::{Command, Stdio};

unsafe extern "C" {
    safe fn posix_openpt(flags: c_int) -> c_int;
    safe fn grantpt(fd: c_int) -> c_int;
    safe fn unlockpt(fd: c_int) -> c_int;
    fn ptsname_r(fd: c_int, name: *mut c_char, len: usize) -> c_int;
}

const O_RDWR: c_int = 2;
const O_NOCTTY: c_int = 0o400;

/// What the program writes to stderr, if that is a terminal.
pub fn stderr_of(program: &mut Command) -> String {
    let fd = posix_openpt(O_RDWR | O_NOCTTY);
    assert!(
        fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0,
        "a terminal"
    );
    // SAFETY: it was just opened, and nothing else owns it.
    let mut terminal = unsafe { File::from_raw_fd(fd) };
    let mut name = [0; 64];
    // SAFETY: writes at most as many bytes as there are.
    assert_eq!(unsafe { ptsname_r(fd, name.as_mut_ptr(), name.len()) }, 0);
    // SAFETY: the call above wrote a string.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    let programs_end = OpenOptions::new()
        .write(true)
        .open(name.to_str().expect("a path in UTF-8"))
        .expect("the terminal opens");
    let mut child = program
        .env("TERM", "xterm")
        .stdout(Stdio::null())
        .stderr(programs_end)
        .spawn()
        .expect("the example starts");
    // The command keeps the terminal open.
    program.stderr(Stdio::null());
    let mut shown = Vec::new();
    // Ends with an error when the program has ended; what was read stays.
    _ = terminal.read_to_end(&mut shown);
    assert!(child.wait().expect("the example ends").success());
    String::from_utf8_lossy(&shown).into_owned()
}
