//! Broken crates, and the complaints about them.

use super::{MARK, check, circles, imports, rows};

/// The complaints about a crate of these files and a page with these rows.
fn complaints(files: &[(&str, &str)], order: &[&str]) -> Vec<String> {
    let own = |(name, text): &(&str, &str)| (name.to_string(), text.to_string());
    let sources = files.iter().map(own).collect();
    let mut page = format!("# Page\n\n{MARK}\n\n| file | what |\n|---|---|\n");
    for row in order {
        page += &format!("| {row} | ignored, `too` |\n");
    }
    page += "\n| `other` | table |\n";
    let imports = imports::read(&sources).unwrap();
    check(&rows(&page).unwrap(), &sources, &imports)
}

#[track_caller]
fn fine(files: &[(&str, &str)], order: &[&str]) {
    assert_eq!(complaints(files, order), [""; 0]);
}

#[track_caller]
fn wrong(files: &[(&str, &str)], order: &[&str], what: &[&str]) {
    let found = complaints(files, order);
    assert_eq!(found.len(), what.len(), "{found:#?}");
    for (found, what) in found.iter().zip(what) {
        assert!(found.contains(what), "{found}");
    }
}

const AB: &str = "mod a; mod b; pub use a::A;";

#[test]
fn an_arrow_upwards() {
    let files = [
        ("lib", AB),
        ("a", "pub struct A;"),
        ("b", "use crate::a::A;"),
    ];
    fine(&files, &["`lib`", "`b`", "`a`"]);
    wrong(
        &files,
        &["`lib`", "`a`", "`b`"],
        &["src/b.rs uses src/a.rs (crate::a::A)"],
    );
    // Neither in one row.
    wrong(&files, &["`lib`", "`a` `b`"], &["src/b.rs uses src/a.rs"]);
}

#[test]
fn through_what_lib_exports() {
    let files = [("lib", AB), ("a", "pub struct A;"), ("b", "use crate::A;")];
    wrong(
        &files,
        &["`lib`", "`a`", "`b`"],
        &["src/b.rs uses src/a.rs (crate::A)"],
    );
    // A use of an exported name is not a use of the exporting file.
    fine(&files, &["`b`", "`a`", "`lib`"]);
    let globs = [("lib", "mod a; mod b; pub use a::*;"), files[1], files[2]];
    wrong(
        &globs,
        &["`lib`", "`a`", "`b`"],
        &["src/b.rs uses src/a.rs"],
    );
}

#[test]
fn a_circle_is_shown() {
    let files = [
        ("lib", "mod a; mod b; mod c;"),
        ("a", "use crate::b::B; pub struct A(B);"),
        ("b", "use super::c; pub struct B(c::C);"),
        ("c", "pub struct C; fn f() { let _ = crate::a::A; }"),
    ];
    let what = ["a circle: c -> a -> b -> c"];
    wrong(&files, &["`lib`", "`a`", "`b`", "`c`"], &what);
}

#[test]
fn paths_in_bodies_and_macros() {
    for body in [
        "fn f() { crate::a::g(); }",
        "fn f() -> crate::a::A { panic!() }",
        "use crate::a as other; fn f() { other::g(); }",
        "mod inner { fn f() { super::super::a::g(); } }",
        "make! { fn f() { crate::a::g() } }",
        "macro_rules! m { () => { $crate::a::g() } }",
        "fn f() { assert!(x(crate::a::A)); }",
        "#[cfg(not(test))] use crate::a;",
        "impl crate::a::T for () {}",
    ] {
        let files = [
            ("lib", "mod a; mod b;"),
            ("a", "pub struct A; pub trait T {} pub fn g() {}"),
            ("b", body),
        ];
        fine(&files, &["`lib`", "`b`", "`a`"]);
        wrong(
            &files,
            &["`lib`", "`a`", "`b`"],
            &["src/b.rs uses src/a.rs"],
        );
    }
}

#[test]
fn what_does_not_count() {
    for body in [
        "/// [`A`](crate::a::A)\nstruct B;",
        "//! [`crate::a`]",
        "#[cfg(test)] mod tests { use crate::a::A; }",
        "#[cfg(all(test, not(loom)))] use crate::a::A;",
        "#[cfg(test)] fn f() { crate::a::A; }",
        "use core::cell::Cell; fn a() { let a = 1; a; }",
        "pub(in crate::b) struct B;",
        "make! { pub(crate) fn f() { pub(super) fn g() {} } }",
    ] {
        let files = [
            ("lib", "mod a; mod b;"),
            ("a", "pub struct A;"),
            ("b", body),
        ];
        fine(&files, &["`lib`", "`a`", "`b`"]);
    }
}

#[test]
fn circles_of_a_library_without_a_table() {
    let circles = |files: &[(&str, &str)]| {
        let own = |(name, text): &(&str, &str)| (name.to_string(), text.to_string());
        circles(&imports::read(&files.iter().map(own).collect()).unwrap())
    };
    let down = [
        ("lib", AB),
        ("a", "use crate::b::B; pub struct A;"),
        ("b", "pub struct B;"),
    ];
    assert!(circles(&down).is_empty());
    let mut back = down;
    back[2].1 = "pub struct B; fn f() { crate::f(); }";
    back[0].1 = "mod a; mod b; pub use a::A; use b::B; fn f() {}";
    let expected = ["a circle: b -> lib -> b", "a circle: lib -> b -> lib"];
    assert!(
        circles(&back).iter().eq(expected.iter()),
        "{:?}",
        circles(&back)
    );
}

/// `impl` blocks of a type in several files: the call names no path.
#[test]
fn methods_in_other_files() {
    let files = [
        ("lib", "mod a; mod b; mod c;"),
        ("a", "pub struct A; impl A { pub fn new() -> A { A } }"),
        ("b", "use crate::a::A; impl A { pub fn far(&self) {} }"),
        ("c", "use crate::a::A; fn f(a: &A) { a.far(); }"),
    ];
    fine(&files, &["`lib`", "`c`", "`b`", "`a`"]);
    wrong(
        &files,
        &["`lib`", "`b`", "`c`", "`a`"],
        &["src/c.rs uses src/b.rs (.far())"],
    );
    // A name of two methods is ambiguous.
    let mut two = files;
    two[1].1 = "pub struct A; pub struct B; impl B { pub fn far(&self) {} }";
    fine(&two, &["`lib`", "`b`", "`c`", "`a`"]);
}

#[test]
fn files_chosen_by_cfg() {
    let chosen = "#[cfg(x)] #[path = \"a/one.rs\"] mod word; #[cfg(not(x))] #[path = \"a/two.rs\"] mod word; use word::W;";
    let files = [
        ("lib", "mod a;"),
        ("a", chosen),
        ("a/one", "pub struct W;"),
        ("a/two", "pub struct W;"),
    ];
    fine(&files, &["`lib`", "`a`", "`a/one` `a/two`"]);
    wrong(
        &files,
        &["`lib`", "`a/two`", "`a`", "`a/one`"],
        &["src/a.rs uses src/a/two.rs"],
    );
}

#[test]
fn the_page_and_the_files_differ() {
    let files = [("lib", "mod a; #[cfg(test)] mod t;"), ("a", ""), ("t", "")];
    fine(&files, &["`lib`", "`a`"]);
    wrong(&files, &["`lib`"], &["src/a.rs has no row"]);
    wrong(&files, &["`lib`", "`a`", "`b`"], &["there is no src/b.rs"]);
    wrong(&files, &["`lib`", "`a`", "`a`"], &["lists a twice"]);
    let files = [
        ("lib", "mod a; mod b;"),
        ("a", "mod x; mod y;"),
        ("a/x", ""),
        ("a/y", ""),
        ("b", ""),
    ];
    fine(&files, &["`lib`", "`a` `b`", "`a/x`", "`a/y`"]);
    wrong(
        &files,
        &["`lib`", "`a`", "`a/x` `b`", "`a/y`"],
        &["lists b among the files of a/"],
    );
    assert!(rows("# Page").is_err());
    let missing = [("lib".to_string(), "mod a;".to_string())].into();
    assert!(imports::read(&missing).is_err_and(|error| error.contains("src/a.rs")));
}
