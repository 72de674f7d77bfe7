//! The pool: a block goes from hand to hand.

use hyaline::{Basic, Collector, Pool};
use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::model;

/// Two threads use the one block of a pool, never both at a time, and each
/// sees what the other did as its owner.
#[test]
fn block_changes_hands() {
    model(|| {
        let collector: &'static Collector<2, Basic> = Box::leak(Box::new(Collector::new()));
        let pool: &'static Pool<u32, 1> = Box::leak(Box::new(Pool::new()));
        let (one, two) = (collector.register().unwrap(), collector.register().unwrap());
        // Accessed by the block's owner: loom reports two that nothing orders.
        let owned = Arc::new(UnsafeCell::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let other = {
            let (owned, done) = (owned.clone(), done.clone());
            thread::spawn(move || {
                if let Ok(object) = pool.alloc(&one, 1) {
                    // SAFETY: the block is ours; loom checks it.
                    owned.with_mut(|times| unsafe { *times += 1 });
                    // SAFETY: it was never shared.
                    unsafe { pool.free(object) };
                }
                // Relaxed: it orders nothing.
                done.store(true, Ordering::Relaxed);
                one
            })
        };
        let mut again = true;
        while again {
            // The last time is after the other's end, without synchronising.
            // Loom would not get there by itself: it does not try an order of
            // two threads if the later access was preceded by a load of the
            // same thread, as here by the look at the block's state.
            again = !done.load(Ordering::Relaxed);
            if let Ok(object) = pool.alloc(&two, 2) {
                // SAFETY: as above.
                owned.with_mut(|times| unsafe { *times += 1 });
                // SAFETY: it was never shared.
                unsafe { pool.free(object) };
            }
            thread::yield_now();
        }
        let one = other.join().unwrap();
        assert_eq!(pool.available(), 1);
        drop((one, two));
        // SAFETY: all threads are joined.
        unsafe {
            drop(Box::from_raw(std::ptr::from_ref(collector).cast_mut()));
            drop(Box::from_raw(std::ptr::from_ref(pool).cast_mut()));
        }
    });
}
