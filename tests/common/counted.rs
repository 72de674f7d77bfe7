//! Objects that count their drops.
#![allow(dead_code)] // each file of tests uses a part

use std::sync::atomic::{AtomicUsize, Ordering};

use hyaline::{Handle, Linked, Reclaimer, Role, Scheme, reclaim};

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
