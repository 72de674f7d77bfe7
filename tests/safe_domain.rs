//! `domain!` and the names around it.

#![cfg(not(hyaline_loom))]
#![forbid(unsafe_code)]

use hyaline::{Config, Robust, domain, safe::Domain};

/// Names that the macro might use internally are free for its caller.
mod names {
    use super::*;

    const COLLECTOR: Config = Config::new().batch::<2>();
    type Collector = hyaline::Collector<2, Robust>;
    domain!(pub Named: Collector = Collector::with_config(COLLECTOR));

    // Two in one module do not conflict.
    domain!(pub First: hyaline::Collector<1> = hyaline::Collector::new());
    domain!(pub Second: hyaline::Collector<1> = hyaline::Collector::new());
}

#[test]
fn the_expression_sees_the_callers_names() {
    assert_eq!(names::Named::COLLECTOR.capacity(), 2);
    assert!(names::Named::register().is_ok());
}

#[test]
fn a_domain_in_a_function_sees_what_is_there() {
    const COLLECTOR: Config = Config::new().batch::<2>();
    domain!(Local: hyaline::Collector<3> = hyaline::Collector::with_config(COLLECTOR));
    assert_eq!(Local::COLLECTOR.capacity(), 3);
}

#[test]
fn each_domain_has_a_collector_of_its_own() {
    let first = names::First::register().unwrap();
    assert!(names::First::register().is_err());
    assert!(names::Second::register().is_ok());
    assert_eq!(
        format!("{:?} {:?}", names::First, first),
        "First Handle { slot: 0, .. }"
    );
}
