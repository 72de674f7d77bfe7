//! What a context may do with a handle of any role, on objects that it shares
//! with others: each operation against each other one in `pairs`, and as a task
//! and an interrupt of one CPU in `nested`.

use std::{
    ptr::{dangling_mut, null_mut},
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
};

use hyaline::{Callback, Config, Guard, Handle, Pool, Role, Scheme};
use loom::{cell::UnsafeCell, sync::atomic::AtomicUsize};

use super::*;

/// What the contexts of a model share.
pub(super) struct World<S: Scheme> {
    pub(super) stage: &'static Stage<3, S>,
    /// 1 while `thing` can be found. It is not an object: grace periods protect
    /// it.
    found: AtomicUsize,
    thing: UnsafeCell<u32>,
    callback: &'static Callback,
    /// Calls that were accepted and have not run.
    due: AtomicIsize,
    pool: &'static Pool<Pooled, 2>,
    pooled: AtomicPtr<Linked<Pooled>>,
}

// SAFETY: loom checks the accesses to what is not atomic, which is the purpose.
unsafe impl<S: Scheme> Sync for World<S> {}

/// A value that detects a use after its drop.
struct Pooled(UnsafeCell<u32>);

impl Pooled {
    fn new() -> Self {
        Self(UnsafeCell::new(ALIVE))
    }

    fn look(this: *mut Linked<Self>) {
        if !this.is_null() {
            interrupt::step();
            // SAFETY: a block's memory stays; loom checks the rest.
            let value = unsafe { &*this }.0.with(|value| unsafe { *value });
            assert_eq!(value, ALIVE, "used after its drop");
        }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        // SAFETY: loom checks that nothing reads it meanwhile.
        self.0.with_mut(|value| unsafe { *value = 0xdead });
    }
}

impl<S: Scheme<Barrier = Fences>> World<S> {
    pub(super) fn new(config: Config) -> &'static Self {
        let stage = Stage::new(config.era_step::<1>());
        let setup = stage.register();
        let pool: &'static _ = Box::leak(Box::new(Pool::<Pooled, 2>::new()));
        replace(&stage.first, stage.object(&setup));
        replace(&stage.second, stage.object(&setup));
        Box::leak(Box::new(Self {
            stage,
            found: AtomicUsize::new(1),
            thing: UnsafeCell::new(ALIVE),
            callback: Box::leak(Box::new(Callback::new())),
            due: AtomicIsize::new(0),
            pool,
            pooled: AtomicPtr::new(pool.alloc(&setup, Pooled::new()).unwrap()),
        }))
    }

    /// What a reader does.
    pub(super) fn look<R: Role>(&self, guard: &Guard<'_, S, R>) {
        look(guard.protect(&self.stage.first, Ordering::Acquire));
        // Acquire: as `protect`.
        if self.found.load(Ordering::Acquire) == 1 {
            interrupt::step();
            // SAFETY: loom checks it.
            let seen = self.thing.with(|value| unsafe { *value });
            assert_eq!(seen, ALIVE, "destroyed while in use");
        }
    }

    /// Whether the thing is exclusively ours after a grace period.
    pub(super) fn take_thing(&self) -> bool {
        interrupt::step();
        // Release: no section finds it from here on.
        self.found.swap(0, Ordering::Release) == 1
    }

    pub(super) fn destroy_thing(&self) {
        // SAFETY: loom checks that no section uses it.
        let was = self
            .thing
            .with_mut(|value| unsafe { value.replace(0xdead) });
        assert_eq!(was, ALIVE, "destroyed twice");
    }

    /// Retires the object of the first cell, with a handle of any role.
    pub(super) fn retire<R: Role>(&self, handle: &Handle<'_, S, R>) {
        let old = replace(&self.stage.first, null_mut());
        if !old.is_null() {
            // SAFETY: unlinked here, once, and not used by this thread.
            unsafe { handle.retire(old, reclaim) };
        }
    }

    /// One call of one handle, when all threads are gone, leaves nothing.
    pub(super) fn close(&'static self, handle: Handle<'static, S>) {
        for cell in [&self.stage.first, &self.stage.second] {
            let old = replace(cell, null_mut());
            if !old.is_null() {
                // Into the batch of the handle, with what others left there.
                defer(&handle.enter(), old);
            }
        }
        handle.collect();
        self.stage.nothing_is_left();
        assert_eq!(self.due.load(Relaxed), 0, "each call is made once");
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

/// Calls a macro with the names of all operations below.
macro_rules! operations {
    ($with:ident! $($more:tt)*) => {
        $with! {
            any role: read_all nest refresh swap exchange publish_own
                retire_own replace_at_once retire_in_section
                pool_swap pool_replace token call_later flush;
            $($more)*
        }
    };
}
pub(super) use operations;

/// The signature that all share.
pub(super) type Operation<S, R> = fn(&World<S>, &Handle<'static, S, R>);

/// Defines operations.
macro_rules! define {
    ($($(#[$doc:meta])* $name:ident($world:ident, $handle:ident) $body:block)*) => {$(
        $(#[$doc])*
        pub(super) fn $name<S: Scheme<Barrier = Fences>, R: Role>(
            $world: &World<S>,
            $handle: &Handle<'static, S, R>,
        ) $body
    )*};
}

define! {
    read_all(world, handle) {
        let guard = handle.enter();
        world.look(&guard);
        look(guard.protect(&world.stage.second, Ordering::Acquire));
    }

    /// A guard within another one.
    nest(world, handle) {
        let guard = handle.enter();
        look(handle.enter().protect(&world.stage.second, Ordering::Acquire));
        world.look(&guard);
    }

    /// Renumbers its section if something waits for it.
    refresh(world, handle) {
        let mut guard = handle.enter();
        world.look(&guard);
        // Requested or not.
        guard.restart_requested();
        guard.refresh();
        world.look(&guard);
    }

    swap(world, handle) {
        let guard = handle.enter();
        let new = world.stage.object(handle);
        let old = guard.swap(&world.stage.first, new, Ordering::AcqRel);
        defer_and_look(&guard, old);
    }

    /// Fails, and tries again with what it found.
    exchange(world, handle) {
        let guard = handle.enter();
        let cell = &world.stage.first;
        let (new, success, failure) = (null_mut(), Ordering::AcqRel, Ordering::Acquire);
        let failed = guard.compare_exchange(cell, dangling_mut(), new, success, failure);
        let found = failed.unwrap_err();
        look(found);
        match guard.compare_exchange_weak(cell, found, new, success, failure) {
            Ok(old) => defer_and_look(&guard, old),
            Err(newer) => look(newer),
        }
        look(found);
    }

    /// Uses an object that it has published, and that others may retire.
    publish_own(world, handle) {
        let guard = handle.enter();
        let own = world.stage.object(handle);
        // SAFETY: valid, and not shared yet.
        unsafe { guard.protect_own(own) };
        let old = replace(&world.stage.first, own);
        look(own);
        defer_and_look(&guard, old);
        look(own);
    }

    /// Retires an object that was never shared, and reads the shared ones.
    retire_own(world, handle) {
        let guard = handle.enter();
        let own = world.stage.object(handle);
        defer_and_look(&guard, own);
        world.look(&guard);
        look(own);
    }

    /// Replaces an object without a section.
    replace_at_once(world, handle) {
        let old = replace(&world.stage.first, world.stage.object(handle));
        if !old.is_null() {
            // SAFETY: unlinked here, once, and not used by this thread.
            unsafe { handle.retire(old, reclaim) };
        }
    }

    /// Retires what it no longer uses, under a guard that uses something else.
    retire_in_section(world, handle) {
        let guard = handle.enter();
        let old = replace(&world.stage.first, null_mut());
        defer_and_look(&guard, old);
        world.look(&guard);
    }

    pool_swap(world, handle) {
        let pool = world.pool;
        let guard = handle.enter();
        let seen = guard.protect(&world.pooled, Ordering::Acquire);
        if let Ok(new) = pool.alloc(handle, Pooled::new()) {
            let old = guard.swap(&world.pooled, new, Ordering::AcqRel);
            if !old.is_null() {
                // SAFETY: unlinked here, of a pool that stays.
                unsafe { pool.defer_retire(&guard, old) };
                Pooled::look(old);
            }
        }
        Pooled::look(seen);
    }

    /// One object that nothing else sees, and one that is replaced.
    pool_replace(world, handle) {
        let pool = world.pool;
        if let Ok(own) = pool.alloc(handle, Pooled::new()) {
            Pooled::look(own);
            // SAFETY: it was never shared.
            unsafe { pool.free(own) };
        }
        if let Ok(new) = pool.alloc(handle, Pooled::new()) {
            let old = world.pooled.swap(new, Ordering::AcqRel);
            if !old.is_null() {
                // SAFETY: unlinked here and not used any more, of a pool that
                // stays.
                unsafe { pool.retire(handle, old) };
            }
        }
    }

    token(world, handle) {
        let taken = world.take_thing();
        let mut token = handle.start_grace_period();
        if (token.poll(handle) || token.poll(handle)) && taken {
            world.destroy_thing();
        }
    }

    call_later(world, handle) {
        fn called<S: Scheme<Barrier = Fences>>(world: usize) -> &'static World<S> {
            let world = std::ptr::with_exposed_provenance::<World<S>>(world);
            // SAFETY: the world outlives its threads, and nothing is pending then.
            let world = unsafe { &*world };
            world.due.fetch_sub(1, Relaxed);
            world
        }
        let function = if world.take_thing() {
            |world| called::<S>(world).destroy_thing()
        } else {
            |world| _ = called::<S>(world)
        };
        let word = std::ptr::from_ref(world).expose_provenance();
        // Otherwise the call of another context is pending.
        if world.callback.call_later(handle, function, word).is_ok() {
            world.due.fetch_add(1, Relaxed);
        }
    }

    flush(world, handle) {
        let _ = world;
        handle.flush();
    }
}

/// Retires an object and uses it once more.
fn defer_and_look<S: Scheme, R: Role>(guard: &Guard<'_, S, R>, old: *mut Object) {
    if !old.is_null() {
        // SAFETY: unlinked by this thread, once, or never shared.
        unsafe { guard.defer_retire(old, reclaim) };
        look(old);
    }
}
