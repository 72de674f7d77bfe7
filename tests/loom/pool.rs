//! The pool: a block goes from hand to hand.

use hyaline::{Basic, Collector, Pool};
use loom::{cell::UnsafeCell, thread};

use super::model;

/// Two threads use the one block of a pool, never both at a time, and each
/// sees what the other did to it.
#[test]
fn block_changes_hands() {
    model(|| {
        let collector: &'static Collector<2, Basic> = Box::leak(Box::new(Collector::new()));
        let pool: &'static Pool<UnsafeCell<u32>, 1> = Box::leak(Box::new(Pool::new()));
        let handles = [collector.register().unwrap(), collector.register().unwrap()];
        let threads = handles.map(|handle| {
            thread::spawn(move || {
                if let Ok(object) = pool.alloc(&handle, UnsafeCell::new(1)) {
                    // SAFETY: the object is ours; loom checks it.
                    unsafe { &*object }.with_mut(|value| unsafe { *value += 1 });
                    // SAFETY: it was never shared.
                    unsafe { pool.free(object) };
                }
                handle
            })
        });
        let handles = threads.map(|thread| thread.join().unwrap());
        assert_eq!(pool.available(), 1);
        drop(handles);
        // SAFETY: all threads are joined.
        unsafe {
            drop(Box::from_raw(std::ptr::from_ref(collector).cast_mut()));
            drop(Box::from_raw(std::ptr::from_ref(pool).cast_mut()));
        }
    });
}
