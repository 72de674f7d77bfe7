//! Objects that count their drops.

#[path = "../common/counted.rs"]
mod counted;

use std::sync::atomic::AtomicUsize;

pub use counted::{Counted, Object, boxed, count, object};
use hyaline::{Collector, Guard, Handle, Role, Scheme};

/// Retires a new object that was never shared; it still has to wait.
pub fn retire_one<S: Scheme, R: Role>(
    handle: &Handle<'_, S, R>,
    guard: &Guard<'_, S, R>,
    drops: &AtomicUsize,
) {
    // SAFETY: never shared, and from a `Box`.
    unsafe { guard.defer_retire(object(handle, drops), boxed()) };
}

/// The number of guards that are open in a slot.
pub fn guards<const N: usize, S: Scheme>(collector: &Collector<N, S>, slot: usize) -> usize {
    collector.slots().nth(slot).expect("a slot").guards
}
