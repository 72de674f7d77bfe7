//! Loom models: one for each step of the safety argument in `src/raw.rs`, and
//! for the pairs of operations that could interfere.
//!
//! Run with `RUSTFLAGS="--cfg hyaline_loom" cargo test --release --test loom`, and
//! once more with `--cfg hyaline_narrow_era` added, for the wrap of the eras.
//!
//! The search is exhaustive up to the preemption bound in [`model`]. An object
//! holds a cell that a reader reads and the reclaimer writes: loom reports the
//! two if nothing orders them, which is a use after free. It also holds an
//! `Arc`, and loom reports one that is never dropped, which is a leak.

#![cfg(hyaline_loom)]

#[macro_use]
#[path = "../common/ordered.rs"]
mod ordered;

mod eras;
mod grace;
mod nested;
mod operations;
mod pairs;
mod pool;
mod release;
mod safe;
mod section;
mod steal;
mod supervise;

use hyaline::{
    AtomicPtr, Collector, Config, Fences, Guard, Handle, Link, Linked, Role, Scheme, interrupt,
};
use loom::{cell::UnsafeCell, sync::Arc, sync::atomic::Ordering};

/// Preemptions in one execution, each at any point.
const PREEMPTIONS: usize = 3;

/// Runs a model.
fn model(body: impl Fn() + Sync + Send + 'static) {
    model_within(PREEMPTIONS, body);
}

/// Runs a model with its own bound, and prints how many executions it took.
fn model_within(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    let counter = executions.clone();
    builder.check(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        body();
    });
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    println!("{name}: {executions:?} executions");
}

/// Whether `nested` and `pairs` search their pair of this number: each one, or with
/// `HYALINE_LOOM_PART=K/M` each M-th, from K on.
fn is_chosen(pair: usize) -> bool {
    let Ok(part) = std::env::var("HYALINE_LOOM_PART") else {
        return true;
    };
    let numbers = part.split_once('/').and_then(|(first, step)| {
        let (first, step) = (first.parse::<usize>().ok()?, step.parse().ok()?);
        (first < step).then_some((first, step))
    });
    let (first, step) =
        numbers.unwrap_or_else(|| panic!("HYALINE_LOOM_PART is K/M with K below M, not `{part}`"));
    pair % step == first
}

/// The contents of an object that is not reclaimed.
const ALIVE: u32 = 0x600d_600d;

/// An object that detects a use after its reclaim, and counts it.
struct Canary {
    value: UnsafeCell<u32>,
    /// Dropped by the reclaimer, otherwise reported as a leak.
    life: UnsafeCell<Option<Arc<()>>>,
}

type Object = Linked<Canary>;

/// The reclaimer. It keeps the memory, so that a failing model reports what it
/// saw and does not crash.
unsafe fn reclaim(link: *mut Link) {
    // SAFETY: all objects are `Object`s, and never freed.
    let object = unsafe { &*Link::cast::<Object>(link) };
    // SAFETY: loom checks that no other thread reads it meanwhile.
    object.value.with_mut(|value| unsafe { *value = 0xdead });
    // SAFETY: loom checks that no other thread accesses it meanwhile.
    let life = object.life.with_mut(|life| unsafe { (*life).take() });
    assert!(life.is_some(), "reclaimed twice");
}

/// Reads an object, as a reader does; an interrupt may come first.
fn look(object: *mut Object) {
    if !object.is_null() {
        interrupt::step();
        // SAFETY: the memory is never freed; loom checks the rest.
        let value = unsafe { &*object }.value.with(|value| unsafe { *value });
        assert_eq!(value, ALIVE, "used after its reclaim");
    }
}

/// A section that reads what `shared` points to.
fn read<S: Scheme>(handle: &Handle<'_, S>, shared: &AtomicPtr<Object>) {
    let guard = handle.enter();
    look(guard.protect(shared, Ordering::Acquire));
}

/// Replaces what `shared` points to, and returns the old one.
fn replace(shared: &AtomicPtr<Object>, new: *mut Object) -> *mut Object {
    // AcqRel: the new object is published, and the old one is exclusively ours.
    shared.swap(new, Ordering::AcqRel)
}

/// The setup of a model: a collector that lives as long as its threads, and two
/// shared pointers.
struct Stage<const N: usize, S: Scheme> {
    collector: Collector<N, S>,
    first: AtomicPtr<Object>,
    second: AtomicPtr<Object>,
    /// Counts the objects that are not reclaimed.
    life: Arc<()>,
}

impl<const N: usize, S: Scheme<Barrier = Fences>> Stage<N, S> {
    fn new(config: Config) -> &'static Self {
        Box::leak(Box::new(Self {
            collector: Collector::with_config(config),
            first: AtomicPtr::new(std::ptr::null_mut()),
            second: AtomicPtr::new(std::ptr::null_mut()),
            life: Arc::new(()),
        }))
    }

    fn register(&'static self) -> Handle<'static, S> {
        self.collector.register().unwrap()
    }

    /// A new object.
    fn object<R: Role>(&self, handle: &Handle<'_, S, R>) -> *mut Object {
        let object = handle.link(Canary {
            value: UnsafeCell::new(0),
            life: UnsafeCell::new(Some(self.life.clone())),
        });
        // Here and not above, so that loom knows of a write that readers must
        // see.
        // SAFETY: the object is not shared yet.
        object.value.with_mut(|value| unsafe { *value = ALIVE });
        Box::into_raw(Box::new(object))
    }

    fn nothing_is_left(&self) {
        assert_eq!(Arc::strong_count(&self.life), 1, "nothing is left pending");
    }

    /// Drops the collector, when all threads are joined and all handles dropped:
    /// everything that was retired is reclaimed.
    fn close(&'static self) {
        self.nothing_is_left();
        // SAFETY: it was leaked by `new`, and all handles are dropped.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(self).cast_mut()) });
    }
}

/// Retires in the batch of a guard's handle.
fn defer<S: Scheme>(guard: &Guard<'_, S>, old: *mut Object) {
    // SAFETY: models unlink an object before they retire it, once.
    unsafe { guard.defer_retire(old, reclaim) };
}

/// Retires at once, if no other section is open.
fn retire<S: Scheme>(handle: &Handle<'_, S>, old: *mut Object) {
    // SAFETY: models unlink an object before they retire it, once, and this thread does
    // not use it any more.
    unsafe { handle.retire(old, reclaim) };
}
