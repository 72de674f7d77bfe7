//! The sequences of `tests/model.rs`, chosen by a fuzzer: the first byte is the
//! setup, and each following three bytes are an operation.
//!
//! With `SHOW` in the environment the sequence is printed first:
//! `cargo xtask fuzz --show FILE`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/model/mod.rs"]
mod model;

use model::{Op, Setup};

fuzz_target!(|bytes: &[u8]| {
    let Some((setup, rest)) = bytes.split_first() else {
        return;
    };
    let setup = Setup::decode(*setup);
    let ops = rest.as_chunks().0.iter().map(|bytes| Op::decode(*bytes));
    if std::env::var_os("SHOW").is_some() {
        eprintln!("{setup:#?}\n{:#?}", ops.clone().collect::<Vec<_>>());
    }
    model::run(setup, ops);
});
