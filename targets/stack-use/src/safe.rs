//! The structures of the safe layer.

use crate::stack::Rows;
use hyaline::safe::{BlockQueue, Domain, Map, Queue, RcuCell, Stack};

const ROOM: usize = 16;

/// One of each, of small records.
pub struct Structures<D: Domain> {
    cell: RcuCell<[u32; 4], ROOM, D>,
    stack: Stack<u32, ROOM, D>,
    queue: Queue<u32, ROOM, D>,
    blocks: BlockQueue<u32, 4, ROOM, D>,
    map: Map<u32, u32, 2, ROOM, D>,
}

impl<D: Domain> Structures<D> {
    pub const fn new() -> Self {
        Self {
            cell: RcuCell::new([0; 4]),
            stack: Stack::new(),
            queue: Queue::new(),
            blocks: BlockQueue::new(),
            map: Map::new(),
        }
    }
}

/// Calls are repeated until there is no room: the deepest of them is the one
/// that finds none, and flushes.
pub fn measure<D: Domain>(all: &'static Structures<D>, rows: &mut Rows) {
    let (task, reader) = (D::register(), D::register());
    let (task, reader) = (&task.expect("free"), &reader.expect("free"));
    let guard = reader.enter();
    rows.measure("RcuCell::read", || all.cell.read(&guard)[0]);
    rows.measure("RcuCell::snapshot", || all.cell.snapshot(task)[0]);
    // A reader that keeps every version.
    rows.measure("RcuCell::replace", || {
        while all
            .cell
            .replace(task, [all.cell.read(&guard)[0]; 4])
            .is_ok()
        {}
    });
    drop(guard);
    task.flush();
    let guard = reader.enter();
    let next = |old: &[u32; 4]| old.map(|n| n + all.cell.read(&guard)[0]);
    rows.measure("RcuCell::update", || {
        while all.cell.update(task, next).is_ok() {}
    });
    drop(guard);
    task.flush();
    rows.measure("Stack::push", || while all.stack.push(task, 7).is_ok() {});
    rows.measure("Stack::pop", || while all.stack.pop(task).is_some() {});
    rows.measure("Queue::push", || while all.queue.push(task, 7).is_ok() {});
    rows.measure("Queue::pop", || while all.queue.pop(task).is_some() {});
    rows.measure("BlockQueue::push", || {
        while all.blocks.push(task, 7).is_ok() {}
    });
    rows.measure(
        "BlockQueue::pop",
        || while all.blocks.pop(task).is_some() {},
    );
    let mut keys = 0..;
    rows.measure("Map::insert", || {
        while keys
            .next()
            .is_some_and(|n| all.map.insert(task, n, n).is_ok())
        {}
    });
    let guard = reader.enter();
    rows.measure("Map::get", || all.map.get(&guard, &3).copied());
    drop(guard);
    let mut keys = 0..;
    rows.measure("Map::remove", || {
        let mut remove = |n| all.map.remove(&task.enter(), &n).is_some();
        while keys.next().is_some_and(&mut remove) {}
    });
    task.flush();
}
