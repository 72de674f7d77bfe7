//! `defmt::Format` for firmware logs. Shows the same as `Debug`.

use ::defmt::{Format, Formatter, write};

use crate::{
    Callback, Collector, CollectorView, Guard, Handle, Link, Linked, OwnedGuard, PerCpu, Pool,
    PoolExhausted, Role, Scheme,
};

impl<const N: usize, S: Scheme> Format for Collector<N, S> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Collector {{ capacity: {=usize} }}", N);
    }
}

impl<S: Scheme> Format for CollectorView<S> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "CollectorView {{ capacity: {=usize} }}", self.capacity());
    }
}

impl<S: Scheme, R: Role> Format for Handle<'_, S, R> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Handle {{ slot: {=usize} }}", self.slot());
    }
}

impl<S: Scheme, R: Role> Format for Guard<'_, S, R> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Guard {{ slot: {=usize} }}", self.slot());
    }
}

impl<S: Scheme, R: Role> Format for OwnedGuard<'_, S, R> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "OwnedGuard {{ slot: {=usize} }}", self.slot());
    }
}

impl<S: Scheme> Format for PerCpu<'_, S> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "PerCpu {{ slot: {=usize} }}", self.slot());
    }
}

impl<T, const K: usize> Format for Pool<T, K> {
    fn format(&self, f: Formatter<'_>) {
        let available = self.available();
        write!(
            f,
            "Pool {{ capacity: {=usize}, available: {=usize} }}",
            K, available
        );
    }
}

impl<T> Format for PoolExhausted<T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "PoolExhausted");
    }
}

impl Format for Link {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Link");
    }
}

impl<T: Format> Format for Linked<T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{}", **self);
    }
}

impl Format for Callback {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Callback");
    }
}
