//! Each operation against each other one, and against itself: two threads that
//! register, perform one operation on the same objects, and exit. Then the
//! dangerous triples: a reader, a retirer, and a thread that takes what was
//! retired.
//!
//! The models beside this file show chosen interleavings in depth. This one
//! searches broadly, with fewer preemptions.

use std::{mem, num::NonZeroU16, ptr::null_mut};

use hyaline::{Basic, Callback, Config, Deferred, Eager, Nested, Pool, Robust, Role, reclaim};
use loom::{cell::UnsafeCell, sync::atomic::AtomicUsize, thread};

use super::*;

/// Preemptions in one execution with two and three threads; more with
/// `LOOM_MAX_PREEMPTIONS`.
const PREEMPTIONS: [usize; 2] = [1, 1];

/// What the threads of a model share.
struct World<S: Scheme> {
    stage: &'static Stage<3, S>,
    /// 1 while `thing` can be found. It is not an object: grace periods protect
    /// it.
    found: AtomicUsize,
    thing: UnsafeCell<u32>,
    callback: &'static Callback,
    pool: &'static Pool<u32, 2>,
    pooled: AtomicPtr<Linked<u32>>,
}

// SAFETY: loom checks the accesses to what is not atomic, which is the purpose.
unsafe impl<S: Scheme> Sync for World<S> {}

type Operation<S> = fn(&World<S>);

impl<S: Scheme<Barrier = Fences>> World<S> {
    fn new() -> &'static Self {
        let stage = Stage::new(Config::new().batch::<1>().era_step::<1>());
        replace(&stage.first, stage.object(&stage.register()));
        Box::leak(Box::new(Self {
            stage,
            found: AtomicUsize::new(1),
            thing: UnsafeCell::new(ALIVE),
            callback: Box::leak(Box::new(Callback::new())),
            pool: Box::leak(Box::new(Pool::new())),
            pooled: AtomicPtr::new(null_mut()),
        }))
    }

    /// What a reader does.
    fn look<R: Role>(&self, guard: &Guard<'_, S, R>) {
        look(guard.protect(&self.stage.first, Ordering::Acquire));
        // Acquire: as `protect`.
        if self.found.load(Ordering::Acquire) == 1 {
            // SAFETY: loom checks it.
            let seen = self.thing.with(|value| unsafe { *value });
            assert_eq!(seen, ALIVE, "destroyed while in use");
        }
    }

    /// Whether the thing is exclusively ours after a grace period.
    fn take_thing(&self) -> bool {
        // Release: no section finds it from here on.
        self.found.swap(0, Ordering::Release) == 1
    }

    fn destroy_thing(&self) {
        // SAFETY: loom checks that no section uses it.
        self.thing.with_mut(|value| unsafe { *value = 0xdead });
    }

    /// Retires the object of the first cell, with a handle of any role.
    fn retire<R: Role>(&self, handle: &Handle<'_, S, R>) {
        let old = replace(&self.stage.first, null_mut());
        if !old.is_null() {
            // SAFETY: unlinked here, once, and not used by this thread.
            unsafe { handle.retire(old, reclaim) };
        }
    }

    /// When all threads are gone, nothing is left.
    fn close(&'static self) {
        let handle = self.stage.register();
        self.retire(&handle);
        handle.flush();
        self.stage.nothing_is_left();
        let pooled = self.pooled.swap(null_mut(), Ordering::Relaxed);
        if !pooled.is_null() {
            // SAFETY: the threads are gone.
            unsafe { self.pool.free(pooled) };
        }
        assert_eq!(self.pool.available(), 2);
        drop(handle);
        self.stage.close();
        // SAFETY: all were leaked by `new`, and are not used any more.
        unsafe {
            drop(Box::from_raw(std::ptr::from_ref(self.callback).cast_mut()));
            drop(Box::from_raw(std::ptr::from_ref(self.pool).cast_mut()));
            drop(Box::from_raw(std::ptr::from_ref(self).cast_mut()));
        }
    }
}

/// A role, and how a thread gets a handle of it.
trait Registers: Role + Sized {
    const NAME: &'static str;

    fn with<S: Scheme<Barrier = Fences>>(
        world: &World<S>,
        run: impl FnOnce(&Handle<'static, S, Self>),
    );

    /// The same with a handle that can be sent; not in the per-CPU role.
    fn owned<S: Scheme<Barrier = Fences>>(world: &World<S>) -> Option<Handle<'static, S, Self>>;
}

impl Registers for Eager {
    const NAME: &'static str = "eager";

    fn with<S: Scheme<Barrier = Fences>>(world: &World<S>, run: impl FnOnce(&Handle<'static, S>)) {
        run(&world.stage.register());
    }

    fn owned<S: Scheme<Barrier = Fences>>(world: &World<S>) -> Option<Handle<'static, S>> {
        Some(world.stage.register())
    }
}

impl Registers for Deferred {
    const NAME: &'static str = "deferred";

    fn with<S: Scheme<Barrier = Fences>>(
        world: &World<S>,
        run: impl FnOnce(&Handle<'static, S, Self>),
    ) {
        run(&world.stage.collector.register_deferred().unwrap());
    }

    fn owned<S: Scheme<Barrier = Fences>>(world: &World<S>) -> Option<Handle<'static, S, Self>> {
        Some(world.stage.collector.register_deferred().unwrap())
    }
}

impl Registers for Nested {
    const NAME: &'static str = "per CPU";

    fn with<S: Scheme<Barrier = Fences>>(
        world: &World<S>,
        run: impl FnOnce(&Handle<'static, S, Self>),
    ) {
        let cpu = world.stage.collector.register_per_cpu().unwrap();
        // SAFETY: only this thread uses it.
        run(unsafe { cpu.get() });
    }

    fn owned<S: Scheme<Barrier = Fences>>(_: &World<S>) -> Option<Handle<'static, S, Self>> {
        None
    }
}

fn read<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    R::with(world, |handle| world.look(&handle.enter()));
}

fn refresh<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    R::with(world, |handle| {
        let mut guard = handle.enter();
        world.look(&guard);
        // Requested or not.
        guard.restart_requested();
        guard.refresh();
        world.look(&guard);
    });
}

/// An owned section, with its own guard, that ends as a handle.
fn section<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    if let Some(handle) = R::owned(world) {
        let mut section = handle.enter_owned();
        look(section.protect(&world.stage.first, Ordering::Acquire));
        section.refresh();
        world.look(&section.guard());
        section.leave().flush();
    }
}

fn swap<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    R::with(world, |handle| {
        let guard = handle.enter();
        let new = world.stage.object(handle);
        let old = guard.swap(&world.stage.first, new, Ordering::AcqRel);
        defer_and_look(&guard, old);
    });
}

fn exchange<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    R::with(world, |handle| {
        let guard = handle.enter();
        let cell = &world.stage.first;
        let seen = guard.protect(cell, Ordering::Acquire);
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        match guard.compare_exchange_weak(cell, seen, null_mut(), success, failure) {
            Ok(old) => defer_and_look(&guard, old),
            Err(found) => look(found),
        }
        look(seen);
    });
}

/// Retires an object that was never shared, and reads the shared one.
fn retire_own<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    R::with(world, |handle| {
        let guard = handle.enter();
        defer_and_look(&guard, world.stage.object(handle));
        world.look(&guard);
    });
}

fn retire_at_once<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    R::with(world, |handle| world.retire(handle));
}

/// Retires what it no longer uses, under a guard that uses something else.
fn retire_in_section<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    R::with(world, |handle| {
        let guard = handle.enter();
        let old = replace(&world.stage.first, null_mut());
        defer_and_look(&guard, old);
        world.look(&guard);
    });
}

fn pool<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    R::with(world, |handle| {
        let guard = handle.enter();
        if let Ok(new) = world.pool.alloc(handle, ALIVE) {
            let old = guard.swap(&world.pooled, new, Ordering::AcqRel);
            if !old.is_null() {
                // SAFETY: protected.
                assert_eq!(**unsafe { &*old }, ALIVE);
                // SAFETY: unlinked here, of a pool that stays.
                unsafe { guard.defer_retire(old, reclaim::pooled::<u32>) };
            }
        }
    });
}

fn token<S: Scheme<Barrier = Fences>, R: Registers>(world: &World<S>) {
    R::with(world, |handle| {
        let taken = world.take_thing();
        if handle.start_grace_period().poll(handle) && taken {
            world.destroy_thing();
        }
    });
}

/// Retires an object and uses it once more.
fn defer_and_look<S: Scheme, R: Role>(guard: &Guard<'_, S, R>, old: *mut Object) {
    if !old.is_null() {
        // SAFETY: unlinked by this thread, once, or never shared.
        unsafe { guard.defer_retire(old, reclaim) };
        look(old);
    }
}

fn flush<S: Scheme<Barrier = Fences>>(world: &World<S>) {
    world.stage.register().flush();
}

fn collect<S: Scheme<Barrier = Fences>>(world: &World<S>) {
    let handle = world.stage.register();
    handle.limit_reclaims(NonZeroU16::new(1));
    handle.collect();
    handle.collect_at_most(1);
}

/// A task that dies in its section.
fn evict<S: Scheme<Barrier = Fences>>(world: &World<S>) {
    let handle = world.stage.register();
    let guard = handle.enter();
    world.look(&guard);
    mem::forget(guard);
    let id = handle.id();
    mem::forget(handle);
    // SAFETY: its guard and handle are forgotten.
    unsafe { world.stage.collector.evict(id) }.unwrap();
}

/// A task that is still alive, although its supervisor took it for dead.
fn stale<S: Scheme<Barrier = Fences>>(world: &World<S>) {
    let handle = world.stage.register();
    mem::forget(handle.enter());
    // SAFETY: its guard is forgotten. The handle is only used as a stale one
    // may be.
    unsafe { world.stage.collector.evict(handle.id()) }.unwrap();
    assert!(handle.is_evicted());
    world.retire(&handle);
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

fn call_later<S: Scheme<Barrier = Fences>>(world: &World<S>) {
    fn destroy<S: Scheme<Barrier = Fences>>(world: usize) {
        let world = std::ptr::with_exposed_provenance::<World<S>>(world);
        // SAFETY: the world outlives its threads, and nothing is pending then.
        unsafe { &*world }.destroy_thing();
    }
    let handle = world.stage.register();
    if world.take_thing() {
        let word = std::ptr::from_ref(world).expose_provenance();
        let called = world.callback.call_later(&handle, destroy::<S>, word);
        assert!(called.is_ok(), "one thread gets the thing");
    }
}

/// Runs operations at the same time, the first in the model's own thread.
fn together<S: Scheme<Barrier = Fences>>(operations: &[&Row<S>]) {
    let names: Vec<_> = operations.iter().map(|(name, _)| name.as_str()).collect();
    println!("{}", names.join(", "));
    let runs: Vec<_> = operations.iter().map(|(_, run)| *run).collect();
    let body = move || {
        let world = World::<S>::new();
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
        world.close();
    };
    model_within(PREEMPTIONS[operations.len() - 2], body);
}

/// One operation in one role.
type Row<S> = (String, Operation<S>);

/// The operations by name, each in all roles that have it. A name that has no
/// test below does not compile.
macro_rules! operations {
    (any role: $($any:ident)*; eager: $($eager:ident)*) => {
        fn all<S: Scheme<Barrier = Fences>>() -> Vec<(&'static str, Vec<Row<S>>)> {
            vec![
                $((stringify!($any), vec![
                    (format!("{} {}", Eager::NAME, stringify!($any)), $any::<S, Eager>),
                    (format!("{} {}", Deferred::NAME, stringify!($any)), $any::<S, Deferred>),
                    (format!("{} {}", Nested::NAME, stringify!($any)), $any::<S, Nested>),
                ]),)*
                $((stringify!($eager), vec![
                    (stringify!($eager).to_owned(), $eager::<S>),
                ]),)*
            ]
        }
        mod basic {
            use super::*;
            $(#[test] fn $any() { meets_the_rest::<Basic>(stringify!($any)); })*
            $(#[test] fn $eager() { meets_the_rest::<Basic>(stringify!($eager)); })*
        }
        mod robust {
            use super::*;
            $(#[test] fn $any() { meets_the_rest::<Robust>(stringify!($any)); })*
            $(#[test] fn $eager() { meets_the_rest::<Robust>(stringify!($eager)); })*
        }
    };
}

operations! {
    any role: read refresh section swap exchange retire_own retire_at_once retire_in_section pool token;
    eager: flush collect evict stale watch synchronize call_later
}

/// An operation, in each role, against itself and all that are listed after it,
/// in each role.
fn meets_the_rest<S: Scheme<Barrier = Fences>>(name: &str) {
    let all = all::<S>();
    let place = all.iter().position(|(other, _)| *other == name).unwrap();
    let (mut models, before) = (0, std::time::Instant::now());
    for (index, one) in all[place].1.iter().enumerate() {
        let itself = all[place].1[index..].iter();
        let others = all[place + 1..].iter().flat_map(|(_, rows)| rows);
        for other in itself.chain(others) {
            together(&[one, other]);
            models += 1;
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
        ("eager retire_at_once", "flush"),
        ("deferred retire_at_once", "collect"),
    ];
    for reader in readers {
        for (writer, taker) in others {
            together(&[reader, writer, taker].map(named));
        }
    }
}

#[test]
fn threes_basic() {
    threes::<Basic>(&["eager read", "deferred refresh"]);
}

#[test]
fn threes_robust() {
    threes::<Robust>(&["eager read"]);
}
