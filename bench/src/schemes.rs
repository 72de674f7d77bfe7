//! The contestants.

pub mod counting;
pub mod crossbeam;
pub mod floor;
pub mod haphazard;
pub mod hyaline;
pub mod kovan;
pub mod lock;
mod raw;
pub mod sdd;
pub mod seize;
