//! An allocation is refused only after a last look at the pool, whatever the
//! barrier is and whatever thread reclaims.

use core::{
    cell::Cell,
    sync::atomic::{Ordering, fence},
};
use std::{collections::VecDeque, rc::Rc};

use hyaline::{Barrier, Basic, CollectorView, Link, Nested, Role};

use super::*;

/// A pair of fences. A heavy barrier takes so long that another handle collects.
#[derive(Clone, Copy)]
struct Slow<const IN_INTERRUPTS: bool>;

type Action = Box<dyn FnOnce()>;

thread_local! {
    /// What other handles do in the next heavy barriers; their own are none of these.
    static MEANWHILE: Cell<VecDeque<Action>> = const { Cell::new(VecDeque::new()) };
}

fn meanwhile<const BARRIERS: usize>(actions: [Action; BARRIERS]) {
    MEANWHILE.set(actions.into());
}

// SAFETY: both are SeqCst fences.
unsafe impl<const IN_INTERRUPTS: bool> Barrier for Slow<IN_INTERRUPTS> {
    const HEAVY_IN_INTERRUPTS: bool = IN_INTERRUPTS;

    fn light() {
        fence(Ordering::SeqCst);
    }

    fn heavy() {
        fence(Ordering::SeqCst);
        let mut actions = MEANWHILE.take();
        if let Some(action) = actions.pop_front() {
            action();
        }
        MEANWHILE.set(actions);
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
    meanwhile([Box::new(move || {
        eager.collect();
    })]);
    let found = POOL.alloc(handle, 2);
    assert!(MEANWHILE.take().is_empty(), "no barrier");
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

/// The only free block moves between magazines and the pool, past each look of an
/// allocation. Whenever it looks a block is free, and no call but it is under way.
#[test]
#[cfg_attr(not(target_pointer_width = "64"), ignore = "handles keep no blocks")]
fn a_block_that_leaves_a_magazine_is_found() {
    type Two = Pool<u32, 64>; // of which a handle keeps two
    static C: Collector<5, Basic<Slow<true>>> = Collector::with_config(Config::new().barrier(Slow));
    static POOL: Two = Pool::new();
    static OTHERS: Two = Pool::new();
    let collector: &'static CollectorView<Basic<Slow<true>>> = &C;
    let [caller, first, second, third, taker] = array::from_fn(|_| collector.register().unwrap());
    // A handle keeps blocks of the pool that it allocated from last.
    let mut objects: Vec<_> = (0..64)
        .map(|number| {
            POOL.alloc([&second, &third, &taker][number % 3], 7)
                .unwrap()
        })
        .collect();
    let (block, next) = (objects.pop().unwrap(), objects.pop().unwrap());
    // One of the other pool, so that each look at the magazines executes a barrier.
    let other = OTHERS.alloc(&first, 7).unwrap();
    // SAFETY: never shared; from pools that are statics.
    unsafe {
        OTHERS.retire(&first, other);
        POOL.retire(&second, block);
    }
    assert_eq!(POOL.available(), 0);
    // Something to publish, so that the caller's flush executes a barrier.
    let waits = OTHERS.alloc(&caller, 7).unwrap();
    // SAFETY: never shared; from a pool that is a static.
    unsafe { OTHERS.defer_retire(&caller.enter(), waits) };
    let third = Rc::new(third);
    let again = third.clone();
    meanwhile([
        // The first look at magazines: the block goes to the pool.
        Box::new(move || {
            OTHERS.alloc(&second, 7).unwrap();
            assert_eq!(POOL.available(), 1);
        }),
        // The flush: another one goes to a magazine, and that in the pool is taken.
        Box::new(move || {
            // SAFETY: never shared; from a pool that is a static.
            unsafe { POOL.retire(&third, next) };
            POOL.alloc(&taker, 7).unwrap();
            assert_eq!(POOL.available(), 0);
        }),
        // The second look at magazines.
        Box::new(move || {
            OTHERS.alloc(&again, 7).unwrap();
            assert_eq!(POOL.available(), 1);
        }),
    ]);
    assert!(POOL.alloc(&caller, 7).is_ok(), "refused");
    MEANWHILE.take();
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
