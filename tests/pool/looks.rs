//! An allocation is refused only after a last look at the pool, whatever the
//! barrier is and whatever thread reclaims.

use core::{
    cell::Cell,
    sync::atomic::{Ordering, fence},
};

use hyaline::{Barrier, Basic, CollectorView, Link, Nested, Role};

use super::*;

/// A pair of fences. A heavy barrier takes so long that another handle collects.
#[derive(Clone, Copy)]
struct Slow<const IN_INTERRUPTS: bool>;

thread_local! {
    /// What the other handle does in the next heavy barrier.
    static MEANWHILE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

// SAFETY: both are SeqCst fences.
unsafe impl<const IN_INTERRUPTS: bool> Barrier for Slow<IN_INTERRUPTS> {
    const HEAVY_IN_INTERRUPTS: bool = IN_INTERRUPTS;

    fn light() {
        fence(Ordering::SeqCst);
    }

    fn heavy() {
        fence(Ordering::SeqCst);
        if let Some(other) = MEANWHILE.take() {
            other();
        }
        fence(Ordering::SeqCst);
    }
}

/// The only block is left over, and another handle reclaims its object while the
/// allocation is in its heavy barrier.
fn freed_meanwhile<R: Role>(
    collector: &'static CollectorView<Basic<Slow<true>>>,
    handle: &Handle<'_, Basic<Slow<true>>, R>,
) {
    static POOL: Pool<u32, 1> = Pool::new();
    static OTHERS: Pool<Vec<u32>, 1> = Pool::new();
    let eager = collector.register().unwrap();
    let reader = collector.register_deferred().unwrap();
    let guard = reader.enter();
    let object = POOL.alloc(&eager, 1).unwrap();
    // SAFETY: never shared; from a pool that is a static.
    unsafe { POOL.defer_retire(&eager.enter(), object) };
    drop(guard);
    assert_eq!(eager.collect_at_most(0), 0);
    assert_eq!(POOL.available(), 0);
    // Something to publish, so that the call executes the barrier.
    let other = OTHERS.alloc(handle, vec![1]).unwrap();
    // SAFETY: never shared; from a pool that is a static.
    unsafe { OTHERS.retire(handle, other) };
    MEANWHILE.set(Some(Box::new(move || {
        eager.collect();
    })));
    let found = POOL.alloc(handle, 2);
    assert!(MEANWHILE.take().is_none(), "no barrier");
    // SAFETY: from this pool, and not shared.
    unsafe { POOL.free(found.expect("a free block")) };
}

#[test]
fn a_refusal_checks_last() {
    static C: Collector<4, Basic<Slow<true>>> = Collector::with_config(Config::new().barrier(Slow));
    freed_meanwhile(&C, &C.register_deferred().unwrap());
    let cpu = C.register_per_cpu().unwrap();
    // SAFETY: one context.
    freed_meanwhile::<Nested>(&C, unsafe { cpu.get() });
}

/// An eager handle that allocates in its own reclaimer finds the same blocks
/// with each barrier.
#[test]
fn a_barrier_changes_no_answer() {
    fn run<const IN_INTERRUPTS: bool>() {
        static POOL: Pool<u32, 8> = Pool::new();
        thread_local! {
            static HANDLE: Cell<*const ()> = const { Cell::new(ptr::null()) };
            static FOUND: Cell<bool> = const { Cell::new(false) };
        }
        unsafe fn allocates<const IN_INTERRUPTS: bool>(_: *mut Link) {
            let handle = HANDLE
                .get()
                .cast::<Handle<'_, Basic<Slow<IN_INTERRUPTS>>>>();
            // SAFETY: the handle of this test, which is there.
            let found = POOL.alloc(unsafe { &*handle }, 9);
            FOUND.set(found.is_ok());
            if let Ok(object) = found {
                // SAFETY: from this pool, and not shared.
                unsafe { POOL.free(object) };
            }
        }
        let collector =
            Collector::<1, _>::with_config(Config::new().barrier(Slow::<IN_INTERRUPTS>));
        let collector: &CollectorView<Basic<_>> = &collector;
        let handle = collector.register().unwrap();
        HANDLE.set(ptr::from_ref(&handle).cast());
        let mut last = Link::new();
        let objects = array::from_fn::<_, 8, _>(|_| POOL.alloc(&handle, 7).unwrap());
        // SAFETY: never shared; from a pool that is a static. It is not published
        // yet, as two objects are a quarter of the pool.
        unsafe { POOL.defer_retire(&handle.enter(), objects[0]) };
        // SAFETY: it is retired once, and reclaimed in this call.
        unsafe { handle.retire(&raw mut last, allocates::<IN_INTERRUPTS>) };
        assert!(FOUND.get(), "in interrupts: {IN_INTERRUPTS}");
        for object in &objects[1..] {
            // SAFETY: from this pool, and not shared.
            unsafe { POOL.free(*object) };
        }
    }
    run::<true>();
    run::<false>();
}
