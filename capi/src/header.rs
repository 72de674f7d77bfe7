//! Checks that `hyaline.h` matches the library.

use std::{
    collections::BTreeSet,
    ffi::CStr,
    format,
    string::{String, ToString},
    vec::Vec,
};

use core::ffi::{c_char, c_int, c_void};

use hyaline::Link;

use crate::{signature::Declared, types::*, *};

const HEADER: &str = include_str!("../hyaline.h");
const GUARANTEES: &str = include_str!("../../docs/guarantees.md");

/// The header without comments, with single spaces.
fn code() -> String {
    let mut text = String::new();
    let mut rest = HEADER;
    while let Some((before, after)) = rest.split_once("/*") {
        text.push_str(before);
        rest = after.split_once("*/").expect("comments end").1;
    }
    text.push_str(rest);
    text
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The statements that end in a semicolon, outside of braces.
fn declarations() -> Vec<String> {
    let code = code();
    let lines = code.lines().filter(|line| !line.starts_with('#'));
    let (mut depth, mut found, mut current) = (0, Vec::new(), String::new());
    for byte in lines.flat_map(|line| line.chars().chain([' '])) {
        match byte {
            // The brace of `extern "C"`, whose contents count as outside.
            '{' if current.contains("extern") => current.clear(),
            '}' if depth == 0 => current.clear(),
            '{' | '}' => {
                depth += if byte == '{' { 1 } else { -1 };
                current.push(byte);
                // The end of an inline function; a type continues to a
                // semicolon.
                if depth == 0 && current.contains("static inline") {
                    current.clear();
                }
            }
            ';' if depth == 0 => found.push(squeeze(&core::mem::take(&mut current))),
            other => current.push(other),
        }
    }
    found
}

/// Those of functions.
fn prototypes() -> BTreeSet<String> {
    let all = declarations().into_iter();
    all.filter(|text| !text.contains('{') && !text.starts_with("typedef"))
        .collect()
}

/// The functions that exist once, as C declares them.
fn common() -> Vec<String> {
    macro_rules! declare {
        ($($name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
            std::vec![$({
                #[allow(clippy::useless_conversion)]
                let function: unsafe extern "C" fn($($type),*) $(-> $result)? = $name;
                function.declaration(stringify!($name), &[$(stringify!($argument)),*])
            }),*]
        };
    }
    declare! {
        hyaline_error(result: c_int) -> *const c_char;
        hyaline_load(place: *const Place) -> *mut c_void;
        hyaline_store(place: *mut Place, object: *mut c_void);
        hyaline_pool_size(block: usize, blocks: usize) -> usize;
        hyaline_pool_init(pool: *mut core::mem::MaybeUninit<Pool>, memory: *mut c_void, bytes: usize, block: usize, blocks: usize) -> c_int;
        hyaline_pool_free(object: *mut c_void);
        hyaline_pool_reclaim(link: *mut Link);
        hyaline_pool_available(pool: *const Pool) -> usize;
    }
}

#[test]
fn declares_what_there_is() {
    let mut there: BTreeSet<String> = common().into_iter().collect();
    let kinds = [
        basic::declarations(),
        robust::declarations(),
        single::declarations(),
        robust_single::declarations(),
    ];
    there.extend(kinds.into_iter().flatten());
    #[cfg(feature = "platform-barrier")]
    there.extend([platform::declarations(), robust_platform::declarations()].concat());
    // The program defines the hooks; only this file has their types.
    let hooks = [
        "void hyaline_platform_panic(const char *message, size_t length)",
        "void hyaline_platform_heavy(void)",
    ];
    there.extend(hooks.map(String::from));
    let declared = prototypes();
    let missing: Vec<_> = there.difference(&declared).collect();
    let wrong: Vec<_> = declared.difference(&there).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "the library has {missing:#?}, the header {wrong:#?}"
    );
    assert!(declared.len() > 40, "the header has another form");
}

/// The value of a `#define`.
fn defined(name: &str) -> i64 {
    let line = HEADER
        .lines()
        .find_map(|line| line.strip_prefix(&format!("#define {name} ")));
    let value = line.expect(name).trim_matches(['(', ')']);
    match value.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).expect(name),
        None => value.parse().expect(name),
    }
}

#[test]
fn constants_agree() {
    for (name, value) in [
        ("OK", OK),
        ("NO_SLOT", NO_SLOT),
        ("BUSY", BUSY),
        ("WOULD_DEADLOCK", WOULD_DEADLOCK),
        ("NOT_EAGER", NOT_EAGER),
        ("NOT_THE_OWNER", NOT_THE_OWNER),
        ("BAD_MEMORY", BAD_MEMORY),
        ("BAD_ARGUMENT", BAD_ARGUMENT),
        ("WRONG_HEADER", WRONG_HEADER),
        ("NOT_BUILT", NOT_BUILT),
    ] {
        assert_eq!(
            defined(&format!("HYALINE_{name}")),
            i64::from(value),
            "{name}"
        );
        // SAFETY: a terminated string.
        let text = unsafe { CStr::from_ptr(hyaline_error(value)) };
        assert!(
            !text.to_str().unwrap().starts_with("not a result"),
            "{name}"
        );
    }
    assert_eq!(defined("HYALINE_SLOT"), SLOT as i64);
    let is_number = |line: &&str| {
        let value = line.split_once(' ').map_or("", |(_, value)| value);
        value
            .trim_matches(['(', ')', '-'])
            .starts_with(|first: char| first.is_ascii_digit())
    };
    let lines = HEADER
        .lines()
        .filter_map(|line| line.strip_prefix("#define "));
    // And the header's number.
    assert_eq!(
        lines.filter(is_number).count(),
        12,
        "a constant that is not compared"
    );
}

/// The number changes with the declarations: FNV-1a of 31 bits.
#[test]
fn the_number_is_of_these_declarations() {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in squeeze(&declarations().concat()).bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    let hash = (hash >> 33) as i64;
    let (header, library) = (defined("HYALINE_ABI"), ABI as i64);
    assert_eq!(
        (header, library),
        (hash, hash),
        "put {hash:#x} into hyaline.h and capi/src/lib.rs"
    );
}

/// A cell of a table without its links and code marks.
fn plain(cell: &str) -> String {
    cell.replace(['`', '[', ']'], "").trim().to_string()
}

/// Each `As CALL: …` repeats the page's row of the call.
#[test]
fn contexts_are_those_of_the_page() {
    let rows: Vec<Vec<String>> = GUARANTEES
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| call "))
        .map(|line| line.trim_matches('|').split(" | ").map(plain).collect())
        .filter(|row: &Vec<_>| row.len() == 10)
        .collect();
    let mut checked = 0;
    for claim in HEADER.split("   As ").skip(1) {
        let claim = squeeze(claim.split(['\n']).next().unwrap()).replace(" */", "");
        let (call, says) = claim.split_once(": ").expect("call: contexts");
        let row = rows.iter().find(|row| {
            let calls = &row[0];
            calls.starts_with(call)
                && !calls[call.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
                || calls.contains(&format!(", {call}"))
        });
        let row = row.unwrap_or_else(|| panic!("the page has no {call}"));
        let [_, progress, _, reclaimers, irq, nmi, masked, ..] = &row[..] else {
            panic!("{row:?}");
        };
        let page =
            format!("{progress}; irq {irq}, NMI {nmi}, masked {masked}; reclaimers {reclaimers}.");
        assert_eq!(says, page, "of {call}");
        checked += 1;
    }
    assert!(checked > 40, "only {checked}: the header has another form");
}

/// The comment before each function tells in which contexts it may be called.
#[test]
fn each_function_has_contexts() {
    let mut without = Vec::new();
    for block in HEADER.split("/*").skip(1) {
        let (comment, code) = block.split_once("*/").expect("comments end");
        let says = ["As ", "context", "Called by"]
            .iter()
            .any(|word| comment.contains(word));
        // What follows the comment's own function has no comment.
        let mut functions = code.lines().filter(|line| line.ends_with(");"));
        without.extend(functions.by_ref().take(usize::from(!says)));
        without.extend(functions.skip(usize::from(says)));
    }
    without.retain(|line| !line.starts_with(['\t', ' ']) && !line.starts_with("typedef"));
    assert!(without.is_empty(), "no contexts: {without:#?}");
}

/// The types, as a C compiler lays them out for this machine. For other targets
/// `types` checks the sizes in words.
#[test]
fn layouts_agree() {
    use crate::kinds::schemes::Basic;
    use core::mem::offset_of;
    use std::{env, fmt::Write, path::Path, process::Command};

    let mut ours = String::new();
    macro_rules! layout {
        ($($c:ident = $type:ty { $($field:ident: $of:ty),* };)*) => {$(
            let (size, align) = (size_of::<$type>(), align_of::<$type>());
            writeln!(ours, "{}: {size} bytes, aligned to {align}", stringify!($c)).unwrap();
            $(
                let (size, at) = (size_of::<$of>(), offset_of!($type, $field));
                writeln!(ours, "{}.{}: {size} bytes at {at}", stringify!($c), stringify!($field))
                    .unwrap();
            )*
        )*};
    }
    layout! {
        hyaline_link = Link {};
        hyaline_atomic = Place {};
        hyaline_config = Config { batch: usize, era_step: usize };
        hyaline_id = Id {};
        hyaline_token = CToken {};
        hyaline_callback = Callback {
            link: Link, state: State, function: Option<Function>, argument: *mut c_void
        };
        hyaline_slot_state = CSlotState {
            slot: usize, owner: Id, guards: usize, age: u64, claimed: bool, waiting: bool
        };
        hyaline_stats = CStats { retired: usize, reclaimed: usize, peak: usize };
        hyaline_pool = Pool {};
        hyaline_collector = Collector<Basic> {};
        hyaline_handle = Handle<Basic> {};
        hyaline_robust_platform_collector = Collector<Basic> {};
        hyaline_robust_platform_handle = Handle<Basic> {};
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = env::temp_dir().join(format!("hyaline-layout-{}", std::process::id()));
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-o"])
        .arg(&program)
        .arg(root.join("c/layout.c"));
    let compiled = cc.status().expect("a machine that links Rust has a cc");
    assert!(compiled.success());
    let theirs = Command::new(&program).output().unwrap();
    std::fs::remove_file(&program).unwrap();
    assert_eq!(String::from_utf8(theirs.stdout).unwrap(), ours);
}

/// A program defines it; here, for the tests to link.
#[cfg(feature = "platform-barrier")]
#[unsafe(no_mangle)]
extern "C" fn hyaline_platform_heavy() {}
