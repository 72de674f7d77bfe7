//! Nested contexts: before every access that the contexts share, the owner of a
//! per-CPU slot is interrupted by everything that an interrupt may do, against
//! a retirer, a reader and a collector in another thread.
//!
//! Each place has its own model. The search ends at the first place that no
//! execution reaches.

use std::{
    ptr::null_mut,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use hyaline::{Basic, Config, Nested, PerCpu, Robust, interrupt};
use loom::thread;

use super::*;

/// Preemptions in one execution; more with `LOOM_MAX_PREEMPTIONS`.
const PREEMPTIONS: usize = 1;

/// What the contexts of a model share.
struct World<S: Scheme> {
    stage: &'static Stage<3, S>,
    cpu: PerCpu<'static, S>,
}

// SAFETY: the handle of the CPU is used by one thread; loom checks the rest.
unsafe impl<S: Scheme> Sync for World<S> {}

/// An operation of a context of the CPU.
type Context<S> = fn(&World<S>, &Handle<'static, S, Nested>);
/// An operation of another thread.
type Other<S> = fn(&World<S>, &Handle<'static, S>);

/// Uses an object; an interrupt may come first.
fn uses(object: *mut Object) {
    interrupt::step();
    look(object);
}

/// Reads both cells, in one section.
fn reads<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S, Nested>) {
    let guard = handle.enter();
    uses(guard.protect(&world.stage.first, Ordering::Acquire));
    uses(guard.protect(&world.stage.second, Ordering::Acquire));
}

/// Takes the object of the first cell, uses it, and retires it.
fn swaps<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S, Nested>) {
    let guard = handle.enter();
    let old = guard.swap(&world.stage.first, null_mut(), Ordering::AcqRel);
    uses(old);
    if !old.is_null() {
        // SAFETY: unlinked by the swap.
        unsafe { guard.defer_retire(old, reclaim) };
        uses(old);
    }
}

/// Fails an exchange on the first cell, and reads what it finds there.
fn exchanges<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S, Nested>) {
    let guard = handle.enter();
    let (null, dangling) = (null_mut(), std::ptr::dangling_mut::<Object>());
    let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
    let exchanged = guard.compare_exchange(&world.stage.first, dangling, null, success, failure);
    uses(exchanged.unwrap_err());
}

/// Retires its own object, younger than its section, and keeps reading.
fn retires<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S, Nested>) {
    let guard = handle.enter();
    let own = world.stage.object(handle);
    // SAFETY: it was never shared.
    unsafe { guard.defer_retire(own, reclaim) };
    uses(own);
    uses(guard.protect(&world.stage.first, Ordering::Acquire));
    uses(own);
}

/// Reads, renumbers its section if something waits for it, and reads again.
fn refreshes<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S, Nested>) {
    let mut guard = handle.enter();
    uses(guard.protect(&world.stage.first, Ordering::Acquire));
    guard.refresh();
    uses(guard.protect(&world.stage.first, Ordering::Acquire));
}

/// An interrupt that is interrupted by another one, at a later place.
fn nests<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S, Nested>) {
    let guard = handle.enter();
    reads(world, handle);
    uses(guard.protect(&world.stage.first, Ordering::Acquire));
}

/// Unlinks and retires the objects of both cells, young ones last.
fn retirer<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S>) {
    for cell in [&world.stage.first, &world.stage.second] {
        let old = replace(cell, null_mut());
        if !old.is_null() {
            retire(handle, old);
        }
    }
}

/// Publishes a younger object in the first cell, and retires it again.
fn replacer<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S>) {
    let old = replace(&world.stage.first, world.stage.object(handle));
    if !old.is_null() {
        retire(handle, old);
    }
    let young = replace(&world.stage.first, null_mut());
    if !young.is_null() {
        retire(handle, young);
    }
}

/// Takes what the others retired.
fn collector<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S>) {
    let old = replace(&world.stage.first, null_mut());
    if !old.is_null() {
        // Onto the stack: the collect publishes it.
        defer(&handle.enter(), old);
    }
    handle.collect();
}

/// Waits for a grace period, for an object that only it uses.
fn poller<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S>) {
    let old = replace(&world.stage.first, null_mut());
    if !old.is_null() {
        let mut token = handle.start_grace_period();
        if token.poll(handle) || token.poll(handle) {
            // SAFETY: no section can hold it, which loom checks.
            unsafe { reclaim(old.cast()) };
        } else {
            retire(handle, old);
        }
    }
}

/// One model: `task` is interrupted by `irq` before its access number `at`.
/// Returns whether an execution reached that access.
fn interrupted<S: Scheme<Barrier = Fences>>(
    at: usize,
    task: Context<S>,
    irq: Context<S>,
    other: Other<S>,
) -> bool {
    static REACHED: AtomicBool = AtomicBool::new(false);
    REACHED.store(false, Relaxed);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(move || {
        let stage = Stage::<3, S>::new(Config::new().batch::<64>().era_step::<1>());
        let setup = stage.register();
        replace(&stage.first, stage.object(&setup));
        replace(&stage.second, stage.object(&setup));
        drop(setup);
        let world: &'static World<S> = Box::leak(Box::new(World {
            stage,
            cpu: stage.collector.register_per_cpu().unwrap(),
        }));
        let handle = stage.register();
        let running = thread::spawn(move || {
            // SAFETY: one thread, and contexts that nest.
            let cpu = unsafe { world.cpu.get() };
            interrupt::arm(at, move || irq(world, cpu));
            task(world, cpu);
            if interrupt::disarm() {
                REACHED.store(true, Relaxed);
            }
        });
        other(world, &handle);
        running.join().unwrap();
        // One call of one handle, when no section is open, leaves nothing.
        retirer(world, &handle);
        handle.collect();
        stage.nothing_is_left();
        drop(handle);
        // SAFETY: leaked above, and the thread is gone.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(world).cast_mut()) });
        stage.close();
    });
    REACHED.load(Relaxed)
}

/// All interrupts at all places of a task.
fn sweep<S: Scheme<Barrier = Fences>>(name: &str, task: Context<S>, others: &[Other<S>]) {
    let interrupts: [(&str, Context<S>); 6] = [
        ("reads", reads),
        ("swaps", swaps),
        ("exchanges", exchanges),
        ("retires", retires),
        ("refreshes", refreshes),
        ("nests", nests),
    ];
    for (irq, context) in interrupts {
        let places: usize = others
            .iter()
            .map(|other| {
                (0..)
                    .find(|at| !interrupted(*at, task, context, *other))
                    .unwrap()
            })
            .sum();
        println!("{name}, interrupted by {irq}: {places} places");
    }
}

macro_rules! sweeps {
    ($($task:ident)*) => {
        mod basic {
            use super::*;
            $(#[test] fn $task() { sweep::<Basic>(stringify!($task), super::$task, &others()); })*
        }
        mod robust {
            use super::*;
            $(#[test] fn $task() { sweep::<Robust>(stringify!($task), super::$task, &others()); })*
        }
    };
}

/// The operations of another thread.
fn others<S: Scheme<Barrier = Fences>>() -> [Other<S>; 4] {
    [retirer, replacer, collector, poller]
}

sweeps! { reads swaps exchanges retires refreshes nests }
