//! The cell in which an interrupt keeps its handle.

#![cfg(not(hyaline_loom))]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use hyaline::{
    Collector, domain,
    safe::{Domain, HandleCell, HandleUnavailable, Queue, RcuCell},
};

fn claimed<D: Domain<Collector = Collector<2>>>() -> usize {
    D::COLLECTOR.slots().filter(|s| s.owner.is_some()).count()
}

#[test]
fn the_first_use_registers_and_later_ones_do_not() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: HandleCell<App> = HandleCell::new();
    static EVENTS: Queue<String, 8, App> = Queue::new();
    assert_eq!(claimed::<App>(), 0);
    let first = CELL.with(|handle| handle.id());
    for event in 0..100 {
        let pushed = CELL.with(|handle| EVENTS.push(handle, event.to_string()));
        assert_eq!(pushed, Ok(Ok(())));
        let task = App::register().unwrap();
        assert_eq!(EVENTS.pop(&task), Some(event.to_string()));
    }
    assert_eq!(CELL.with(|handle| handle.id()), first);
    assert_eq!(claimed::<App>(), 1);
}

#[test]
fn a_full_collector_is_an_error_and_the_next_call_tries_again() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: HandleCell<App> = HandleCell::new();
    let tasks = [App::register().unwrap(), App::register().unwrap()];
    let refused = CELL.with(|_| unreachable!("no slot is free"));
    let error: HandleUnavailable = refused.unwrap_err();
    assert!(matches!(error, HandleUnavailable::Exhausted(slots) if slots.capacity() == 2));
    assert!(
        error
            .to_string()
            .starts_with("each slot of the collector (2) is claimed; drop")
    );
    drop(tasks);
    assert_eq!(CELL.with(|handle| handle.slot()), Ok(0));
}

#[test]
fn a_call_inside_another_is_an_error() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: HandleCell<App> = HandleCell::new();
    let nested = CELL.with(|_| (CELL.with(|_| ()), CELL.with(|_| ())));
    let in_use = HandleUnavailable::InUse;
    assert_eq!(nested, Ok((Err(in_use), Err(in_use))));
    assert_eq!(CELL.with(|_| ()), Ok(()));
    let text = in_use.to_string();
    let (cause, advice) = text.split_once("; ").expect("cause; advice");
    assert!(cause.contains("is in use") && advice.contains("a cell of its own"));
}

#[test]
fn a_panic_puts_the_handle_back() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: HandleCell<App> = HandleCell::new();
    let id = CELL.with(|handle| handle.id()).unwrap();
    let call = || {
        CELL.with(|handle| {
            let _guard = handle.enter();
            panic!("on purpose");
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_eq!(CELL.with(|handle| handle.id()), Ok(id));
    assert!(App::COLLECTOR.slots().all(|slot| slot.guards == 0));
}

/// No code of the user runs between the claim of the cell and its release, except the
/// closure.
#[test]
fn a_domain_that_panics_does_not_keep_the_cell_in_use() {
    use hyaline::{
        Deferred, SlotsExhausted,
        safe::{CollectorRef, Handle},
    };

    static C: Collector<2> = Collector::new();
    struct App;
    impl Domain for App {
        type Collector = Collector<2>;
        const COLLECTOR: CollectorRef<Collector<2>> = CollectorRef::new(&C);
        fn register_deferred() -> Result<Handle<Self, Deferred>, SlotsExhausted> {
            panic!("on purpose");
        }
    }
    static CELL: HandleCell<App> = HandleCell::new();
    let _ = catch_unwind(|| CELL.with(|_| ()));
    assert_eq!(CELL.with(|_| ()), Ok(()));
}

#[test]
fn a_dropped_cell_releases_its_slot() {
    domain!(App: Collector<2> = Collector::new());
    let cell = HandleCell::<App>::default();
    assert_eq!(cell.with(|_| ()), Ok(()));
    assert_eq!(claimed::<App>(), 1);
    drop(cell);
    assert_eq!(claimed::<App>(), 0);
}

#[test]
fn an_evicted_cell_registers_again() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: HandleCell<App> = HandleCell::new();
    let id = CELL
        .with(|handle| {
            std::mem::forget(handle.enter());
            handle.id()
        })
        .unwrap();
    // SAFETY: its guard was forgotten, and nothing was loaded.
    unsafe { App::COLLECTOR.evict(id) }.unwrap();
    let again = CELL.with(|handle| (handle.enter().slot(), handle.id()));
    assert!(again.is_ok_and(|(_, now)| now != id));
    assert_eq!(claimed::<App>(), 1);
}

/// Threads in the place of cores: one at a time has the handle, and it is the same
/// one.
#[test]
fn one_at_a_time_has_the_handle() {
    domain!(App: Collector<2> = Collector::new());
    static CELL: HandleCell<App> = HandleCell::new();
    static LIMIT: RcuCell<u32, 4, App> = RcuCell::new(10);
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    let start = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..rounds {
                    let seen = CELL.with(|handle| {
                        assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
                        let limit = *LIMIT.read(&handle.enter());
                        assert_eq!(INSIDE.fetch_sub(1, Ordering::SeqCst), 1);
                        limit
                    });
                    match seen {
                        Ok(limit) => {
                            assert_eq!(limit, 10);
                            CALLS.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert_eq!(error, HandleUnavailable::InUse),
                    }
                }
            });
        }
    });
    assert!(CALLS.load(Ordering::Relaxed) > 0);
    assert_eq!(claimed::<App>(), 1);
}
