//! hyaline and its peers on the same work.

pub mod child;
#[cfg(feature = "cores")]
pub mod cores;
pub mod distance;
pub mod gate;
pub mod growth;
pub mod machine;
pub mod memory;
pub mod order;
pub mod plot;
pub mod random;
pub mod report;
pub mod rows;
pub mod runner;
pub mod scheme;
pub mod schemes;
pub mod shelf;
pub mod structures;
