//! liburcu: its flavours, its calls and its containers.

use std::{
    hash::RandomState,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use hyaline::{
    AtomicPtr, Basic, Callback, Collector, Config, Membarrier, domain,
    safe::{Domain, HashMap, Map, Queue, Refused, Stack},
};

use crate::objects::{boxed, count, object, retire_one};

#[test]
fn flavours() {
    let drops = AtomicUsize::new(0);
    // urcu-memb.
    let collector =
        Collector::<2, Basic<Membarrier>>::with_config(Config::new().barrier(Membarrier));
    let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let guard = reader.enter();
    retire_one(&writer, &writer.enter(), &drops);
    assert_eq!(writer.flush(), 0);
    drop(guard);
    writer.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn bullet_proof() {
    static C: Collector<4> = Collector::new();
    thread_local!(static RCU: hyaline::Handle<'static> = C.register().unwrap());
    // Registered on first use, released when the thread ends.
    let thread = thread::spawn(|| RCU.with(|rcu| rcu.enter().slot()));
    assert_eq!(thread.join().unwrap(), 0);
    assert!(C.slots().all(|slot| slot.owner.is_none()));
}

#[test]
fn rcu_xchg_pointer() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<1>::new();
    let handle = collector.register().unwrap();
    let gp = AtomicPtr::new(object(&handle, &drops));
    let guard = handle.enter();
    let old = guard.swap(&gp, object(&handle, &drops), Ordering::AcqRel);
    let (order, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
    let refused = guard.compare_exchange(&gp, old, std::ptr::null_mut(), order, relaxed);
    // As cmpxchg does, it returns what it found.
    let current = refused.unwrap_err();
    let null = std::ptr::null_mut();
    assert_eq!(
        guard.compare_exchange(&gp, current, null, order, relaxed),
        Ok(current)
    );
    for object in [old, current] {
        // SAFETY: both were unlinked, once.
        unsafe { guard.defer_retire(object, boxed()) };
    }
    drop(guard);
    handle.flush();
    assert_eq!(count(&drops), 2);
}

#[test]
fn defer_rcu() {
    static C: Collector<1> = Collector::new();
    static CLOSE: Callback = Callback::new();
    static CLOSED: AtomicUsize = AtomicUsize::new(0);
    let handle = C.register().unwrap();
    let close = |descriptor| CLOSED.store(descriptor, Ordering::Relaxed);
    CLOSE.call_later(&handle, close, 7).unwrap();
    handle.collect(); // rcu_defer_barrier
    assert_eq!(count(&CLOSED), 7);
}

#[test]
fn call_rcu_data() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let worker = collector.register_deferred().unwrap();
    retire_one(&worker, &worker.enter(), &DROPS);
    // The thread that `create_call_rcu_data` makes: yours, with the priority you like.
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(collector.register().unwrap().collect(), 1));
    });
    assert_eq!(count(&DROPS), 1);
}

/// A thread that the child does not have: one that is gone, and was in a section.
/// `tests/fork.rs` forks.
#[test]
fn call_rcu_after_fork_child() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::<2>::new();
    let gone = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let handle = collector.register().unwrap();
            std::mem::forget(handle.enter());
            let id = handle.id();
            std::mem::forget(handle);
            id
        });
        thread.join().unwrap()
    });
    let mine = collector.register().unwrap();
    retire_one(&mine, &mine.enter(), &drops);
    assert_eq!(mine.flush(), 0);
    // SAFETY: the thread has ended, its guard and handle are forgotten.
    unsafe { collector.evict(gone) }.unwrap();
    assert_eq!(mine.flush(), 1);
}

/// CDS_LFHT_AUTO_RESIZE.
#[test]
fn auto_resize() {
    domain!(App: Collector<1> = Collector::new());
    let handle = App::register().unwrap();
    let table = HashMap::<u32, u32, _, App>::with_hasher(RandomState::new());
    for key in 0..1_000 {
        table.insert(&handle, key, key + 1).unwrap();
    }
    assert_eq!(
        (table.len(), table.get(&handle.enter(), &999)),
        (1_000, Some(&1_000))
    );
}

#[test]
fn cds_lfht() {
    domain!(App: Collector<2> = Collector::new());
    static TABLE: Map<u32, &str, 16, 64, App> = Map::new(); // cds_lfht_new
    let handle = App::register().unwrap();
    // cds_lfht_add_unique
    assert_eq!(TABLE.insert(&handle, 1, "one"), Ok(()));
    assert_eq!(
        TABLE.insert(&handle, 1, "uno"),
        Err(Refused::Mismatch((1, "uno")))
    );
    // cds_lfht_add_replace: whether there was one.
    assert_eq!(TABLE.upsert(&handle, 1, "eins"), Ok(true));
    assert_eq!(TABLE.upsert(&handle, 2, "zwei"), Ok(false));
    // cds_lfht_lookup, and then cds_lfht_replace of the node that it found.
    let guard = handle.enter();
    let found = TABLE.get(&guard, &1).unwrap();
    assert_eq!(TABLE.compare_exchange(&handle, 1, found, "un"), Ok(()));
    assert_eq!(*found, "eins", "it is there while the guard is");
    // cds_lfht_for_each, cds_lfht_count_nodes.
    assert_eq!(TABLE.iter(&guard).count(), 2);
    assert_eq!(TABLE.len(&handle), 2);
    // cds_lfht_del, of the key, and of one node.
    assert_eq!(TABLE.remove(&guard, &1), Some(&"un"));
    let found = TABLE.get(&guard, &2).unwrap();
    let same = |_: &u32, value: &&str| std::ptr::eq(value, found);
    assert_eq!(TABLE.remove_if(&guard, &2, same), Some(&"zwei"));
    assert!(TABLE.is_empty(&handle));
}

#[test]
fn cds_queues() {
    domain!(App: Collector<2> = Collector::new());
    static QUEUE: Queue<u32, 8, App> = Queue::new();
    let handle = App::register().unwrap();
    QUEUE.push(&handle, 1).unwrap();
    QUEUE.push(&handle, 2).unwrap();
    assert_eq!(QUEUE.pop(&handle), Some(1));
    assert_eq!(QUEUE.pop(&handle), Some(2));
    assert_eq!(QUEUE.pop(&handle), None, "and does not wait");
}

#[test]
fn cds_stacks() {
    domain!(App: Collector<2> = Collector::new());
    static STACK: Stack<u32, 8, App> = Stack::new();
    let handle = App::register().unwrap();
    STACK.push(&handle, 1).unwrap();
    STACK.push(&handle, 2).unwrap();
    // A node can be pushed again at once.
    assert_eq!(STACK.pop(&handle), Some(2));
    STACK.push(&handle, 2).unwrap();
    // cds_lfs_pop_all_blocking
    assert!(std::iter::from_fn(|| STACK.pop(&handle)).eq([2, 1]));
}
