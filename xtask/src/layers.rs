//! `cargo xtask layers`: whether each file of `src` uses only files below it.
//!
//! The order is the table of `docs/architecture.md`: a file may use the files
//! in the rows below its own. So there is no circle, and a newcomer can read
//! the code from the bottom up. Of the other libraries, whether files use each
//! other in a circle.

mod imports;
mod reader;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs,
    path::Path,
};

use crate::{arguments, shell::root};
use imports::{Import, Sources};

const PAGE: &str = "docs/architecture.md";
/// The table begins with the first row after this.
const MARK: &str = "<!-- read by `cargo xtask layers` -->";
/// Libraries without a table.
const OTHERS: [&str; 2] = ["bench/src", "targets/selftest/src"];

pub fn run(parser: lexopt::Parser) -> Result<(), String> {
    let [list] = arguments::flags(parser, ["list"])?;
    let page = fs::read_to_string(root().join(PAGE)).map_err(|error| format!("{PAGE}: {error}"))?;
    let mut sources = Sources::new();
    load(&root().join("src"), "", &mut sources)?;
    let imports = imports::read(&sources)?;
    if list {
        for Import { from, to, name } in &imports.all {
            println!("{from} -> {to}: {name}");
        }
    }
    let mut complaints = check(&rows(&page)?, &sources, &imports);
    for folder in OTHERS {
        let mut sources = Sources::new();
        load(&root().join(folder), "", &mut sources)?;
        let imports = imports::read(&sources).map_err(|error| format!("{folder}: {error}"))?;
        let circles = circles(&imports).into_iter();
        complaints.extend(circles.map(|circle| format!("{folder}: {circle}")));
    }
    if !complaints.is_empty() {
        return Err(complaints.join("\n"));
    }
    let pairs: BTreeSet<_> = imports.all.iter().map(|one| (&one.from, &one.to)).collect();
    println!(
        "{} files, {} arrows, all of them downwards",
        sources.len(),
        pairs.len()
    );
    Ok(())
}

/// Reads a folder and its subfolders.
fn load(folder: &Path, prefix: &str, sources: &mut Sources) -> Result<(), String> {
    let wrong = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        let name = format!("{prefix}{stem}");
        if path.is_dir() {
            load(&path, &format!("{name}/"), sources)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            sources.insert(name, fs::read_to_string(&path).map_err(wrong)?);
        }
    }
    Ok(())
}

/// The files of each row, from the top down: what is in backticks in the first
/// column.
fn rows(page: &str) -> Result<Vec<Vec<String>>, String> {
    let (_, after) = page
        .split_once(MARK)
        .ok_or_else(|| format!("{PAGE} has no line {MARK}"))?;
    let table = after.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1))
        .map(|cell| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(String::from)
                .collect()
        })
        .filter(|row: &Vec<String>| !row.is_empty());
    Ok(rows.collect())
}

/// The complaints, one per line.
fn check(rows: &[Vec<String>], sources: &Sources, imports: &imports::Imports) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut layer = HashMap::new();
    for (number, row) in rows.iter().enumerate() {
        for file in row {
            if layer.insert(file.as_str(), number).is_some() {
                complaints.push(format!("{PAGE} lists {file} twice"));
            }
            if !sources.contains_key(file) {
                complaints.push(format!(
                    "{PAGE} lists {file}, and there is no src/{file}.rs"
                ));
            }
        }
    }
    for file in sources.keys() {
        if !imports.tests.contains(file) && !layer.contains_key(file.as_str()) {
            complaints.push(format!("src/{file}.rs has no row in {PAGE}; give it one"));
        }
    }
    complaints.extend(mixed(rows));
    let mut upward: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for import in &imports.all {
        let (from, to) = (import.from.as_str(), import.to.as_str());
        if let (Some(user), Some(used)) = (layer.get(from), layer.get(to))
            && user >= used
        {
            upward.entry((from, to)).or_default().push(&import.name);
        }
    }
    for ((from, to), names) in upward {
        let circle = match way(&imports.all, to, from) {
            Some(way) => format!("\n  a circle: {from} -> {}", way.join(" -> ")),
            None => String::new(),
        };
        complaints.push(format!(
            "src/{from}.rs uses src/{to}.rs ({}), which is not below it in {PAGE}{circle}",
            names.join(", ")
        ));
    }
    complaints
}

/// Adds the folders that contain a file: without them folders, too, use each
/// other in one direction only.
fn mixed(rows: &[Vec<String>]) -> Vec<String> {
    let folder = |file: &String| file.split('/').next().map(String::from);
    let files = || rows.iter().flatten();
    let folders = files().filter(|file| file.contains('/')).filter_map(folder);
    let mut complaints = Vec::new();
    for name in folders.collect::<BTreeSet<_>>() {
        let inside = |file: &String| folder(file).as_ref() == Some(&name);
        let with = |row: &Vec<String>| row.iter().any(inside);
        let (first, last) = (rows.iter().position(with), rows.iter().rposition(with));
        let between = first
            .zip(last)
            .and_then(|(first, last)| rows.get(first + 1..last));
        for file in between.unwrap_or_default().iter().flatten() {
            if !inside(file) {
                complaints.push(format!("{PAGE} lists {file} among the files of {name}/"));
            }
        }
    }
    complaints
}

/// A circle for each two files that are next to each other in one.
fn circles(imports: &imports::Imports) -> BTreeSet<String> {
    let circle = |Import { from, to, .. }: &Import| {
        let way = way(&imports.all, to, from)?;
        Some(format!("a circle: {from} -> {}", way.join(" -> ")))
    };
    imports.all.iter().filter_map(circle).collect()
}

/// The shortest path along the arrows.
fn way<'a>(imports: &'a BTreeSet<Import>, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let last = *way.last()?;
        if last == to {
            return Some(way);
        }
        for import in imports.iter().filter(|import| import.from == last) {
            if seen.insert(&import.to) {
                ways.push_back(way.iter().copied().chain([import.to.as_str()]).collect());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
