//! Grace periods, callbacks and what a supervisor sees.

use std::{ptr::null_mut, sync::atomic::Ordering::*};

use hyaline::{
    Role, Token,
    safe::{Domain, Handle},
};

use super::{CALLED, Object, World, kill};

/// Frees an object manually when a grace period is over, or leaves it to a
/// later call.
pub fn polls<D: Domain>(w: &World<D>) {
    polls_with(w, w.cpu());
}

pub fn polls_with<D: Domain, R: Role>(w: &World<D>, handle: &Handle<D, R>) {
    let going_on: Option<Token> = w.tokens.take(1);
    let mut token = match going_on {
        Some(token) => token,
        // Another context is using the token.
        None if w.polling.swap(true, SeqCst) => return,
        None => {
            w.waiting.set(w.held_or_not().swap(null_mut(), AcqRel));
            handle.start_grace_period()
        }
    };
    if token.poll(handle) {
        let waiting = w.waiting.replace(null_mut());
        if !waiting.is_null() {
            // SAFETY: unlinked before the grace period.
            unsafe { kill(waiting.cast()) };
        }
        w.polling.store(false, SeqCst);
    } else {
        w.tokens.keep(1, token);
    }
}

/// Frees what it has unlinked, when it has waited.
pub fn waits<D: Domain>(w: &World<D>) {
    let old = w.held_or_not().swap(null_mut(), AcqRel);
    let waited = w.idle.synchronize(|| w.end_outer());
    freed_after(w, old, waited.is_ok());
}

/// As `waits`, with a token of the CPU.
pub fn waits_for_token<D: Domain>(w: &World<D>) {
    let old = w.held_or_not().swap(null_mut(), AcqRel);
    let mut token = w.cpu().start_grace_period();
    let waited = token.wait(&w.idle, || w.end_outer());
    freed_after(w, old, waited.is_ok());
}

fn freed_after<D: Domain>(w: &World<D>, old: *mut Object, waited: bool) {
    if !waited {
        return w.wrong.set("the idle task has a section");
    }
    w.look(old);
    if !old.is_null() {
        // SAFETY: unlinked by the swap, and all sections of that time are over.
        unsafe { kill(old.cast()) };
    }
}

pub fn calls_later<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    // Busy if a context has registered it, and it was not called.
    let called = |_| CALLED.set(CALLED.get() + 1);
    let asked = w.callback().call_later(w.cpu(), called, 0);
    let before = CALLED.get();
    w.asked.fetch_add(usize::from(asked.is_ok()), SeqCst);
    w.look(first);
    let second = guard.protect(&w.second, Acquire);
    w.look(second);
    if asked.is_ok() && CALLED.get() > before {
        w.wrong
            .set("a callback was called in a section that it waits for");
    }
    drop(guard);
}

/// A reader who is asked to start over.
pub fn is_hurried<D: Domain>(w: &World<D>) {
    let mut guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    if !w.collector().request_restart(w.cpu().slot()) {
        w.wrong.set("an open section is not asked");
    }
    w.look(first);
    // Unless an interrupt has taken the request.
    if guard.restart_requested() {
        guard.refresh();
    }
    let second = guard.protect(&w.second, Acquire);
    w.look(second);
    drop(guard);
}

pub fn observes<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let first = guard.protect(&w.first, Acquire);
    let state = w
        .collector()
        .slots()
        .find(|state| state.slot == w.cpu().slot());
    if state.is_none_or(|state| state.owner != Some(w.cpu().id()) || state.guards == 0) {
        w.wrong.set("an open section is not seen");
    }
    let oldest = w.collector().oldest();
    if oldest.is_none_or(|oldest| oldest.owner.is_none()) {
        w.wrong.set("no section is the oldest");
    }
    let stats = w.collector().stats();
    if stats.pending() > 1_000 {
        w.wrong.set("more objects are reclaimed than were retired");
    }
    w.look(first);
}
