//! The library instantiated with types, so that `cargo xtask targets` generates
//! code for it: a library alone is mostly generic.

#![no_std]

use core::{ptr, sync::atomic::Ordering};
use hyaline::{
    AtomicPtr, Collector, Linked, Pool, Scheme, domain, reclaim,
    safe::{self, Domain, Map, Queue, RcuCell, Stack},
};

domain!(App: Collector<4> = Collector::new());
static CELL: RcuCell<u32, 2, App> = RcuCell::new(0);
static MAP: Map<u64, u32, 4, 8, App> = Map::new();
static STACK: Stack<u32, 4, App> = Stack::new();
static QUEUE: Queue<u32, 4, App> = Queue::new();

/// Each structure of the safe layer.
#[unsafe(no_mangle)]
pub extern "C" fn structures(number: u32) -> u32 {
    let Ok(handle) = App::register() else {
        return 0;
    };
    let mut sum = 0;
    _ = CELL.replace(&handle, number);
    _ = MAP.insert(&handle, number.into(), number);
    _ = STACK.push(&handle, number);
    _ = QUEUE.push(&handle, number);
    let guard: safe::Guard<'_, App> = handle.enter();
    sum += CELL.read(&guard);
    sum += MAP.get(&guard, &number.into()).copied().unwrap_or(0);
    drop(guard);
    sum += STACK.pop(&handle).unwrap_or(0);
    sum += QUEUE.pop(&handle).unwrap_or(0);
    handle.flush();
    sum
}

static COLLECTOR: Collector<4> = Collector::new();
static POOL: Pool<u32, 8> = Pool::new();
static CURRENT: AtomicPtr<Linked<u32>> = AtomicPtr::new(ptr::null_mut());

/// The core.
#[unsafe(no_mangle)]
pub extern "C" fn raw(number: u32) -> u32 {
    publish(&COLLECTOR, number)
}

/// The same in robust mode.
#[cfg(any(feature = "robust", not(target_pointer_width = "16")))]
#[unsafe(no_mangle)]
pub extern "C" fn robust(number: u32) -> u32 {
    use hyaline::{Config, Robust};
    static COLLECTOR: Collector<4, Robust> = Collector::with_config(Config::new());
    publish(&COLLECTOR, number)
}

fn publish<S: Scheme>(collector: &Collector<4, S>, number: u32) -> u32 {
    let (Ok(handle), Ok(deferred)) = (collector.register(), collector.register_deferred()) else {
        return 0;
    };
    let Ok(new) = POOL.alloc(&deferred, number) else {
        return 0;
    };
    let guard = handle.enter();
    let old = guard.swap(&CURRENT, new, Ordering::AcqRel);
    if !old.is_null() {
        // SAFETY: the swap unlinked it; it comes from a pool that is a static.
        unsafe { guard.defer_retire(old, reclaim::pooled::<u32>) };
    }
    let current = guard.protect(&CURRENT, Ordering::Acquire);
    // SAFETY: not null, and protected until the guard is dropped.
    let read = unsafe { **current };
    drop(guard);
    handle.synchronize(core::hint::spin_loop).ok();
    deferred.flush();
    read
}
