//! Chooses the memory map of the board that the cargo feature names.

use std::{env, fs, path::PathBuf};

const BOARDS: [&str; 4] = ["microbit", "lm3s6965evb", "mps2-an386", "mps2-an505"];

fn main() {
    let feature = |board: &&&str| {
        let name = board.replace('-', "_").to_uppercase();
        env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
    };
    let board = BOARDS
        .iter()
        .find(feature)
        .expect("choose a board with --features microbit | lm3s6965evb | mps2-an386 | mps2-an505");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::copy(format!("boards/{board}.x"), out.join("memory.x")).expect("copy memory.x");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg=-Tlink.x");
    println!("cargo:rustc-link-arg=--nmagic");
    println!("cargo:rerun-if-changed=boards");
}
