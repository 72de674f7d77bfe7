//! Tests that run in several schemes and configurations.

/// Runs each test with each of the collectors:
/// `schemes! { [robust: Robust = config; ...] test<SLOTS>(collector) { body } ... }`.
macro_rules! schemes {
    ($collectors:tt $($name:ident<$n:literal>($collector:ident) $body:block)+) => {$(
        mod $name {
            use super::*;
            fn run<S: Scheme>($collector: Collector<$n, S>) $body
            schemes!($collectors);
        }
    )+};
    ([$($test:ident: $scheme:ty = $config:expr;)*]) => {$(
        #[test]
        fn $test() { run::<$scheme>(Collector::with_config($config)); }
    )*};
}
