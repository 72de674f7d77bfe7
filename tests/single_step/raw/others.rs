//! What tasks with other handles do: one of higher priority, and the idle one,
//! which is also interrupted.

use std::{num::NonZeroU16, ptr::null_mut, sync::atomic::Ordering::*};

use hyaline::safe::Domain;

use super::{
    World,
    cpu::{reads, retires, swaps},
    grace::polls_with,
    kill,
};

// What a task of higher priority does, with its own handle.

pub fn high_unlinks<D: Domain>(w: &World<D>) {
    w.clear(&w.high);
    w.high.collect();
}

pub fn high_replaces<D: Domain>(w: &World<D>) {
    for _ in 0..2 {
        w.put(&w.first, &w.high, w.make(&w.high));
    }
    w.put(&w.second, &w.high, null_mut());
    w.high.collect();
}

pub fn high_defers<D: Domain>(w: &World<D>) {
    let guard = w.high.enter();
    for cell in [&w.first, &w.second, &w.third] {
        w.defer(&guard, guard.swap(cell, null_mut(), AcqRel));
    }
    drop(guard);
    w.high.flush();
}

pub fn high_polls<D: Domain>(w: &World<D>) {
    polls_with(w, &w.high);
}

/// Asks the CPU's readers to start over, and does not wait for them.
pub fn high_hurries<D: Domain>(w: &World<D>) {
    w.collector().request_restart(w.cpu().slot());
    high_unlinks(w);
}

/// An interrupt with its own handle, and then one that collects.
pub fn deferred_swaps<D: Domain>(w: &World<D>) {
    let guard = w.deferred.enter();
    w.defer(&guard, guard.swap(&w.first, null_mut(), AcqRel));
    drop(guard);
    w.high.collect();
}

// Both, one after the other.

pub fn unlinked_then_reads<D: Domain>(w: &World<D>) {
    high_unlinks(w);
    reads(w);
}

pub fn swaps_then_collected<D: Domain>(w: &World<D>) {
    swaps(w);
    w.high.collect();
}

// What the idle task does, which is also interrupted.

pub fn idle_collects<D: Domain>(w: &World<D>) {
    // SAFETY: never shared.
    unsafe { w.cpu().retire(w.make(w.cpu()), kill) };
    retires(w);
    w.idle.collect();
}

pub fn idle_limits<D: Domain>(w: &World<D>) {
    w.idle.limit_reclaims(NonZeroU16::new(1));
    retires(w);
    w.put(&w.first, &w.idle, null_mut());
    w.idle.collect();
    w.idle.collect_at_most(1);
    w.idle.limit_reclaims(None);
    w.idle.collect_at_most(0);
}

pub fn idle_retires<D: Domain>(w: &World<D>) {
    w.put(&w.first, &w.idle, w.make(&w.idle));
    let guard = w.idle.enter();
    w.defer(&guard, guard.swap(&w.second, null_mut(), AcqRel));
    drop(guard);
    w.idle.flush();
}
