//! Handles that are registered, erased, released and evicted, and sections that
//! own them. All but the first handle of the CPU have one user.

use std::{mem::forget, ptr::null_mut, sync::atomic::Ordering::*};

use hyaline::{AtomicPtr, Handle, NotTheOwner, OwnedGuard, Role, safe::Domain};

use super::{SchemeOf, World, kill};

/// Reads, and unlinks and retires with the handle.
fn works<D: Domain, R: Role>(w: &World<D>, handle: &Handle<'_, SchemeOf<D>, R>) {
    let guard = handle.enter();
    let first = guard.protect(&w.first, Acquire);
    let old = guard.swap(&w.second, w.make(handle), AcqRel);
    w.defer(&guard, old);
    w.look(first);
}

/// Registers, works, and leaves what it retired behind.
pub fn lives<D: Domain>(w: &World<D>) {
    if let Ok(handle) = w.collector().register() {
        works(w, &handle);
        drop(handle);
    }
}

pub fn lives_deferred<D: Domain>(w: &World<D>) {
    if let Ok(handle) = w.collector().register_deferred() {
        works(w, &handle);
        drop(handle);
    }
}

/// The slot of another CPU.
pub fn lives_per_cpu<D: Domain>(w: &World<D>) {
    if let Ok(cpu) = w.collector().register_per_cpu() {
        // SAFETY: only here.
        works(w, unsafe { cpu.get() });
        let handle = cpu.erase();
        works(w, &handle);
    }
}

pub fn lives_erased<D: Domain>(w: &World<D>) {
    let registered = (w.collector().register(), w.collector().register_deferred());
    let (Ok(eager), Ok(deferred)) = registered else {
        return;
    };
    let (eager, deferred) = (eager.erase(), deferred.erase());
    works(w, &eager);
    works(w, &deferred);
    deferred.flush();
    if let Some(eager) = eager.as_eager() {
        eager.collect();
    }
}

/// A section that owns its handle.
fn owned<D: Domain, R: Role>(w: &World<D>, section: &mut OwnedGuard<'_, SchemeOf<D>, R>) {
    let first = section.protect(&w.first, Acquire);
    w.look(first);
    works(w, section.handle());
    w.look(first);
    if section.restart_requested() {
        w.wrong.set("an own section is asked to restart");
    }
    section.refresh();
    let second = section.guard().protect(&w.second, Acquire);
    w.clear(&w.idle);
    w.idle.collect();
    w.look(second);
}

pub fn moves<D: Domain>(w: &World<D>) {
    if let Ok(handle) = w.collector().register() {
        let mut section = handle.enter_owned();
        owned(w, &mut section);
        let handle = section.leave();
        works(w, &handle);
        drop(handle.enter_owned());
    }
}

pub fn moves_deferred<D: Domain>(w: &World<D>) {
    if let Ok(handle) = w.collector().register_deferred() {
        let mut section = handle.enter_owned();
        owned(w, &mut section);
        let mut section = section.leave().enter_owned();
        owned(w, &mut section);
    }
}

/// A task has died in its section, with retired objects.
pub fn evicts<D: Domain>(w: &World<D>) {
    let Ok(dead) = w.collector().register_deferred() else {
        return;
    };
    works(w, &dead);
    forget(dead.enter());
    w.clear(&w.idle);
    w.idle.collect();
    let id = dead.id();
    forget(dead);
    // SAFETY: it has stopped, and its guard and its handle are forgotten.
    let evicted = unsafe { [w.collector().evict(id), w.collector().evict(id)] };
    if evicted != [Ok(()), Err(NotTheOwner)] {
        w.wrong.set("a dead task is not evicted once");
    }
}

/// Objects that nobody else finds.
pub fn unprotected<D: Domain>(w: &World<D>) {
    let body = |guard: &hyaline::Guard<'_, SchemeOf<D>>| {
        let place = AtomicPtr::new(w.make(&guard.handle()));
        let first = guard.protect(&place, Acquire);
        w.look(first);
        let old = guard.swap(&place, w.make(&guard.handle()), AcqRel);
        w.defer(guard, old);
        let last = place.swap(null_mut(), AcqRel);
        // SAFETY: never shared.
        unsafe { guard.handle().retire(last, kill) };
    };
    // SAFETY: only this call finds the objects.
    unsafe { w.collector().with_unprotected(body) };
}
