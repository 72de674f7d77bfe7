//! Equality and the partial order of a key whose `Ord` calls back, panics or lies.

/// `PartialEq`, `Eq` and `PartialOrd`, by `Ord`.
macro_rules! ordered {
    ($key:ty) => {
        impl PartialEq for $key {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $key {}

        impl PartialOrd for $key {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
    };
}
