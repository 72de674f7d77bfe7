//! Cells: of a pool and on the heap, of `Arc`s, and custom ones with `Atomic`.

#[path = "own.rs"]
mod own;

use std::{cell::Cell, sync::Arc};

use hyaline::{
    Nested, Pool,
    safe::{ArcCell, Atomic, Domain, Guard, Heap, RcuCell, SharedPool},
};

use super::{
    super::{Context, contexts},
    Base, Plain, Value, of_base,
};
use own::*;

pub struct World<D: Domain> {
    base: Base<D>,
    cell: RcuCell<Value, 3, D>,
    /// With few versions, so that the CPU reclaims them itself.
    small: RcuCell<Plain, 2, D>,
    heap: RcuCell<Value, 0, D, Heap>,
    arc: ArcCell<Value, D>,
    pool: &'static Pool<Value, 3>,
    place: Atomic<Value, D, SharedPool>,
    heap_place: Atomic<Value, D, Heap>,
    outer: Cell<Option<Held<D>>>,
}

of_base!(World);

/// A guard around the operation, and what it holds.
struct Held<D: Domain> {
    guard: Guard<'static, D, Nested>,
    values: [*const Value; 4],
    small: *const Plain,
    stamps: ([u32; 4], u32),
}

impl<D: Domain> World<D> {
    pub fn new() -> &'static Self {
        let base = Base::new();
        let arc = ArcCell::new(&base.high, Arc::new(base.value()));
        Box::leak(Box::new(Self {
            cell: RcuCell::new(base.value()),
            small: RcuCell::new(base.plain()),
            heap: RcuCell::in_heap(base.value()),
            arc: arc.unwrap_or_else(|_| panic!("no memory")),
            pool: Box::leak(Pool::boxed().unwrap()),
            place: Atomic::null(),
            heap_place: Atomic::null(),
            outer: Cell::new(None),
            base,
        }))
    }
}

impl<D: Domain> super::super::World for World<D> {
    const TASKS: &'static [Context<Self>] = contexts! {
        reads refreshes snapshots replaces updates compares small_replaces small_updates
        heap_cells loads_arc stores_arc swaps_arc compares_arc rcu_arc makes_arc
        loads_own swings_own exchanges_own tags_own owns owns_on_the_heap finds_alone
        moves grace idle_replaces
    };
    const NESTED: &'static [Context<Self>] = contexts! {
        reads small_replaces updates swaps_arc swings_own grace
    };
    const OTHERS: &'static [Context<Self>] = contexts! {
        high_replaces high_small high_heap high_own high_then_reads
    };

    fn prepare(&self, round: u64) {
        let w = self.leaked();
        w.pass_eras(round);
        w.swing(&w.high, false);
        w.swing_heap(&w.high, false);
        if round % 4 != 0 {
            let guard = w.cpu().enter();
            let values: [&Value; 4] = [
                w.cell.read(&guard),
                w.heap.read(&guard),
                w.arc.load(&guard),
                w.place.load(&guard).as_ref().unwrap_or(w.cell.read(&guard)),
            ];
            let small = w.small.read(&guard);
            let stamps = (values.map(|value| w.look(value)), small.look(w.ledger));
            w.outer.set(Some(Held {
                values: values.map(std::ptr::from_ref),
                small,
                stamps,
                guard,
            }));
            if round % 4 > 1 {
                // Younger than the section.
                high_replaces(w);
                high_own(w);
                let _ = w.small.replace(&w.high, w.plain());
            }
        }
    }

    fn close(&self) {
        let w = self.leaked();
        if let Some(held) = w.outer.take() {
            for (value, stamp) in held.values.into_iter().zip(held.stamps.0) {
                // SAFETY: protected by the guard.
                w.same(unsafe { &*value }, stamp);
            }
            // SAFETY: protected by the guard.
            unsafe { (*held.small).same(w.ledger, held.stamps.1) };
            drop(held.guard);
        }
        w.swing(&w.high, true);
        w.swing_heap(&w.high, true);
    }

    fn check(&self) -> Result<(), String> {
        // The cells' three.
        self.base.check(3)?;
        let free = [
            self.cell.available(),
            self.small.available(),
            self.pool.available(),
        ];
        if free[0] < 2 || free[1] < 1 || free[2] < 3 {
            return Err(format!("{free:?} versions and objects are free"));
        }
        Ok(())
    }
}

fn reads<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let value = w.cell.read(&guard);
    let stamp = w.look(value);
    let small = w.small.read(&guard);
    let plain = small.look(w.ledger);
    w.same(value, stamp);
    small.same(w.ledger, plain);
}

fn refreshes<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let mut guard = w.cpu().enter();
    w.look(w.cell.read(&guard));
    guard.refresh();
    let _ = w.cell.replace(&guard.handle(), w.value());
    w.look(w.cell.read(&guard));
}

fn snapshots<D: Domain>(w: &World<D>) {
    let copy = w.small.snapshot(w.cpu());
    copy.look(w.ledger);
}

fn replaces<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let value = w.cell.read(&guard);
    let stamp = w.look(value);
    let _ = w.cell.replace(w.cpu(), w.value());
    w.same(value, stamp);
}

fn updates<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let new = w.cell.update(w.cpu(), |old| {
        w.look(old);
        w.value()
    });
    if let Ok(new) = new {
        let stamp = w.look(&new);
        w.look(w.cell.read(new.guard()));
        w.same(&new, stamp);
    }
}

fn compares<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let value = w.cell.read(&guard);
    let stamp = w.look(value);
    let _ = w.cell.compare_exchange(w.cpu(), value, w.value());
    w.same(value, stamp);
}

fn small_replaces<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    // The second finds no version other than the one just retired.
    for _ in 0..2 {
        let _ = w.small.replace(w.cpu(), w.plain());
    }
}

fn small_updates<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..2 {
        let _ = w.small.update(w.cpu(), |old| {
            old.look(w.ledger);
            w.plain()
        });
    }
}

fn heap_cells<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let guard = w.cpu().enter();
    let value = w.heap.read(&guard);
    let stamp = w.look(value);
    let _ = w.heap.replace(w.cpu(), w.value());
    let _ = w.heap.update(w.cpu(), |old| {
        w.look(old);
        w.value()
    });
    w.same(value, stamp);
}

fn loads_arc<D: Domain>(w: &World<D>) {
    let full = w.arc.load_full(w.cpu());
    w.look(&full);
    let guard = w.cpu().enter();
    let value = w.arc.load(&guard);
    let stamp = w.look(value);
    w.look(&full);
    w.same(value, stamp);
}

fn stores_arc<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let value = w.arc.load(&guard);
    let stamp = w.look(value);
    let _ = w.arc.store(w.cpu(), Arc::new(w.value()));
    w.same(value, stamp);
}

fn swaps_arc<D: Domain>(w: &World<D>) {
    if let Ok(old) = w.arc.swap(w.cpu(), Arc::new(w.value())) {
        w.look(&old);
    }
}

fn compares_arc<D: Domain>(w: &World<D>) {
    let guard = w.cpu().enter();
    let value = w.arc.load(&guard);
    let stamp = w.look(value);
    let _ = w.arc.compare_exchange(w.cpu(), value, Arc::new(w.value()));
    w.same(value, stamp);
}

fn rcu_arc<D: Domain>(w: &World<D>) {
    let old = w.arc.rcu(w.cpu(), |old| {
        w.look(old);
        w.value()
    });
    let _ = old.map(|old| w.look(&old));
}

fn makes_arc<D: Domain>(w: &World<D>) {
    for kept in [true, false] {
        if let Ok(cell) = ArcCell::<_, D>::new(w.cpu(), Arc::new(w.value())) {
            let _ = cell.store(w.cpu(), Arc::new(w.value()));
            w.look(&cell.load_full(w.cpu()));
            if kept {
                w.look(&cell.into_inner());
            } else {
                drop(cell);
            }
        }
    }
}

/// A section that owns its handle.
fn moves<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let Ok(handle) = D::register_deferred() else {
        return;
    };
    let mut section = handle.enter_owned();
    let value = w.cell.read(&section);
    let stamp = w.look(value);
    let _ = w.cell.replace(section.handle(), w.value());
    w.same(value, stamp);
    section.refresh();
    w.look(w.cell.read(&section));
    let section = section.leave().enter_owned();
    w.look(w.cell.read(&section));
}

fn grace<D: Domain>(w: &World<D>) {
    w.grace();
}

fn idle_replaces<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.cell.replace(&w.idle, w.value());
    let _ = w.small.replace(&w.idle, w.plain());
    let _ = w.heap.replace(&w.idle, w.value());
    w.idle.collect();
}

// What a task of higher priority does.

fn high_replaces<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..2 {
        let _ = w.cell.replace(&w.high, w.value());
    }
    w.high.collect();
}

fn high_small<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    for _ in 0..3 {
        let _ = w.small.replace(&w.high, w.plain());
    }
}

fn high_heap<D: Domain>(w: &World<D>) {
    let w = w.leaked();
    let _ = w.heap.replace(&w.high, w.value());
    let _ = w.arc.store(&w.high, Arc::new(w.value()));
    w.swing_heap(&w.high, false);
    w.high.collect();
}

fn high_own<D: Domain>(w: &World<D>) {
    for _ in 0..2 {
        w.swing(&w.high, false);
    }
    w.high.collect();
}

fn high_then_reads<D: Domain>(w: &World<D>) {
    high_replaces(w);
    reads(w);
    high_heap(w);
    loads_arc(w);
}
