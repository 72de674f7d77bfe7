//! The promises of the interface, one by one, on one core.

use crate::{
    node::{Node, shelve},
    world::{SLOTS, World},
};
use core::ptr;
use hyaline::{Guard, Handle, Link, Linked, Scheme};
use portable_atomic::{AtomicPtr, AtomicUsize, Ordering};

pub fn suite<S: Scheme, const W: usize>(world: &'static World<S, W>) {
    slots_run_out_and_come_back(world);
    retire_reclaims_at_once_if_no_section_is_open(world);
    a_guard_keeps_an_object(world);
    guards_nest_in_any_drop_order(world);
    a_deferred_retire_waits_for_its_guard(world);
    a_quiescent_point_releases(world);
    counts_are_what_was_reclaimed(world);
    a_reclaimer_may_retire(world);
    world.check_all_reclaimed("interface", shelve);
}

fn make<S: Scheme, const W: usize>(
    world: &'static World<S, W>,
    handle: &Handle<'_, S>,
) -> *mut Linked<Node> {
    world.shelves[0]
        .make(handle, &world.ledger)
        .expect("the shelf has nodes")
}

/// Retires a node that was never published.
fn retire<S: Scheme>(handle: &Handle<'_, S>, node: *mut Linked<Node>) {
    // SAFETY: the node is exclusively this test's and retired once.
    unsafe { handle.retire(node, shelve) };
}

fn slots_run_out_and_come_back<S: Scheme, const W: usize>(world: &'static World<S, W>) {
    let handles: [_; SLOTS] = core::array::from_fn(|_| world.register());
    for (index, handle) in handles.iter().enumerate() {
        assert!(handle.slot() < SLOTS);
        let twin = handles[..index].iter().find(|h| h.slot() == handle.slot());
        assert!(twin.is_none(), "two handles share slot {}", handle.slot());
    }
    assert!(world.collector.register().is_err(), "one slot too many");
    drop(handles);
    let again: [_; SLOTS] = core::array::from_fn(|_| world.register());
    drop(again);
}

fn retire_reclaims_at_once_if_no_section_is_open<S: Scheme, const W: usize>(
    world: &'static World<S, W>,
) {
    let handle = world.register();
    let before = world.ledger.dropped();
    retire(&handle, make(world, &handle));
    assert_eq!(world.ledger.dropped(), before + 1, "retired while all idle");
}

/// Puts a node into the cell, protects it under the guard and replaces it: the
/// old node is retired while the guard holds it. In robust mode a guard holds
/// only what it protected.
fn retire_held<S: Scheme, const W: usize>(
    world: &'static World<S, W>,
    writer: &Handle<'_, S>,
    guard: &Guard<'_, S>,
) {
    world.look(guard, 4);
    assert!(world.replace(writer, 0), "the shelf has nodes");
    world.flush(writer);
}

/// A reader, a writer, and a node in the cell.
fn reader_and_writer<S: Scheme, const W: usize>(
    world: &'static World<S, W>,
) -> (Handle<'static, S>, Handle<'static, S>) {
    let (reader, writer) = (world.register(), world.register());
    assert!(world.replace(&writer, 0), "the shelf has nodes");
    world.flush(&writer);
    (reader, writer)
}

fn a_guard_keeps_an_object<S: Scheme, const W: usize>(world: &'static World<S, W>) {
    let (reader, writer) = reader_and_writer(world);
    let guard = reader.enter();
    let before = world.ledger.dropped();
    retire_held(world, &writer, &guard);
    assert_eq!(world.ledger.dropped(), before, "reclaimed under a guard");
    drop(guard);
    world.flush(&writer);
    assert_eq!(world.ledger.dropped(), before + 1, "kept without a guard");
}

fn guards_nest_in_any_drop_order<S: Scheme, const W: usize>(world: &'static World<S, W>) {
    let (reader, writer) = reader_and_writer(world);
    for outer_first in [true, false] {
        let (outer, inner) = (reader.enter(), reader.enter());
        let before = world.ledger.dropped();
        retire_held(world, &writer, &inner);
        let last = if outer_first {
            drop(outer);
            inner
        } else {
            drop(inner);
            outer
        };
        world.flush(&writer);
        assert_eq!(world.ledger.dropped(), before, "one guard is left");
        drop(last);
        world.flush(&writer);
        assert_eq!(world.ledger.dropped(), before + 1, "no guard is left");
    }
}

fn a_deferred_retire_waits_for_its_guard<S: Scheme, const W: usize>(world: &'static World<S, W>) {
    let (reader, other) = reader_and_writer(world);
    let before = world.ledger.dropped();
    let guard = reader.enter();
    // AcqRel: acquires the node from the core that published it.
    let node = guard.swap(&world.cell, ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: the swap unlinked it, and it is retired once.
    unsafe { guard.defer_retire(node, shelve) };
    world.flush(&other);
    assert_eq!(world.ledger.dropped(), before, "reclaimed before the drop");
    // SAFETY: the guard that retired it is still open.
    let value: &Node = unsafe { &*node };
    assert!(value.holds(4));
    drop(guard);
    world.flush(&reader);
    assert_eq!(world.ledger.dropped(), before + 1, "never reclaimed");
}

fn a_quiescent_point_releases<S: Scheme, const W: usize>(world: &'static World<S, W>) {
    let (reader, writer) = reader_and_writer(world);
    let mut guard = reader.enter();
    let before = world.ledger.dropped();
    retire_held(world, &writer, &guard);
    assert_eq!(world.ledger.dropped(), before, "the guard is still open");
    guard.refresh();
    world.flush(&writer);
    assert_eq!(world.ledger.dropped(), before + 1, "refresh releases it");
    retire_held(world, &writer, &guard);
    assert_eq!(world.ledger.dropped(), before + 1, "protected again");
    drop(guard);
    world.flush(&writer);
    assert_eq!(world.ledger.dropped(), before + 2, "kept without a guard");
}

fn counts_are_what_was_reclaimed<S: Scheme, const W: usize>(world: &'static World<S, W>) {
    let (reader, writer) = reader_and_writer(world);
    let guard = reader.enter();
    let before = world.ledger.dropped();
    for _ in 0..3 {
        retire_held(world, &writer, &guard);
    }
    assert_eq!(world.flush(&writer), 0, "nothing can be reclaimed yet");
    assert_eq!(writer.collect(), 0, "nothing can be reclaimed yet");
    drop(guard);
    let now = world.ledger.dropped();
    let counted = world.flush(&writer) + world.flush(&reader);
    assert_eq!(world.ledger.dropped(), now + counted, "the count is exact");
    assert_eq!(world.ledger.dropped(), before + 3, "nothing is left behind");
}

/// The context of the reclaimer in the next test: a reclaimer gets only a
/// pointer, and has to find its handle itself.
static HANDLE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static NEXT: AtomicPtr<Linked<Node>> = AtomicPtr::new(ptr::null_mut());
static DEPTH: AtomicUsize = AtomicUsize::new(0);

/// Retires `NEXT` while it reclaims its own object.
///
/// # Safety
/// As [`shelve`]; `HANDLE` holds a `Handle<'_, S>` of this thread.
unsafe fn retire_next<S: Scheme>(link: *mut Link) {
    // Relaxed, in this function: one thread.
    let depth = DEPTH.fetch_add(1, Ordering::Relaxed);
    assert_eq!(depth, 0, "reclaimers nest");
    let next = NEXT.swap(ptr::null_mut(), Ordering::Relaxed);
    let handle = HANDLE.load(Ordering::Relaxed).cast::<Handle<'_, S>>();
    // SAFETY: the object is made for `shelve` and `HANDLE` holds this thread's
    // handle (`# Safety`); `next` is retired by this swap only.
    unsafe {
        if !next.is_null() {
            (*handle).retire(next, retire_next::<S>);
        }
        shelve(link);
    }
    // Relaxed: one thread.
    DEPTH.fetch_sub(1, Ordering::Relaxed);
}

fn a_reclaimer_may_retire<S: Scheme, const W: usize>(world: &'static World<S, W>) {
    let handle = world.register();
    // Relaxed, in this function: one thread.
    HANDLE.store((&raw const handle).cast_mut().cast(), Ordering::Relaxed);
    NEXT.store(make(world, &handle), Ordering::Relaxed);
    let before = world.ledger.dropped();
    // SAFETY: the node is exclusively this test's and retired once; the handle outlives
    // the reclaimers, which all run before the flush below ends.
    unsafe { handle.retire(make(world, &handle), retire_next::<S>) };
    world.flush(&handle);
    // Relaxed: one thread.
    HANDLE.store(ptr::null_mut(), Ordering::Relaxed);
    assert_eq!(world.ledger.dropped(), before + 2, "both are reclaimed");
}
