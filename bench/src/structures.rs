//! Lock-free structures of the Hyaline paper's evaluation and the table of the
//! example `fib`, each written once over [`Scheme`], so that only the scheme
//! differs.

pub mod list;
pub mod map;
pub mod place;
pub mod queue;
pub mod stack;
pub mod trie;

use crate::scheme::{Object, Scheme};

/// The operations of the mixed workloads.
pub trait Structure<S: Scheme>: Sync + Sized + 'static {
    type Node: Object;
    /// Keys are below.
    const KEYS: u64 = 1 << 20;
    /// The number of elements when the time starts.
    const PREFILL: u64;

    fn new(local: &S::Local<'_, Self::Node>) -> Self;
    /// Inserts, pushes, enqueues.
    fn insert(&self, local: &S::Local<'_, Self::Node>, key: u64) -> bool;
    /// Removes, pops, dequeues.
    fn remove(&self, local: &S::Local<'_, Self::Node>, key: u64) -> bool;
    /// Looks up, or peeks.
    fn contains(&self, local: &S::Local<'_, Self::Node>, key: u64) -> bool;
    /// Opens a section that has protected an object, for a reader that stalls.
    fn hold<'l>(&self, local: &'l S::Local<'_, Self::Node>) -> S::Guard<'l, Self::Node>;
}

/// Aligned to cache lines.
#[repr(align(128))]
pub struct Wide<T>(pub T);

#[cfg(test)]
mod tests;
