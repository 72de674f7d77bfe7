//! Michael's hash map: an array of lists.

use super::{
    Structure,
    list::{List, Node},
};
use crate::scheme::Scheme;

pub struct Map<S: Scheme> {
    buckets: Box<[List<S>]>,
}

impl<S: Scheme> Map<S> {
    fn bucket(&self, key: u64) -> &List<S> {
        // Fibonacci hashing.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        &self.buckets[hash as usize % self.buckets.len()]
    }
}

impl<S: Scheme> Structure<S> for Map<S> {
    type Node = Node<S>;
    const KEYS: u64 = 20_000;
    const PREFILL: u64 = 10_000;

    fn new(_: &S::Local<'_, Node<S>>) -> Self {
        Self {
            buckets: (0..8192).map(|_| List::empty()).collect(),
        }
    }

    fn insert(&self, local: &S::Local<'_, Node<S>>, key: u64) -> bool {
        self.bucket(key).insert(local, key)
    }

    fn remove(&self, local: &S::Local<'_, Node<S>>, key: u64) -> bool {
        self.bucket(key).remove(local, key)
    }

    fn contains(&self, local: &S::Local<'_, Node<S>>, key: u64) -> bool {
        self.bucket(key).contains(local, key)
    }
    fn hold<'l>(&self, local: &'l S::Local<'_, Node<S>>) -> S::Guard<'l, Node<S>> {
        self.buckets[0].hold(local)
    }
}
