//! Grace periods in their three forms, and sections that move.

#![cfg(not(hyaline_loom))]

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use hyaline::{
    AtomicPtr, Busy, Callback, Collector, Config, Link, Linked, Robust, WouldDeadlock, reclaim,
};

#[test]
fn synchronize_waits_for_each_section() {
    const READERS: usize = 3;
    let collector = Collector::<4>::new();
    let ended = AtomicUsize::new(0);
    let (entered, wait) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..READERS {
            let entered = entered.clone();
            let (collector, ended) = (&collector, &ended);
            scope.spawn(move || {
                let handle = collector.register().unwrap();
                let guard = handle.enter();
                entered.send(()).unwrap();
                thread::yield_now();
                ended.fetch_add(1, Ordering::Relaxed);
                drop(guard);
                // Sections that begin later are not waited for.
                drop(handle.enter());
            });
        }
        for _ in 0..READERS {
            wait.recv().unwrap();
        }
        let handle = collector.register().unwrap();
        handle.synchronize(thread::yield_now).unwrap();
        assert_eq!(ended.load(Ordering::Relaxed), READERS);
    });
}

#[test]
fn synchronize_under_a_guard_is_an_error() {
    static C: Collector<2> = Collector::new();
    let handle = C.register().unwrap();
    let guard = handle.enter();
    let error = handle.synchronize(|| ()).unwrap_err();
    assert_eq!(error, WouldDeadlock);
    assert!(error.to_string().contains("drop the handle's guards"));
    drop(guard);
    assert_eq!(handle.synchronize(|| ()), Ok(()));

    // In a reclaimer that runs on the same handle.
    struct InReclaimer(*const hyaline::Handle<'static>, *const AtomicBool);
    impl Drop for InReclaimer {
        fn drop(&mut self) {
            // SAFETY: both outlive the object.
            let (handle, seen) = unsafe { (&*self.0, &*self.1) };
            seen.store(handle.synchronize(|| ()).is_err(), Ordering::Relaxed);
        }
    }
    let seen = AtomicBool::new(false);
    let object = Box::into_raw(Box::new(handle.link(InReclaimer(&handle, &seen))));
    // SAFETY: never shared.
    unsafe { handle.retire(object, reclaim::boxed::<Linked<InReclaimer>>) };
    assert!(seen.load(Ordering::Relaxed));
}

#[test]
fn a_panic_does_not_end_the_wait_early() {
    let collector = Collector::<2>::new();
    let handle = collector.register().unwrap();
    let (entered, wait) = mpsc::channel();
    let (leave, wait_to_leave) = mpsc::channel::<()>();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let (collector, ended) = (&collector, &ended);
        scope.spawn(move || {
            let reader = collector.register().unwrap();
            let guard = reader.enter();
            entered.send(()).unwrap();
            let _ = wait_to_leave.recv();
            // Long enough for a wait that ends early to be seen.
            thread::sleep(Duration::from_millis(50));
            ended.store(true, Ordering::Relaxed);
            drop(guard);
        });
        wait.recv().unwrap();
        let mut leave = Some(leave);
        let relax = || {
            drop(leave.take());
            // Without the panic's message, which would take time.
            resume_unwind(Box::new("on purpose"));
        };
        assert!(catch_unwind(AssertUnwindSafe(|| handle.synchronize(relax))).is_err());
        assert!(ended.load(Ordering::Relaxed));
    });
}

#[test]
fn tokens_are_polled() {
    static C: Collector<3, Robust> = Collector::with_config(Config::new());
    let [one, two, three] = [(); 3].map(|()| C.register().unwrap());
    let (first, second) = (one.enter(), two.enter());
    let mut token = three.start_grace_period();
    assert!(!token.poll(&three));
    drop(first);
    assert!(!token.poll(&three));
    // Nothing is counted, so billions of sections later the result is the same.
    for _ in 0..if cfg!(miri) { 10 } else { 100_000 } {
        drop(one.enter());
    }
    assert!(!token.poll(&three));
    drop(second);
    assert!(token.poll(&three));
    assert!(token.poll(&three), "it stays so");

    // A token is plain data: a copy is independent.
    let guard = one.enter();
    let mut token = three.start_grace_period();
    let mut copy = token;
    assert!(!token.poll(&three));
    drop(guard);
    assert!(copy.poll(&two));
    assert!(token.poll(&one));
}

#[test]
fn tokens_are_waited_for() {
    static C: Collector<3> = Collector::new();
    let [one, two, three] = [(); 3].map(|()| C.register().unwrap());
    let own = three.enter();
    let mut token = three.start_grace_period();
    // Under a guard, and with the caller's section noted.
    assert!(!token.poll(&three));
    assert_eq!(token.wait(&three, || ()), Err(WouldDeadlock));
    drop(own);

    let mut sections = vec![one.enter(), two.enter()];
    let mut later = three.start_grace_period();
    assert_eq!(later.wait(&three, || drop(sections.pop())), Ok(()));
    assert!(sections.is_empty());
    assert_eq!(
        token.wait(&three, || unreachable!("nothing is open")),
        Ok(())
    );
    // Long over: `relax` is not called.
    let _section = one.enter();
    let unused = || panic!("it is over");
    assert_eq!(token.wait(&three, unused), Ok(()));
    assert_eq!(later.wait(&two, unused), Ok(()));
}

/// A panic does not end this wait early either.
#[test]
fn a_panic_in_a_wait_waits() {
    static C: Collector<2> = Collector::new();
    let (reader, writer) = (C.register().unwrap(), C.register().unwrap());
    let guard = reader.enter();
    let mut token = writer.start_grace_period();
    let mut guard = Some(guard);
    let relax = || {
        guard = None;
        resume_unwind(Box::new("on purpose"));
    };
    assert!(catch_unwind(AssertUnwindSafe(|| token.wait(&writer, relax))).is_err());
    assert!(guard.is_none() && token.poll(&writer));
}

#[test]
#[cfg(feature = "spin")]
fn waits_take_a_strategy() {
    use std::cell::Cell;

    thread_local!(static READER: Cell<Option<hyaline::OwnedGuard<'static>>> = const { Cell::new(None) });
    static C: Collector<3> = Collector::new();
    /// Ends the section of a reader.
    struct Ends;
    impl spin::RelaxStrategy for Ends {
        fn relax() {
            drop(READER.take().expect("one call is enough"));
        }
    }
    let enter = || READER.set(Some(C.register().unwrap().enter_owned()));
    let writer = C.register().unwrap();
    assert_eq!(writer.synchronize_with(spin::Spin), Ok(()));
    enter();
    assert_eq!(writer.synchronize_with(Ends), Ok(()));
    enter();
    let mut token = writer.start_grace_period();
    assert_eq!(token.wait_with(&writer, Ends), Ok(()));
    assert_eq!(token.wait_with(&writer, spin::relax::Loop), Ok(()));
    let _guard = writer.enter();
    assert_eq!(writer.synchronize_with(spin::Spin), Err(WouldDeadlock));
    assert_eq!(token.wait_with(&writer, spin::Spin), Err(WouldDeadlock));
}

/// The leave of a deferred handle looks at nothing: the poll sees its number.
#[test]
fn a_deferred_reader_is_no_obstacle() {
    static C: Collector<2> = Collector::new();
    let (deferred, task) = (C.register_deferred().unwrap(), C.register().unwrap());
    let guard = deferred.enter();
    let mut token = task.start_grace_period();
    assert!(!token.poll(&task));
    drop(guard);
    assert!(token.poll(&task));

    let mut guard = Some(deferred.enter());
    let relax = || assert!(guard.take().is_some(), "it has ended");
    assert_eq!(task.synchronize(relax), Ok(()));
    assert!(guard.is_none(), "it waited");
}

#[test]
fn a_token_waits_for_the_callers_section() {
    static C: Collector<1> = Collector::new();
    let handle = C.register().unwrap();
    let guard = handle.enter();
    let mut token = handle.start_grace_period();
    assert!(!token.poll(&handle));
    drop(guard);
    assert!(token.poll(&handle));
}

#[test]
fn callbacks_are_called_once_and_may_use_the_collector() {
    // The function registers while a release calls it: a slot each time.
    static C: Collector<8> = Collector::new();
    static CALLBACK: Callback = Callback::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn again(word: usize) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let handle = C.register().unwrap();
        let object = Box::into_raw(Box::new(handle.link(7)));
        // SAFETY: never shared.
        unsafe { handle.retire(object, reclaim::boxed::<Linked<i32>>) };
        handle.flush();
        if word > 0 {
            CALLBACK.call_later(&handle, again, word - 1).unwrap();
        }
    }
    let (reader, writer) = (C.register().unwrap(), C.register().unwrap());
    let guard = reader.enter();
    CALLBACK.call_later(&writer, again, 2).unwrap();
    assert_eq!(CALLBACK.call_later(&writer, again, 0), Err(Busy));
    writer.flush();
    assert_eq!(CALLS.load(Ordering::Relaxed), 0);
    drop(guard);
    for _ in 0..4 {
        writer.flush();
    }
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
}

#[test]
fn a_section_moves_between_threads() {
    let collector = Collector::<2>::new();
    let writer = collector.register().unwrap();
    let shared = AtomicPtr::new(Box::into_raw(Box::new(writer.link(7))));
    let section = collector.register().unwrap().enter_owned();
    let seen = section.protect(&shared, Ordering::Acquire);
    unsafe fn poison(link: *mut Link) {
        // SAFETY: boxed below.
        let mut object = unsafe { Box::from_raw(Link::cast::<Linked<i32>>(link)) };
        **object = 0;
    }
    // SAFETY: unlinked by the swap.
    unsafe { writer.retire(shared.swap(ptr::null_mut(), Ordering::AcqRel), poison) };
    writer.flush();
    struct Sent(*mut Linked<i32>);
    // SAFETY: the section protects it.
    unsafe impl Send for Sent {}
    let sent = Sent(seen);
    thread::scope(|scope| {
        scope.spawn(move || {
            let sent = sent;
            // SAFETY: protected by the section, which moved here with the
            // pointer.
            assert_eq!(unsafe { **sent.0 }, 7);
            let mut section = section;
            drop(section.guard());
            section.refresh();
            let handle = section.leave();
            handle.flush();
        });
    });
    writer.flush();
}

/// A token belongs to one collector.
#[test]
#[should_panic(expected = "the token belongs to another collector")]
fn a_token_of_another_collector_is_refused() {
    static C: Collector<1> = Collector::new();
    static OTHER: Collector<1> = Collector::new();
    let mut token = C.register().unwrap().start_grace_period();
    token.poll(&OTHER.register().unwrap());
}

#[test]
#[should_panic(expected = "the token belongs to another collector")]
fn a_wait_of_another_collector_is_refused() {
    static C: Collector<1> = Collector::new();
    static OTHER: Collector<1> = Collector::new();
    let mut token = C.register().unwrap().start_grace_period();
    let _ = token.wait(&OTHER.register().unwrap(), || ());
}

/// A section that `relax` leaves open on the caller's own handle was not open
/// at the start.
#[test]
fn synchronize_does_not_wait_for_its_own_relax() {
    let collector = Collector::<2>::new();
    let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let mut other = Some(reader.enter());
    let mut own = None;
    let mut turns = 0;
    let done = writer.synchronize(|| {
        turns += 1;
        match turns {
            1 => own = Some(writer.enter()),
            2 => other = None,
            _ => panic!("waits for its own section"),
        }
    });
    assert_eq!((done, turns), (Ok(()), 2));
}

/// A callback that is registered again from its own call runs once in each
/// flush, with the smallest batch, too.
#[test]
fn a_periodic_callback_ends_each_flush() {
    use std::cell::Cell;

    static C: Collector<1> = Collector::with_config(Config::new().batch::<1>());
    static PERIODIC: Callback = Callback::new();
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static HANDLE: Cell<Option<&'static hyaline::Handle<'static>>> = const { Cell::new(None) });
    fn run(_: usize) {
        assert!(RUNS.fetch_add(1, Ordering::Relaxed) < 100);
        let Some(handle) = HANDLE.get() else {
            return; // the last call
        };
        PERIODIC.call_later(handle, run, 0).unwrap();
        handle.flush();
    }

    let owned = Box::into_raw(Box::new(C.register().unwrap()));
    // SAFETY: it is freed below, after its last use.
    let handle: &'static _ = unsafe { &*owned };
    HANDLE.set(Some(handle));
    PERIODIC.call_later(handle, run, 0).unwrap();
    for runs in 1..10 {
        handle.flush();
        assert!(RUNS.load(Ordering::Relaxed) <= runs + 1);
    }
    assert!(RUNS.load(Ordering::Relaxed) >= 9);
    HANDLE.set(None);
    // SAFETY: made above, and not used any more.
    drop(unsafe { Box::from_raw(owned) });
}

/// Robust mode waits for at most one later section of a reader that is inside
/// at every scan.
#[test]
fn one_later_section_is_waited_for() {
    let collector = Collector::<2, Robust>::with_config(Config::new());
    let (writer, reader) = (
        collector.register().unwrap(),
        collector.register_deferred().unwrap(),
    );
    let section = reader.enter();
    let object = Box::into_raw(Box::new(writer.link(1_u32)));
    // SAFETY: never shared, and boxed.
    unsafe {
        writer
            .enter()
            .defer_retire(object, reclaim::boxed::<Linked<u32>>)
    };
    drop(section);
    let section = reader.enter();
    writer.collect();
    drop(section);
    let _section = reader.enter();
    assert_eq!(writer.collect(), 1);
}

/// What a starved allocation of a handle with a limit finds is left for all
/// handles.
#[test]
fn a_limited_allocation_keeps_nothing_in_hand() {
    use hyaline::{Handle, Pool};
    use std::{cell::Cell, num::NonZeroU16};

    static C: Collector<2> = Collector::new();
    static POOL: Pool<u32, 1> = Pool::new();
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static HANDLE: Cell<Option<&'static Handle<'static>>> = const { Cell::new(None) });
    /// Counts itself, and the first one retires another.
    unsafe fn again(link: *mut hyaline::Link) {
        // SAFETY: each is boxed.
        drop(unsafe { Box::from_raw(hyaline::Link::cast::<Linked<u32>>(link)) });
        if RUNS.fetch_add(1, Ordering::Relaxed) == 0 {
            let handle = HANDLE.get().unwrap();
            let object = Box::into_raw(Box::new(handle.link(5)));
            // SAFETY: never shared.
            unsafe { handle.enter().defer_retire(object, again) };
        }
    }

    let owned = Box::into_raw(Box::new(C.register().unwrap()));
    // SAFETY: it is freed below, after its last use.
    let handle: &'static _ = unsafe { &*owned };
    HANDLE.set(Some(handle));
    let other = C.register().unwrap();
    handle.limit_reclaims(NonZeroU16::new(1));
    let _in_use = POOL.alloc(handle, 1).unwrap();
    let object = Box::into_raw(Box::new(handle.link(1)));
    // SAFETY: never shared.
    unsafe { handle.enter().defer_retire(object, again) };
    assert!(POOL.alloc(handle, 2).is_err());
    // It sleeps from here on.
    other.collect();
    assert_eq!(RUNS.load(Ordering::Relaxed), 2);
    HANDLE.set(None);
    // SAFETY: made above, and not used any more.
    drop(unsafe { Box::from_raw(owned) });
}
