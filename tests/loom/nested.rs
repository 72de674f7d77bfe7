//! Nested contexts: before every access to what the contexts share, the owner of
//! a per-CPU slot is interrupted by everything that an interrupt may do, against
//! a retirer, a reader and a collector in other threads.
//!
//! Each place has its own model. The search ends at the first place that no
//! execution reaches.

use std::{
    mem::ManuallyDrop,
    ptr::{self, null_mut},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use hyaline::{Basic, Config, Eager, Nested, Robust};
use loom::thread;

use super::{operations::*, *};

/// Preemptions in one execution; more with `LOOM_MAX_PREEMPTIONS`.
const PREEMPTIONS: usize = 1;

/// An operation of a context of the CPU, by name.
type Context<S> = (&'static str, Operation<S, Nested>);
/// An operation of another thread.
type Other<S> = Operation<S, Eager>;

/// Publishes a younger object in the first cell, and retires all that is there,
/// the youngest last.
fn retirer<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S>) {
    let (first, second) = (&world.stage.first, &world.stage.second);
    let young = world.stage.object(handle);
    for (cell, new) in [(first, young), (second, null_mut()), (first, null_mut())] {
        let old = replace(cell, new);
        if !old.is_null() {
            retire(handle, old);
        }
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

/// Waits for a grace period, for an object and a thing that only it uses.
fn poller<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S>) {
    let (old, taken) = (replace(&world.stage.first, null_mut()), world.take_thing());
    let mut token = handle.start_grace_period();
    if token.poll(handle) || token.poll(handle) {
        if !old.is_null() {
            // SAFETY: no section can hold it, which loom checks.
            unsafe { reclaim(old.cast()) };
        }
        if taken {
            world.destroy_thing();
        }
    } else if !old.is_null() {
        retire(handle, old);
    }
}

/// Reads, then takes what the others retired meanwhile.
fn reader<S: Scheme<Barrier = Fences>>(world: &World<S>, handle: &Handle<'static, S>) {
    world.look(&handle.enter());
    handle.collect();
}

/// One model: `task` is interrupted by `irq` before its access number `at`.
/// Returns whether an execution reached that access.
fn interrupted<S: Scheme<Barrier = Fences>>(
    at: usize,
    task: Operation<S, Nested>,
    irq: Operation<S, Nested>,
    others: &'static [Other<S>],
) -> bool {
    let reached = Arc::new(AtomicBool::new(false));
    let found = reached.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(move || {
        let world = World::<S>::new(Config::new().batch::<64>());
        let cpu = world.stage.collector.register_per_cpu().unwrap();
        let cpu: &'static _ = Box::leak(Box::new(cpu));
        // SAFETY: one thread uses it, in contexts that nest.
        let own = unsafe { cpu.get() };
        let others: Vec<_> = others
            .iter()
            .map(|&other| {
                // Not dropped when a model fails: that would be another panic.
                let handle = ManuallyDrop::new(world.stage.register());
                thread::spawn(move || {
                    other(world, &handle);
                    handle
                })
            })
            .collect();
        // In the thread that begins: one preemption stops it at any place for
        // as long as another one runs.
        interrupt::arm(at, move || irq(world, own));
        task(world, own);
        if interrupt::disarm() {
            reached.store(true, Relaxed);
        }
        let joined = others
            .into_iter()
            .map(|other| ManuallyDrop::into_inner(other.join().unwrap()));
        let handle = joined.last().unwrap();
        // SAFETY: leaked above, and its contexts are gone.
        drop(unsafe { Box::from_raw(ptr::from_ref(cpu).cast_mut()) });
        world.close(handle);
    });
    found.load(Relaxed)
}

/// A task, interrupted at each of its places. Prints how many.
fn sweep<S: Scheme<Barrier = Fences>>(
    task: &Context<S>,
    irq: &Context<S>,
    others: impl Iterator<Item = &'static [Other<S>]>,
) {
    let before = Instant::now();
    let places = |others| {
        (0..)
            .find(|at| !interrupted(*at, task.1, irq.1, others))
            .unwrap()
    };
    let places: usize = others.map(places).sum();
    let (task, irq, took) = (task.0, irq.0, before.elapsed());
    println!("{task}, interrupted by {irq}: {places} places, {took:?}");
}

fn named<S: Scheme<Barrier = Fences>>(name: &str) -> usize {
    let mut names = contexts::<S>().iter();
    names.position(|(other, _)| *other == name).unwrap()
}

/// A task, interrupted by each operation. Each task and each interrupt meets each
/// of the others, a pair of them every second one.
fn sweep_all<S: Scheme<Barrier = Fences>>(name: &str) {
    // Blocks are contended only by what allocates.
    let others: &[&[Other<S>]] = if name.starts_with("pool") {
        &[&[collector], &[pool_swap]]
    } else {
        &[&[retirer], &[collector], &[poller], &[reader]]
    };
    let task = named::<S>(name);
    for (irq, context) in contexts().iter().enumerate() {
        if !is_chosen(task + irq) {
            continue;
        }
        let others = others.iter().skip((task + irq) % 2).step_by(2).copied();
        sweep(&contexts()[task], context, others);
    }
}

/// Three threads: a reader of one cell, and one that takes what was retired.
fn sweep_against_two<S: Scheme<Barrier = Fences>>() {
    let two: &[Other<S>] = &[flush, |world, handle| read(handle, &world.stage.first)];
    let named = |name| &contexts()[named::<S>(name)];
    for task in ["swap", "retire_own"] {
        sweep(named(task), named("replace_at_once"), [two].into_iter());
    }
}

macro_rules! sweeps {
    (any role: $($name:ident)*;) => {
        /// What the task and the interrupts do.
        const fn contexts<S: Scheme<Barrier = Fences>>() -> &'static [Context<S>] {
            &[$((stringify!($name), $name),)*]
        }
        mod basic {
            use super::*;
            $(#[test] fn $name() { sweep_all::<Basic>(stringify!($name)); })*
            #[test] fn against_two() { sweep_against_two::<Basic>(); }
        }
        mod robust {
            use super::*;
            $(#[test] fn $name() { sweep_all::<Robust>(stringify!($name)); })*
            #[test] fn against_two() { sweep_against_two::<Robust>(); }
        }
    };
}

operations! { sweeps! }
