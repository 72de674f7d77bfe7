//! Compiles the kernel and the tasks with a C compiler for the target.

use std::{env, fs, path::PathBuf};

fn main() {
    let get = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    // From the build script of freertos-next.
    let kernel = PathBuf::from(get("DEP_FREERTOS_KERNEL"));
    let ports = kernel.join("portable/GCC");
    let (compiler, board, port, chip, files) = match get("CARGO_CFG_TARGET_ARCH").as_str() {
        "arm" => (
            "arm-none-eabi-gcc",
            "mps2-an385",
            "ARM_CM3",
            "",
            vec!["port.c"],
        ),
        "riscv32" => (
            "riscv64-unknown-elf-gcc",
            "virt",
            "RISC-V",
            "chip_specific_extensions/RISCV_MTIME_CLINT_no_extensions",
            vec!["port.c", "portASM.S"],
        ),
        other => panic!("no port of FreeRTOS is chosen here for {other}"),
    };
    let port = ports.join(port);

    let mut kernel_build = cc::Build::new();
    kernel_build
        .compiler(compiler)
        .std("gnu11")
        .flag("-ffreestanding")
        .include("c")
        .include("c/libc")
        .include(kernel.join("include"))
        .include(&port)
        .include(port.join(chip));
    if board == "virt" {
        // GCC 12 asks for the CSR instructions by name.
        kernel_build.flag("-march=rv32imac_zicsr");
    }
    let mut tasks = kernel_build.clone();
    kernel_build
        .files(["tasks.c", "list.c", "portable/MemMang/heap_4.c"].map(|file| kernel.join(file)))
        .files(files.iter().map(|file| port.join(file)))
        .warnings(false)
        .compile("freertos_kernel");
    tasks
        .include("../../capi")
        .file("c/test.c")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .compile("freertos_tasks");

    let out = PathBuf::from(get("OUT_DIR"));
    fs::copy(format!("boards/{board}.x"), out.join("memory.x")).expect("copy memory.x");
    println!("cargo:rustc-link-search={}", out.display());
    if board == "virt" {
        // It must come before riscv-rt's script.
        println!("cargo:rustc-link-arg=-Tmemory.x");
    }
    println!("cargo:rustc-link-arg=-Tlink.x");
    println!("cargo:rustc-link-arg=--nmagic");
    for changed in ["boards", "c", "../../capi/hyaline.h"] {
        println!("cargo:rerun-if-changed={changed}");
    }
}
