//! Collector, handles, guards, pool, grace periods.

use crate::stack::Rows;
use core::{mem, ptr, sync::atomic::Ordering};
use hyaline::{
    AtomicPtr, Callback, Collector, Config, Deferred, Guard, Handle, Linked, Pool, Role, Scheme,
    reclaim,
};

pub const BATCH: usize = 4;
const BLOCKS: usize = 64;

/// The statics of one scheme.
pub struct World<S: Scheme> {
    collector: Collector<8, S>,
    cell: AtomicPtr<Linked<u32>>,
    pool: Pool<u32, BLOCKS>,
    callback: Callback,
}

impl<S: Scheme> World<S> {
    pub const fn new(config: Config<S::Barrier>) -> Self {
        Self {
            collector: Collector::with_config(config),
            cell: AtomicPtr::new(ptr::null_mut()),
            pool: Pool::new(),
            callback: Callback::new(),
        }
    }

    fn register(&'static self) -> Handle<'static, S> {
        self.collector.register().expect("a slot is free")
    }

    fn register_deferred(&'static self) -> Handle<'static, S, Deferred> {
        self.collector.register_deferred().expect("a slot is free")
    }

    fn alloc<R: Role>(&'static self, handle: &Handle<'_, S, R>) -> *mut Linked<u32> {
        self.pool.alloc(handle, 7).expect("a block is free")
    }

    /// Retires an object that was never published.
    fn retire<R: Role>(&'static self, handle: &Handle<'_, S, R>, guard: &Guard<'_, S, R>) {
        let object = self.alloc(handle);
        // SAFETY: never published, retired once; the pool is a static.
        unsafe { guard.defer_retire(object, reclaim::pooled::<u32>) };
    }

    /// Makes work for every call. One reader leaves without draining its inbox,
    /// which contains objects that only it held, and others that another reader
    /// holds, too. A deferred handle has retired some that are not published.
    fn crowd<'r>(&'static self, task: &Handle<'_, S>, crowd: &'r Crowd<S>) -> Guard<'r, S> {
        let gone = crowd.gone.enter();
        for _ in 0..BATCH {
            self.look(&gone);
            self.retire(task, &task.enter());
        }
        let stays = crowd.stays.enter();
        for _ in 0..BATCH + 1 {
            self.look(&gone);
            self.look(&stays);
            self.retire(task, &task.enter());
        }
        drop(gone);
        for _ in 0..BATCH + 1 {
            self.retire(&crowd.irq, &crowd.irq.enter());
        }
        crowd.irq.flush();
        stays
    }

    /// Measures a call that must free blocks, otherwise it is not the worst
    /// state.
    fn reclaiming<T>(
        &'static self,
        rows: &mut Rows,
        name: &'static str,
        call: impl FnOnce() -> T,
    ) -> T {
        let before = self.pool.available();
        let value = rows.measure(name, call);
        assert!(self.pool.available() > before, "{name}: nothing came back");
        value
    }

    /// In robust mode a guard holds only what is older than its last protected
    /// read.
    fn look<R: Role>(&'static self, guard: &Guard<'_, S, R>) {
        // Acquire: as every reader.
        guard.protect(&self.cell, Ordering::Acquire);
    }
}

/// The other handles.
struct Crowd<S: Scheme> {
    /// Leaves without reclaiming: its inbox stays full.
    gone: Handle<'static, S, Deferred>,
    stays: Handle<'static, S>,
    irq: Handle<'static, S, Deferred>,
}

pub fn measure<S: Scheme>(world: &'static World<S>, rows: &mut Rows) {
    let crowd = &Crowd {
        // In this order: what waited for the section that ended must not wait
        // next for the one that stays.
        stays: world.register(),
        gone: world.register_deferred(),
        irq: world.register_deferred(),
    };
    let task = &rows.measure("register", || world.register());
    reading(world, task, crowd, rows);
    retiring(world, task, crowd, rows);
    collecting(world, task, crowd, rows);
    waiting(world, task, crowd, rows);
    supervising(world, task, crowd, rows);
    pooling(world, task, crowd, rows);
    let handle = world.register();
    let held = world.crowd(&handle, crowd);
    rows.measure("drop of a handle", || drop(handle));
    drop(held);
}

fn reading<S: Scheme>(
    world: &'static World<S>,
    task: &Handle<'static, S>,
    crowd: &Crowd<S>,
    rows: &mut Rows,
) {
    let guard = rows.measure("enter", || task.enter());
    // Robust mode: the era advances, and has to be published.
    let object = world.alloc(task);
    // SAFETY: from this pool and never published.
    unsafe { world.pool.free(object) };
    rows.measure("protect", || world.look(&guard));
    rows.measure("leave, nothing waits", || drop(guard));
    // The last objects of two chains are in the inbox.
    let reader = world.register();
    let fill = |guard: &Guard<'_, S>| {
        for _ in 0..2 * BATCH {
            world.look(guard);
            world.retire(task, &task.enter());
        }
    };
    let guard = reader.enter();
    fill(&guard);
    world.reclaiming(rows, "leave, reclaims", || drop(guard));
    let mut guard = reader.enter();
    fill(&guard);
    world.reclaiming(rows, "refresh, reclaims", || guard.refresh());
    drop(guard);
    // The same where nothing is reclaimed.
    let mut guard = crowd.irq.enter();
    for _ in 0..2 * BATCH {
        world.look(&guard);
        world.retire(task, &task.enter());
    }
    rows.measure("refresh, deferred handle", || guard.refresh());
    drop(guard);
    task.flush();
}

fn retiring<S: Scheme>(
    world: &'static World<S>,
    task: &Handle<'static, S>,
    crowd: &Crowd<S>,
    rows: &mut Rows,
) {
    // The other handles leave one object in the batch.
    for (name, more) in [("defer_retire", 0), ("defer_retire, publishes", BATCH - 2)] {
        let held = world.crowd(task, crowd);
        let guard = task.enter();
        (0..more).for_each(|_| world.retire(task, &guard));
        let object = world.alloc(task);
        // SAFETY, here and below: never published, retired once, from a static pool.
        rows.measure(name, || unsafe {
            guard.defer_retire(object, reclaim::pooled::<u32>);
        });
        drop((guard, held));
        task.flush();
    }
    let object = world.alloc(task);
    world.reclaiming(rows, "retire, nobody active", || unsafe {
        task.retire(object, reclaim::pooled::<u32>);
    });
    let held = world.crowd(task, crowd);
    // What can be reclaimed is left over, for the next call.
    task.collect_at_most(0);
    let object = world.alloc(task);
    world.reclaiming(rows, "retire, others active", || unsafe {
        task.retire(object, reclaim::pooled::<u32>);
    });
    drop(held);
    task.flush();
    (0..BATCH - 1).for_each(|_| world.retire(&crowd.irq, &crowd.irq.enter()));
    let object = world.alloc(task);
    rows.measure("retire, deferred handle", || unsafe {
        crowd.irq.retire(object, reclaim::pooled::<u32>);
    });
    task.flush();
    let cpu = world.collector.register_per_cpu().expect("a slot is free");
    let object = world.alloc(task);
    rows.measure("per CPU: get, enter, retire, leave", || {
        // SAFETY: one thread, no interrupts; of a pool that is a static, never shared.
        unsafe {
            cpu.get()
                .enter()
                .defer_retire(object, reclaim::pooled::<u32>)
        };
    });
    task.flush();
}

fn collecting<S: Scheme>(
    world: &'static World<S>,
    task: &Handle<'static, S>,
    crowd: &Crowd<S>,
    rows: &mut Rows,
) {
    rows.measure("flush, nothing to do", || task.flush());
    let held = world.crowd(task, crowd);
    world.reclaiming(rows, "flush", || task.flush());
    drop(held);
    task.flush();
    let held = world.crowd(task, crowd);
    rows.measure("flush, deferred handle", || crowd.irq.flush());
    world.reclaiming(rows, "collect_at_most", || task.collect_at_most(1));
    drop(held);
    task.flush();
    let held = world.crowd(task, crowd);
    world.reclaiming(rows, "collect", || task.collect());
    drop(held);
    task.flush();
}

fn waiting<S: Scheme>(
    world: &'static World<S>,
    task: &Handle<'static, S>,
    crowd: &Crowd<S>,
    rows: &mut Rows,
) {
    let mut held = Some(world.crowd(task, crowd));
    // The reader leaves while it is waited for.
    let waited = world.reclaiming(rows, "synchronize", || task.synchronize(|| held = None));
    waited.expect("the task has no guard");
    task.flush();
    let held = world.crowd(task, crowd);
    let mut token = rows.measure("start_grace_period", || task.start_grace_period());
    let over = rows.measure("Token::poll, waits", || token.poll(task));
    assert!(!over, "a reader is active");
    drop(held);
    let over = rows.measure("Token::poll, over", || token.poll(task));
    assert!(over, "no reader is active");
    task.flush();
    let held = world.crowd(task, crowd);
    (0..BATCH - 2).for_each(|_| world.retire(task, &task.enter()));
    let called = world.reclaiming(rows, "call_later, publishes", || {
        world.callback.call_later(task, |_| (), 0)
    });
    called.expect("it is free");
    drop(held);
    task.flush();
}

fn supervising<S: Scheme>(
    world: &'static World<S>,
    task: &Handle<'static, S>,
    crowd: &Crowd<S>,
    rows: &mut Rows,
) {
    let held = world.crowd(task, crowd);
    let slot = crowd.stays.slot();
    let asked = rows.measure("request_restart", || world.collector.request_restart(slot));
    assert!(asked && held.restart_requested(), "it is active");
    let dead = world.register();
    let id = dead.id();
    let guard = dead.enter();
    (0..BATCH - 1).for_each(|_| world.retire(&dead, &guard));
    mem::forget(guard);
    mem::forget(dead);
    // SAFETY: guard and handle are forgotten.
    let evicted = rows.measure("evict", || unsafe { world.collector.evict(id) });
    evicted.expect("it was not released");
    drop(held);
    task.flush();
}

fn pooling<S: Scheme>(
    world: &'static World<S>,
    task: &Handle<'static, S>,
    crowd: &Crowd<S>,
    rows: &mut Rows,
) {
    let object = rows.measure("Pool::alloc", || world.pool.alloc(task, 7));
    let object = object.expect("a block is free");
    // SAFETY, both: from this pool and never published.
    rows.measure("Pool::free", || unsafe { world.pool.free(object) });
    let held = world.crowd(task, crowd);
    let mut kept = [ptr::null_mut(); BLOCKS];
    let taken = world.pool.available();
    for place in &mut kept[..taken] {
        *place = world.alloc(task);
    }
    let object = rows.measure("Pool::alloc, dry, flushes", || world.pool.alloc(task, 7));
    for object in kept.into_iter().take(taken).chain(object) {
        unsafe { world.pool.free(object) };
    }
    drop(held);
    task.flush();
}
