//! `defmt::Format` for firmware logs. Shows the same as `Debug`.

use ::defmt::{Format, Formatter, write};

use crate::{
    Callback, Collector, CollectorView, Guard, Handle, Link, Linked, OwnedGuard, PerCpu, Pool,
    PoolExhausted, Role, Scheme,
    safe::{self, Changed, Domain, Full, Origin, Refused},
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

impl<D: Domain, R: Role> Format for safe::Handle<D, R> {
    fn format(&self, f: Formatter<'_>) {
        (**self).format(f);
    }
}

impl<D: Domain, R: Role> Format for safe::Guard<'_, D, R> {
    fn format(&self, f: Formatter<'_>) {
        (**self).format(f);
    }
}

impl<D: Domain, R: Role> Format for safe::OwnedGuard<D, R> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "OwnedGuard {{ slot: {=usize} }}", self.slot());
    }
}

impl<D: Domain> Format for safe::PerCpu<D> {
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

impl<T> Format for Full<T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Full");
    }
}

impl<T> Format for Refused<T> {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Full(_) => write!(f, "Full(..)"),
            Self::Mismatch(_) => write!(f, "Mismatch(..)"),
        }
    }
}

impl<T, D: Domain, N, P: Origin> Format for Changed<'_, T, D, N, P> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Changed");
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

/// All errors have it. (`safe_docs::every_error_is_shown_by_defmt` compares the list.)
#[allow(dead_code)] // it compiles
fn errors<D: Domain>() {
    fn shown<E: core::error::Error + Format>() {}
    #[cfg(feature = "std")]
    shown::<crate::BarrierRefused>();
    shown::<crate::Busy>();
    shown::<Changed<'_, (), D, ()>>();
    shown::<Full<()>>();
    #[cfg(feature = "critical-section")]
    shown::<safe::HandleUnavailable>();
    shown::<crate::MemoryError>();
    shown::<crate::NotTheOwner>();
    shown::<PoolExhausted<()>>();
    shown::<Refused<()>>();
    shown::<crate::SlotsExhausted>();
    shown::<crate::WouldDeadlock>();
}
