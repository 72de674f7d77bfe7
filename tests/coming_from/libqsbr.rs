//! libqsbr: EBR, QSBR and GC.

use std::{
    collections::VecDeque,
    ptr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use hyaline::{AsLink, AtomicPtr, Collector, Link};

use crate::objects::{boxed, count, guards, object, retire_one};

#[test]
fn ebr_create() {
    static EBR: Collector<4> = Collector::new(); // no call, no memory to be freed
    assert_eq!(EBR.capacity(), 4);
    let drops = AtomicUsize::new(0);
    {
        let ebr = Collector::<1>::new();
        let handle = ebr.register().unwrap();
        retire_one(&handle, &handle.enter(), &drops);
        std::mem::forget(handle);
        assert_eq!(count(&drops), 0);
    } // ebr_destroy, gc_destroy
    assert_eq!(count(&drops), 1);
}

#[test]
fn ebr_register() {
    let ebr = Collector::<1>::new();
    let worker = ebr.register().unwrap();
    assert!(ebr.register().is_err(), "as -1 there");
    drop(worker);
    assert!(ebr.register().is_ok());
}

#[test]
fn ebr_enter() {
    let drops = AtomicUsize::new(0);
    let ebr = Collector::<2>::new();
    let (reader, writer) = (ebr.register().unwrap(), ebr.register().unwrap());
    let critical = reader.enter();
    // SAFETY: never shared.
    unsafe { writer.retire(object(&writer, &drops), boxed()) };
    writer.flush();
    assert_eq!(count(&drops), 0);
    drop(critical);
    writer.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn ebr_sync() {
    static EBR: Collector<3> = Collector::new();
    let (reader, one) = (EBR.register().unwrap(), EBR.register().unwrap());
    let two = EBR.register().unwrap();
    let critical = reader.enter();
    // Two writers, not serialised.
    let mut first = one.start_grace_period();
    let mut second = two.start_grace_period();
    assert!(!first.poll(&one) && !second.poll(&two));
    drop(critical);
    assert!(second.poll(&one) && first.poll(&two), "with any handle");
}

/// Objects in the user's own queue, each with the token that was current when
/// it was staged.
#[test]
fn ebr_staging_epoch() {
    static EBR: Collector<2> = Collector::new();
    let (reader, writer) = (EBR.register().unwrap(), EBR.register().unwrap());
    let mut staged = VecDeque::new();
    staged.push_back((writer.start_grace_period(), "before"));
    let critical = reader.enter();
    staged.push_back((writer.start_grace_period(), "meanwhile"));
    let mut ready = || {
        let (token, _) = staged.front_mut()?;
        // ebr_gc_epoch
        token.poll(&writer).then(|| staged.pop_front().unwrap().1)
    };
    // A poll checks which sections are open then. It may wait for a section
    // that began later, never for too few.
    let before = ready();
    drop(critical);
    let ready: Vec<_> = before
        .into_iter()
        .chain(std::iter::from_fn(ready))
        .collect();
    assert_eq!(ready, ["before", "meanwhile"]);
}

#[test]
fn ebr_full_sync() {
    let ebr = Collector::<2>::new();
    let (entered, left) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let reader = ebr.register().unwrap();
            let _critical = reader.enter();
            entered.store(true, Ordering::Release);
            thread::sleep(Duration::from_millis(5));
            left.store(true, Ordering::Relaxed);
        });
        while !entered.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let writer = ebr.register().unwrap();
        let retry = || thread::sleep(Duration::from_millis(1));
        writer.synchronize(retry).unwrap();
        assert!(left.load(Ordering::Relaxed));
    });
}

#[test]
fn ebr_incrit_p() {
    let ebr = Collector::<2>::new();
    let worker = ebr.register().unwrap();
    assert_eq!(guards(&ebr, worker.slot()), 0);
    let _critical = worker.enter();
    assert_ne!(guards(&ebr, worker.slot()), 0);
}

#[test]
fn qsbr_register() {
    let qsbr = Collector::<1>::new();
    let thread = qsbr.register().unwrap();
    let online = thread.enter(); // from here on it is waited for
    assert_eq!(guards(&qsbr, 0), 1);
    // qsbr_unregister
    drop(online);
    drop(thread);
    assert!(qsbr.register().is_ok());
}

#[test]
fn qsbr_checkpoint() {
    let drops = AtomicUsize::new(0);
    let qsbr = Collector::<2>::new();
    let (reader, writer) = (qsbr.register().unwrap(), qsbr.register().unwrap());
    let mut online = reader.enter();
    let shared = AtomicPtr::new(object(&writer, &drops));
    let seen = online.protect(&shared, Ordering::Acquire);
    // SAFETY: unlinked by the swap.
    unsafe { writer.retire(shared.swap(ptr::null_mut(), Ordering::AcqRel), boxed()) };
    writer.flush();
    // SAFETY: it passed no checkpoint.
    assert_eq!(count(unsafe { &*seen }.0), 0);
    online.refresh();
    assert_eq!(count(&drops), 1, "and the thread stays online");
    assert_eq!(guards(&qsbr, reader.slot()), 1);
}

#[test]
fn qsbr_barrier() {
    static QSBR: Collector<2> = Collector::new();
    let (reader, writer) = (QSBR.register().unwrap(), QSBR.register().unwrap());
    let (mut theirs, mut ours) = (reader.enter(), writer.enter());
    let mut target = writer.start_grace_period();
    // qsbr_sync: there it passes the caller's own checkpoint. Here that is
    // explicit, and unnecessary when the caller has no guard.
    ours.refresh();
    assert!(!target.poll(&writer));
    theirs.refresh();
    for _ in 0..2 {
        ours.refresh();
        theirs.refresh();
        if target.poll(&writer) {
            return;
        }
    }
    panic!("all passed their checkpoints");
}

#[test]
fn gc_create() {
    static RECLAIMED: AtomicUsize = AtomicUsize::new(0);
    /// `gc_entry_t` is the link; `arg` is a field of the object.
    #[repr(C)]
    struct Item {
        entry: Link,
        arg: &'static AtomicUsize,
    }
    // SAFETY: `repr(C)`, and the link comes first.
    unsafe impl AsLink for Item {}
    unsafe fn reclaim_item(entry: *mut Link) {
        // SAFETY: all objects of this test are boxed.
        let item = unsafe { Box::from_raw(Link::cast::<Item>(entry)) };
        item.arg.fetch_add(1, Ordering::SeqCst); // one object, not a list
    }
    let gc = Collector::<1>::new();
    let handle = gc.register().unwrap();
    let item = Box::into_raw(Box::new(Item {
        entry: Link::new(),
        arg: &RECLAIMED,
    }));
    let guard = handle.enter();
    // SAFETY: never shared, and from a `Box`.
    unsafe { guard.defer_retire(item, reclaim_item) };
    drop(guard);
    handle.flush();
    assert_eq!(count(&RECLAIMED), 1);
}

#[test]
fn gc_register() {
    let gc = Collector::<1>::new();
    let worker = gc.register().unwrap();
    let critical = worker.enter(); // gc_crit_enter
    assert_eq!(guards(&gc, critical.slot()), 1);
    drop(critical); // gc_crit_exit
    drop(worker); // gc_unregister
    assert!(gc.register().is_ok());
}

#[test]
fn gc_limbo() {
    let drops = AtomicUsize::new(0);
    let gc = Collector::<2>::new();
    let (reader, writer) = (gc.register().unwrap(), gc.register().unwrap());
    let critical = reader.enter();
    retire_one(&writer, &writer.enter(), &drops);
    writer.flush();
    assert_eq!((count(&drops), gc.stats().pending()), (0, 1));
    drop(critical);
    // Any handle reclaims it.
    reader.flush();
    assert_eq!(count(&drops), 1);
}

#[test]
fn gc_cycle() {
    let drops = AtomicUsize::new(0);
    let gc = Collector::<3>::new();
    let (reader, writer) = (gc.register().unwrap(), gc.register_deferred().unwrap());
    let collector = gc.register().unwrap();
    let critical = reader.enter();
    retire_one(&writer, &writer.enter(), &drops);
    assert_eq!(writer.flush(), 0); // deferred: nothing to do
    assert_eq!(collector.collect(), 0, "does not block");
    drop(critical);
    collector.collect();
    assert_eq!(count(&drops), 1, "one cycle is enough");
}

#[test]
fn gc_full() {
    let drops = AtomicUsize::new(0);
    let gc = Collector::<2>::new();
    let (reader, writer) = (gc.register().unwrap(), gc.register().unwrap());
    let mut critical = Some(reader.enter());
    retire_one(&writer, &writer.enter(), &drops);
    writer.flush();
    while gc.stats().pending() > 0 {
        assert_eq!(writer.flush(), 0);
        drop(critical.take()); // the retry of this test
    }
    assert_eq!(count(&drops), 1);
}
