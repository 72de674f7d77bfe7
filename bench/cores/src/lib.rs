//! Counts the cache lines that move between cores: a model of private caches
//! that the benchmark's program runs on. `cargo xtask cores` builds the program
//! with the compiler's instrumentation for ThreadSanitizer and links it with this
//! library, which has the functions that the instrumentation calls.
//!
//! From the bottom up: [`cost`], [`noise`], [`caches`], `record`, [`lent`], [`machine`],
//! [`heap`], `shims`, `waits`.

pub mod caches;
pub mod cost;
pub mod noise;
mod record;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod call;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod heap;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod lent;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod machine;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod shims;
// Not in tests, whose standard library would call them.
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(test)))]
mod waits;
