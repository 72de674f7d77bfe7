//! Sequences of public operations, interpreted on a real collector and checked
//! against an oracle. `tests/model.rs` generates them with proptest, and
//! `fuzz/fuzz_targets/model.rs` gets them from a fuzzer.

mod actor;
mod cells;
mod object;
mod ops;
mod oracle;
mod quiesce;
mod world;

use std::mem::{self, ManuallyDrop};

use hyaline::{Basic, Callback, Collector, CollectorView, Config, Fences, Robust, Scheme};

pub use ops::Op;

use object::{NONE, SIZES};
use oracle::Oracle;
use world::{Memory, Role, World};

/// What a sequence runs on, and how it ends.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub robust: bool,
    pub slots: usize,
    pub batch: usize,
    pub era_step: usize,
    pub end: End,
    /// Whether the roles of handles are known at run time.
    pub erased: bool,
}

/// What happens to the remaining handles and guards at the end.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Everything is closed before the collector is dropped.
    Closed,
    /// The handles are released, one after another.
    Released,
    /// Everything is forgotten, and found by the collector's drop.
    Forgotten,
}

impl Setup {
    /// Every byte is a setup.
    pub fn decode(byte: u8) -> Self {
        Self {
            robust: byte & 1 > 0,
            slots: if byte & 2 > 0 { 2 } else { 4 },
            batch: [1, 2, 5, 64][usize::from(byte / 4 % 4)],
            era_step: if byte & 16 > 0 { 3 } else { 1 },
            end: match byte / 32 % 4 {
                0 => End::Released,
                1 => End::Forgotten,
                _ => End::Closed,
            },
            erased: byte & 128 > 0,
        }
    }
}

/// Runs a sequence to its end; then again to its end and to its middle, where
/// everything is closed. Panics on a failed check and leaks everything in this
/// case.
pub fn run(setup: Setup, ops: impl IntoIterator<Item = Op>) {
    let ops: Vec<_> = ops.into_iter().collect();
    run_once(setup, &ops);
    let closed = Setup {
        end: End::Closed,
        ..setup
    };
    if !matches!(setup.end, End::Closed) {
        run_once(closed, &ops);
    }
    run_once(closed, &ops[..ops.len() / 2]);
}

fn run_once(setup: Setup, ops: &[Op]) {
    let config = match setup.batch {
        1 => Config::new().batch::<1>(),
        2 => Config::new().batch::<2>(),
        5 => Config::new().batch::<5>(),
        _ => Config::new(),
    };
    let config = match setup.era_step {
        1 => config.era_step::<1>(),
        _ => config.era_step::<3>(),
    };
    if setup.robust {
        run_on::<Robust>(setup, config, ops);
    } else {
        run_on::<Basic>(setup, config, ops);
    }
}

/// Runs on a collector whose number of slots is set at run time.
fn run_on<S: Scheme<Barrier = Fences>>(setup: Setup, config: Config, ops: &[Op]) {
    object::reset_log();
    let memory = Box::into_raw(Box::new(Memory {
        pools: Default::default(),
        callbacks: [Callback::new(), Callback::new()],
    }));
    let collector = CollectorView::<S>::boxed(setup.slots, config);
    let collector = Box::into_raw(collector.expect("a host has memory"));
    // SAFETY: both are freed below, after everything that borrows them.
    let (lasting, borrowed) = unsafe { (&*memory, &*collector) };
    let mut world = ManuallyDrop::new(World {
        registry: Box::new(actor::On {
            collector: borrowed,
            erased: setup.erased,
        }),
        memory: lasting,
        actors: (0..setup.slots).map(|_| None).collect(),
        cells: world::empty_cells(),
        periods: [None, None],
        kept: Vec::new(),
        oracle: Oracle::new(setup.slots, setup.robust, setup.era_step == 1),
        ids: Vec::new(),
        stale: Vec::new(),
        asked: vec![false; setup.slots],
    });
    world.register(Role::Eager);
    for op in ops {
        world.perform(*op);
    }
    world.finish(setup.end, ops.len());
    // SAFETY: it comes from a `Box`, and no handle or guard is left.
    drop(unsafe { Box::from_raw(collector) });
    world.check_the_rest();
    drop(ManuallyDrop::into_inner(world));
    // SAFETY: it comes from a `Box`, and the collector that had its links is
    // gone.
    drop(unsafe { Box::from_raw(memory) });
}

impl World {
    /// Leaves no handle and no guard.
    fn finish(&mut self, end: End, number: usize) {
        if let End::Closed = end {
            self.close(number);
        }
        object::panic_in(0);
        // Deferred handles first: the eager ones take their work.
        let mut slots = self.slots();
        slots.sort_by_key(|slot| self.oracle.slots[*slot].eager);
        let last_is_eager = slots
            .last()
            .is_some_and(|slot| self.oracle.slots[*slot].eager);
        for slot in slots {
            match end {
                End::Forgotten => {
                    self.drop_guards_of_cpu(slot);
                    self.actor(slot).forget();
                }
                _ => self.release(slot),
            }
        }
        let released = !matches!(end, End::Forgotten) && last_is_eager;
        if released && self.oracle.open().is_empty() {
            self.oracle.nothing_waits("all handles are released");
        }
        self.stale.iter_mut().for_each(|actor| actor.release());
        self.oracle.end();
    }

    /// The collector is gone: so are all retired objects, and all memory can be
    /// used again.
    fn check_the_rest(&mut self) {
        self.oracle.check_events();
        self.oracle.nothing_waits("the collector is dropped");
        let mut live = mem::take(&mut self.kept);
        let cells = self
            .cells
            .iter_mut()
            .map(|cell| mem::replace(cell.get_mut(), NONE));
        live.extend(cells.filter(|object| !object.is_null()));
        for object in live {
            self.memory.pools.free(object);
        }
        for (pool, size) in SIZES.into_iter().enumerate() {
            let available = self.memory.pools.available(pool);
            assert_eq!(available, size, "blocks are lost");
        }
        // All callbacks have been called.
        let collector = Collector::<1>::new();
        let handle = collector.register().expect("a slot");
        for callback in &self.memory.callbacks {
            let called = callback.call_later(&handle, |_| (), 0);
            called.expect("it was called");
        }
    }
}
