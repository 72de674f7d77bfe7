//! Objects that count their drops.

use std::sync::atomic::{AtomicUsize, Ordering};

use hyaline::{Collector, Guard, Handle, Linked, Reclaimer, Role, Scheme, reclaim};

pub struct Counted<'a>(pub &'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub type Object<'a> = Linked<Counted<'a>>;

pub fn object<'a, S: Scheme, R: Role>(
    handle: &Handle<'_, S, R>,
    drops: &'a AtomicUsize,
) -> *mut Object<'a> {
    Box::into_raw(Box::new(handle.link(Counted(drops))))
}

pub fn boxed() -> Reclaimer {
    reclaim::boxed::<Object<'_>>
}

pub fn count(drops: &AtomicUsize) -> usize {
    drops.load(Ordering::SeqCst)
}

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
