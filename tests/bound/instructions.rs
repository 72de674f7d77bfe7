//! Calls that are preempted after each of their instructions, by others that end a
//! section, collect, and retire much more. On x86-64 Linux, by the trap flag.
//!
//! The search preempts calls at their barriers. Between the barriers a call may have
//! taken what is neither in its hand nor anywhere else.

#[allow(dead_code)] // it has more than is used here
#[path = "../single_step/trap.rs"]
mod trap;

use std::{
    cell::{Cell, RefCell},
    env,
    sync::atomic::Ordering,
};

use hyaline::{AtomicPtr, Collector, Config, Deferred, Guard, Handle, Link, Linked, Pool, Robust};

const CONFIG: Config = Config::new().batch::<2>().era_step::<1>();
const SLOTS: usize = 4;
/// The section that ends, the section of the call, and the call.
const STALLS: usize = 3;
/// Objects that are retired before the call, and one that is made meanwhile.
const LIVE: usize = 13;
/// Objects that are retired while the call is preempted.
const MORE: usize = 150;

type Object = Linked<u32>;

/// Does nothing: the objects are their maker's.
unsafe fn nothing(_: *mut Link) {}

struct World<'a> {
    reader: &'a Handle<'a, Robust>,
    /// The interrupt ends it, unless the call uses it.
    open: Cell<Option<Guard<'a, Robust>>>,
    preempted: Handle<'a, Robust>,
    deferred: Handle<'a, Robust, Deferred>,
    writer: Handle<'a, Robust>,
    /// Without blocks.
    pool: Pool<u32, 1>,
    /// The next object that nobody has.
    next: Cell<*mut Object>,
}

impl World<'_> {
    /// Makes an object in place: a signal handler may not allocate.
    fn make(&self) -> *mut Object {
        let object = self.next.get();
        // SAFETY: the vector has room for all, and outlives the collector.
        unsafe {
            object.write(self.writer.link(7));
            self.next.set(object.add(1));
        }
        object
    }

    fn retire(&self, by: &Handle<'_, Robust>, object: *mut Object) {
        // SAFETY: never shared, retired once, and outlives the collector.
        unsafe { by.enter().defer_retire(object, nothing) };
    }
}

/// A call, which may use the reader's guard.
type Call = for<'w, 'a> fn(&'w World<'a>, &'w mut Option<Guard<'a, Robust>>);

/// The call is preempted after `at` instructions. Returns the most that were pending
/// then, if it was that long.
fn preempted(call: Call, uses_guard: bool, at: u64) -> Option<usize> {
    let mut objects: Vec<Object> = Vec::with_capacity(LIVE + MORE + 8);
    let collector = Collector::<SLOTS, Robust>::with_config(CONFIG);
    let reader = collector.register().unwrap();
    let world = World {
        reader: &reader,
        open: Cell::new(None),
        preempted: collector.register().unwrap(),
        deferred: collector.register_deferred().unwrap(),
        writer: collector.register().unwrap(),
        pool: Pool::new(),
        next: Cell::new(objects.as_mut_ptr()),
    };
    world.pool.alloc(&world.writer, 7).unwrap();
    // A section holds all that is in use.
    let old = [(); LIVE - 1].map(|()| world.make());
    let guard = world.reader.enter();
    guard.protect(&AtomicPtr::<Object>::default(), Ordering::Acquire);
    let own = RefCell::new(None);
    if uses_guard {
        own.replace(Some(guard));
    } else {
        world.open.set(Some(guard));
    }
    old.into_iter()
        .for_each(|object| world.retire(&world.writer, object));
    let most = Cell::new(None);
    let interrupt = || {
        drop(world.open.take());
        world.writer.collect();
        let mut peak = 0;
        for _ in 0..MORE {
            world.retire(&world.writer, world.make());
            peak = peak.max(collector.stats().pending());
        }
        world.writer.collect();
        most.set(Some(peak));
        None
    };
    trap::stepped(at, &interrupt, &|| call(&world, &mut own.borrow_mut()));
    drop((world.open.take(), own));
    world.writer.collect();
    assert_eq!(collector.stats().pending(), 0);
    most.get()
}

/// The calls, and whether they use the reader's guard.
const CALLS: [(&str, bool, Call); 8] = [
    ("collect", false, |world, _| {
        world.preempted.collect();
    }),
    ("enter", false, |world, _| drop(world.preempted.enter())),
    ("retire", false, |world, _| {
        // SAFETY: never shared, retired once, and outlives the collector.
        unsafe { world.preempted.retire(world.make(), nothing) };
    }),
    ("defer_retire", false, |world, _| {
        let guard = world.preempted.enter();
        for _ in 0..2 {
            // SAFETY: never shared, retired once, and outlives the collector.
            unsafe { guard.defer_retire(world.make(), nothing) };
        }
    }),
    ("leave", true, |_, guard| drop(guard.take())),
    ("refresh", true, |_, guard| {
        guard.iter_mut().for_each(Guard::refresh);
    }),
    ("alloc", false, |world, _| {
        assert!(world.pool.alloc(&world.preempted, 7).is_err());
    }),
    ("alloc, deferred", false, |world, _| {
        assert!(world.pool.alloc(&world.deferred, 7).is_err());
    }),
];

#[test]
fn calls_preempted_at_any_instruction() {
    let bound = CONFIG.most_pending(SLOTS, STALLS, LIVE);
    // A plain run takes a sample.
    let all = env::var_os("HYALINE_BOUND_SECONDS").is_some();
    for (name, uses_guard, call) in CALLS {
        let steps = (1..).step_by(if all { 1 } else { 307 });
        let peaks: Vec<usize> = steps
            .map_while(|at| preempted(call, uses_guard, at))
            .collect();
        let most = peaks.iter().max().expect("the call has instructions");
        println!("{name}: {most} of {bound} in {} places", peaks.len());
        assert!(*most <= bound, "{name}: {most} of {bound}");
    }
}
