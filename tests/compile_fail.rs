//! What must not compile, with the compiler's reason.

#![cfg(not(any(hyaline_loom, miri)))]

#[test]
fn does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
    if cfg!(feature = "critical-section") {
        cases.compile_fail("tests/compile_fail/critical_section/*.rs");
    }
}
