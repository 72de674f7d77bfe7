//! The structures on the heap.

use super::*;
use hyaline::safe::{ArcCell, HashMap, Heap};
use std::{
    hash::{BuildHasherDefault, DefaultHasher, Hasher},
    sync::{Arc, OnceLock},
};

/// All keys meet.
#[derive(Default)]
struct Zero;

impl Hasher for Zero {
    fn finish(&self) -> u64 {
        0
    }
    fn write(&mut self, _: &[u8]) {}
}

schemes! {
    <4, 1>
    stack {
        static STACK: Stack<u64, 0, D, Heap> = Stack::in_heap();
        check_stack(&STACK);
    }

    queue {
        static QUEUE: Queue<u64, 0, D, Heap> = Queue::in_heap();
        check_queue(&QUEUE);
    }

    block_queue {
        static QUEUE: BlockQueue<u64, 2, 0, D, Heap> = BlockQueue::in_heap();
        check_block_queue(&QUEUE);
    }

    cell {
        static CELL: RcuCell<u64, 0, D, Heap> = RcuCell::in_heap(0);
        check_cell(&CELL);
    }

    arc_cell {
        static CELL: OnceLock<ArcCell<u64, D>> = OnceLock::new();
        let cell = CELL.get_or_init(|| {
            ArcCell::new(&D::register().unwrap(), Arc::new(0)).unwrap()
        });
        check::<CellModel, D>(
            choose_version,
            |handle, call| match call {
                Version::Read => *cell.load_full(handle),
                Version::Replace(value) => cell.store(handle, Arc::new(value)).map_or_else(|_| panic!("full"), |()| 0),
                Version::Update => {
                    let mut made = 0;
                    let old = cell.rcu(handle, |old| {
                        made = next(**old);
                        made
                    });
                    assert_eq!(next(*old.unwrap()), made);
                    made
                }
            },
            |handle| CellModel(*cell.swap(handle, Arc::new(0)).map(|_| cell.load_full(handle)).unwrap()),
        );
    }

    hash_map {
        static MAP: HashMap<u64, u64, BuildHasherDefault<DefaultHasher>, D> =
            HashMap::with_hasher(BuildHasherDefault::new());
        check_map!(MAP);
    }

    hash_map_of_one_hash {
        static MAP: HashMap<u64, u64, BuildHasherDefault<Zero>, D> =
            HashMap::with_hasher(BuildHasherDefault::new());
        check_map!(MAP);
    }
}
