//! What can be weakened.

use std::path::{Path, PathBuf};

use super::{entries, read};

/// What is not in the algorithm, or where loom cannot look.
const ELSEWHERE: [&str; 3] = [
    // The structures on top; they have models of their own.
    "src/safe/",
    // The kernel has a part in it: `tests/membarrier.rs`, `cargo xtask spin`.
    "src/barrier/membarrier.rs",
    // What the models of the clock do.
    "src/raw/era/models.rs",
];

/// Functions whose `SeqCst` is that of a load.
const LOADS: [&str; 2] = ["look", "at_least_acquire"];

/// Fences, and looks that the argument rests on: file, text, replacement, name.
const LOOKS: [(&str, &str, &str, &str); 5] = [
    (
        "src/barrier.rs",
        "// SeqCst: pairs with `heavy`, see the trait.\n        fence(Ordering::SeqCst)",
        "fence(Ordering::AcqRel)",
        "the total order of LIGHT",
    ),
    (
        "src/barrier.rs",
        "// SeqCst: pairs with `light`, and with itself.\n        fence(Ordering::SeqCst)",
        "fence(Ordering::AcqRel)",
        "the total order of HEAVY",
    ),
    (
        "src/raw/publish.rs",
        "(3).\n        if slot.is_active() {",
        "(3).\n        if false {",
        "the second look of a thief",
    ),
    (
        "src/raw/publish.rs",
        "if !self.left_behind() {",
        "if true {",
        "the last look of a flush",
    ),
    (
        "src/raw/era.rs",
        "mark.is_current(clock) || follow_late::<B>(clock, mark)",
        "true",
        "the look at the era in protect",
    ),
];

/// One weakening.
pub struct Change {
    pub file: String,
    pub line: usize,
    /// What it is in which function, in the words of the list.
    pub entry: String,
    pub what: String,
    /// The whole file, changed.
    pub text: String,
}

/// Every weakening there is. A fence that is not among `LOOKS` is an error.
pub fn all_changes(root: &Path) -> Result<Vec<Change>, String> {
    let mut files = Vec::new();
    files_below(&root.join("src"), &mut files)?;
    let mut changes = Vec::new();
    for path in files {
        let file = path.strip_prefix(root).unwrap_or(&path);
        let file = file.to_string_lossy().into_owned();
        if ELSEWHERE.iter().any(|place| file.starts_with(place)) {
            continue;
        }
        let text = read(&path)?;
        let (mut found, fences) = in_text(&file, &text);
        let looks = LOOKS.iter().filter(|look| look.0 == file);
        let known = looks
            .clone()
            .filter(|look| look.1.contains("fence("))
            .count();
        if fences != known {
            return Err(format!(
                "{file}: {fences} fences, of which {known} are known"
            ));
        }
        for (_, from, to, what) in looks {
            let at = text
                .find(from)
                .ok_or(format!("{file}: no such place: {what}"))?;
            found.push(Change {
                file: file.clone(),
                line: text[..at + from.len()].lines().count(),
                entry: format!("{file}: without {what}"),
                what: format!("without {what}"),
                text: text.replacen(from, to, 1),
            });
        }
        changes.append(&mut found);
    }
    Ok(changes)
}

/// The weakenings of a file's orderings and barriers; and how many fences it has.
fn in_text(file: &str, text: &str) -> (Vec<Change>, usize) {
    let (mut changes, mut fences) = (Vec::new(), 0);
    let (mut offset, mut function) = (0, "");
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if let Some((_, rest)) = code.split_once("fn ") {
            let end = rest.find(['(', '<']).unwrap_or(0);
            function = &rest[..end];
        }
        // The pattern of a match arm is not an ordering that is used.
        let pattern = code.find("=>").unwrap_or(0);
        let mut add = |start: usize, end: usize, new: &str, what: String| {
            let (start, end) = (offset + start, offset + end);
            changes.push(Change {
                file: file.into(),
                line: index + 1,
                entry: format!("{file}: {function}: {}: {what}", code.trim()),
                what,
                text: format!("{}{new}{}", &text[..start], &text[end..]),
            });
        };
        // Fences are among `LOOKS`; those for the compiler are nothing to loom.
        let names: &[&str] = if code.contains("fence(") {
            fences += usize::from(!code.contains("compiler_fence(") && !code.contains("fn "));
            &[]
        } else {
            &["Acquire", "Release", "AcqRel", "SeqCst"]
        };
        for &name in names {
            for prefix in ["Ordering::", "O::"] {
                let places = positions(code, prefix, name);
                for start in places.into_iter().filter(|start| *start >= pattern) {
                    let end = start + name.len();
                    for weaker in weaker(name, LOADS.contains(&function)) {
                        add(start, end, weaker, format!("{name} to {weaker}"));
                    }
                }
            }
        }
        for barrier in [
            "S::Barrier::heavy();",
            "S::Barrier::light();",
            "B::light();",
        ] {
            if code.trim() == barrier {
                add(0, line.len() - 1, "", format!("without {barrier}"));
            }
        }
        offset += line.len();
    }
    (changes, fences)
}

/// Where `prefix` and `name` stand in a line of code, not in another name.
fn positions(code: &str, prefix: &str, name: &str) -> Vec<usize> {
    let whole = format!("{prefix}{name}");
    let boundary =
        |byte: Option<&u8>| byte.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
    code.match_indices(&whole)
        .filter(|(at, _)| {
            let bytes = code.as_bytes();
            boundary(at.checked_sub(1).and_then(|i| bytes.get(i)))
                && boundary(bytes.get(at + whole.len()))
        })
        .map(|(at, _)| at + prefix.len())
        .collect()
}

/// A step down from an ordering. What is weaker than a step allows all that the
/// step does, and need not be tried; but for `SeqCst`, whose first step loom does
/// not see.
fn weaker(name: &str, is_load: bool) -> &'static [&'static str] {
    match (name, is_load) {
        ("AcqRel", _) => &["Acquire", "Release"],
        ("SeqCst", true) => &["Acquire", "Relaxed"],
        ("SeqCst", false) => &["AcqRel", "Acquire", "Release"],
        _ => &["Relaxed"],
    }
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    for path in entries(folder)? {
        if path.is_dir() {
            files_below(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
