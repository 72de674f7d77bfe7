//! Link arguments: no start-up code and no memory map, because the image is
//! never run.

fn main() {
    println!("cargo:rustc-link-arg=-e_start");
    println!("cargo:rustc-link-arg=--gc-sections");
}
