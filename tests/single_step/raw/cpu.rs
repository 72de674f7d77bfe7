//! What the contexts of the CPU do, as the task and as interrupts.

use std::{
    mem::forget,
    ptr::{dangling_mut, null_mut},
    sync::atomic::Ordering::*,
};

use hyaline::{reclaim, safe::Domain};

use super::{Canary, PHASES, TICKS, World, kill};

pub fn reads<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    w.look(first);
    let second = guard.protect(&w.second, Acquire);
    w.look(first);
    w.look(second);
}

pub fn nests<D: Domain>(w: &World<D>) {
    let outer = w.cpu().enter();
    let first = outer.protect(&w.first, Acquire);
    let inner = w.cpu().enter();
    drop(outer);
    let second = inner.protect(&w.second, Acquire);
    w.look(first);
    w.look(second);
}

/// Sections whose guards are forgotten.
pub fn leaves_unchecked<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    forget(guard);
    w.look(first);
    // SAFETY: forgotten just now, and `first` is not used any more.
    unsafe { w.cpu().leave_unchecked() };
    forget(w.cpu().enter());
    // SAFETY: the guard takes the place of the one just forgotten.
    let guard = unsafe { w.cpu().make_guard_unchecked() };
    let second = guard.protect(&w.second, Acquire);
    w.look(second);
}

pub fn swaps<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let second = guard.protect(&w.second, Acquire);
    let new = w.make(w.cpu());
    let old = guard.swap(&w.first, new, AcqRel);
    w.defer(&guard, old);
    w.look(second);
}

pub fn exchanges_well<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let seen = guard.protect(&w.first, Acquire);
    let new = w.make(w.cpu());
    match guard.compare_exchange(&w.first, seen, new, AcqRel, Acquire) {
        Ok(old) => w.defer(&guard, old),
        Err(found) => {
            w.look(found);
            w.look(seen);
            // SAFETY: it was not published.
            unsafe { guard.defer_retire(new, kill) };
        }
    }
}

pub fn exchanges_badly<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let wrong = dangling_mut();
    if let Err(found) = guard.compare_exchange(&w.first, wrong, null_mut(), AcqRel, Acquire) {
        w.look(found);
        let second = guard.protect(&w.second, Acquire);
        w.look(second);
        w.look(found);
    }
}

pub fn exchanges_weakly<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let mut seen = dangling_mut();
    loop {
        match guard.compare_exchange_weak(&w.first, seen, null_mut(), AcqRel, Acquire) {
            Ok(old) => {
                w.defer(&guard, old);
                return;
            }
            Err(found) => {
                w.look(found);
                seen = found;
            }
        }
    }
}

/// Without its own section.
pub fn retires<D: Domain>(w: &World<D>) {
    w.put(&w.first, w.cpu(), null_mut());
    w.put(&w.second, w.cpu(), w.make(w.cpu()));
}

pub fn flushes<D: Domain>(w: &World<D>) {
    retires(w);
    w.cpu().flush();
}

/// Publishes its own object, which it reads until the end.
pub fn retires_own<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let own = w.make(w.cpu());
    // SAFETY: not shared yet.
    unsafe { guard.protect_own(own) };
    let old = guard.swap(&w.second, own, AcqRel);
    w.defer(&guard, old);
    w.look(own);
    let unshared = w.make(w.cpu());
    // SAFETY: never shared.
    unsafe { guard.defer_retire(unshared, kill) };
    w.look(unshared);
    w.look(own);
    w.look(old);
}

pub fn links<D: Domain>(w: &World<D>) {
    let object = w.make(w.cpu());
    let _ = w.cpu().stamp();
    // SAFETY: never shared.
    unsafe { w.cpu().retire(object, kill) };
}

pub fn refreshes<D: Domain>(w: &World<D>) {
    let mut guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    w.look(first);
    guard.refresh();
    let second = guard.protect(&w.second, Acquire);
    w.look(second);
    guard.refresh();
    let first = guard.protect(&w.first, Acquire);
    w.look(first);
}

/// A refresh for which a chain waits.
pub fn is_refreshed<D: Domain>(w: &World<D>) {
    let mut guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    w.clear(&w.idle);
    w.idle.collect();
    w.look(first);
    let mut token = w.idle.start_grace_period();
    let over = token.poll(&w.idle);
    w.tokens.keep(0, token);
    if over {
        w.early.fetch_add(1, SeqCst);
    }
    guard.refresh();
    let second = guard.protect(&w.second, Acquire);
    w.look(second);
}

pub fn leaves_with_work<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    w.clear(&w.idle);
    w.idle.collect();
    w.look(first);
    drop(guard);
}

pub fn allocates<D: Domain>(w: &World<D>) {
    if let Ok(object) = w.pool.alloc(w.cpu(), w.canary()) {
        w.look(object);
        // SAFETY: never shared.
        unsafe { w.cpu().retire(object, reclaim::pooled::<Canary>) };
    }
}

/// Frees what it has not shared.
pub fn frees<D: Domain>(w: &World<D>) {
    if let Ok(object) = w.pool.alloc(w.cpu(), w.canary()) {
        w.look(object);
        // SAFETY: never shared, and from this pool.
        unsafe { w.pool.free(object) };
    }
    if w.pool.available() > w.pool.capacity() {
        w.wrong.set("a block is free twice");
    }
}

/// Without its own section.
pub fn retires_pooled<D: Domain>(w: &World<D>) {
    if let Ok(object) = w.pool.alloc(w.cpu(), w.canary()) {
        let old = w.pooled.swap(object, AcqRel);
        if !old.is_null() {
            // SAFETY: unlinked by the swap, and from this pool.
            unsafe { w.pool.retire(w.cpu(), old) };
        }
    }
}

pub fn defers_pooled<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let seen = guard.protect(&w.pooled, Acquire);
    w.look(seen);
    let Ok(object) = w.pool.alloc(w.cpu(), w.canary()) else {
        return w.look(seen);
    };
    let old = guard.swap(&w.pooled, object, AcqRel);
    w.look(old);
    if !old.is_null() {
        // SAFETY: unlinked by the swap, and from this pool.
        unsafe { w.pool.defer_retire(&guard, old) };
        w.look(old);
    }
    w.look(seen);
}

/// Takes what the pool has, and asks for more.
pub fn starves<D: Domain>(w: &World<D>) {
    for _ in 0..3 {
        allocates(w);
    }
}

/// The clock advances, and then the CPU reads.
pub fn ticks<D: Domain>(w: &World<D>) {
    for _ in 0..w.round.get() / 4 / PHASES % TICKS {
        let _ = w.high.link(0);
    }
    reads(w);
}
