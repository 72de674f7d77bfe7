//! What `docs/guarantees.md` promises and no other test checks, and that
//! everything it names exists.

#![cfg(not(hyaline_loom))]

#[path = "guarantees/costs.rs"]
mod costs;
#[path = "guarantees/schemes.rs"]
mod schemes;

use std::{
    any::Any,
    cell::Cell,
    fs,
    num::NonZeroU16,
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use hyaline::{
    AtomicPtr, Barrier, Basic, Callback, Collector, Config, Fences, Handle, Link, Linked,
    NotTheOwner, Pool, Robust, Role, Scheme, reclaim,
};

thread_local! {
    static RECLAIMED: Cell<usize> = const { Cell::new(0) };
    static BARRIERS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

type Object = Linked<u32>;

/// Counts the reclaimers that run on this thread.
unsafe fn counted(link: *mut Link) {
    RECLAIMED.set(RECLAIMED.get() + 1);
    // SAFETY: all objects with this reclaimer are boxed.
    unsafe { reclaim::boxed::<Object>(link) };
}

fn object<S: Scheme, R: Role>(handle: &Handle<'_, S, R>) -> *mut Object {
    Box::into_raw(Box::new(handle.link(7)))
}

fn retire_one<S: Scheme, R: Role>(handle: &Handle<'_, S, R>) {
    let guard = handle.enter();
    // SAFETY: never shared, and boxed.
    unsafe { guard.defer_retire(object(handle), counted) };
}

/// How many reclaimers a call runs, and what it returns.
fn runs<T>(call: impl FnOnce() -> T) -> (usize, T) {
    let before = RECLAIMED.get();
    let result = call();
    (RECLAIMED.get() - before, result)
}

/// A call that runs none.
#[track_caller]
fn quiet<T>(call: impl FnOnce() -> T) -> T {
    let (reclaimers, result) = runs(call);
    assert_eq!(reclaimers, 0);
    result
}

/// Leaks memory in a way that Miri accepts.
fn leak<T: Sync>(value: T) -> &'static T {
    static KEPT: Mutex<Vec<&'static (dyn Any + Sync)>> = Mutex::new(Vec::new());
    let value = Box::leak(Box::new(value));
    KEPT.lock().expect("nobody panics here").push(value);
    value
}

/// A callback that is registered again from its own call, up to a limit.
#[test]
fn a_callback_calls_itself_again() {
    const CALLS: usize = 1000;
    static C: Collector<2> = Collector::new();
    static CALLBACK: Callback = Callback::new();
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    fn again(left: usize) {
        CALLED.fetch_add(1, Ordering::SeqCst);
        let inner = C.register_deferred().unwrap();
        retire_one(&inner);
        if left > 1 {
            CALLBACK.call_later(&inner, again, left - 1).unwrap();
        }
    }
    let task = C.register().unwrap();
    CALLBACK.call_later(&task, again, CALLS).unwrap();
    while task.flush() > 0 {}
    assert_eq!(CALLED.load(Ordering::SeqCst), CALLS);
    assert_eq!(RECLAIMED.get(), CALLS);
}

/// A reclaimer that registers and flushes runs others on its new slot: calls
/// nest, at most one for each slot.
#[test]
fn nesting_is_bounded_by_the_slots() {
    static C: Collector<4> = Collector::with_config(Config::new().batch::<1>());
    thread_local!(static DEPTH: Cell<(usize, usize)> = const { Cell::new((0, 0)) });
    unsafe fn nests(link: *mut Link) {
        let (depth, deepest) = DEPTH.get();
        DEPTH.set((depth + 1, deepest.max(depth + 1)));
        if let Ok(handle) = C.register() {
            handle.flush();
        }
        DEPTH.set((depth, DEPTH.get().1));
        // SAFETY: boxed below.
        unsafe { counted(link) };
    }
    let (task, reader) = (C.register().unwrap(), C.register().unwrap());
    let section = reader.enter();
    for _ in 0..100 {
        let deferred = C.register_deferred().unwrap();
        // SAFETY: never shared.
        unsafe { deferred.retire(object(&deferred), nests) };
    }
    drop(section);
    task.limit_reclaims(NonZeroU16::new(1));
    task.flush();
    drop((task, reader));
    assert_eq!(RECLAIMED.get(), 100);
    assert!((1..=4).contains(&DEPTH.get().1), "{:?}", DEPTH.get());
}

/// An object that a section made and shared is younger than all that it loaded.
/// Once protected, it stays when another handle finds and retires it.
#[test]
fn an_own_object_is_protected() {
    let config = Config::new().batch::<1>().era_step::<1>();
    let collector = Collector::<2, Robust>::with_config(config);
    let (maker, other) = (collector.register().unwrap(), collector.register().unwrap());
    for protect in [true, false] {
        let guard = maker.enter();
        let own = object(&maker);
        if protect {
            // SAFETY: valid, and not shared yet.
            unsafe { guard.protect_own(own) };
        }
        // The other handle found it, unlinked it and retires it.
        // SAFETY: retired once, and no other reference to it exists.
        let (reclaimers, ()) = runs(|| unsafe { other.retire(own, counted) });
        assert_eq!(
            reclaimers,
            usize::from(!protect),
            "the control: it can be gone"
        );
        if protect {
            // SAFETY: protected.
            assert_eq!(**unsafe { &*own }, 7);
            assert_eq!(runs(|| drop(guard)).0, 1);
        }
    }
}

#[test]
fn an_id_that_cannot_be_is_refused() {
    let (large, small) = (Collector::<2>::new(), Collector::<1>::new());
    let _first = large.register().unwrap();
    let id = large.register().unwrap().id();
    // SAFETY: there is no such slot.
    assert_eq!(unsafe { small.evict(id) }, Err(NotTheOwner));
    assert!(!small.request_restart(id.slot()));
}

/// Counts the barriers that this thread executes.
#[derive(Clone, Copy)]
struct Counting;

// SAFETY: the barriers are those of `Fences`.
unsafe impl Barrier for Counting {
    fn light() {
        BARRIERS.set((BARRIERS.get().0 + 1, BARRIERS.get().1));
        Fences::light();
    }
    fn heavy() {
        BARRIERS.set((BARRIERS.get().0, BARRIERS.get().1 + 1));
        Fences::heavy();
    }
}

/// The light and heavy barriers of each call, when there is no other work.
#[test]
fn barriers_of_each_call() {
    let config = Config::new().batch::<4>().barrier(Counting);
    let collector = Collector::<3, Basic<Counting>>::with_config(config);
    let barriers = |call: &mut dyn FnMut()| {
        BARRIERS.set((0, 0));
        call();
        BARRIERS.get()
    };
    let (task, deferred) = (
        collector.register().unwrap(),
        collector.register_deferred().unwrap(),
    );
    let shared = AtomicPtr::<Object>::new(ptr::null_mut());
    let mut guard = None;
    assert_eq!(
        barriers(&mut || guard = Some(task.enter())),
        (1, 0),
        "enter"
    );
    assert_eq!(barriers(&mut || drop(task.enter())), (0, 0), "nested");
    let open = guard.as_mut().unwrap();
    assert_eq!(
        barriers(&mut || _ = open.protect(&shared, Ordering::Acquire)),
        (0, 0)
    );
    assert_eq!(barriers(&mut || open.refresh()), (0, 0), "refresh");
    assert_eq!(barriers(&mut || guard = None), (0, 0), "leave");
    assert_eq!(
        barriers(&mut || drop(collector.register())),
        (0, 1),
        "release: as flush"
    );
    let mut retire = || retire_one(&task);
    let four = [(); 4].map(|()| barriers(&mut retire));
    assert_eq!(
        four,
        [(1, 0), (1, 0), (1, 0), (1, 1)],
        "a heavy barrier for a batch"
    );
    let mut retire_now = || {
        // SAFETY: never shared.
        unsafe { task.retire(object(&task), counted) };
    };
    assert_eq!(barriers(&mut retire_now), (0, 1), "retire");
    assert_eq!(barriers(&mut || _ = task.collect()), (0, 1), "collect");
    let pool = Pool::<u32, 64>::new();
    let blocks = [(); 64].map(|()| pool.alloc(&task, 1).unwrap());
    assert_eq!(
        barriers(&mut || assert!(pool.alloc(&task, 2).is_err())),
        (0, 1),
        "an allocation that is refused: as flush, if nobody keeps blocks"
    );
    for block in blocks {
        // SAFETY: never shared.
        unsafe { pool.free(block) };
    }
    for _ in 0..9 {
        assert_eq!(barriers(&mut || retire_one(&deferred)), (1, 0), "deferred");
    }
    assert_eq!(barriers(&mut || _ = deferred.flush()), (0, 0));
    assert_eq!(barriers(&mut || _ = collector.slots().count()), (0, 0));
    assert_eq!(
        barriers(&mut || drop(collector.register_deferred())),
        (0, 0)
    );
    assert_eq!(task.collect(), 9);
}

/// Sections whose guards were forgotten, as C's are.
#[test]
fn sections_without_guards() {
    fn run<S: Scheme, R: Role>(handle: &Handle<'_, S, R>, reader: &Handle<'_, S>, reclaims: bool) {
        core::mem::forget(reader.enter());
        retire_one(handle);
        core::mem::forget(handle.enter());
        core::mem::forget(handle.enter());
        // SAFETY: two guards were forgotten. This one is for the calls.
        let guard = core::mem::ManuallyDrop::new(unsafe { handle.make_guard_unchecked() });
        let shared = AtomicPtr::new(object(handle));
        assert!(!guard.protect(&shared, Ordering::Acquire).is_null());
        // SAFETY: never shared; no other reference to it exists.
        unsafe { guard.defer_retire(shared.into_inner(), counted) };
        // SAFETY: the first of the two.
        quiet(|| unsafe { handle.leave_unchecked() });
        assert_eq!(quiet(|| reader.flush()), 0);
        // SAFETY: the second. What waits for this section waits for the reader
        // first, or last.
        quiet(|| unsafe { drop(handle.make_guard_unchecked()) });
        // SAFETY: the reader's guard was forgotten.
        let (by_leave, ()) = runs(|| unsafe { reader.leave_unchecked() });
        let (by_flush, _) = runs(|| reader.flush());
        assert_eq!(by_leave + by_flush, 2);
        // What it retires without a section is reclaimed at once, or left to
        // others.
        // SAFETY: never shared.
        let (by_retire, ()) = runs(|| unsafe { handle.retire(object(handle), counted) });
        assert_eq!(by_retire, usize::from(reclaims));
        reader.flush();
        // A guard without a section retires, and nothing else.
        // SAFETY: no section uses the object; never shared.
        quiet(|| unsafe {
            let guard = core::mem::ManuallyDrop::new(handle.make_guard_unchecked());
            guard.defer_retire(object(handle), counted);
        });
        let (by_flush, _) = runs(|| reader.flush());
        assert_eq!(by_flush, 1);
    }
    fn all<S: Scheme>(collector: Collector<2, S>) {
        let reader = collector.register().unwrap();
        run(&collector.register().unwrap(), &reader, true);
        run(&collector.register().unwrap().erase(), &reader, true);
        run(&collector.register_deferred().unwrap(), &reader, false);
        run(
            &collector.register_deferred().unwrap().erase(),
            &reader,
            false,
        );
        run(
            &collector.register_per_cpu().unwrap().erase(),
            &reader,
            false,
        );
    }
    all::<Basic>(Collector::new());
    // All objects are of one era.
    all::<Robust>(Collector::with_config(Config::new().era_step::<64>()));
}

/// Each row names its evidence: `file::function` of a test, or a command.
#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn what_the_page_names_exists() {
    let page = include_str!("../docs/guarantees.md");
    let root = env!("CARGO_MANIFEST_DIR");
    let xtask = fs::read_to_string(format!("{root}/xtask/src/main.rs"));
    let mut named = 0;
    let lines = page.lines().filter(|line| line.starts_with("| "));
    for row in lines.filter(|line| !line.starts_with("| call ")) {
        let backing = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap();
        let names: Vec<_> = backing.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no evidence for {row}");
        for name in names {
            named += 1;
            if let Some(command) = name.strip_prefix("cargo xtask ") {
                let command = format!("Some(\"{command}\")");
                assert!(
                    xtask.as_ref().is_ok_and(|text| text.contains(&command)),
                    "{name}"
                );
                continue;
            }
            let (file, function) = name.rsplit_once("::").expect("file::function");
            let places = [
                "tests",
                "tests/guarantees",
                "tests/loom",
                "targets/selftest/src",
            ];
            let found = places.iter().any(|place| {
                let text = fs::read_to_string(format!("{root}/{place}/{file}.rs"));
                // A function, or a name in a macro that makes a function of it.
                let forms = [
                    format!("fn {function}("),
                    format!("fn {function}<"),
                    format!("\n    {function}<"),
                    format!("\n    {function} {{"),
                ];
                text.is_ok_and(|text| forms.iter().any(|form| text.contains(form)))
            });
            assert!(found, "{name}, of {row}");
        }
    }
    assert!(named > 50, "only {named}: the page has another form");
}

/// The stack use of each call is a line of the measurement.
#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn the_stack_is_the_measured_one() {
    let root = env!("CARGO_MANIFEST_DIR");
    let measured = fs::read_to_string(format!("{root}/targets/expected/stack-thumbv7em.txt"));
    let Ok(measured) = measured else {
        return; // a package without the targets
    };
    let page = include_str!("../docs/guarantees.md");
    let mut bytes = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.split(" | ").collect();
        let [.., stack, _] = cells[..] else {
            continue;
        };
        if let Some((basic, robust)) = stack.split_once(" / ") {
            bytes += 1;
            let line = format!("| {basic} | {robust} |");
            assert!(measured.contains(&line), "{line} of {row}");
        }
    }
    assert!(bytes > 30, "only {bytes}: the page has another form");

    // The most of a call of the core, in the text of the targets.
    let core = measured.split("| RcuCell").next().unwrap();
    let most = |column: usize| {
        let cell = |row: &str| row.split('|').nth(column)?.trim().parse::<u32>().ok();
        core.lines().filter_map(cell).max().unwrap()
    };
    let text = fs::read_to_string(format!("{root}/targets/README.md")).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (basic, robust) = (most(2), most(3));
    let words = format!("at most {basic} bytes of stack in `Basic` and {robust} in `Robust`");
    assert!(text.contains(&words), "{words}");
}
