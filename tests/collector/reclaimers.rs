//! When reclaimers run, and what remains when they panic, recurse deeply or are
//! limited.

use std::{
    num::NonZeroU16,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::*;

/// A reclaimer that panics loses its own object and no other.
#[test]
fn panic_in_a_reclaimer() {
    unsafe fn panics(_: *mut Link) {
        panic!("on purpose");
    }
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let writer = collector.register().unwrap();
    let mut bad = Link::new();
    let guard = writer.enter();
    // SAFETY: none was shared.
    unsafe {
        for _ in 0..3 {
            guard.defer_retire(object(&writer, &drops), boxed());
        }
        guard.defer_retire(&raw mut bad, panics);
        for _ in 0..3 {
            guard.defer_retire(object(&writer, &drops), boxed());
        }
    }
    drop(guard);
    let panicked = catch_unwind(AssertUnwindSafe(|| writer.flush()));
    assert!(panicked.is_err());
    writer.flush();
    assert_eq!(count(&drops), 6);
    // The same while the handle is released: another handle finds the rest.
    let last = writer.enter();
    // SAFETY: none was shared.
    unsafe {
        last.defer_retire(&raw mut bad, panics);
        last.defer_retire(object(&writer, &drops), boxed());
    }
    drop(last);
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(writer)));
    assert!(panicked.is_err());
    assert_eq!(collector.register().unwrap().slot(), 0, "the slot is free");
    assert_eq!(count(&drops), 7, "found by the next handle");
}

/// The drop of a collector continues after a reclaimer that panics, and finds
/// what a limit of a forgotten handle left over.
#[test]
fn dropping_the_collector_reclaims_what_is_left_over() {
    unsafe fn panics(_: *mut Link) {
        panic!("on purpose");
    }
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let mut bad = Link::new();
    let (writer, reader) = (collector.register().unwrap(), collector.register().unwrap());
    let guard = reader.enter();
    // SAFETY: none was shared.
    unsafe {
        for _ in 0..3 {
            writer.retire(object(&writer, &drops), boxed());
        }
        writer.retire(&raw mut bad, panics);
        for _ in 0..3 {
            writer.retire(object(&writer, &drops), boxed());
        }
    }
    writer.flush();
    reader.limit_reclaims(NonZeroU16::new(1));
    drop(guard);
    std::mem::forget((writer, reader));
    assert_eq!(count(&drops), 1);
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(collector)));
    assert!(dropped.is_err(), "the panic propagates");
    assert_eq!(count(&drops), 6);
}

/// A chain of a million objects, each retiring the next when it is reclaimed,
/// in a thread with a stack of 64 KiB.
#[test]
fn long_chain_on_a_small_stack() {
    const LENGTH: usize = if cfg!(miri) { 300 } else { 1_000_000 };
    static C: Collector<1> = Collector::new();
    thread_local!(static HANDLE: Cell<Option<&'static Handle<'static>>> = const { Cell::new(None) });
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Node(*mut Linked<Node>);
    unsafe fn next(link: *mut Link) {
        // SAFETY: all nodes are boxed.
        let node = unsafe { Box::from_raw(Link::cast::<Linked<Node>>(link)) };
        DROPS.fetch_add(1, Ordering::Relaxed);
        if !node.0.is_null() {
            let handle = HANDLE.get().unwrap();
            // SAFETY: only this node led to it.
            unsafe { handle.retire(node.0, next) };
        }
    }
    let thread = thread::Builder::new().stack_size(64 << 10).spawn(|| {
        let owned = Box::into_raw(Box::new(C.register().unwrap()));
        // SAFETY: it is freed below, after its last use.
        let handle: &'static Handle<'static> = unsafe { &*owned };
        HANDLE.set(Some(handle));
        let mut head = ptr::null_mut();
        for _ in 0..LENGTH {
            head = Box::into_raw(Box::new(handle.link(Node(head))));
        }
        // SAFETY: never shared.
        unsafe { handle.retire(head, next) };
        HANDLE.set(None);
        // SAFETY: made above, and not used any more.
        drop(unsafe { Box::from_raw(owned) });
    });
    thread.unwrap().join().unwrap();
    assert_eq!(DROPS.load(Ordering::Relaxed), LENGTH);
}

/// A publish takes over what was left in the inbox of a section that ended
/// without draining it. The chain continues its walk from there: in basic mode,
/// if the task's slot comes later, it also waits for the section that the task
/// is in.
#[test]
fn a_publish_takes_over() {
    fn run<S: Scheme>(collector: Collector<3, S>, task_comes_later: bool) {
        let drops = AtomicUsize::new(0);
        let earlier = task_comes_later.then(|| collector.register_deferred().unwrap());
        let task = collector.register().unwrap();
        let interrupt = earlier.unwrap_or_else(|| collector.register_deferred().unwrap());
        let first = object(&task, &drops);
        let reading = interrupt.enter();
        // SAFETY: never shared.
        unsafe { task.retire(first, boxed()) };
        drop(reading);
        assert_eq!(count(&drops), 0);
        let second = object(&task, &drops); // and the era advances
        let guard = task.enter();
        // SAFETY: never shared.
        unsafe { guard.defer_retire(second, boxed()) };
        let late = task_comes_later && !S::ROBUST;
        assert_eq!(count(&drops), usize::from(!late), "by the publish");
        drop(guard);
        assert_eq!(count(&drops), 2);
    }
    for later in [false, true] {
        run::<Basic>(Collector::with_config(Config::new().batch::<1>()), later);
        let config = Config::new().batch::<1>().era_step::<1>();
        run::<Robust>(Collector::with_config(config), later);
    }
}

/// The next publish of any handle takes what a deferred handle has retired
/// while its batch is not full. What an eager handle has retired waits for its
/// owner, or for a collect.
#[test]
fn a_publish_takes_what_deferred_handles_have_retired() {
    let (drops, of_others) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 2]);
    let collector = Collector::<3>::with_config(Config::new().batch::<4>());
    let (task, other) = (collector.register().unwrap(), collector.register().unwrap());
    let interrupt = collector.register_deferred().unwrap();
    let retire = |guard: Guard<'_>, object| {
        // SAFETY: never shared.
        unsafe { guard.defer_retire(object, boxed()) };
    };
    let [first, second] = of_others
        .each_ref()
        .map(|drops| Box::into_raw(Box::new(interrupt.link(Counted(drops)))));
    // SAFETY: never shared.
    unsafe { interrupt.retire(first, boxed()) };
    retire(other.enter(), second);
    for _ in 0..4 {
        assert_eq!(count(&drops), 0);
        retire(task.enter(), object(&task, &drops));
    }
    assert_eq!(count(&drops), 4, "the task's");
    assert_eq!(of_others.each_ref().map(count), [1, 0], "the interrupt's");
    assert_eq!(task.collect(), 1, "the other task's");
}

/// A deferred handle never runs a reclaimer in any call; the others do.
#[test]
fn deferred_handles_leave_the_work_to_others() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<3>::with_config(Config::new().batch::<4>());
    let task = collector.register().unwrap();
    let interrupt = collector.register_deferred().unwrap();
    let retired = 10;
    for _ in 0..retired {
        let new = Box::into_raw(Box::new(interrupt.link(Counted(&drops))));
        let mut guard = interrupt.enter();
        // SAFETY: never shared.
        unsafe { guard.defer_retire(new, boxed()) };
        guard.refresh();
    }
    // What the task retires while the interrupt is active reaches its inbox.
    let guard = interrupt.enter();
    // SAFETY: never shared.
    unsafe { task.retire(object(&task, &drops), boxed()) };
    task.flush();
    drop(guard);
    assert_eq!(interrupt.flush(), 0);
    let before = count(&drops);
    drop(interrupt);
    assert_eq!(count(&drops), before, "nor when it is released");
    task.collect();
    assert_eq!(count(&drops), retired + 1);
}

/// Ten thousand objects wait. No call runs more reclaimers than its limit, and
/// in the end all have run.
#[test]
fn budgets_are_kept() {
    const PENDING: usize = if cfg!(miri) { 100 } else { 10_000 };
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let writer = collector.register().unwrap();
    let reader = collector.register().unwrap();
    let fill = || {
        let guard = reader.enter();
        for _ in 0..PENDING {
            // SAFETY: never shared.
            unsafe { writer.retire(object(&writer, &drops), boxed()) };
        }
        writer.flush();
        guard
    };
    // In the leave of the reader, which then has all of it in its inbox.
    reader.limit_reclaims(NonZeroU16::new(7));
    drop(fill());
    assert_eq!(count(&drops), 7);
    while count(&drops) < PENDING {
        let before = count(&drops);
        let reclaimed = reader.collect_at_most(3);
        assert_eq!(count(&drops) - before, reclaimed);
        assert!((1..=3).contains(&reclaimed));
        let reclaimed = reader.flush();
        assert_eq!(count(&drops) - before - reclaimed, 3.min(PENDING - before));
        assert!(reclaimed <= 7);
    }
    // A released handle leaves nothing behind that its limit spared.
    drop(fill());
    drop(reader);
    assert_eq!(count(&drops), 2 * PENDING);
}
