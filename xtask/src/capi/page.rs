//! What the page and the header promise to a compiler and a linker.

use std::{fs, path::Path, process::Command};

use super::{RUN, checked, host, link};
use crate::shell;

/// The page's program, verbatim, and the figures for it.
pub fn first_use(folder: &Path) -> Result<(), String> {
    let page = shell::root().join("docs/from-c.md");
    let page = fs::read_to_string(page).map_err(|error| error.to_string())?;
    let library = host(&folder.join("first"), "staticlib")?;
    let mut programs = 0;
    for program in page.split("\n```c\n").skip(1) {
        let program = program.split("\n```").next().unwrap_or_default();
        if !program.contains("int main(") {
            continue;
        }
        programs += 1;
        let source = folder.join(format!("page-{programs}.c"));
        let made = source.with_extension("");
        fs::write(&source, program).map_err(|error| error.to_string())?;
        link(&source, &library, &["-O2"], &made)?;
        let ran = checked(&mut Command::new(&made), RUN)?;
        // It prints what the page says.
        for line in ran.stdout.lines() {
            if !page.contains(line) {
                return Err(format!(
                    "{} printed, and docs/from-c.md does not say: {line}",
                    made.display()
                ));
            }
        }
        let size = checked(Command::new("size").arg(&made), RUN)?;
        let all = size
            .stdout
            .lines()
            .nth(1)
            .and_then(|line| line.split_whitespace().next());
        println!(
            "  program {programs}: {} bytes of code, libc's start included",
            all.unwrap_or("?")
        );
    }
    if programs == 0 {
        return Err("docs/from-c.md shows no program".into());
    }
    Ok(())
}
