//! Each operation against each other one, and against itself: two threads that
//! register, perform one operation on the same objects, and exit. Then the
//! dangerous triples: a reader, a retirer, and a thread that takes what was
//! retired.
//!
//! The models beside this file show chosen interleavings in depth. This one
//! searches broadly, with fewer preemptions.

mod api;

use std::{mem, num::NonZeroU16};

use hyaline::{Basic, Deferred, Eager, HandleId, Nested, PerCpu, Robust, Role};
use loom::thread;

use super::{operations::*, *};

/// Preemptions in one execution with two and three threads; more with
/// `LOOM_MAX_PREEMPTIONS`.
const PREEMPTIONS: [usize; 2] = [1, 1];

/// A role, and how a thread gets a handle of it.
trait Registers: Role + Sized {
    const NAME: &'static str;
    /// What the thread owns.
    type Owner<S: Scheme>;

    fn register<S: Scheme<Barrier = Fences>>(world: &World<S>) -> Self::Owner<S>;
    fn handle<S: Scheme>(owner: &Self::Owner<S>) -> &Handle<'static, S, Self>;
}

impl Registers for Eager {
    const NAME: &'static str = "eager";
    type Owner<S: Scheme> = Handle<'static, S, Self>;

    fn register<S: Scheme<Barrier = Fences>>(world: &World<S>) -> Self::Owner<S> {
        world.stage.register()
    }

    fn handle<S: Scheme>(owner: &Self::Owner<S>) -> &Handle<'static, S, Self> {
        owner
    }
}

impl Registers for Deferred {
    const NAME: &'static str = "deferred";
    type Owner<S: Scheme> = Handle<'static, S, Self>;

    fn register<S: Scheme<Barrier = Fences>>(world: &World<S>) -> Self::Owner<S> {
        world.stage.collector.register_deferred().unwrap()
    }

    fn handle<S: Scheme>(owner: &Self::Owner<S>) -> &Handle<'static, S, Self> {
        owner
    }
}

impl Registers for Nested {
    const NAME: &'static str = "per CPU";
    type Owner<S: Scheme> = PerCpu<'static, S>;

    fn register<S: Scheme<Barrier = Fences>>(world: &World<S>) -> Self::Owner<S> {
        world.stage.collector.register_per_cpu().unwrap()
    }

    fn handle<S: Scheme>(cpu: &Self::Owner<S>) -> &Handle<'static, S, Self> {
        // SAFETY: only the thread that registered uses it.
        unsafe { cpu.get() }
    }
}

/// Performs an operation with a handle of its own.
fn with<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>, run: Operation<S, R>) {
    run(world, R::handle(&R::register(world)));
}

/// Opens a section with a handle of its own, and forgets both.
fn forgets<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) -> HandleId {
    let owner = R::register(world);
    let handle = R::handle(&owner);
    let guard = handle.enter();
    world.look(&guard);
    mem::forget(guard);
    let id = handle.id();
    mem::forget(owner);
    id
}

/// A task that dies in its section.
fn evict<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    let collector = &world.stage.collector;
    let id = forgets::<S, R>(world);
    // SAFETY: its guard and handle are forgotten.
    unsafe { collector.evict(id) }.unwrap();
}

/// A task that is still alive, although its supervisor took it for dead.
fn stale<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    let collector = &world.stage.collector;
    let owner = R::register(world);
    let handle = R::handle(&owner);
    mem::forget(handle.enter());
    // SAFETY: its guard is forgotten. The handle is only used as a stale one
    // may be.
    unsafe { collector.evict(handle.id()) }.unwrap();
    assert!(handle.is_evicted());
    world.retire(handle);
}

/// An owned section, with its own guard, that ends as a handle.
fn section<S: Scheme<Barrier = Fences>, R: Role>(world: &World<S>, handle: Handle<'static, S, R>) {
    let mut owned = handle.enter_owned();
    look(owned.protect(&world.stage.first, Ordering::Acquire));
    owned.restart_requested();
    owned.refresh();
    world.look(&owned.guard());
    owned.leave().flush();
}

fn collect<S: Scheme<Barrier = Fences>>(world: &World<S>) {
    let handle = world.stage.register();
    handle.limit_reclaims(NonZeroU16::new(1));
    handle.collect();
    handle.collect_at_most(1);
}

/// A supervisor that only reads and requests.
fn watch<S: Scheme<Barrier = Fences>>(world: &World<S>) {
    let collector = &world.stage.collector;
    if let Some(oldest) = collector.oldest() {
        assert!(oldest.slot < 3);
    }
    if let Some(active) = collector.slots().find(|slot| slot.guards > 0) {
        collector.request_restart(active.slot);
    }
}

fn synchronize<S: Scheme<Barrier = Fences>>(world: &World<S>) {
    let handle = world.stage.register();
    let taken = world.take_thing();
    handle.synchronize(thread::yield_now).unwrap();
    if taken {
        world.destroy_thing();
    }
}

/// Runs operations at the same time, the first in the model's own thread.
fn together<S: Scheme<Barrier = Fences>>(operations: &[&Row<S>]) {
    let names: Vec<_> = operations.iter().map(|(name, _)| name.as_str()).collect();
    println!("{}", names.join(", "));
    let runs: Vec<_> = operations.iter().map(|(_, run)| *run).collect();
    let body = move || {
        let world = World::<S>::new(Config::new().batch::<1>());
        let others: Vec<_> = runs[1..]
            .iter()
            .map(|run| {
                let run = *run;
                thread::spawn(move || run(world))
            })
            .collect();
        runs[0](world);
        for other in others {
            other.join().unwrap();
        }
        world.close(world.stage.register());
    };
    model_within(PREEMPTIONS[operations.len() - 2], body);
}

/// One operation in one role.
type Row<S> = (String, fn(&World<S>));

/// A row for each role.
macro_rules! rows {
    ($name:ident: $world:ident, $R:ident => $run:expr; $($role:ident)*) => {
        (stringify!($name), vec![$({
            type $R = $role;
            let name = format!("{} {}", $R::NAME, stringify!($name));
            (name, (|$world| $run) as fn(&World<S>))
        },)*])
    };
}

/// The operations by name, each in all roles that have it. A name that has no
/// test below does not compile.
macro_rules! pairs {
    (
        any role: $($any:ident)*;
        registers: $($owner:ident)*;
        sent: $($sent:ident)*;
        eager: $($eager:ident)*;
    ) => {
        fn all<S: Scheme<Barrier = Fences>>() -> Vec<(&'static str, Vec<Row<S>>)> {
            vec![
                $(rows!($any: world, R => with::<S, R>(world, $any); Eager Deferred Nested),)*
                $(rows!($owner: world, R => $owner::<S, R>(world); Eager Deferred Nested),)*
                $(rows!($sent: world, R => $sent(world, R::register(world)); Eager Deferred),)*
                $(rows!($eager: world, R => $eager(world); Eager),)*
            ]
        }
        mod basic {
            use super::*;
            $(#[test] fn $any() { meets_the_rest::<Basic>(stringify!($any)); })*
            $(#[test] fn $owner() { meets_the_rest::<Basic>(stringify!($owner)); })*
            $(#[test] fn $sent() { meets_the_rest::<Basic>(stringify!($sent)); })*
            $(#[test] fn $eager() { meets_the_rest::<Basic>(stringify!($eager)); })*
        }
        mod robust {
            use super::*;
            $(#[test] fn $any() { meets_the_rest::<Robust>(stringify!($any)); })*
            $(#[test] fn $owner() { meets_the_rest::<Robust>(stringify!($owner)); })*
            $(#[test] fn $sent() { meets_the_rest::<Robust>(stringify!($sent)); })*
            $(#[test] fn $eager() { meets_the_rest::<Robust>(stringify!($eager)); })*
        }
    };
}

operations! {
    pairs!
    registers: evict stale;
    sent: section;
    eager: collect watch synchronize;
}

/// An operation, in each role, against itself and all that are listed after it,
/// in each role.
fn meets_the_rest<S: Scheme<Barrier = Fences>>(name: &str) {
    let all = all::<S>();
    let place = all.iter().position(|(other, _)| *other == name).unwrap();
    let (mut pair, mut models, before) = (place, 0, std::time::Instant::now());
    for (index, one) in all[place].1.iter().enumerate() {
        let itself = all[place].1[index..].iter();
        let others = all[place + 1..].iter().flat_map(|(_, rows)| rows);
        for other in itself.chain(others) {
            if is_chosen(pair) {
                together(&[one, other]);
                models += 1;
            }
            pair += 1;
        }
    }
    println!("{name}: {models} models, {:?}", before.elapsed());
}

/// A reader, a retirer, and a thread that takes what was retired.
fn threes<S: Scheme<Barrier = Fences>>(readers: &[&str]) {
    let all = all::<S>();
    let rows: Vec<_> = all.iter().flat_map(|(_, rows)| rows).collect();
    let named = |name: &str| *rows.iter().find(|(row, _)| row == name).unwrap();
    let others = [
        ("eager replace_at_once", "eager flush"),
        ("deferred replace_at_once", "eager collect"),
    ];
    for reader in readers {
        for (writer, taker) in others {
            together(&[reader, writer, taker].map(named));
        }
    }
}

#[test]
fn threes_basic() {
    threes::<Basic>(&["eager read_all", "deferred refresh"]);
}

#[test]
fn threes_robust() {
    threes::<Robust>(&["eager read_all"]);
}
