//! What the page and the header promise to a compiler and a linker.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path, process::Command};

use super::{RUN, capi, checked, host, link};
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

/// The kinds, by prefix.
const KINDS: [&str; 6] = [
    "hyaline",
    "hyaline_robust",
    "hyaline_single",
    "hyaline_robust_single",
    "hyaline_platform",
    "hyaline_robust_platform",
];

/// The header in C and C++, alone, and where each of its names is a macro of the
/// program: gnulib defines `poll`, and programs in C++17 `register`.
pub fn header(folder: &Path) -> Result<(), String> {
    let header = fs::read_to_string(capi().join("hyaline.h")).map_err(|error| error.to_string())?;
    let names: BTreeSet<&str> = header
        .split("HYALINE_(")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(name, _)| name)
        .filter(|name| *name != "name")
        .collect();
    if names.len() < 40 {
        return Err("hyaline.h has another form".into());
    }
    let (mut defines, mut undefines, mut uses) = (String::new(), String::new(), String::new());
    for name in names {
        let is = match name {
            "register" => String::new(),
            _ => format!("another_{name}"),
        };
        let _ = writeln!(defines, "#define {name} {is}");
        let _ = writeln!(undefines, "#undef {name}");
        for kind in KINDS {
            let _ = match name {
                "collector" | "guard" | "handle" => {
                    writeln!(uses, "\t(void)sizeof(struct {kind}_{name});")
                }
                _ => writeln!(uses, "\t(void)&{kind}_{name};"),
            };
        }
    }
    let include = "#define HYALINE_PLATFORM_BARRIER\n#include <hyaline.h>\n";
    let program = |defines: &str| {
        format!("{defines}{include}{undefines}void use(void);\nvoid use(void)\n{{\n{uses}}}\n")
    };
    let source = folder.join("header.c");
    for defines in ["", &defines] {
        fs::write(&source, program(defines)).map_err(|error| error.to_string())?;
        for (language, compiler) in [("c", "gcc"), ("c++", "g++")] {
            if !shell::exists(compiler) {
                println!("  no {compiler} here: {language} was not tried");
                continue;
            }
            let mut gcc = Command::new("gcc");
            gcc.args(["-x", language, "-fsyntax-only", "-Wall", "-Wextra"])
                .args(["-Wshadow", "-Werror", "-Wno-address", "-I"])
                .arg(capi());
            checked(gcc.arg(&source), RUN)?;
        }
    }
    Ok(())
}

/// The library beside another static library in Rust, in both orders: what both
/// have of Rust must not be defined twice.
pub fn beside_rust(folder: &Path) -> Result<(), String> {
    let (rust, c) = (folder.join("other.rs"), folder.join("beside.c"));
    let (other, made) = (folder.join("libother.a"), folder.join("beside"));
    let write = |path: &Path, text: &str| fs::write(path, text).map_err(|error| error.to_string());
    // It unwinds: it uses the symbols of unwinding.
    write(
        &rust,
        "#[unsafe(no_mangle)]\npub extern \"C\" fn other() -> i32 {\n    \
         std::panic::catch_unwind(|| std::vec![0; 7][std::hint::black_box(7)]).map_or(7, |_| 0)\n}\n",
    )?;
    write(
        &c,
        "#include <hyaline.h>\n#include <stdlib.h>\nint other(void);\n\
         void hyaline_platform_panic(const char *text, size_t length) { (void)text; (void)length; abort(); }\n\
         int main(void)\n{\n\tstatic _Alignas(HYALINE_SLOT) char memory[HYALINE_MEMORY(1)];\n\
         \tstruct hyaline_collector collector;\n\
         \treturn hyaline_init(&collector, memory, sizeof memory, 1, NULL) + other() - 7;\n}\n",
    )?;
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--edition", "2024", "--crate-type", "staticlib", "-o"])
        .arg(&other);
    checked(rustc.arg(&rust), RUN)?;
    let library = host(&folder.join("first"), "staticlib")?;
    for libraries in [[&library, &other], [&other, &library]] {
        let mut gcc = Command::new("gcc");
        gcc.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(capi())
            .arg(&c)
            .args(libraries)
            .args(["-lpthread", "-ldl", "-lm", "-o"])
            .arg(&made);
        checked(&mut gcc, RUN)?;
        checked(&mut Command::new(&made), RUN)?;
    }
    println!("  beside another library in Rust: it links");
    Ok(())
}
