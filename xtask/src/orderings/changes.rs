//! What can be weakened.

use std::path::{Path, PathBuf};

use super::{entries, read};

/// What is not in the algorithm, or where loom cannot look.
const ELSEWHERE: [&str; 6] = [
    // The structures on top; they have models of their own. Except `INSIDE`.
    "src/safe/",
    // The kernel takes part in it: `tests/membarrier.rs`,
    // `tests/membarrier_modes.rs`.
    "src/barrier/membarrier.rs",
    // What the models do.
    "src/sync/model.rs",
    "src/raw/era/looks.rs",
    "src/raw/era/models.rs",
    "src/raw/tree/models.rs",
];

/// Of what is elsewhere, what has models beside it.
const INSIDE: [&str; 1] = ["src/safe/block_queue/segment.rs"];

/// Functions whose `SeqCst` is that of a load.
const LOADS: [&str; 1] = ["at_least_acquire"];

/// Fences, and looks that the argument rests on: file, text, replacement, name.
const LOOKS: [(&str, &str, &str, &str); 9] = [
    (
        "src/barrier.rs",
        "// SeqCst: pairs with `heavy`, see the trait.\n        fence(Ordering::SeqCst)",
        "fence(Ordering::AcqRel)",
        "the total order of the light barrier",
    ),
    (
        "src/barrier.rs",
        "// SeqCst: pairs with `light`, and with itself.\n        fence(Ordering::SeqCst)",
        "fence(Ordering::AcqRel)",
        "the total order of the heavy barrier",
    ),
    (
        "src/raw/publish.rs",
        "let list = slot.inbox.take();
        if list.is_null() {
            return;
        }
        // The decisive check comes after the taking (3).
        let seen = slot.section.look();",
        "let seen = slot.section.look();
        let list = slot.inbox.take();
        if list.is_null() {
            return;
        }",
        "the check after the taking",
    ),
    (
        "src/raw/publish.rs",
        "if !self.global.is_stranded() {",
        "if true {",
        "the last check of a collect",
    ),
    (
        "src/raw/era.rs",
        "access.is_current(clock)",
        "true",
        "the check of the era in protect",
    ),
    (
        "src/raw/drain.rs",
        "if !open() {\n                magazine",
        "{\n                magazine",
        "a thief's look for a section",
    ),
    (
        "src/raw/magazine/kept.rs",
        "if claimed == FREE && in_section",
        "if in_section",
        "an owner's look for a thief",
    ),
    (
        "src/raw/tree.rs",
        "            fence(Ordering::Acquire);\n",
        "",
        "the fence at the end of a search",
    ),
    (
        "src/raw/tree.rs",
        "if found.is_some() || opened.load(Ordering::Relaxed) == before {",
        "if true {",
        "the look for leaves that were opened",
    ),
];

/// Calls of barriers.
const BARRIERS: [&str; 3] = [
    "S::Barrier::heavy();",
    "S::Barrier::light();",
    "B::light();",
];

/// One weakening.
pub struct Change {
    pub file: String,
    pub line: usize,
    pub what: String,
    /// To loom both are the same: a `SeqCst` access is an `AcqRel` one.
    pub is_total_order: bool,
    /// The whole file, changed.
    pub text: String,
}

/// Every possible weakening. An unknown ordering, barrier or fence is an error.
pub fn all_changes(root: &Path) -> Result<Vec<Change>, String> {
    let mut files = Vec::new();
    files_below(&root.join("src"), &mut files)?;
    let mut changes = Vec::new();
    for path in files {
        let file = path.strip_prefix(root).unwrap_or(&path);
        let file = file.to_string_lossy().into_owned();
        let elsewhere = ELSEWHERE.iter().any(|place| file.starts_with(place));
        if elsewhere && !INSIDE.contains(&file.as_str()) {
            continue;
        }
        let text = read(&path)?;
        let (mut found, fences) = in_text(&file, &text)?;
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
                what: format!("without {what}"),
                is_total_order: false,
                text: text.replacen(from, to, 1),
            });
        }
        changes.append(&mut found);
    }
    Ok(changes)
}

/// The weakenings of a file's orderings and barriers; and how many fences it
/// has.
fn in_text(file: &str, text: &str) -> Result<(Vec<Change>, usize), String> {
    let (mut changes, mut fences) = (Vec::new(), 0);
    let (mut offset, mut function) = (0, "");
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if let Some((_, rest)) = code.split_once("fn ") {
            let end = rest.find(['(', '<']).unwrap_or(0);
            function = &rest[..end];
        }
        // The pattern of a match arm is not a use of an ordering.
        let pattern = code.find("=>").unwrap_or(0);
        let mut add = |start: usize, end: usize, new: &str, what: String, is_total_order| {
            let (start, end) = (offset + start, offset + end);
            changes.push(Change {
                file: file.into(),
                line: index + 1,
                what,
                is_total_order,
                text: format!("{}{new}{}", &text[..start], &text[end..]),
            });
        };
        // Fences are among `LOOKS`; loom ignores those for the compiler.
        let names: &[&str] = if code.contains("fence(") {
            fences += usize::from(!code.contains("compiler_fence(") && !code.contains("fn "));
            &[]
        } else {
            &["Acquire", "Release", "AcqRel", "SeqCst"]
        };
        let mut unknown = false;
        for &name in names {
            for start in positions(code, name) {
                let end = start + name.len();
                let before = &code[..start];
                unknown |= !before.ends_with("Ordering::");
                if start < pattern {
                    continue;
                }
                let steps = weaker(name, LOADS.contains(&function));
                for (step, weaker) in steps.iter().enumerate() {
                    let what = format!("{name} to {weaker}");
                    add(start, end, weaker, what, name == "SeqCst" && step == 0);
                }
            }
        }
        if BARRIERS.contains(&code.trim()) {
            add(
                0,
                line.len() - 1,
                "",
                format!("without {}", code.trim()),
                false,
            );
        } else if code.contains("light()") || code.contains("heavy()") {
            // Declarations have no caller.
            unknown |= !code.contains("fn ");
        }
        if unknown {
            let line = index + 1;
            return Err(format!("{file}:{line}: unknown: {}", code.trim()));
        }
        offset += line.len();
    }
    Ok((changes, fences))
}

/// The positions of a name in a line of code, as a whole word.
fn positions(code: &str, name: &str) -> Vec<usize> {
    let boundary =
        |byte: Option<&u8>| byte.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
    let bytes = code.as_bytes();
    code.match_indices(name)
        .map(|(at, _)| at)
        .filter(|at| {
            let before = at.checked_sub(1).and_then(|i| bytes.get(i));
            boundary(before) && boundary(bytes.get(at + name.len()))
        })
        .collect()
}

/// A step down from an ordering. What is weaker than a step allows everything
/// that the step does, and need not be tried; except for `SeqCst`, whose first
/// step loom does not see.
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

#[cfg(test)]
mod tests {
    use super::all_changes;

    /// A comment or a line that is reworded must not take a place away unseen.
    #[test]
    fn every_place_is_there() {
        let changes = all_changes(&crate::shell::root()).unwrap();
        assert!(changes.len() > 50, "{} changes", changes.len());
    }
}
