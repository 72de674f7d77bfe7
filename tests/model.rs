//! Random sequences of public operations, against an oracle. One thread, and
//! the same sequences each time: `PROPTEST_RNG_SEED=N` and `PROPTEST_CASES=N`
//! try others. A failing sequence is minimised, printed, and kept in
//! `tests/model.proptest-regressions`, which is tried first.
//!
//! `cargo xtask fuzz` does the same with a fuzzer instead of random numbers.

#![cfg(not(hyaline_loom))]

#[path = "model/mod.rs"]
mod model;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, FileFailurePersistence, RngSeed},
};

use model::{Op, Setup};

fn config() -> Config {
    // Reads the environment.
    let mut config = Config::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = if cfg!(miri) { 8 } else { 2000 };
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(1);
    }
    // Miri has no files, and a mutant's failure is no regression.
    let keep = !cfg!(miri) && std::env::var_os("PROPTEST_DISABLE_FAILURE_PERSISTENCE").is_none();
    config.failure_persistence = keep.then(|| {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/model.proptest-regressions"
        );
        Box::new(FileFailurePersistence::Direct(path)) as _
    });
    if std::env::var_os("PROPTEST_MAX_SHRINK_ITERS").is_none() {
        config.max_shrink_iters = 100_000;
    }
    config
}

const LONGEST: usize = if cfg!(miri) { 40 } else { 150 };

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sequences(
        setup in any::<u8>().prop_map(Setup::decode),
        ops in vec(any::<[u8; 3]>().prop_map(Op::decode), 0..LONGEST),
    ) {
        model::run(setup, ops);
    }
}
