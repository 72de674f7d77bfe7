//! A multi-threaded process forks: the recipe of `docs/fork.md`, in real
//! children.

#![cfg(all(unix, not(any(hyaline_loom, miri))))]

use std::{
    ffi::{c_int, c_uint},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::{RwLock, atomic::Ordering, mpsc},
    thread,
};

use hyaline::{
    AtomicPtr, Basic, Collector, Config, Handle, HandleId, Linked, Membarrier, Robust, Role,
    Scheme, reclaim,
};

// SAFETY: the signatures are those of POSIX.
unsafe extern "C" {
    safe fn fork() -> c_int;
    safe fn alarm(seconds: c_uint) -> c_uint;
    safe fn _exit(status: c_int) -> !;
    fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
}

/// Threads hold it shared around the calls that the recipe lists. The thread
/// that forks holds it exclusively.
static GATE: RwLock<()> = RwLock::new(());

/// The recipe, which a child calls first. Evicts all handles but its own, and
/// returns how many.
///
/// # Safety
///
/// This process is a child made by `fork` and has one thread. When the parent
/// forked, none of its other threads was inside one of the calls that the recipe
/// lists. `mine` contains all handles that this thread continues to use.
unsafe fn keep_only<const N: usize, S: Scheme>(c: &Collector<N, S>, mine: &[HandleId]) -> usize {
    let others = c.slots().filter_map(|state| state.owner);
    let others = others.filter(|id| !mine.contains(id));
    // SAFETY: the owner's thread does not exist here, so it does not run again,
    // and it was not inside a call. What it did happens before: `fork` copied it.
    others.filter(|id| unsafe { c.evict(*id) }.is_ok()).count()
}

/// Runs the body in a child and returns its result, or false if it panicked.
fn in_child(body: impl FnOnce() -> bool) -> bool {
    let held = GATE.write().unwrap();
    let child = fork();
    drop(held); // in both processes
    if child == 0 {
        alarm(60);
        let ended = catch_unwind(AssertUnwindSafe(body));
        _exit(c_int::from(!ended.unwrap_or(false)));
    }
    assert!(child > 0);
    let mut status = 0;
    // SAFETY: the pointer leads to an integer that the call may write.
    assert_eq!(unsafe { waitpid(child, &raw mut status, 0) }, child);
    status == 0
}

fn retire<S: Scheme, R: Role>(handle: &Handle<'_, S, R>, objects: usize) {
    for number in 0..objects {
        let object = Box::into_raw(Box::new(handle.link(number)));
        let guard = handle.enter();
        // SAFETY: never shared, and boxed.
        unsafe { guard.defer_retire(object, reclaim::boxed::<Linked<usize>>) };
    }
}

const OBJECTS: usize = 10_000;

/// The parent: a reader in its section, a thread with an unpublished batch, and
/// the forking thread, which has a handle, too.
fn suite<S: Scheme>(
    c: &'static Collector<4, S>,
    shared: &'static AtomicPtr<Linked<usize>>,
    bounded: bool,
) {
    let (inside, wait_inside) = mpsc::channel();
    let (leave, reader_waits) = mpsc::channel::<()>();
    let (end, writer_waits) = mpsc::channel::<()>();
    let mine = c.register().unwrap();
    shared.store(Box::into_raw(Box::new(mine.link(7))), Ordering::Release);
    thread::scope(|scope| {
        let told = inside.clone();
        // Deferred: its guards may be dropped at any time, also during a fork.
        scope.spawn(move || {
            let handle = c.register_deferred().unwrap();
            let guard = handle.enter();
            let object = guard.protect(shared, Ordering::Acquire);
            told.send(()).unwrap();
            let _ = reader_waits.recv();
            // SAFETY: protected in the parent, independently of the child.
            assert_eq!(unsafe { **object }, 7);
        });
        scope.spawn(move || {
            let handle = c.register().unwrap();
            let held = GATE.read().unwrap();
            // Under a guard, which keeps them in the batch.
            let guard = handle.enter();
            retire(&handle, 3);
            drop(held);
            inside.send(()).unwrap();
            let _ = writer_waits.recv();
            let _held = GATE.read().unwrap();
            drop(guard);
            drop(handle);
        });
        wait_inside.recv().unwrap();
        wait_inside.recv().unwrap();
        let retired = c.stats().retired;

        let without = in_child(|| {
            retire(&mine, OBJECTS);
            mine.flush();
            assert_eq!(c.stats().retired, retired + OBJECTS);
            c.stats().pending() < OBJECTS / 10
        });
        // The purpose of the recipe. In robust mode the reader that does not
        // exist here holds a bounded number of objects.
        assert_eq!(without, bounded);

        let child = in_child(|| {
            // SAFETY: `in_child` forks with the gate held exclusively, and this
            // is the child's first call.
            assert_eq!(unsafe { keep_only(c, &[mine.id()]) }, 2);
            // The batch of the other thread was reclaimed, too.
            retire(&mine, OBJECTS);
            mine.flush();
            mine.collect();
            assert_eq!(c.stats().pending(), 0);
            mine.synchronize(thread::yield_now).unwrap();
            // Their slots are free again, for threads of the child.
            thread::scope(|scope| {
                for _ in 0..3 {
                    let handle = c.register().unwrap();
                    scope.spawn(move || retire(&handle, OBJECTS));
                }
            });
            mine.collect();
            assert_eq!(c.stats().pending(), 0);
            assert_eq!(c.slots().filter(|state| state.owner.is_some()).count(), 1);
            // SAFETY: the child has no other thread.
            assert_eq!(unsafe { **shared.load(Ordering::Acquire) }, 7);
            true
        });
        assert!(child);
        drop((leave, end));
    });
    // The parent is unaffected.
    mine.flush();
    mine.collect();
    assert_eq!(c.stats().pending(), 0);
    let object = shared.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: all other threads have ended, and it came from a `Box`.
    drop(unsafe { Box::from_raw(object) });
}

macro_rules! forks {
    ($name:ident: $scheme:ty, $config:expr, $bounded:expr) => {
        #[test]
        fn $name() {
            static C: Collector<4, $scheme> = Collector::with_config($config);
            static SHARED: AtomicPtr<Linked<usize>> = AtomicPtr::new(ptr::null_mut());
            suite(&C, &SHARED, $bounded);
        }
    };
}

forks!(basic: Basic, Config::new(), false);
forks!(robust: Robust, Config::new(), true);
forks!(membarrier: Basic<Membarrier>, Config::new().barrier(Membarrier), false);

/// The page shows the function that is tested here.
#[test]
fn the_page_has_the_recipe() {
    let (page, tests) = (include_str!("../docs/fork.md"), include_str!("fork.rs"));
    let start = tests.find("unsafe fn keep_only").unwrap();
    let length = tests[start..].find("\n}\n").unwrap();
    assert!(page.contains(&tests[start..start + length]));
}
