//! The structures of the safe layer: a cell, a stack, two queues and a map, whose
//! values detect a second drop and a drop while they are read.

use crate::{
    board::{Board, Preempt},
    interrupts::{interrupted_by, sweep},
    node::{Ledger, Node},
    rendezvous::Team,
};
use hyaline::{
    Role,
    safe::{BlockQueue, Domain, Full, Guard, Handle, Map, Queue, RcuCell, Refused, Stack},
};
use portable_atomic::{AtomicUsize, Ordering};

/// Elements of each structure, and segments of the queue of blocks.
const ROOM: usize = 4;
/// Values of a segment.
const CELLS: usize = 2;
/// Slots of each domain.
pub const SLOTS: usize = 6;
/// Rounds of each core.
const ROUNDS: usize = 100_000;

/// The operations, by structure.
#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Read,
    Replace,
    Update,
    StackPush,
    StackPop,
    QueuePush,
    QueuePop,
    /// Two values: one of them begins a segment.
    BlockPush,
    BlockPop,
    Insert,
    Get,
    Remove,
}

use Operation::{
    BlockPop, BlockPush, Get, Insert, QueuePop, QueuePush, Read, Remove, Replace, StackPop,
    StackPush, Update,
};

const OPERATIONS: [Operation; 12] = [
    Read, Replace, Update, StackPush, StackPop, QueuePush, QueuePop, BlockPush, BlockPop, Insert,
    Get, Remove,
];

/// The operations of each structure.
const GROUPS: [&[Operation]; 5] = [
    &[Read, Replace, Update],
    &[StackPush, StackPop],
    &[QueuePush, QueuePop],
    &[BlockPush, BlockPop],
    &[Insert, Get, Remove],
];

/// One of each, in one domain.
pub struct Structures<D: Domain> {
    cell: RcuCell<Option<Node>, ROOM, D>,
    stack: Stack<Node, ROOM, D>,
    queue: Queue<Node, ROOM, D>,
    blocks: BlockQueue<Node, CELLS, ROOM, D>,
    /// One bucket, so that all keys are in one list.
    map: Map<usize, Node, 1, ROOM, D>,
    ledger: Ledger,
    /// How often a structure was full.
    full: AtomicUsize,
}

impl<D: Domain> Structures<D> {
    pub const fn new() -> Self {
        Self {
            cell: RcuCell::new(None),
            stack: Stack::new(),
            queue: Queue::new(),
            blocks: BlockQueue::new(),
            map: Map::new(),
            ledger: Ledger::new(),
            full: AtomicUsize::new(0),
        }
    }

    fn node(&'static self) -> Node {
        Node::new(&self.ledger)
    }

    /// Checks a value that must not change; whether there is one.
    fn look(&self, node: Option<&Node>) -> bool {
        if node.is_some_and(|node| !node.holds(2)) {
            self.ledger.note_torn();
        }
        node.is_some()
    }

    /// A value that was returned; whether there is one.
    fn taken(&self, node: Option<Node>) -> bool {
        self.look(node.as_ref());
        node.is_some()
    }

    /// Whether a value was put; if not, it was returned.
    fn put(&self, refused: Option<Node>) -> bool {
        !self.taken(refused)
    }

    /// Whether a cell was changed, and not full.
    fn changed(&self, changed: bool) -> bool {
        // Relaxed: a count, read at rest.
        self.full
            .fetch_add(usize::from(!changed), Ordering::Relaxed);
        changed
    }

    /// Whether it found something to take, or room for all that it puts.
    #[inline(never)]
    fn act<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        operation: Operation,
        key: usize,
    ) -> bool {
        match operation {
            Read => self.look(self.cell.read(&handle.enter()).as_ref()),
            Replace => self.changed(self.cell.replace(handle, Some(self.node())).is_ok()),
            Update => {
                let updated = self.cell.update(handle, |old| {
                    self.look(old.as_ref());
                    Some(self.node())
                });
                self.changed(updated.is_ok())
            }
            StackPush => self.put(
                self.stack
                    .push(handle, self.node())
                    .err()
                    .map(Full::into_inner),
            ),
            StackPop => self.taken(self.stack.pop(handle)),
            QueuePush => self.put(
                self.queue
                    .push(handle, self.node())
                    .err()
                    .map(Full::into_inner),
            ),
            QueuePop => self.taken(self.queue.pop(handle)),
            BlockPush => (0..CELLS).fold(true, |all, _| {
                let refused = self.blocks.push(handle, self.node()).err();
                all & self.put(refused.map(Full::into_inner))
            }),
            BlockPop => (0..CELLS).fold(false, |any, _| any | self.taken(self.blocks.pop(handle))),
            Insert => match self.map.insert(handle, key, self.node()) {
                Ok(()) => true,
                Err(refused) => {
                    let _ = self.changed(!matches!(refused, Refused::Full(_)));
                    self.put(Some(refused.into_inner().1))
                }
            },
            Get => self.look(self.map.get(&handle.enter(), &key)),
            Remove => self.look(self.map.remove(&handle.enter(), &key)),
        }
    }

    /// Takes everything out.
    #[inline(never)]
    fn clear(&'static self, handle: &Handle<D>) {
        for pop in [StackPop, QueuePop, BlockPop] {
            while self.act(handle, pop, 0) {}
        }
        for key in 0..ROOM {
            self.act(handle, Remove, key);
        }
        handle.flush();
    }

    /// Fills the empty queue of blocks, and takes everything out again. So it has one
    /// segment, which is used up. Returns for how many others there was room.
    #[inline(never)]
    fn use_up_blocks(&'static self, handle: &Handle<D>) -> usize {
        let room = (0..).take_while(|_| self.act(handle, BlockPush, 0)).count();
        self.clear(handle);
        room
    }

    /// Every block is free again, and no more than every block.
    #[inline(never)]
    fn capacity_is_back(&'static self, handle: &Handle<D>, label: &str) {
        let room = |put| (0..).take_while(|key| self.act(handle, put, *key)).count();
        assert_eq!(room(StackPush), ROOM, "{label}: places of the stack");
        assert_eq!(room(Insert), ROOM, "{label}: places of the map");
        // The last value that was popped from the queue left its block to the
        // dummy.
        assert_eq!(room(QueuePush), ROOM - 1, "{label}: places of the queue");
        self.clear(handle);
        self.use_up_blocks(handle);
        let room = self.use_up_blocks(handle);
        assert_eq!(room, ROOM - 1, "{label}: segments");
    }

    /// A reader keeps as many versions of the cell as there is room for.
    #[inline(never)]
    fn versions_are_back(&'static self, handle: &Handle<D>, label: &str) {
        let reader = D::register().expect("a slot is free");
        let guard: Guard<'_, D> = reader.enter();
        let mut versions = 0;
        loop {
            // In robust mode a guard holds only what it protected.
            self.look(self.cell.read(&guard).as_ref());
            if !self.act(handle, Replace, 0) {
                break;
            }
            versions += 1;
        }
        // The current version had a block before.
        assert_eq!(versions, ROOM - 1, "{label}: versions of the cell");
        drop(guard);
        drop(reader);
        self.clear(handle);
        let replaced = self.cell.replace(handle, None);
        assert!(replaced.is_ok(), "{label}: the versions do not come back");
    }

    /// Checks that every block came back; no other context is active.
    #[inline(never)]
    fn check_all_reclaimed(&'static self, label: &str) {
        let handle = D::register().expect("a slot is free");
        self.clear(&handle);
        self.capacity_is_back(&handle, label);
        // The cell's first version has its own block.
        assert!(self.act(&handle, Replace, 0), "{label}: the cell is full");
        self.clear(&handle);
        self.versions_are_back(&handle, label);
        self.clear(&handle);
        self.ledger.check(label);
    }
}

/// The handles of the task and the interrupt.
#[derive(Clone, Copy, Debug)]
pub enum Handles {
    /// One each.
    Eager,
    /// One each; nothing is reclaimed in the interrupt.
    Deferred,
    /// The handle of their CPU, which they share.
    PerCpu,
}

/// All of them.
pub const HANDLES: [Handles; 3] = [Handles::Eager, Handles::Deferred, Handles::PerCpu];

/// One core: each operation is interrupted at each of its instructions by each
/// operation on the same structure, and then by a task that collects.
pub fn by_interrupt<D: Domain>(
    all: &'static Structures<D>,
    board: &impl Preempt,
    label: &str,
    handles: Handles,
) {
    let lengths = if let Handles::PerCpu = handles {
        let cpu = D::register_per_cpu().expect("a slot is free");
        // SAFETY: one core, and the interrupt drops its guards before it returns.
        let handle = unsafe { cpu.get() };
        sweeps(all, board, handle, handle)
    } else {
        let task = D::register().expect("a slot is free");
        if let Handles::Eager = handles {
            sweeps(all, board, &task, &D::register().expect("a slot is free"))
        } else {
            let irq = D::register_deferred();
            sweeps(all, board, &task, &irq.expect("a slot is free"))
        }
    };
    all.check_all_reclaimed(label);
    let [
        read,
        replace,
        update,
        push,
        pop,
        enqueue,
        dequeue,
        put,
        take,
        insert,
        get,
        remove,
    ] = lengths;
    board.print(format_args!(
        "{label}: {handles:?} interrupt at each instruction of cell {read}, {replace}, {update}, \
         stack {push}, {pop}, queue {enqueue}, {dequeue}, blocks {put}, {take}, \
         map {insert}, {get}, {remove}"
    ));
}

fn sweeps<D: Domain, Q: Role, R: Role>(
    all: &'static Structures<D>,
    board: &impl Preempt,
    task: &Handle<D, Q>,
    irq: &Handle<D, R>,
) -> [u32; OPERATIONS.len()] {
    let idle = D::register().expect("a slot is free");
    let high = D::register().expect("a slot is free");
    // Two values everywhere, and the other blocks free. The queue of blocks, which takes time,
    // only where it is needed.
    let prepare = |group: &[Operation]| {
        task.flush();
        irq.flush();
        all.clear(&idle);
        for key in 0..2 {
            all.act(task, StackPush, key);
            all.act(task, QueuePush, key);
            all.act(task, Insert, key);
        }
        if group.contains(&BlockPush) {
            // The next push begins a segment, and the next pop retires one.
            all.use_up_blocks(&idle);
            all.act(task, BlockPush, 0);
        }
    };
    let mut lengths = [0; OPERATIONS.len()];
    for group in GROUPS {
        for mine in group {
            // The same key: 0 is there, 2 is not.
            let key = |operation| match operation {
                Insert => 2,
                _ => 0,
            };
            let mut swept = |interrupt: &dyn Fn()| {
                interrupted_by(interrupt, || {
                    let length = sweep(
                        board,
                        || prepare(group),
                        || _ = all.act(task, *mine, key(*mine)),
                    );
                    let longest = &mut lengths[*mine as usize];
                    *longest = length.max(*longest);
                });
            };
            for yours in group {
                swept(&|| {
                    all.act(irq, *yours, key(*yours));
                    high.flush();
                });
            }
            for shift in 0..ROOM {
                swept(&|| burst(all, irq, &high, group, shift));
            }
        }
    }
    prepare(&[]);
    lengths
}

/// Takes everything out, collects, and puts something else in, so that a block
/// that was freed too early is in use again, elsewhere, when the interrupted
/// operation continues (ABA).
fn burst<D: Domain, R: Role>(
    all: &'static Structures<D>,
    irq: &Handle<D, R>,
    high: &Handle<D>,
    group: &[Operation],
    shift: usize,
) {
    let [Some(put), Some(take)] = [group.first(), group.last()] else {
        return;
    };
    let [put, take] = [put, take].map(|operation| |key| _ = all.act(irq, *operation, key));
    (0..ROOM).for_each(take);
    high.flush();
    // Each allocation moves the point where a pool begins to search for a
    // block.
    for key in 0..shift {
        put(key);
        take(key);
    }
    (1..ROOM).for_each(put);
    take(1);
    put(0);
}

/// Several cores: all perform all operations. Odd cores never reclaim.
pub fn by_core<D: Domain>(
    all: &'static Structures<D>,
    board: &impl Board,
    team: &Team,
    label: &str,
) {
    team.wait(board);
    if team.core.is_multiple_of(2) {
        work(all, team.core, &D::register().expect("a slot is free"));
    } else {
        let handle = D::register_deferred();
        work(all, team.core, &handle.expect("a slot is free"));
    }
    team.leader(board, || {
        let made = all.ledger.made();
        // Relaxed: after the rendezvous.
        let full = all.full.load(Ordering::Relaxed);
        all.check_all_reclaimed(label);
        board.print(format_args!(
            "{label}: structures ok, {made} values, {full} times full"
        ));
    });
}

fn work<D: Domain, R: Role>(all: &'static Structures<D>, core: usize, handle: &Handle<D, R>) {
    let mut random = core as u32 + 1;
    for round in 0..ROUNDS {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [operation, key] = [random >> 16, random >> 24].map(|bits| bits as usize);
        // All cores on one structure, one structure after another; then on all
        // of them.
        let phase = round / (ROUNDS / (GROUPS.len() + 1));
        let group = GROUPS.get(phase).copied().unwrap_or(&OPERATIONS);
        all.act(handle, group[operation % group.len()], key % ROOM);
    }
    handle.flush();
}
