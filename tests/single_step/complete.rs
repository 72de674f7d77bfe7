//! That no operation is missing: each public method is called by a task, or a
//! line says why not.

#[path = "operations.rs"]
mod operations;

use std::{collections::BTreeSet, fs, path::Path};

use super::{World, cells, lists, maps, raw, sweeps};
use operations::{NOT_STEPPED, STEPPED};

/// The tasks and the source of a world.
fn world(name: &str) -> (Vec<&'static str>, String) {
    fn tasks<W: World>() -> Vec<&'static str> {
        W::TASKS.iter().map(|task| task.name).collect()
    }
    match name {
        "raw" => (
            tasks::<raw::World<sweeps::raw::InBasic>>(),
            [
                include_str!("raw/cpu.rs"),
                include_str!("raw/grace.rs"),
                include_str!("raw/lives.rs"),
                include_str!("raw/others.rs"),
                include_str!("raw.rs"),
            ]
            .concat(),
        ),
        "cells" => (
            tasks::<cells::World<sweeps::cells::InBasic>>(),
            [include_str!("safe/cells.rs"), include_str!("safe/own.rs")].concat(),
        ),
        "lists" => (
            tasks::<lists::World<sweeps::lists::InBasic>>(),
            include_str!("safe/lists.rs").into(),
        ),
        "maps" => (
            tasks::<maps::World<sweeps::maps::InBasic>>(),
            [include_str!("safe/maps.rs"), include_str!("safe/hash.rs")].concat(),
        ),
        _ => panic!("no world is called {name}"),
    }
}

/// Whether the source calls a function of this name.
fn calls(source: &str, name: &str) -> bool {
    source.match_indices(name).any(|(at, _)| {
        let before = source[..at].chars().next_back();
        let word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !word && source[at + name.len()..].starts_with('(')
    })
}

/// The source of a function, and of those of the world that it calls.
fn source_of(task: &str, world: &str) -> String {
    let functions: Vec<(&str, &str)> = world
        .split("fn ")
        .skip(1)
        .filter_map(|text| Some((text.split(['<', '(']).next()?, text.split_once('{')?.1)))
        // What surrounds a task.
        .filter(|(name, _)| !["new", "prepare", "close", "check"].contains(name))
        .collect();
    let mut source = String::new();
    let mut names = vec![task];
    while let Some(name) = names.pop() {
        for (_, body) in functions.iter().filter(|(found, _)| *found == name) {
            let more = functions.iter().map(|(name, _)| *name);
            names.extend(more.filter(|name| calls(body, name) && !calls(&source, name)));
            source += body;
        }
    }
    source
}

/// The public methods, except those that every type has. None in an archive of
/// the crate alone.
fn api() -> Option<BTreeSet<String>> {
    const OF_TRAITS: [&str; 9] = [
        "fmt",
        "format",
        "clone",
        "eq",
        "hash",
        "default",
        "from",
        "deref",
        "deref_mut",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("xtask");
    if !root.exists() {
        return None;
    }
    let text = fs::read_to_string(root.join("public-api.txt")).unwrap();
    let mut methods = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("pub ")) {
        let Some((_, path)) = line.split_once("fn hyaline::") else {
            continue;
        };
        let (mut name, mut depth) = (String::new(), 0);
        for c in path.chars() {
            match c {
                '<' => depth += 1,
                '>' => depth -= 1,
                '(' if depth == 0 => break,
                c if depth == 0 => name.push(c),
                _ => {}
            }
        }
        let method = name.rsplit("::").next().unwrap();
        if !OF_TRAITS.contains(&method) {
            methods.insert(name);
        }
    }
    Some(methods)
}

#[test]
fn every_operation_is_stepped() {
    let Some(api) = api() else { return };
    assert!(
        api.len() > 200,
        "the list of the API is read: {}",
        api.len()
    );
    let mut wrong = Vec::new();
    let mut stepped = BTreeSet::new();
    for (of, name, methods) in STEPPED {
        let (tasks, source) = world(name);
        for (method, task) in *methods {
            let path = format!("{of}::{method}");
            if !api.contains(&path) {
                wrong.push(format!("{path} is stepped, and not in the API"));
            }
            if !tasks.contains(task) || !calls(&source_of(task, &source), method) {
                wrong.push(format!("{path} is not called by a task {task} of {name}"));
            }
            if !stepped.insert(path.clone()) {
                wrong.push(format!("{path} has two lines"));
            }
        }
    }
    let mut used = BTreeSet::new();
    for path in api.difference(&stepped) {
        let of = path.rsplit_once("::").map(|(of, _)| of);
        let reason = NOT_STEPPED
            .iter()
            .find(|(name, _)| name == path || Some(*name) == of);
        match reason {
            Some((name, _)) => _ = used.insert(*name),
            None => wrong.push(format!("{path} is called by no task, and no line says why")),
        }
    }
    for (name, _) in NOT_STEPPED.iter().filter(|(name, _)| !used.contains(name)) {
        wrong.push(format!("{name} is not stepped, and not in the API"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
