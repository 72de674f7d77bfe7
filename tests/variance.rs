//! Variance, auto traits, and what the drop uses, of every public generic type, from
//! one table: a crate is generated with a function for each property, and the compiler
//! reports which of them compile.

#![cfg(not(any(hyaline_loom, miri)))]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the value parameters of a type must be for an auto trait.
#[derive(Clone, Copy, PartialEq)]
enum If {
    /// It never has the trait.
    Never,
    /// Anything.
    Always,
    Send,
    Sync,
    Both,
}

impl If {
    fn holds(self, send: bool, sync: bool) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Send => send,
            Self::Sync => sync,
            Self::Both => send && sync,
        }
    }
}

/// Type, when it is `Send`, when it is `Sync`.
///
/// Parameters are in brackets: `'x` lifetimes, `D` domains, `S` schemes, `B`
/// barriers, `R` roles, all others values. `+` is covariant, `=` invariant; `!`: what it
/// refers to must live when the type is dropped.
#[rustfmt::skip]
const TABLE: &[(&str, If, If)] = &[
    ("Basic<[B+]>", If::Always, If::Always),
    ("Robust<[B+]>", If::Always, If::Always),
    ("Config<[B+]>", If::Always, If::Always),
    ("Collector<2, [S=]>", If::Always, If::Always),
    ("CollectorView<[S=]>", If::Always, If::Always),
    ("Handle<['c+!], [S=], [R]>", If::Always, If::Never),
    ("Guard<['h+!], [S=], [R]>", If::Never, If::Never),
    ("PerCpu<['c+!], [S=]>", If::Always, If::Always),
    ("OwnedGuard<['c+!], [S=], [R]>", If::Always, If::Never),
    ("Linked<[T+!]>", If::Send, If::Sync),
    ("Pool<[T=], 4>", If::Send, If::Send),
    ("PoolExhausted<[T+!]>", If::Send, If::Sync),
    ("safe::Handle<[D=], [R]>", If::Always, If::Never),
    ("safe::Guard<['h+!], [D=], [R]>", If::Never, If::Never),
    ("safe::PerCpu<[D=]>", If::Always, If::Always),
    ("safe::OwnedGuard<[D=], [R]>", If::Always, If::Never),
    ("safe::HandleCell<[D=]>", If::Always, If::Always),
    ("safe::CollectorRef<[T+!]>", If::Sync, If::Sync),
    ("safe::RcuCell<[T=!], 4, [D=]>", If::Both, If::Both),
    ("safe::RcuCell<[T=!], 0, [D=], safe::Heap>", If::Both, If::Both),
    ("safe::Stack<[T=!], 4, [D=]>", If::Send, If::Send),
    ("safe::Stack<[T=!], 4, [D=], safe::SharedPool>", If::Send, If::Send),
    ("safe::Stack<[T=!], 0, [D=], safe::Heap>", If::Send, If::Send),
    ("safe::Queue<[T=!], 4, [D=]>", If::Send, If::Send),
    ("safe::Queue<[T=!], 4, [D=], safe::SharedPool>", If::Send, If::Send),
    ("safe::Queue<[T=!], 0, [D=], safe::Heap>", If::Send, If::Send),
    ("safe::BlockQueue<[T=!], 4, 4, [D=]>", If::Send, If::Send),
    ("safe::BlockQueue<[T=!], 4, 4, [D=], safe::SharedPool>", If::Send, If::Send),
    ("safe::BlockQueue<[T=!], 4, 0, [D=], safe::Heap>", If::Send, If::Send),
    ("safe::Map<[K=!], [V=!], 4, 8, [D=]>", If::Both, If::Both),
    ("safe::Map<[K=!], [V=!], 4, 8, [D=], safe::SharedPool>", If::Both, If::Both),
    ("safe::Map<[K=!], [V=!], 4, 0, [D=], safe::Heap>", If::Both, If::Both),
    ("safe::Iter<['g+], [K=!], [V=!], [D=], [R]>", If::Never, If::Never),
    ("safe::Ref<['h+!], [T+!], [D=], [R]>", If::Never, If::Never),
    ("safe::Values<['g+], [T=!], [D=], [R]>", If::Never, If::Never),
    ("safe::Node<[T=]>", If::Send, If::Sync),
    ("safe::Segment<[T=], 4>", If::Send, If::Never),
    ("safe::MapNode<[K=], [V=]>", If::Send, If::Sync),
    ("safe::HashMap<[K=!], [V=!], std::hash::RandomState, [D=]>", If::Both, If::Both),
    ("safe::HashMap<u8, u8, [H+!], [D=]>", If::Send, If::Sync),
    ("safe::ArcCell<[T=!], [D=]>", If::Both, If::Both),
    ("safe::Atomic<[T=], [D=]>", If::Both, If::Both),
    ("safe::Atomic<[T=], [D=], safe::Heap>", If::Both, If::Both),
    ("safe::Owned<[T+!], [D=]>", If::Send, If::Sync),
    ("safe::Owned<[T+!], [D=], safe::Heap>", If::Send, If::Sync),
    ("safe::Shared<['g+], [T=], [D=]>", If::Never, If::Never),
    ("safe::Changed<['g+], [T=], [D=], [P+!]>", If::Never, If::Never),
    ("safe::Full<[T+!]>", If::Send, If::Sync),
    ("safe::Refused<[T+!]>", If::Send, If::Sync),
];

/// The beginning of both generated files. `Sub` is a subtype of `Sup`, and each
/// has its own domain and barrier.
const PRELUDE: &str = "\
#![allow(dead_code, unused_imports, coherence_leak_check)]
use core::{cell::Cell, marker::PhantomData};
use hyaline::{Barrier, Collector, Config, Robust, safe::{CollectorRef, Domain}};
type Sub = for<'x> fn(&'x u8);
type Sup = fn(&'static u8);
struct Good;
struct OnlySend(Cell<()>);
struct OnlySync(PhantomData<std::sync::MutexGuard<'static, ()>>);
struct Neither(*mut ());
struct Last<'x>(&'x u8);
impl Drop for Last<'_> { fn drop(&mut self) { std::hint::black_box(*self.0); } }
struct Dom<T>(PhantomData<T>);
struct RobustDom<T>(PhantomData<T>);
struct Bar<T>(PhantomData<T>);
impl<T> Clone for Bar<T> { fn clone(&self) -> Self { *self } }
impl<T> Copy for Bar<T> {}
macro_rules! names { ($($t:ty)*) => { $(
    impl Domain for Dom<$t> {
        type Collector = Collector<2>;
        const COLLECTOR: CollectorRef<Collector<2>> =
            { static C: Collector<2> = Collector::new(); CollectorRef::new(&C) };
    }
    impl Domain for RobustDom<$t> {
        type Collector = Collector<2, Robust>;
        const COLLECTOR: CollectorRef<Collector<2, Robust>> =
            { static C: Collector<2, Robust> = Collector::with_config(Config::new()); CollectorRef::new(&C) };
    }
    unsafe impl Barrier for Bar<$t> {
        fn light() { core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst) }
        fn heavy() { core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst) }
    }
)* } }
names!(Sub Sup);
fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn main() {}
";

/// A parameter of a type, as in the table.
#[derive(Clone, Copy, PartialEq)]
struct Parameter<'t> {
    name: &'t str,
    /// `+`, `=`, or nothing for a role.
    variance: Option<char>,
    dropped: bool,
}

impl Parameter<'_> {
    /// What replaces it, for a variant of the schemes and domains that are made
    /// with `inner`.
    fn filled(self, robust: bool, inner: &str) -> String {
        match (self.name, robust) {
            ("D", false) => format!("Dom<{inner}>"),
            ("D", true) => format!("RobustDom<{inner}>"),
            ("S", false) => format!("hyaline::Basic<Bar<{inner}>>"),
            ("S", true) => format!("hyaline::Robust<Bar<{inner}>>"),
            ("B", _) => format!("Bar<{inner}>"),
            _ => inner.to_string(),
        }
    }

    fn is_value(self) -> bool {
        !self.is_lifetime() && !["D", "S", "B", "R"].contains(&self.name)
    }

    fn is_lifetime(self) -> bool {
        self.name.starts_with('\'')
    }
}

fn parameters(of: &str) -> Vec<Parameter<'_>> {
    of.split('[')
        .skip(1)
        .map(|rest| {
            let inside = rest.split(']').next().unwrap();
            let name = inside.trim_end_matches(['+', '=', '!']);
            let variance = inside[name.len()..].chars().next();
            let dropped = inside.ends_with('!');
            Parameter {
                name,
                variance,
                dropped,
            }
        })
        .collect()
}

/// A type, with something in place of each parameter.
fn instance(of: &str, fill: impl Fn(Parameter<'_>) -> String) -> String {
    let mut text = of.replace("safe::", "hyaline::safe::");
    if !text.starts_with("hyaline::") {
        text.insert_str(0, "hyaline::");
    }
    for parameter in parameters(of) {
        let from = text.find('[').unwrap();
        let to = text.find(']').unwrap();
        text.replace_range(from..=to, &fill(parameter));
    }
    // It is unsized; a box has its properties.
    if of.starts_with("CollectorView<") {
        return format!("Box<{text}>");
    }
    text
}

/// A parameter that does not matter.
fn plain(parameter: Parameter<'_>, robust: bool) -> String {
    match parameter.name {
        name if name.starts_with('\'') => String::from("'static"),
        "D" | "S" | "B" => parameter.filled(robust, "Sub"),
        "R" => String::from("hyaline::Eager"),
        _ => String::from("Good"),
    }
}

/// A generated file: for each line whether it compiles, or the reason why not.
struct Cases {
    text: String,
    expected: BTreeMap<usize, Option<&'static str>>,
}

impl Cases {
    fn new() -> Self {
        let text = String::from(PRELUDE);
        let expected = BTreeMap::new();
        Self { text, expected }
    }

    fn add(&mut self, function: &str, fails: Option<&'static str>) {
        let line = self.text.lines().count() + 1;
        writeln!(self.text, "fn f{line}{function}").unwrap();
        self.expected.insert(line, fails);
    }
}

/// `Send`, `Sync` and `Unpin`.
fn auto_traits() -> Cases {
    const VALUES: [(&str, bool, bool); 4] = [
        ("Good", true, true),
        ("OnlySend", true, false),
        ("OnlySync", false, true),
        ("Neither", false, false),
    ];
    let mut cases = Cases::new();
    for &(of, send, sync) in TABLE {
        let all = parameters(of);
        let roles: &[&str] = match all.iter().any(|parameter| parameter.name == "R") {
            true => &["Eager", "Deferred", "Nested"],
            false => &["Eager"],
        };
        let values: Vec<_> = all.iter().filter(|p| p.is_value()).collect();
        // Each value parameter in turn, or a type without any.
        for turn in 0..values.len().max(1) {
            let kinds = if values.is_empty() { 1 } else { VALUES.len() };
            for (value, is_send, is_sync) in &VALUES[..kinds] {
                for (role, robust) in roles.iter().flat_map(|r| [(r, false), (r, true)]) {
                    let fill = |parameter: Parameter<'_>| match parameter.name {
                        "R" => format!("hyaline::{role}"),
                        name if values.get(turn).is_some_and(|p| p.name == name) => {
                            String::from(*value)
                        }
                        _ => plain(parameter, robust),
                    };
                    let text = instance(of, fill);
                    // Send or shared: of the part that lacks it.
                    let why = "between threads safely";
                    let fails = |rule: If| (!rule.holds(*is_send, *is_sync)).then_some(why);
                    cases.add(&format!("() {{ send::<{text}>() }}"), fails(send));
                    cases.add(&format!("() {{ sync::<{text}>() }}"), fails(sync));
                    cases.add(&format!("() {{ unpin::<{text}>() }}"), None);
                }
            }
        }
    }
    cases
}

/// Each parameter, in both directions.
fn variances() -> Cases {
    let mut cases = Cases::new();
    for &(of, ..) in TABLE {
        for (parameter, robust) in
            (parameters(of).into_iter()).flat_map(|p| [(p, false), (p, true)])
        {
            let Some(variance) = parameter.variance else {
                continue;
            };
            let with = |inner: &str| {
                instance(of, |other| match other == parameter {
                    true => parameter.filled(robust, inner),
                    false => plain(other, robust),
                })
            };
            let (generics, sub, sup, why) = match parameter.is_lifetime() {
                true => (
                    "<'s, 'l: 's>",
                    "'l",
                    "'s",
                    "lifetime may not live long enough",
                ),
                false => ("", "Sub", "Sup", "mismatched types"),
            };
            let (sub, sup) = (with(sub), with(sup));
            let mut convert = |from: &str, to: &str, fails| {
                cases.add(&format!("{generics}(x: {from}) -> {to} {{ x }}"), fails);
            };
            convert(&sub, &sub, None);
            convert(&sub, &sup, (variance == '=').then_some(why));
            convert(&sup, &sub, Some(why));
        }
    }
    cases
}

/// Each lifetime, and each value that uses one when it is dropped, in a variable that is dropped after what it refers
/// to.
fn drops() -> Cases {
    let mut cases = Cases::new();
    for &(of, ..) in TABLE {
        for parameter in parameters(of) {
            if !parameter.is_lifetime() && !parameter.is_value() {
                continue;
            }
            let text = instance(of, |other| match (other == parameter, other.is_value()) {
                (true, false) => String::from("'x"),
                (true, true) => String::from("Last<'x>"),
                (false, _) if other.is_lifetime() => String::from("'x"),
                _ => plain(other, true),
            });
            let why = parameter.dropped.then_some("does not live long enough");
            let body = "let x; let owner = 0; x = make(&owner);";
            let make = format!("fn make<'x>(_: &'x u8) -> {text} {{ loop {{}} }}");
            cases.add(&format!("() {{ {make} {body} }}"), why);
        }
    }
    cases
}

/// Compiles a file in a crate that depends on this one, and compares.
fn check(name: &str, cases: &Cases) {
    let root = env!("CARGO_MANIFEST_DIR");
    let krate = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(krate.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\nhyaline = {{ path = {root:?}, features = [\"alloc\", \"critical-section\"] }}\n[workspace]\n"
    );
    fs::write(krate.join("Cargo.toml"), manifest).unwrap();
    // The locked versions, so that nothing is downloaded.
    let lock = Path::new(root).join("Cargo.lock");
    if lock.exists() {
        fs::copy(lock, krate.join("Cargo.lock")).unwrap();
    }
    fs::write(krate.join("src/main.rs"), &cases.text).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--message-format=short"])
        .current_dir(&krate)
        .env("CARGO_TARGET_DIR", krate.join("target"))
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let mut errors = BTreeMap::new();
    for message in said.lines().filter(|line| line.contains(": error")) {
        let line = message
            .strip_prefix("src/main.rs:")
            .and_then(|rest| rest.split(':').next()?.parse().ok());
        let line: usize = line.unwrap_or_else(|| panic!("{said}"));
        errors.insert(line, message.to_string());
    }
    assert!(
        errors.len() > 10,
        "the compiler did not get that far: {said}"
    );
    let mut wrong = String::new();
    for (line, text) in (1..).zip(cases.text.lines()) {
        let error = errors.get(&line);
        let right = match cases.expected.get(&line) {
            Some(Some(why)) => error.is_some_and(|error| error.contains(why)),
            _ => error.is_none(),
        };
        if !right {
            let said = error.map_or("compiles", |error| error);
            writeln!(wrong, "{text}\n    {said}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "not as in the table:\n{wrong}");
}

#[test]
fn auto_traits_are_as_in_the_table() {
    check("auto-traits", &auto_traits());
}

#[test]
fn variances_are_as_in_the_table() {
    check("variances", &variances());
}

#[test]
fn drops_are_as_in_the_table() {
    check("drops", &drops());
}

fn sources(of: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(of).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

/// A public generic type without a row is reported here.
#[test]
fn every_generic_type_has_a_row() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    let (mut missing, mut found) = (Vec::new(), 0);
    for file in files {
        let inside = file.strip_prefix(&source).unwrap();
        if inside.starts_with("raw") || inside.starts_with("sync") {
            continue; // not reachable from outside, and the words of models
        }
        let module = if inside.starts_with("safe") {
            "safe::"
        } else {
            ""
        };
        for line in fs::read_to_string(&file).unwrap().lines() {
            let declared = ["pub struct ", "pub enum ", "pub union "]
                .iter()
                .find_map(|keyword| line.strip_prefix(keyword)?.split_once('<'));
            let Some((name, _)) = declared else { continue };
            found += 1;
            let begin = format!("{module}{name}<");
            if !TABLE.iter().any(|(of, ..)| of.starts_with(&begin)) {
                missing.push(begin);
            }
        }
    }
    assert!(found > 20, "the sources are not where they were");
    assert!(missing.is_empty(), "no row in the table: {missing:?}");
}
