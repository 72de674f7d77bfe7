//! What must not compile, with the compiler's reason.

#![cfg(not(any(hyaline_loom, miri)))]

#[test]
fn does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
