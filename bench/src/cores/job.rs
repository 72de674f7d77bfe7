//! What a row is made of.

/// What the threads of a run do.
pub struct Job {
    /// The class of each thread: what it counts for.
    pub classes: Vec<u8>,
    /// What the thread of this number does until it is not resumed any more.
    pub work: Box<dyn Fn(usize) + Sync>,
}

/// The classes.
pub const READER: u8 = 0;
pub const WRITER: u8 = 1;

/// A contestant in a row.
pub struct Entry {
    pub row: &'static str,
    pub name: &'static str,
    /// Prepares it for a number of threads; `None` if the row has none for it.
    pub make: fn(usize) -> Option<Job>,
}

/// Operations of a class before counting, and counted, for each thread.
#[derive(Clone, Copy)]
pub struct Effort {
    pub warm: u64,
    pub operations: u64,
    /// Accesses at most.
    pub budget: u64,
    pub seed: u64,
}
