//! What the gate of the continuous integration compares: instruction counts,
//! which repeat, and never times.

use std::fmt::Write as _;

use crate::child;

/// The operations, by row and contestant.
const COUNTED: &[(&str, &str)] = &[
    ("read-1", "hyaline"),
    ("read-1", "hyaline single core"),
    ("read-1", "hyaline robust"),
    ("read-1", "hyaline, RcuCell"),
    ("read-1", "hyaline single core, RcuCell"),
    ("read-1", "hyaline robust, RcuCell"),
    ("swap", "hyaline"),
    ("swap", "hyaline single core"),
    ("swap", "hyaline robust"),
    ("swap", "hyaline, RcuCell"),
    ("stack-one", "hyaline, safe"),
    ("queue-one", "hyaline, safe"),
    ("map-one", "hyaline, safe"),
    ("quiescent", "hyaline"),
    ("quiescent", "hyaline robust"),
    ("publish", "hyaline, N = 1"),
];

/// The numbers of slots between which the cost of a slot is computed.
const SLOTS: [u32; 4] = [1, 8, 64, 512];

/// One line per operation: `row contestant: instructions`.
pub fn counts() -> Result<String, String> {
    let mut text = String::new();
    let missing = "callgrind counts nothing: is valgrind installed?";
    let counts = child::all_instructions(COUNTED);
    for ((row, name), count) in COUNTED.iter().zip(counts) {
        let _ = writeln!(text, "{row} {name}: {:.2}", count.ok_or(missing)?);
    }
    for scheme in ["hyaline", "hyaline robust"] {
        let names = SLOTS.map(|slots| format!("{scheme}, N = {slots}"));
        let wide = format!("{scheme}, 64 of N = 1024");
        let which: Vec<_> = (names.iter().chain([&wide]))
            .map(|name| ("publish", name.as_str()))
            .collect();
        let counts = child::all_instructions(&which);
        let ratio = counts[SLOTS.len()].ok_or(missing)? / counts[2].ok_or(missing)?;
        let _ = writeln!(text, "publish {wide}, to N = 64: {ratio:.2}");
        for (slots, counts) in SLOTS.windows(2).zip(counts.windows(2)) {
            let grown = counts[1].ok_or(missing)? - counts[0].ok_or(missing)?;
            let cost = grown / f64::from(slots[1] - slots[0]);
            let _ = writeln!(
                text,
                "slot {scheme}, N = {} to {}: {cost:.2}",
                slots[0], slots[1]
            );
        }
    }
    Ok(text)
}
