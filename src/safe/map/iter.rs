//! Iteration.

use core::fmt;

use super::{
    super::{Domain, Guard, Origin, OwnPool},
    list::List,
};
use crate::{Eager, Role};

/// The keys of a [`Map`](super::Map) with their values; made by
/// [`Map::iter`](super::Map::iter) and [`Map::iter_after`](super::Map::iter_after).
///
/// It keeps the last key, not a place in the list, which may be gone: the next
/// step looks for the first greater key. So it is right in robust mode, and
/// yields no key twice.
///
/// A key whose `Ord` contradicts itself may make it yield keys again, without
/// an end.
///
/// ```
/// use hyaline::{Collector, domain, safe::{Domain, Map}};
///
/// domain!(App: Collector<2> = Collector::new());
/// static NAMES: Map<u32, &str, 4, 8, App> = Map::new();
///
/// let handle = App::register()?;
/// NAMES.insert(&handle, 1, "one")?;
/// for (number, name) in NAMES.iter(&handle.enter()) {
///     assert_eq!((*number, *name), (1, "one"));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Iter<'g, K: 'static, V: 'static, D: Domain, R: Role = Eager, P: Origin = OwnPool> {
    /// The buckets that are left; the first is being walked.
    buckets: &'static [List<K, V, P>],
    guard: &'g Guard<'g, D, R>,
    /// The last key that the first bucket yielded, or the one to begin after.
    last: Option<&'g K>,
}

impl<'g, K: 'static, V: 'static, D: Domain, R: Role, P: Origin> Iter<'g, K, V, D, R, P> {
    pub(super) fn new(
        buckets: &'static [List<K, V, P>],
        guard: &'g Guard<'_, D, R>,
        last: Option<&'g K>,
    ) -> Self {
        Self {
            buckets,
            guard,
            last,
        }
    }
}

impl<'g, K, V, D, R, P> Iterator for Iter<'g, K, V, D, R, P>
where
    K: Ord + Send + 'static,
    V: Send + 'static,
    D: Domain,
    R: Role,
    P: Origin,
{
    type Item = (&'g K, &'g V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (bucket, others) = self.buckets.split_first()?;
            if let Some((key, value)) = bucket.after(self.guard, self.last) {
                self.last = Some(key);
                return Some((key, value));
            }
            self.buckets = others;
            self.last = None;
        }
    }
}

impl<K, V, D, R, P> fmt::Debug for Iter<'_, K, V, D, R, P>
where
    K: 'static,
    V: 'static,
    D: Domain,
    R: Role,
    P: Origin,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}
