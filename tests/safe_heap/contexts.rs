//! Which calls use the allocator, and for what.

use std::sync::Arc;

use hyaline::safe::{ArcCell, HashMap};

use super::{hash_map::Itself, *};

/// The largest numbers of allocations and of frees in one run of a call. Others put,
/// so that there is something to take.
fn most(put: &dyn Fn(), call: &dyn Fn()) -> (usize, usize) {
    let one = |_| {
        put();
        let (live, freed) = (LIVE.get(), FREED.get());
        call();
        let freed = FREED.get() - freed;
        ((LIVE.get() - live + freed as isize) as usize, freed)
    };
    let rounds = if cfg!(miri) { 5 } else { 100 };
    (0..rounds)
        .map(one)
        .fold((0, 0), |most, one| (most.0.max(one.0), most.1.max(one.1)))
}

/// Whatever the result is.
fn done<T>(_: T) {}

/// All calls that put nothing, with this handle: how many free. None allocates.
fn freeing<D: Domain, R: Role>(handle: &Handle<D, R>) -> usize {
    let task = D::register().unwrap();
    let (stack, free_stack) = leak(Stack::<_, 0, D, Heap>::in_heap());
    let (queue, free_queue) = leak(Queue::<_, 0, D, Heap>::in_heap());
    let (map, free_map) = leak(Map::<_, _, 1, 0, D, Heap>::in_heap());
    let (cell, free_cell) = leak(RcuCell::<_, 0, D, Heap>::in_heap(0));
    let hash_map = HashMap::<_, _, Itself, D>::default();
    let arc = ArcCell::<u64, D>::new(&task, Arc::new(0)).unwrap();
    let put = || {
        stack.push(&task, 1_u64).unwrap();
        queue.push(&task, 1_u64).unwrap();
        map.upsert(&task, 1_u64, 1_u64).unwrap();
        hash_map.upsert(&task, 1_u64, 1_u64).unwrap();
        for n in 0..4 {
            cell.replace(&task, n).unwrap();
        }
    };
    let calls: [(&str, &dyn Fn()); 15] = [
        ("Stack::pop", &|| done(stack.pop(handle))),
        ("Stack::len", &|| done(stack.len(handle))),
        ("Queue::pop", &|| done(queue.pop(handle))),
        ("Queue::len", &|| done(queue.len(handle))),
        ("Map::get", &|| done(map.get(&handle.enter(), &1).is_some())),
        ("Map::remove", &|| {
            done(map.remove(&handle.enter(), &1).is_some())
        }),
        ("Map::contains_key", &|| done(map.contains_key(handle, &1))),
        ("Map::clear", &|| map.clear(handle)),
        ("RcuCell::snapshot", &|| done(cell.snapshot(handle))),
        ("HashMap::get", &|| {
            done(hash_map.get(&handle.enter(), &1).is_some())
        }),
        ("HashMap::remove", &|| {
            done(hash_map.remove(&handle.enter(), &1).is_some())
        }),
        ("HashMap::contains_key", &|| {
            done(hash_map.contains_key(handle, &1))
        }),
        ("HashMap::clear", &|| hash_map.clear(handle)),
        ("ArcCell::load", &|| done(**arc.load(&handle.enter()))),
        ("ArcCell::load_full", &|| done(arc.load_full(handle))),
    ];
    let mut free = 0;
    for (name, call) in calls {
        let (allocated, freed) = most(&put, call);
        assert_eq!(allocated, 0, "{name}");
        free += usize::from(freed > 0);
    }
    drop((hash_map, arc));
    task.collect();
    free_stack();
    free_queue();
    free_map();
    free_cell();
    free
}

/// "A call that takes something out, or reads, allocates nothing; with an eager handle
/// it may free."
fn a_call_that_puts_nothing_allocates_nothing<D: Domain>() {
    // Those that take something out, and retire its node.
    assert_eq!(freeing(&D::register().unwrap()), 6);
    assert_eq!(freeing(&D::register_deferred().unwrap()), 0);
}

#[test]
fn basic() {
    domain!(D: Collector<4> = Collector::with_config(Config::new().batch::<4>()));
    a_call_that_puts_nothing_allocates_nothing::<D>();
}

#[test]
fn robust() {
    domain!(D: Collector<4, Robust> =
        Collector::with_config(Config::new().batch::<4>().era_step::<1>()));
    a_call_that_puts_nothing_allocates_nothing::<D>();
}
