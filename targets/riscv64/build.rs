//! Chooses the memory map of the mode; memory.x must come before riscv-rt's
//! script.

use std::{env, fs, path::PathBuf};

fn main() {
    // OpenSBI occupies the first 2 MiB of the memory.
    let s_mode = env::var_os("CARGO_FEATURE_S_MODE").is_some();
    let origin = if s_mode { "0x80200000" } else { "0x80000000" };
    let regions = ["TEXT", "RODATA", "DATA", "BSS", "HEAP", "STACK"]
        .map(|region| format!("REGION_ALIAS(\"REGION_{region}\", RAM);\n"))
        .concat();
    let script = format!(
        "MEMORY\n{{\n  RAM : ORIGIN = {origin}, LENGTH = 16M\n}}\n{regions}\
         _max_hart_id = 3;\n_hart_stack_size = 64K;\n"
    );
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("memory.x"), script).expect("write memory.x");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg=-Tmemory.x");
    println!("cargo:rustc-link-arg=-Tlink.x");
    println!("cargo:rerun-if-changed=build.rs");
}
