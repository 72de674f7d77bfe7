//! One object that is replaced: the rows over a shelf, for the rows about
//! memory.

use super::Structure;
use crate::scheme::{Scheme, make};

pub struct Place<S: Scheme> {
    cell: S::Cell<u64>,
}

impl<S: Scheme> Structure<S> for Place<S> {
    type Node = u64;
    const PREFILL: u64 = 0;

    fn new(local: &S::Local<'_, u64>) -> Self {
        let (_guard, first) = make::<S, _>(local, || 0);
        Self {
            cell: S::cell(first),
        }
    }

    fn insert(&self, local: &S::Local<'_, u64>, value: u64) -> bool {
        let (guard, new) = make::<S, _>(local, || value);
        let old = S::swap(&guard, &self.cell, new);
        // SAFETY: the swap unlinked it.
        unsafe { S::retire(&guard, old) };
        true
    }

    fn remove(&self, local: &S::Local<'_, u64>, value: u64) -> bool {
        self.insert(local, value)
    }

    fn contains(&self, local: &S::Local<'_, u64>, _: u64) -> bool {
        let guard = S::enter(local);
        !S::is_null(S::protect(&guard, 0, &self.cell))
    }

    fn hold<'l>(&self, local: &'l S::Local<'_, u64>) -> S::Guard<'l, u64> {
        let guard = S::enter(local);
        S::protect(&guard, 0, &self.cell);
        guard
    }
}
